/** Answers for the queue of this process, over its socket. */

import type { Socket } from 'node:net'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { QueueControl, QueueLog } from '../types.ts'
import { BadLine, linesOf, writeLine } from './lines.ts'
import type { Answer, Question } from './protocol.ts'
import { BUSY_EVERY, LONGEST_QUESTION, readQuestion } from './protocol.ts'
import type { Listening } from './socket.ts'
import { listen } from './socket.ts'

export interface ControlOptions {
  /** The queue's folder. */
  readonly queue: string
  /** What `newOwnerName` made for this process. */
  readonly owner: string
  /** Who answers; a promise while the queue is still being read: who asks then waits. */
  readonly control: QueueControl | Promise<QueueControl>
  readonly log: Pick<QueueLog, 'warn'>
}

/** A question is a line that is there at once. */
const QUESTION_PATIENCE = 10_000

/** Who does not read what was asked for is not waited for for ever; a person with a pager is. */
const READING_PATIENCE = 600_000

/**
 * @param options whose queue, and who answers
 * @returns when it answers; from then on the owner is alive. Its folder must be made after that, and closed before it
 * @throws when the socket cannot be made
 */
export function serveControl({ control, log, owner, queue }: ControlOptions): Promise<Listening> {
  // A queue that cannot be read is told to whoever asks; nobody may have asked yet.
  const ready = Promise.resolve(control)
  ready.catch(() => undefined)
  return listen(queue, owner, (socket) => {
    // Gone before its answer: whoever it was does not want it.
    socket.on('error', () => undefined)
    socket.setTimeout(READING_PATIENCE, () => socket.destroy())
    answer(socket, ready).catch((error: unknown) => {
      log.warn(`a question about the queue could not be answered: ${printable(messageOf(error), 500)}`)
      socket.destroy()
    })
  })
}

async function answer(socket: Socket, ready: Promise<QueueControl>): Promise<void> {
  const say = (line: Answer): Promise<void> => writeLine(socket, line)
  const busy = setInterval(() => {
    if (!socket.writableNeedDrain) void say({ busy: true })
  }, BUSY_EVERY)
  try {
    const question = await questionOf(socket)
    // A look whether this process lives.
    if (question === null) return
    if (typeof question === 'string') await say({ error: question })
    else await reply(question, await ready, socket, say)
  } catch (error) {
    await say({ error: printable(messageOf(error), 500) })
  } finally {
    clearInterval(busy)
    // All that was said is in the kernel's hands then: what else the client says is not waited for.
    socket.end(() => socket.destroy())
  }
}

async function questionOf(socket: Socket): Promise<Question | string | null> {
  const late = setTimeout(() => {
    socket.destroy()
  }, QUESTION_PATIENCE)
  try {
    const lines = linesOf(socket, LONGEST_QUESTION)
    const { done, value } = await lines.next()
    return done === true ? null : readQuestion(value)
  } catch (error) {
    if (error instanceof BadLine) return error.message
    return null
  } finally {
    clearTimeout(late)
  }
}

async function reply(
  question: Question,
  control: QueueControl,
  socket: Socket,
  say: (line: Answer) => Promise<void>,
): Promise<void> {
  switch (question.ask) {
    case 'list':
      for await (const entry of control.list(question.filter)) {
        if (socket.destroyed) return
        await say({ entry })
      }
      break
    case 'show':
      await say({ shown: await control.show(question.id) })
      break
    case 'act':
      for (const done of await control.act(question.action, question.filter, question.by)) {
        await say({ done })
      }
      break
  }
  await say({ end: true })
}
