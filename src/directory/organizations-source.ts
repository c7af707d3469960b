/**
 * A file of organisations, one at a time: what is small is read and checked whole, as the file store does; what is
 * large is cut at the items of its list, so that memory holds the largest organisation and not all of them.
 */

import { createReadStream, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { authorityFiles } from './authority-files.ts'
import type { Organization, Problem } from './model.ts'
import { nameKey } from './model.ts'
import { parseOrganizations } from './schema.ts'

/** Up to here a file is read whole: aliases from one organisation to another work, and every error shows at once. */
const READ_WHOLE = 8 * 1024 * 1024

/** How an item of a list begins; the dash may stand alone on its line. */
const ITEM = /^( *)-(?:\s|$)/

export interface SourceItem {
  readonly organization: Organization
  /** Warnings and notices. */
  readonly warnings: readonly Problem[]
  /** Bytes of the file that were read so far, about. */
  readonly read: number
}

/** The file cannot be used. */
export class SourceError extends Error {
  override readonly name = 'SourceError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super('the file cannot be used')
    this.problems = problems
  }
}

export class OrganizationsSource {
  readonly path: string
  readonly bytes: number
  readonly #readAuthorities
  readonly #readWhole: number

  /**
   * @param path the YAML file; CAs that it names lie under its folder
   * @param readWhole bytes up to which it is read whole
   * @throws the system's error when it is not there
   */
  constructor(path: string, readWhole = READ_WHOLE) {
    this.path = path
    this.bytes = statSync(path).size
    this.#readAuthorities = authorityFiles(dirname(path)).read
    this.#readWhole = readWhole
  }

  /**
   * @returns the organisations in the order of the file
   * @throws SourceError with all errors of the file, or of the organisation that was reached
   */
  async *organizations(): AsyncGenerator<SourceItem> {
    if (this.bytes <= this.#readWhole) {
      const { organizations, warnings } = this.#parse(await readFile(this.path, 'utf8'), 0)
      for (const [index, organization] of organizations.entries()) {
        yield { organization, warnings: index === 0 ? warnings : [], read: this.bytes }
      }
      return
    }
    const seen = new Set<string>()
    for await (const { text, line, read } of this.#chunks()) {
      const { organizations, warnings } = this.#parse(`organizations:\n${text}`, line - 2)
      const [organization] = organizations
      // Nothing may be lost between one item and the next.
      if (organization === undefined || organizations.length > 1) {
        const mend = 'write it as connectorctl export does'
        throw new SourceError([this.#problem(line, 'this is not one organisation', mend)])
      }
      const key = nameKey(organization.name)
      if (seen.has(key)) {
        const message = `organisation "${organization.name}" is given twice`
        throw new SourceError([this.#problem(line, message, 'keep one of the two')])
      }
      seen.add(key)
      yield { organization, warnings, read }
    }
  }

  #parse(
    text: string,
    linesBefore: number,
  ): { organizations: readonly Organization[]; warnings: readonly Problem[] } {
    const { organizations, errors, warnings } = parseOrganizations(text, this.path, this.#readAuthorities)
    const moved = (problems: readonly Problem[]): Problem[] =>
      problems.map((problem) => ({
        ...problem,
        line: problem.line === 0 ? 0 : Math.max(1, problem.line + linesBefore),
      }))
    if (errors.length > 0) throw new SourceError(moved(errors))
    // What is registered elsewhere in the file is not known here.
    return { organizations, warnings: linesBefore === 0 ? warnings : [] }
  }

  /** The text of each item of `organizations:`, with the line on which it begins, counted from 1. */
  async *#chunks(): AsyncGenerator<{ text: string; line: number; read: number }> {
    const input = createInterface({ input: createReadStream(this.path), crlfDelay: Infinity })
    let number = 0
    let read = 0
    let begun = false
    let dash: string | null = null
    let from = 0
    let lines: string[] = []
    for await (const line of input) {
      number++
      read += Buffer.byteLength(line) + 1
      if (!begun) {
        begun = this.#begins(line, number)
        continue
      }
      const indent = ITEM.exec(line)?.[1]
      dash ??= indent ?? null
      if (dash !== null && indent === dash) {
        if (lines.length > 0) yield { text: lines.join('\n'), line: from, read }
        lines = []
        from = number
      } else this.#goesOn(line, number)
      if (dash !== null) lines.push(line)
    }
    if (lines.length > 0) yield { text: lines.join('\n'), line: from, read }
  }

  #goesOn(line: string, number: number): void {
    if (!/^[^\s#-]/.test(line)) return
    const mend = 'keep nothing but organisations in it'
    throw new SourceError([this.#problem(number, 'the list of organisations ends here', mend)])
  }

  #begins(line: string, number: number): boolean {
    if (/^organizations:\s*(?:#.*)?$/.test(line)) return true
    if (/^\s*(?:#.*)?$|^---\s*$|^%YAML/.test(line)) return false
    throw new SourceError([
      this.#problem(
        number,
        'a file of this size must begin with "organizations:", and list one organisation after the other',
        'write it as connectorctl export does',
      ),
    ])
  }

  #problem(line: number, message: string, mend: string): Problem {
    return { file: this.path, line, column: 1, severity: 'error', message, mend }
  }
}
