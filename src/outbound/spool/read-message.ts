/** Reads a message from its file: the envelope alone, or all of it. */

import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Content, Envelope, MessageState, QueuedMessage } from '../types.ts'
import { contentLength, Damaged, decodeEnvelope, decodeMessage, envelopeLength, PRELUDE } from './format.ts'
import { stateName } from './names.ts'
import { decodeState, freshState } from './state.ts'

/** Envelopes of a few recipients are in it. */
const FIRST_READ = 4096

export interface ReadMessage {
  readonly message: QueuedMessage
  /** Whether there is a state that does not tell what happened: the message counts as untried. */
  readonly stateLost: boolean
}

/**
 * @param folder where the file is
 * @param name of the file
 * @param hasState whether there may be a state beside it
 * @returns the message without its content
 * @throws Damaged, Newer, or what reading failed with (ENOENT when it has gone meanwhile)
 */
export async function readMessage(folder: string, name: string, hasState: boolean): Promise<ReadMessage> {
  const { envelope, size } = await readEnvelope(join(folder, name))
  const state = hasState ? await readState(join(folder, stateName(name)), envelope) : undefined
  return {
    message: { envelope, size, state: state ?? freshState(envelope) },
    stateLost: state === null,
  }
}

async function readEnvelope(path: string): Promise<{ envelope: Envelope; size: number }> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const first = Buffer.alloc(Math.min(FIRST_READ, size))
    const { bytesRead } = await handle.read(first, 0, first.length, 0)
    const start = first.subarray(0, bytesRead)
    const length = envelopeLength(start)
    const content = contentLength(size, length)
    const end = PRELUDE + length
    if (end <= start.length) return { envelope: decodeEnvelope(start.subarray(PRELUDE, end)), size: content }
    const whole = Buffer.alloc(length)
    const { bytesRead: more } = await handle.read(whole, 0, length, PRELUDE)
    if (more < length) throw new Damaged('is cut off')
    return { envelope: decodeEnvelope(whole), size: content }
  } finally {
    await handle.close()
  }
}

/** What says nothing about the file: it can be read another time, and until then nobody gets a message twice. */
const ANOTHER_TIME = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EACCES', 'EPERM'])

/** undefined when there is none, null when it cannot be read. @throws what will be over another time */
async function readState(path: string, envelope: Envelope): Promise<MessageState | null | undefined> {
  try {
    return decodeState(await readFile(path, 'utf8'), envelope)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (ANOTHER_TIME.has(code)) throw error
    return code === 'ENOENT' ? undefined : null
  }
}

/**
 * @param path of a message's file
 * @returns its content, checked
 * @throws Damaged, Newer, or what reading failed with
 */
export async function readContent(path: string): Promise<Content> {
  const file = await readFile(path)
  return decodeMessage(file).content
}
