/** Changes to `config/organizations.yaml`, as `DirectoryEditor` wants them. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { AcceptedDomain } from '../../policy/types.ts'
import { messageOf } from '../../text/message-of.ts'
import { authorityFiles } from '../authority-files.ts'
import { canonical, connectorDifference, domainDifference, isOtherwiseItself } from '../difference.ts'
import { indexDomains } from '../domain-index.ts'
import type { DirectoryEditor, EditWritten, StoredOrganization, WantedOrganization } from '../editor.ts'
import { staleOrganization } from '../editor.ts'
import type { Organization, Problem } from '../model.ts'
import { formatProblem, nameKey } from '../model.ts'
import { parseOrganizations } from '../schema.ts'
import { changeFile } from './locked-file.ts'
import type { TextEdit } from './text-edits.ts'
import { editText } from './text-edits.ts'

const BYTE_ORDER_MARK = '\uFEFF'

/** The change would make a file that is refused, or cannot be written. */
export class FileEditRefused extends Error {
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
    read: async (key) => file.stored(await file.load(), key),
    domains: async (names) => file.domains(await file.load(), names),
    replace: (wanted) => file.replace(wanted),
    confirm: () => Promise.resolve(0),
    close: () => undefined,
  }
}

interface Snapshot {
  readonly bytes: Buffer
  readonly text: string
  readonly organizations: readonly Organization[]
}

class OrganizationsFile {
  readonly #path: string
  readonly #name: string
  #last: Snapshot | null = null

  constructor(path: string) {
    this.#path = path
    this.#name = join(basename(dirname(path)), basename(path))
  }

  async load(): Promise<Snapshot> {
    const bytes = await readFile(this.#path).catch((error: unknown) => {
      throw this.#unreadable(error)
    })
    if (this.#last?.bytes.equals(bytes) !== true) this.#last = this.#snapshot(bytes)
    return this.#last
  }

  stored({ organizations }: Snapshot, key: string): StoredOrganization | null {
    const organization = organizations.find(({ name }) => nameKey(name) === key)
    return organization === undefined ? null : { organization, revision: revisionOf(organization) }
  }

  domains({ organizations }: Snapshot, names: readonly string[]): Map<string, AcceptedDomain> {
    const index = indexDomains(organizations.flatMap(({ acceptedDomains }) => acceptedDomains))
    return new Map(
      names.flatMap((name) => {
        const record = index.get(name)
        return record === undefined ? [] : [[name, record] as const]
      }),
    )
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
    }).catch((error: unknown) => {
      throw this.#unwritable(error)
    })
    return written
  }

  #edit(before: Snapshot, { after, expected, nameKey: key }: WantedOrganization): TextEdit {
    const stored = this.stored(before, key)
    if ((stored?.revision ?? null) !== expected) {
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
    return { bytes, text, organizations }
  }

  #authorities(): ReturnType<typeof authorityFiles>['read'] {
    return authorityFiles(dirname(this.#path)).read
  }

  #unreadable(error: unknown): FileEditRefused {
    const { code } = error as NodeJS.ErrnoException
    const mend = code === 'ENOENT' ? 'write one with "organizations: []"' : 'make it readable for this user'
    return new FileEditRefused(`${this.#name} cannot be read: ${code ?? messageOf(error)}; ${mend}`)
  }

  #unwritable(error: unknown): unknown {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) return error
    if (code === 'ENOENT') return this.#unreadable(error)
    const mend = WRITE_MENDS.get(code) ?? 'see that this user can write the file and its folder'
    return new FileEditRefused(`${this.#name} cannot be written: ${code}; nothing was changed; ${mend}`, {
      cause: error,
    })
  }
}

const WRITE_MENDS = new Map([
  ['ENOSPC', 'make room on the disk'],
  ['EDQUOT', 'make room within the quota'],
  ['EROFS', 'the file system is read-only: change the file where it is made'],
  ['EBUSY', 'it is mounted as a single file: mount its folder instead, or change it where it is made'],
])

/** Where a problem stands in a file that was never written helps nobody. */
function messageOfProblems(problems: readonly Problem[]): string {
  return problems.map(({ message, mend }) => (mend === '' ? message : `${message} (${mend})`)).join('\n')
}

function revisionOf(organization: Organization): string {
  return createHash('sha256').update(canonical(organization)).digest('hex').slice(0, 16)
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
    return [domainDifference(change), connectorDifference(change)].every(
      ({ added, changed, removed }) => added.length + changed.length + removed.length === 0,
    )
  })
}
