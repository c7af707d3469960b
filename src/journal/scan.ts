/**
 * Reads the journals of several nodes fast, in the order of time and each decision once: what `impact` replays and
 * `remove` and `doctor` count. Memory is for the files that overlap in time, however many there are.
 */

import type { JournalCoverage } from './coverage.ts'
import { completeSince, earliestOf, later, removedUntil } from './coverage.ts'
import { CursorHeap } from './cursor-heap.ts'
import { EachOnce } from './each-once.ts'
import type { JournalFile } from './journal-files.ts'
import { distinctDirectories, listJournal, lookAt } from './journal-files.ts'
import type { LineKind } from './line-kind.ts'
import { DECISIONS } from './line-kind.ts'
import type { Reading } from './record-cursor.ts'
import { CHUNK_BYTES, RecordCursor } from './record-cursor.ts'
import type { JournalLine, JournalRecord } from './record.ts'

/** Which records are wanted: from `since` on, and before `until`. */
export interface JournalPeriod {
  readonly since?: Date
  readonly until?: Date
}

export interface JournalScan<Line extends JournalLine = JournalRecord> {
  /** The records, the oldest first, some hundreds at a time. Can be gone through once. */
  readonly batches: AsyncGenerator<readonly Line[], void, undefined>
  /** @returns what each folder had to say, in the order in which they were named; whole after the last batch */
  coverage(): readonly JournalCoverage[]
  /** @returns how much of it is read, from 0 to 1 */
  share(): number
}

/** Records that are handed over at once. */
const BATCH = 500

/** Files that are looked at at once. */
const AT_ONCE = 16

/**
 * @param directories journal folders, each one node's or a copy of it; one that is named twice, by whatever name, is
 *   read once, and a decision that several of them hold is handed over once
 * @param period which records are wanted
 * @param damaged told the file of each whole line that is no record; lines that are older than the period are not
 *   looked at
 * @returns the decisions and what is known of each folder; a missing folder holds nothing
 */
export function scanJournal(
  directories: readonly string[],
  period: JournalPeriod = {},
  damaged: (file: string) => void = () => undefined,
): JournalScan {
  return scanLines(DECISIONS, directories, period, damaged)
}

/**
 * As `scanJournal`, for other lines as well.
 * @param kind which lines are wanted
 */
export function scanLines<Line extends JournalLine>(
  kind: LineKind<Line>,
  directories: readonly string[],
  period: JournalPeriod = {},
  damaged: (file: string) => void = () => undefined,
): JournalScan<Line> {
  const scan = new Scan(kind, period, damaged)
  return {
    batches: scan.batches(directories),
    coverage: () => scan.coverage(),
    share: () => scan.share(),
  }
}

/** One folder while it is read. */
interface Node {
  readonly index: number
  readonly directory: string
  readonly files: readonly JournalFile[]
  completeSince: string | null
  latest: string | null
  records: number
  repeated: number
  damaged: number
}

/** One file while it is read. */
class Source<Line extends JournalLine> {
  readonly node: Node
  readonly cursor: RecordCursor<Line>
  readonly order: number

  constructor(node: Node, cursor: RecordCursor<Line>, order: number) {
    this.node = node
    this.cursor = cursor
    this.order = order
  }

  get key(): string {
    return this.cursor.key
  }
}

interface Waiting {
  readonly node: Node
  readonly file: JournalFile
  /** Of records of the same time those of the first file come first. */
  readonly order: number
}

class Scan<Line extends JournalLine> {
  readonly #kind: LineKind<Line>
  readonly #period: JournalPeriod
  readonly #damaged: (file: string) => void
  readonly #since: string | null
  readonly #until: string | null
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  readonly #open = new CursorHeap<Source<Line>>()
  #nodes: readonly Node[] = []
  #bytes = 0
  #read = 0

  constructor(kind: LineKind<Line>, period: JournalPeriod, damaged: (file: string) => void) {
    this.#kind = kind
    this.#period = period
    this.#damaged = damaged
    this.#since = period.since?.toISOString() ?? null
    this.#until = period.until?.toISOString() ?? null
  }

  coverage(): JournalCoverage[] {
    return this.#nodes.map(({ files, index: _index, ...node }) => ({
      ...node,
      files: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      earliest: earliestOf(files),
    }))
  }

  share(): number {
    return this.#bytes === 0 ? 1 : Math.min(1, this.#read / this.#bytes)
  }

  async *batches(directories: readonly string[]): JournalScan<Line>['batches'] {
    const distinct = await distinctDirectories(directories)
    this.#nodes = await Promise.all(distinct.map((name, index) => openNode(name, index)))
    const waiting = this.#toRead()
    const once = this.#nodes.length > 1 ? new EachOnce(this.#kind) : null
    let batch: Line[] = []
    try {
      for (;;) {
        await this.#openDue(waiting)
        const source = this.#open.first
        if (source === undefined) break
        const { cursor, node } = source
        const { record } = cursor
        if (record !== undefined) {
          if (once === null || once.isNew(node.index, cursor.key, record)) {
            node.records += 1
            batch.push(record)
          } else node.repeated += 1
        }
        if (!cursor.next() && !(await cursor.more())) {
          this.#open.removeFirst()
          await finish(source)
        } else this.#open.moveFirst()
        if (batch.length >= BATCH) {
          yield batch
          batch = []
        }
      }
      if (batch.length > 0) yield batch
    } finally {
      for (const { cursor } of this.#open.items) await cursor.close()
    }
  }

  /** Files that may hold wanted records, the earliest last. */
  #toRead(): Waiting[] {
    const { since } = this.#period
    const files = this.#nodes.flatMap((node) => node.files.map((file) => ({ node, file })))
    const all = files.map((file, order) => ({ ...file, order }))
    const wanted = all.filter(({ file }) => since === undefined || !isOlder(file, since))
    this.#bytes = wanted.reduce((sum, { file }) => sum + file.bytes, 0)
    return wanted.toSorted((left, right) => compare(right.file.first ?? '', left.file.first ?? ''))
  }

  /** Opens the files that begin before what comes next. */
  async #openDue(waiting: Waiting[]): Promise<void> {
    for (;;) {
      const next = waiting.at(-1)
      if (next === undefined) return
      const first = this.#open.first
      if (first !== undefined && (next.file.first ?? '') > first.key) return
      waiting.pop()
      await this.#openFile(next)
    }
  }

  async #openFile({ node, file, order }: Waiting): Promise<void> {
    const cursor = await RecordCursor.open(file.path, this.#readingOf(node, file))
    if (cursor === null) {
      // It was the oldest, and is unknown from now on.
      if (file.last !== null) node.completeSince = later(node.completeSince, file.last)
      return
    }
    const source = new Source(node, cursor, order)
    if (cursor.record === undefined) await finish(source)
    else this.#open.add(source)
  }

  #readingOf(node: Node, { path }: JournalFile): Reading<Line> {
    return {
      kind: this.#kind,
      since: this.#since,
      until: this.#until,
      buffer: this.#buffer,
      damaged: () => {
        node.damaged += 1
        this.#damaged(path)
      },
      read: (bytes) => {
        this.#read += bytes
      },
    }
  }
}

async function finish<Line extends JournalLine>({ cursor, node }: Source<Line>): Promise<void> {
  if (cursor.key !== '') node.latest = later(node.latest, cursor.key)
  await cursor.close()
}

async function openNode(directory: string, index: number): Promise<Node> {
  const paths = await listJournal(directory)
  const files: JournalFile[] = []
  for (let begin = 0; begin < paths.length; begin += AT_ONCE) {
    const looked = await Promise.all(paths.slice(begin, begin + AT_ONCE).map((path) => lookAt(path)))
    files.push(...looked.filter((file) => file !== null))
  }
  const lasts = files.flatMap(({ last }) => last ?? [])
  return {
    index,
    directory,
    files,
    completeSince: completeSince(files, await removedUntil(directory)),
    latest: lasts.reduce<string | null>((latest, time) => later(latest, time), null),
    records: 0,
    repeated: 0,
    damaged: 0,
  }
}

/** Both must say so: a copy was written later than its records, and a clock may have been set back. */
function isOlder({ changed, last }: JournalFile, since: Date): boolean {
  return changed < since.getTime() && last !== null && last < since.toISOString()
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
