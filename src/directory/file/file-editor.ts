/** Changes to `config/organizations.yaml`, as `DirectoryEditor` wants them. */

import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { messageOf } from '../../text/message-of.ts'
import { authorityFiles } from '../authority-files.ts'
import {
  canonical,
  connectorDifference,
  domainDifference,
  isOtherwiseItself,
  outboundConnectorDifference,
} from '../difference.ts'
import type { DirectoryEditor, EditWritten, WantedOrganization } from '../editor.ts'
import { staleOrganization } from '../editor.ts'
import type { Organization, Problem } from '../model.ts'
import { formatProblem, nameKey } from '../model.ts'
import { parseOrganizations } from '../schema.ts'
import { changeFile } from './locked-file.ts'
import type { Seen } from './snapshot.ts'
import { isSameFile, look, Snapshot } from './snapshot.ts'
import type { TextEdit } from './text-edits.ts'
import { editText } from './text-edits.ts'

const BYTE_ORDER_MARK = '\uFEFF'

/** The change would make a file that is refused, or cannot be written. */
class FileEditRefused extends Error {
  override readonly name = 'FileEditRefused'
}

/**
 * @param path the YAML file
 * @returns an editor of it; what it reads is the file as it is at that moment
 * @throws FileEditRefused with every problem, one a line, when the file cannot be used
 */
export async function openFileEditor(path: string): Promise<DirectoryEditor> {
  const file = new OrganizationsFile(path)
  await file.load()
  return {
    store: 'file',
    mostRecords: null,
    state: async () =>
      createHash('sha256')
        .update((await file.load()).bytes)
        .digest('hex'),
    isMissing: () => Promise.resolve(false),
    begin: () => Promise.resolve(null),
    names: async function* names() {
      for (const { name } of (await file.load()).organizations) yield nameKey(name)
    },
    read: async (key) => (await file.load()).stored(key),
    domains: async (names) => (await file.load()).domains(names),
    replace: (wanted) => file.replace(wanted),
    confirm: () => Promise.resolve(0),
    close: () => undefined,
  }
}

class OrganizationsFile {
  readonly #path: string
  readonly #name: string
  #last: { readonly snapshot: Snapshot; readonly seen: Seen | null } | null = null

  constructor(path: string) {
    this.#path = path
    this.#name = join(basename(dirname(path)), basename(path))
  }

  /** What was read counts as long as the file is the same by its inode, size and times, or by its bytes. */
  async load(): Promise<Snapshot> {
    try {
      const seen = await look(this.#path)
      if (this.#last !== null && seen !== null && isSameFile(this.#last.seen, seen))
        return this.#last.snapshot
      const bytes = await readFile(this.#path)
      const isKnown = this.#last?.snapshot.bytes.equals(bytes) === true
      this.#last = {
        snapshot: this.#last !== null && isKnown ? this.#last.snapshot : this.#snapshot(bytes),
        seen,
      }
      return this.#last.snapshot
    } catch (error) {
      throw error instanceof FileEditRefused ? error : await this.#unreadable(error)
    }
  }

  async replace(wanted: readonly WantedOrganization[]): Promise<EditWritten | null> {
    let written: EditWritten | null = null
    await changeFile(this.#path, (bytes) => {
      const before = this.#snapshot(bytes)
      const edits = wanted.map((one) => this.#edit(before, one)).filter((edit) => isDifferent(edit))
      if (edits.length === 0) return null
      const text = this.#edited(before, edits)
      const after = Buffer.from(before.text === bytes.toString('utf8') ? text : BYTE_ORDER_MARK + text)
      written = { revision: createHash('sha256').update(after).digest('hex').slice(0, 12), replicas: 0 }
      return after
    }).catch(async (error: unknown) => {
      throw await this.#unwritable(error)
    })
    return written
  }

  #edit(before: Snapshot, { after, expected, nameKey: key }: WantedOrganization): TextEdit {
    const stored = before.stored(key)
    if ((stored?.revision ?? null) !== expected) {
      // A file of CAs may be another one, with the same organizations.yaml.
      this.#last = null
      throw staleOrganization(stored?.organization.name ?? after?.name ?? key)
    }
    return { before: stored?.organization ?? null, after }
  }

  /** What comes out is read again: it must be a valid file, and say what was wanted and nothing else. */
  #edited(before: Snapshot, edits: readonly TextEdit[]): string {
    const wanted = expectedAfter(before.organizations, edits)
    let problems: readonly Problem[] = []
    for (const text of editText(before.text, edits)) {
      const { errors, organizations } = parseOrganizations(text, this.#name, this.#authorities())
      if (errors.length === 0 && isSame(organizations, wanted)) return text
      problems = errors
    }
    throw new FileEditRefused(
      problems.length > 0
        ? messageOfProblems(problems)
        : `${this.#name} cannot be changed by a command without changing something else (aliases, for instance, share a record): edit it by hand`,
    )
  }

  #snapshot(bytes: Buffer): Snapshot {
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      throw new FileEditRefused(`${this.#name} is no UTF-8 text: save it as UTF-8`)
    }
    const { errors, organizations } = parseOrganizations(text, this.#name, this.#authorities())
    if (errors.length > 0)
      throw new FileEditRefused(errors.map((problem) => formatProblem(problem)).join('\n'))
    return new Snapshot(bytes, text, organizations)
  }

  #authorities(): ReturnType<typeof authorityFiles>['read'] {
    return authorityFiles(dirname(this.#path)).read
  }

  async #unreadable(error: unknown): Promise<FileEditRefused> {
    const { code } = error as NodeJS.ErrnoException
    const mend = (await this.#isMissing(error))
      ? 'write one with "organizations: []"'
      : code === 'ENOENT'
        ? 'it is there again: try again'
        : 'make it readable for this user'
    return new FileEditRefused(`${this.#name} cannot be read: ${code ?? messageOf(error)}; ${mend}`)
  }

  async #unwritable(error: unknown): Promise<unknown> {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) return error
    if (await this.#isMissing(error)) return this.#unreadable(error)
    const mend = WRITE_MENDS.get(code) ?? 'see that this user can write the file and its folder'
    return new FileEditRefused(`${this.#name} cannot be written: ${code}; nothing was changed; ${mend}`, {
      cause: error,
    })
  }

  /** Whoever writes a new one over one that is there loses the directory. */
  async #isMissing(error: unknown): Promise<boolean> {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return false
    return stat(this.#path).then(
      () => false,
      (why: unknown) => (why as NodeJS.ErrnoException).code === 'ENOENT',
    )
  }
}

const WRITE_MENDS = new Map([
  ['ENOENT', 'a file went away meanwhile: try again'],
  ['ENOSPC', 'make room on the disk'],
  ['EDQUOT', 'make room within the quota'],
  ['EROFS', 'the file system is read-only: change the file where it is made'],
  ['EBUSY', 'it is mounted as a single file: mount its folder instead, or change it where it is made'],
])

/** Where a problem stands in a file that was never written helps nobody. */
function messageOfProblems(problems: readonly Problem[]): string {
  return problems.map(({ message, mend }) => (mend === '' ? message : `${message} (${mend})`)).join('\n')
}

function isDifferent({ before, after }: TextEdit): boolean {
  return canonical({ of: before }) !== canonical({ of: after })
}

function expectedAfter(organizations: readonly Organization[], edits: readonly TextEdit[]): Organization[] {
  const edited = new Map(
    edits.flatMap(({ after, before }) => (before === null ? [] : [[before, after] as const])),
  )
  const kept = organizations.flatMap((organization) => {
    const after = edited.get(organization)
    return after === undefined ? [organization] : after === null ? [] : [after]
  })
  return [
    ...kept,
    ...edits.flatMap(({ after, before }) => (before === null && after !== null ? [after] : [])),
  ]
}

/** The order of records plays no part, but for that of organisations. */
function isSame(left: readonly Organization[], right: readonly Organization[]): boolean {
  if (left.length !== right.length) return false
  return left.every((before, index) => {
    const change = { before, after: right[index] ?? null }
    if (isOtherwiseItself(change)) return false
    const differences = [
      domainDifference(change),
      connectorDifference(change),
      outboundConnectorDifference(change),
    ]
    return differences.every(
      ({ added, changed, removed }) => added.length + changed.length + removed.length === 0,
    )
  })
}
