/** One file of the journal, read in pieces: lines are found in the bytes, and only those that are wanted are parsed. */

import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { ignoreMissing } from './journal-files.ts'
import type { LineKind } from './line-kind.ts'
import { isTime, parseLine } from './parse-record.ts'
import type { JournalLine } from './record.ts'

/** Bytes that are read at once. */
export const CHUNK_BYTES = 256 * 1024

/** A longer line is none of the writer's: it is damaged, and is not kept in memory to find that out. */
const LONGEST_LINE = 1024 * 1024

const NEWLINE = 0x0a

/** How the writer begins a line, so that its time can be read without parsing it. */
const BEGIN = '{"time":"'
const TIME_BEGIN = BEGIN.length
const TIME_END = TIME_BEGIN + '2026-11-24T02:00:00.000Z'.length

/** What is wanted, and who hears of what is not. */
export interface Reading<Line extends JournalLine> {
  readonly kind: LineKind<Line>
  /** Times as records have them: the first that is wanted, and the first that is not any more; null for no bound. */
  readonly since: string | null
  readonly until: string | null
  /** Room for CHUNK_BYTES, used by one cursor at a time. */
  readonly buffer: Buffer
  /** Told of each whole line that is none of the journal's. */
  readonly damaged: () => void
  /** Told how many bytes were read. */
  readonly read: (bytes: number) => void
}

/** Goes through the records of one file. */
export class RecordCursor<Line extends JournalLine> {
  readonly #handle: FileHandle
  readonly #reading: Reading<Line>
  #offset = 0
  #ended = false
  /** The beginning of a line whose end was not read yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** Whether that line is too long to be kept. */
  #skipping = false
  #records: Line[] = []
  #index = 0
  #key = ''

  private constructor(handle: FileHandle, reading: Reading<Line>) {
    this.#handle = handle
    this.#reading = reading
  }

  /**
   * @param path the file
   * @param reading what is wanted of it
   * @returns where its first record is, if it has one; null when it was removed meanwhile
   */
  static async open<Line extends JournalLine>(
    path: string,
    reading: Reading<Line>,
  ): Promise<RecordCursor<Line> | null> {
    const handle = await open(path, 'r').catch(ignoreMissing)
    if (handle === null) return null
    const cursor = new RecordCursor(handle, reading)
    try {
      await cursor.#fill()
      return cursor
    } catch (error) {
      await cursor.close()
      throw error
    }
  }

  /** The record where it stands; undefined after the last. */
  get record(): Line | undefined {
    return this.#records[this.#index]
  }

  /**
   * By which the records of several files are put in order: the latest time so far, so that the order of lines in one
   * file stays, also where the clock was set back.
   */
  get key(): string {
    return this.#key
  }

  /** Goes to the next record that was read already. @returns whether there was one; if not, `more` reads on */
  next(): boolean {
    this.#index += 1
    return this.#take()
  }

  /** Reads on. @returns whether there are more records */
  async more(): Promise<boolean> {
    await this.#fill()
    return this.record !== undefined
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  #take(): boolean {
    const { record } = this
    if (record === undefined) return false
    if (record.time > this.#key) this.#key = record.time
    return true
  }

  async #fill(): Promise<void> {
    const { buffer, read } = this.#reading
    this.#records = []
    this.#index = 0
    while (this.#records.length === 0 && !this.#ended) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#offset)
      this.#offset += bytesRead
      read(bytesRead)
      if (bytesRead === 0) this.#end()
      else this.#split(buffer.subarray(0, bytesRead))
    }
    this.#take()
  }

  #split(bytes: Buffer): void {
    let start = 0
    let end = bytes.indexOf(NEWLINE)
    if (end !== -1 && (this.#rest.length > 0 || this.#skipping)) {
      this.#joined(bytes.subarray(0, end))
      start = end + 1
      end = bytes.indexOf(NEWLINE, start)
    }
    while (end !== -1) {
      this.#line(bytes, start, end)
      start = end + 1
      end = bytes.indexOf(NEWLINE, start)
    }
    this.#keep(bytes.subarray(start))
  }

  /** The end of a line whose beginning was kept. */
  #joined(bytes: Buffer): void {
    if (this.#skipping) this.#reading.damaged()
    else {
      const line = Buffer.concat([this.#rest, bytes])
      this.#line(line, 0, line.length)
    }
    this.#rest = Buffer.alloc(0)
    this.#skipping = false
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0 || this.#skipping) return
    this.#skipping = this.#rest.length + bytes.length > LONGEST_LINE
    this.#rest = this.#skipping ? Buffer.alloc(0) : Buffer.concat([this.#rest, bytes])
  }

  #line(bytes: Buffer, start: number, end: number): void {
    if (this.#isTooOld(bytes, start) || this.#reading.kind.passesOver(bytes, start, end)) return
    const record = parseLine(bytes.toString('utf8', start, end))
    if (record === null) this.#reading.damaged()
    else this.#want(record)
  }

  /** What nobody asked for is not looked at any further. */
  #isTooOld(bytes: Buffer, start: number): boolean {
    const { since } = this.#reading
    if (since === null || bytes.toString('latin1', start, start + TIME_BEGIN) !== BEGIN) return false
    const time = bytes.toString('latin1', start + TIME_BEGIN, start + TIME_END)
    return time < since && isTime(time)
  }

  #want(line: JournalLine): void {
    const { kind, since, until } = this.#reading
    const record = kind.take(line)
    if (record === null || (since !== null && record.time < since)) return
    if (until === null || record.time < until) this.#records.push(record)
  }

  /** A last line without its end is being written: it counts when it is whole, and is not damaged when it is not. */
  #end(): void {
    this.#ended = true
    const record = parseLine(this.#rest.toString('utf8'))
    if (record !== null) this.#want(record)
  }
}
