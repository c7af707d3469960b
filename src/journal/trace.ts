/** The lines of the journal about one message, and about what was reported of it, found fast. */

import type { JournalCoverage } from './coverage.ts'
import type { LineKind } from './line-kind.ts'
import { ALL_LINES } from './line-kind.ts'
import type { JournalLine } from './record.ts'
import { isDelivery } from './record.ts'
import { scanLines } from './scan.ts'

export interface Traced {
  /** The oldest first; of the message, of reports about it, and of what it reports. */
  readonly lines: readonly JournalLine[]
  readonly nodes: readonly JournalCoverage[]
  /** Whether there were more lines than are kept. */
  readonly isMore: boolean
}

/** A message that was tried every minute for a month has fewer. */
const MOST_LINES = 100_000

/** A bounce, a warning and a report of success for each of some recipients. */
const MOST_IDS = 50

/** A message, its reports, and what became of those. */
const MOST_ROUNDS = 3

/**
 * @param directories journal folders: several nodes', or copies
 * @param isMeant tells whether an id is the one that is asked for
 * @param text what is in every line that is meant, so that the others need not be parsed
 * @param watch told how much is read, from 0 to 1, and ends it
 * @returns its lines, and those of its reports
 */
export async function traceMessage(
  directories: readonly string[],
  isMeant: (id: string) => boolean,
  text: string,
  watch: { readonly signal: AbortSignal; readonly progress: (share: number) => void },
): Promise<Traced> {
  const wanted = new Set<string>()
  let texts: readonly string[] = [text]
  const isWanted = (id: string): boolean => wanted.has(id) || isMeant(id)
  for (let round = 1; ; round += 1) {
    const found = await search(directories, texts, isWanted, watch)
    const before = wanted.size
    for (const line of found.lines) addIds(wanted, line)
    // Only what was not known could be passed over.
    if (wanted.size === before || round === MOST_ROUNDS) return found
    const isAllIn = [...wanted].every((id) => texts.some((known) => id.includes(known)))
    if (isAllIn) return found
    texts = [text, ...wanted]
  }
}

function addIds(ids: Set<string>, line: JournalLine): void {
  const named = isDelivery(line) && line.related !== null ? [line.id, line.related] : [line.id]
  for (const id of named) if (ids.size < MOST_IDS) ids.add(id)
}

async function search(
  directories: readonly string[],
  texts: readonly string[],
  isWanted: (id: string) => boolean,
  { progress, signal }: { readonly signal: AbortSignal; readonly progress: (share: number) => void },
): Promise<Traced> {
  const lines: JournalLine[] = []
  let isMore = false
  const scan = scanLines(linesWith(texts), directories)
  for await (const batch of scan.batches) {
    signal.throwIfAborted()
    for (const line of batch) {
      const isOurs =
        isWanted(line.id) || (isDelivery(line) && line.related !== null && isWanted(line.related))
      if (!isOurs) continue
      if (lines.length < MOST_LINES) lines.push(line)
      else isMore = true
    }
    progress(scan.share())
  }
  return { lines, nodes: scan.coverage(), isMore }
}

/** Passes over lines that hold none of the texts: of a million lines a handful is parsed. */
function linesWith(texts: readonly string[]): LineKind<JournalLine> {
  const needles = texts.map((text) => new Needle(Buffer.from(text)))
  return {
    ...ALL_LINES,
    passesOver: (bytes, start, end) => !needles.some((needle) => needle.isIn(bytes, start, end)),
  }
}

/** Where a text is next in a piece of a file: each piece is searched once, whatever the number of its lines. */
class Needle {
  readonly #text: Buffer
  #bytes: Buffer | null = null
  #next = 0

  constructor(text: Buffer) {
    this.#text = text
  }

  isIn(bytes: Buffer, start: number, end: number): boolean {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#next = -1
    }
    if (this.#next < start) {
      const found = bytes.indexOf(this.#text, start)
      this.#next = found === -1 ? Number.POSITIVE_INFINITY : found
    }
    return this.#next + this.#text.length <= end
  }
}
