/** Asks the process that has a part of the queue. */

import type { Socket } from 'node:net'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { ActionDone, QueueControl, QueueEntry } from '../types.ts'
import { linesOf, writeLine } from './lines.ts'
import type { Answer, Question } from './protocol.ts'
import { LONGEST_ANSWER, PATIENCE, readAnswer, VERSION } from './protocol.ts'
import { reach } from './socket.ts'

/** A process did not answer, or could not. Its message says which, and what to do. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** The process ended before it was asked: its folder is nobody's. */
export class OwnerGone extends Error {
  override readonly name = 'OwnerGone'
}

/**
 * @param queue the queue's folder
 * @param owner a process's folder in it
 * @param patience how long it may be silent, in milliseconds
 * @returns its control. All that it does rejects with OwnerGone when the process ended before, and with NoAnswer when it
 *   ends or is silent meanwhile
 */
export function askOwner(queue: string, owner: string, patience = PATIENCE): QueueControl {
  const ask = (question: Question): AsyncGenerator<Answer> => answersOf(queue, owner, question, patience)
  return {
    async *list(filter): AsyncGenerator<QueueEntry> {
      for await (const answer of ask({ ask: 'list', filter })) if ('entry' in answer) yield answer.entry
    },
    async show(id) {
      for await (const answer of ask({ ask: 'show', id })) if ('shown' in answer) return answer.shown
      return null
    },
    async act(action, filter, by) {
      const all: ActionDone[] = []
      for await (const answer of ask({ ask: 'act', action, filter, by })) {
        if ('done' in answer) all.push(answer.done)
      }
      return all
    },
  }
}

async function* answersOf(
  queue: string,
  owner: string,
  question: Question,
  patience: number,
): AsyncGenerator<Answer> {
  const socket = await reach(queue, owner).catch((error: unknown) => {
    throw new NoAnswer(`the process of ${owner} could not be asked: ${messageOf(error)}`)
  })
  if (socket === null) throw new OwnerGone(`the process of ${owner} has ended`)
  const silent = new NoAnswer(
    `the process of ${owner} (pid ${owner.split('-')[0] ?? ''}) has said nothing for ${patience / 1000} seconds: it hangs, or is stopped; try again, or end it, and its mail is taken over`,
  )
  // A failure is the loop's below.
  socket.on('error', () => undefined)
  try {
    await writeLine(socket, { version: VERSION, ...question })
    yield* untilEnd(socket, owner, () => socket.destroy(silent), patience)
  } finally {
    socket.destroy()
  }
}

/** Only while it is waited for: whoever reads in a pager may take their time. */
async function* untilEnd(
  socket: Socket,
  owner: string,
  giveUp: () => void,
  patience: number,
): AsyncGenerator<Answer> {
  const lines = linesOf(socket, LONGEST_ANSWER)
  try {
    for (;;) {
      const timer = setTimeout(giveUp, patience)
      const next = await lines.next().finally(() => {
        clearTimeout(timer)
      })
      if (next.done === true) break
      const answer = readAnswer(next.value)
      if (answer === null)
        throw new NoAnswer(`the process of ${owner} answers in a way that is not known here`)
      if ('end' in answer) return
      if ('error' in answer) throw new NoAnswer(`the process of ${owner}: ${printable(answer.error, 500)}`)
      yield answer
    }
  } catch (error) {
    if (error instanceof NoAnswer) throw error
    throw new NoAnswer(`the process of ${owner} could not be asked: ${printable(messageOf(error), 300)}`)
  }
  throw new NoAnswer(`the process of ${owner} ended while it was asked: try again`)
}
