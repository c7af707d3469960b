/** The embedded store: `config/organizations.yaml`, validated whole, live within a second of a save. */

import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { printable } from '../text/printable.ts'
import { authorityFiles } from './authority-files.ts'
import type { Directory, DirectorySummary } from './directory.ts'
import { describeCounts } from './directory.ts'
import type { MemoryDirectory } from './memory-directory.ts'
import { buildDirectory } from './memory-directory.ts'
import type { Organization, Problem } from './model.ts'
import { formatProblem } from './model.ts'
import { parseOrganizations } from './schema.ts'
import { messageOf } from '../text/message-of.ts'

/** Problems that are logged for one save; `connectorctl check` shows them all. */
const MOST_PROBLEMS = 20

export interface StoreLog {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

export interface FileStoreOptions {
  /** The YAML file. */
  readonly path: string
  readonly log: StoreLog
  /** How often the file is looked at. A change counts after two looks that agree. */
  readonly pollMilliseconds?: number
  /** Called after a changed file was taken over. */
  readonly onChange?: (summary: DirectorySummary) => void
}

/** The file cannot be used; the message has every problem, one a line. */
export class DirectoryFileError extends Error {
  override readonly name = 'DirectoryFileError'
  readonly problems: readonly Problem[]
  /** Files that it names, there or not: a change of one may mend it. */
  readonly files: readonly string[]

  /**
   * @param problems what is wrong with the file, at least one error
   * @param files files that it names
   */
  constructor(problems: readonly Problem[], files: readonly string[], options?: ErrorOptions) {
    super(problems.map((problem) => formatProblem(problem)).join('\n'), options)
    this.problems = problems
    this.files = files
  }
}

/**
 * @param options the file and where to report
 * @returns the directory, kept up to date until it is closed; closing does not keep it from answering
 * @throws DirectoryFileError when the file is missing or cannot be used
 */
export async function openFileDirectory(options: FileStoreOptions): Promise<Directory> {
  const { path, log, pollMilliseconds = 200 } = options
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  const first = interpret(path, bytes)
  logWarnings(log, first.warnings)
  const watched = new WatchedFile(options, first)
  let timer: NodeJS.Timeout | null = null
  let looking: Promise<void> = Promise.resolve()
  let closed = false
  const schedule = (): void => {
    if (closed) return
    timer = setTimeout(() => {
      // Only a log that throws gets here: there is nobody left to tell.
      looking = watched
        .look()
        .catch(() => undefined)
        .then(schedule)
    }, pollMilliseconds)
    timer.unref()
  }
  schedule()
  return {
    ...answering(() => watched.directory),
    close: async () => {
      closed = true
      if (timer !== null) clearTimeout(timer)
      await looking
    },
  }
}

function answering(current: () => MemoryDirectory): Omit<Directory, 'close'> {
  return {
    ask: (question) => Promise.resolve(current().ask(question)),
    summary: () => current().summary,
  }
}

/** What is in force, and what the file was seen to be. */
class WatchedFile {
  directory: MemoryDirectory
  readonly #options: FileStoreOptions
  /** Files of CAs that the YAML file names, as it was last read. */
  #files: readonly string[]
  /** The state that was dealt with; none at first, since the file may have changed while it was opened. */
  #settled: string | null = null
  #pending: string | null = null
  /** What was last complained about: the same text, or the same absence, is reported once. */
  #complaint: string | null = null

  constructor(options: FileStoreOptions, { directory, files }: Interpreted) {
    this.#options = options
    this.directory = directory
    this.#files = files
  }

  /** One look at the file. Never rejects: what goes wrong is logged, and what was in force stays. */
  async look(): Promise<void> {
    try {
      const state = await this.#state()
      if (state === this.#settled) {
        this.#pending = null
      } else if (state !== this.#pending) {
        // A file that is being written changes from look to look: only one that has come to rest is believed.
        this.#pending = state
      } else {
        await this.#read(state)
      }
    } catch (error) {
      this.#options.log.error(`${shortName(this.#options.path)} cannot be watched: ${whyOf(error)}`)
    }
  }

  async #state(): Promise<string> {
    const states = await Promise.all([this.#options.path, ...this.#files].map((path) => stateOf(path)))
    return states.join('\n')
  }

  async #read(state: string): Promise<void> {
    const { path, log } = this.#options
    const read = await readFile(path).catch((error: unknown) => unreadable(path, error))
    // Written while it was read: the next looks begin anew.
    if ((await this.#state()) !== state) return
    this.#settled = state
    if (read instanceof DirectoryFileError) {
      this.#complain(listed(read))
      return
    }
    const changed = this.#interpret(read)
    if (changed === null) return
    // Other files are looked at from now on: their state is another one, and settled by the next looks.
    this.#files = changed.files
    if (changed.directory.summary.revision !== this.directory.summary.revision) {
      this.#takeOver(changed)
    } else if (this.#complaint !== null) {
      this.#complaint = null
      log.info(`${shortName(path)} is again what is in force`)
    }
  }

  #interpret(bytes: Buffer): Interpreted | null {
    try {
      return interpret(this.#options.path, bytes)
    } catch (error) {
      if (error instanceof DirectoryFileError) this.#files = error.files
      this.#complain(error instanceof DirectoryFileError ? listed(error) : whyOf(error))
      return null
    }
  }

  #takeOver(changed: Interpreted): void {
    const { log, onChange, path } = this.#options
    this.directory = changed.directory
    this.#complaint = null
    log.info(`${shortName(path)} is in force: ${describe(changed.directory.summary)}`)
    logWarnings(log, changed.warnings)
    onChange?.(changed.directory.summary)
  }

  #complain(what: string): void {
    if (what === this.#complaint) return
    this.#complaint = what
    const { revision } = this.directory.summary
    this.#options.log.error(
      `${shortName(this.#options.path)} cannot be used, revision ${revision} stays in force: ${what}`,
    )
  }
}

/** The problems in one line of the log, and not a book of them. */
function listed({ problems }: DirectoryFileError): string {
  const shown = problems.slice(0, MOST_PROBLEMS).map((problem) => formatProblem(problem))
  const more = problems.length - shown.length
  if (more > 0) shown.push(`and ${more} more: run connectorctl check`)
  return shown.join('; ')
}

interface Interpreted {
  readonly directory: MemoryDirectory
  readonly warnings: readonly Problem[]
  /** Files of CAs that it names. */
  readonly files: readonly string[]
}

function interpret(path: string, bytes: Buffer): Interpreted {
  const file = shortName(path)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new DirectoryFileError([wholeFile(path, 'the file is no UTF-8 text', 'save it as UTF-8')], [], {
      cause: error,
    })
  }
  const authorities = authorityFiles(dirname(path))
  const { organizations, errors, warnings } = parseOrganizations(text, file, authorities.read)
  const files = [...authorities.paths]
  if (errors.length > 0) throw new DirectoryFileError(errors, files)
  return { directory: buildDirectory(organizations, revisionOf(bytes, organizations)), warnings, files }
}

/** Another one for other content, that of the CAs included. */
function revisionOf(bytes: Buffer, organizations: readonly Organization[]): string {
  const hash = createHash('sha256').update(bytes)
  for (const { inboundConnectors, outboundConnectors } of organizations) {
    for (const { trust } of [...inboundConnectors, ...outboundConnectors]) hash.update(trust?.key ?? '')
  }
  return hash.digest('hex').slice(0, 12)
}

function unreadable(path: string, error: unknown): DirectoryFileError {
  const { code } = error as NodeJS.ErrnoException
  const missing = code === 'ENOENT'
  const message = missing ? 'the file is missing' : `the file cannot be read: ${code ?? whyOf(error)}`
  const mend = missing
    ? 'write one with "organizations: []", or take the example that connectorctl init DIR --demo writes'
    : 'make it readable for the user that the server runs as'
  return new DirectoryFileError([wholeFile(path, message, mend)], [], { cause: error })
}

function wholeFile(path: string, message: string, mend: string): Problem {
  return { file: shortName(path), line: 0, column: 0, severity: 'error', message, mend }
}

/** What changes when the file does, also when an editor puts another in its place. */
async function stateOf(path: string): Promise<string> {
  try {
    const { mtimeNs, ctimeNs, size, ino, dev } = await stat(path, { bigint: true })
    return [mtimeNs, ctimeNs, size, ino, dev].join(' ')
  } catch (error) {
    return `no file: ${(error as NodeJS.ErrnoException).code ?? whyOf(error)}`
  }
}

function whyOf(error: unknown): string {
  return printable(messageOf(error))
}

/** Notices are for `connectorctl check`: nobody wants them in the log at every save. */
function logWarnings(log: StoreLog, problems: readonly Problem[]): void {
  const warnings = problems.filter(({ severity }) => severity === 'warning')
  for (const problem of warnings.slice(0, MOST_PROBLEMS)) log.warn(formatProblem(problem))
  const more = warnings.length - MOST_PROBLEMS
  if (more > 0) log.warn(`and ${more} more warnings: run connectorctl check`)
}

function describe(summary: DirectorySummary): string {
  return `${describeCounts(summary)}, revision ${summary.revision}`
}

/** As an administrator names it: config/organizations.yaml. */
function shortName(path: string): string {
  return join(basename(dirname(path)), basename(path))
}
