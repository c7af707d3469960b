/**
 * Reads a YAML document node by node, so that every problem has its line and column. Nothing in it becomes a plain
 * object: `__proto__` and `<<` are unknown keys like any other.
 */

import type { Node } from 'yaml'
import { isAlias, isMap, isScalar, isSeq, LineCounter } from 'yaml'
import { printable } from '../text/printable.ts'
import { didYouMean } from '../text/suggest.ts'
import type { Problem, Severity } from './model.ts'
import { readYaml } from './yaml-document.ts'

/** A node of the document, or null for nothing. */
export type YamlNode = Node | null

/** An alias spares writing a list twice; it is no way to make a small file a large directory. */
const MOST_ALIASES = 1000

/** One `key: value` of a mapping. */
export interface Field {
  readonly name: string
  readonly key: Node
  readonly value: YamlNode
}

export type Fields = ReadonlyMap<string, Field>

/**
 * @param text a text from outside
 * @returns it in double quotes, safe to print and not too long
 */
export function quoted(text: string): string {
  return `"${printable(text, 80)}"`
}

export class YamlReader {
  readonly problems: Problem[] = []
  /** The root of the document, or null when there is none or the text is no YAML. */
  readonly root: YamlNode
  /** Whether the text was YAML at all. */
  readonly readable: boolean
  readonly #file: string
  readonly #lines = new LineCounter()
  readonly #targets: ReadonlyMap<Node, Node>
  readonly #unresolved = new Set<Node>()
  #aliases = 0

  /**
   * @param text the file's text
   * @param file its name in problems
   */
  constructor(text: string, file: string) {
    this.#file = file
    const { root, problems, targets } = readYaml(text, this.#lines)
    for (const { offset, message, mend } of problems) this.#add(offset, 'error', message, mend)
    this.root = root
    this.readable = problems.length === 0
    this.#targets = targets
  }

  /** Adds a problem at a node; null is the beginning of the file. */
  report(node: YamlNode, severity: Severity, message: string, mend: string): void {
    this.#add(node?.range?.[0] ?? 0, severity, message, mend)
  }

  error(node: YamlNode, message: string, mend: string): void {
    this.report(node, 'error', message, mend)
  }

  /** @returns the line of a node, counted from 1 */
  lineOf(node: YamlNode): number {
    return Math.max(1, this.#lines.linePos(node?.range?.[0] ?? 0).line)
  }

  #add(offset: number, severity: Severity, message: string, mend: string): void {
    const { line, col } = this.#lines.linePos(offset)
    const place = { file: this.#file, line: Math.max(1, line), column: Math.max(1, col) }
    this.problems.push({ ...place, severity, message, mend })
  }

  /**
   * @param node a node that should be a mapping
   * @param what what it is called in problems, with its article
   * @param known the keys there are: another one is reported, with the one that was probably meant
   * @param refused keys that are told apart with a mend of their own
   * @returns the fields by key, or null after a report when it is no mapping
   */
  fields(
    node: YamlNode,
    what: string,
    known: readonly string[],
    refused: ReadonlyMap<string, string> = new Map(),
  ): Fields | null {
    const map = this.#follow(node)
    if (!isMap<Node, Node | null>(map)) {
      if (map !== null || node === null) {
        this.error(
          node,
          `${what} must be a group of keys, not ${kindOf(map)}`,
          `write its keys: ${known.slice(0, 3).join(', ')}`,
        )
      }
      return null
    }
    const fields = new Map<string, Field>()
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : ''
      if (fields.has(name)) {
        this.error(key, `${quoted(name)} is given twice`, 'keep one of the two')
      } else if (known.includes(name)) {
        fields.set(name, { name, key, value })
      } else {
        const meant = didYouMean(name, known)
        const mend = meant === null ? `known are ${known.slice(0, 8).join(', ')}` : `did you mean ${meant}?`
        this.error(key, `unknown key ${quoted(name)} in ${what}`, refused.get(name) ?? mend)
      }
    }
    return fields
  }

  /** @returns the items of a list, none for a field that is not there; null after a report when it is no list */
  items(field: Field | undefined): YamlNode[] | null {
    if (field === undefined) return []
    const { list, unresolved } = this.#value(field)
    if (isSeq<Node | null>(list)) return list.items
    if (!unresolved) {
      const one = sourceOf(list)
      this.error(
        one === null ? field.key : list,
        `${field.name} must be a list, not ${kindOf(list)}`,
        one === null ? 'write [] for none, or remove the key' : `write ${field.name}: [${quoted(one)}]`,
      )
    }
    return null
  }

  /** @returns the text of a field, or null after a report when it is none */
  text(field: Field): string | null {
    return this.itemText(field.value, field.name, field.key)
  }

  /** @returns the text of a list's item, or null after a report when it is none */
  itemText(node: YamlNode, what: string, place: YamlNode = null): string | null {
    const scalar = this.#follow(node)
    if (scalar === null && node !== null) return null
    if (isScalar(scalar) && typeof scalar.value === 'string' && scalar.value !== '') return scalar.value
    const source = sourceOf(scalar)
    this.error(
      source === null ? (place ?? node) : scalar,
      `${what} must be a text, not ${kindOf(scalar)}`,
      source === null ? 'write a text' : `put it in quotes: ${quoted(source)}`,
    )
    return null
  }

  /** @returns true or false, the default when the field is not there, also after a report when it is neither */
  flag(fields: Fields, name: string, otherwise: boolean): boolean {
    const field = fields.get(name)
    if (field === undefined) return otherwise
    const { list: scalar, unresolved } = this.#value(field)
    if (isScalar(scalar) && typeof scalar.value === 'boolean') return scalar.value
    if (!unresolved) {
      const source = sourceOf(scalar)
      this.error(
        source === null ? field.key : scalar,
        `${name} must be true or false, not ${source === null ? kindOf(scalar) : quoted(source)}`,
        meantFlag(source ?? ''),
      )
    }
    return otherwise
  }

  /** @returns a comment as it is written, or null when there is none; whatever stands there is fine */
  comment(fields: Fields): string | null {
    const node = this.#follow(fields.get('comment')?.value ?? null)
    if (!isScalar(node) || node.value === null) return null
    return typeof node.value === 'string' ? node.value : (sourceOf(node) ?? null)
  }

  /** @returns whether there is no value: nothing after the key, or null */
  isNothing(node: YamlNode): boolean {
    return node === null || (isScalar(node) && node.value === null)
  }

  #value({ value }: Field): { list: YamlNode; unresolved: boolean } {
    const list = this.#follow(value)
    return { list, unresolved: list === null && value !== null }
  }

  /** What an alias stands for, any other node itself; null after a report when the alias stands for nothing. */
  #follow(node: YamlNode): YamlNode {
    if (!isAlias(node)) return node
    this.#aliases++
    if (this.#aliases > MOST_ALIASES) {
      if (this.#aliases === MOST_ALIASES + 1)
        this.error(node, `more than ${MOST_ALIASES} aliases (*name) are used`, 'write the values out')
      return null
    }
    const target = this.#targets.get(node)
    if (target !== undefined) return target
    if (this.#unresolved.has(node)) return null
    this.#unresolved.add(node)
    const text = `*${printable(node.source, 80)}`
    this.error(
      node,
      `${text} without quotes is a YAML alias, and nothing has that anchor`,
      `write it in quotes: "${text}"`,
    )
    return null
  }
}

/** PowerShell's $true and YAML 1.1's yes are what people write. */
function meantFlag(text: string): string {
  if (/^\$?(?:true|yes|on|1)$/i.test(text)) return 'write true, without quotes'
  if (/^\$?(?:false|no|off|0)$/i.test(text)) return 'write false, without quotes'
  return 'write true or false'
}

/** A scalar as it is written, without its quotes; null for nothing and for what is no scalar. */
function sourceOf(node: YamlNode): string | null {
  return isScalar(node) && node.value !== null && node.source !== undefined && node.source !== ''
    ? node.source
    : null
}

/** What a node is, as an administrator would call it. */
function kindOf(node: YamlNode): string {
  if (isSeq(node)) return 'a list'
  if (isMap(node)) return 'a group of keys'
  const source = sourceOf(node)
  if (source === null) return 'nothing'
  return isScalar(node) && typeof node.value === 'string' ? quoted(source) : printable(source, 80)
}
