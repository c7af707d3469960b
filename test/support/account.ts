/** What was promised against what arrived. */

import type { SinkLine, SinkMessage } from './counting-sink.ts'
import type { SentMessage } from './steady-sender.ts'

export interface Account {
  /** `id to address` of what was answered 250 and never answered 250 by a sink. */
  readonly lost: readonly string[]
  /** What arrived but is not, byte for byte, what was sent. */
  readonly torn: readonly string[]
  /** Copies that arrived for somebody whom the message was not for. */
  readonly strange: readonly string[]
  /** Messages never answered 250 that arrived all the same: the answer was lost on its way, or never given. */
  readonly unpromised: number
  /** Transactions answered 250 at a sink of which a recipient had a copy already. */
  readonly duplicates: number
  /** How many of those are explained by the last transaction of a connection that was cut, by the one before, and so on. */
  readonly explained: readonly number[]
  /** Those of which no copy before was under way on a connection that was cut. */
  readonly unexplained: readonly string[]
  /** Connections to sinks that ended without QUIT. */
  readonly cut: number
}

/**
 * RFC 1047: whoever loses a connection before the answer to the final dot cannot know whether the message was taken, and
 * must send it again. So must a server that is killed after that answer and before it has noted it. Both are among the last
 * transactions of a connection that was cut: the one under way, and those whose noting takes longer than the next ones
 * (in 300 kills on a busy machine never more than three in all).
 */
const UNDER_WAY = 5

/**
 * @param sent everything that clients sent, by id
 * @param lines of all sinks
 * @returns what became of it
 */
export function settle(sent: ReadonlyMap<string, SentMessage>, lines: readonly SinkLine[]): Account {
  const messages = lines.filter((line): line is SinkMessage => line.kind === 'message')
  const quits = new Set<string>()
  const begun = new Set<string>()
  const last = new Map<string, number>()
  for (const line of lines) {
    begun.add(line.connection)
    if (line.kind === 'end' && line.quit) quits.add(line.connection)
    if (line.kind === 'message') last.set(line.connection, line.transaction)
  }
  const explained = Array.from({ length: UNDER_WAY }, () => 0)
  /** How many transactions its connection had after it; too many to explain anything when it was not cut. */
  const after = (copy: SinkMessage): number =>
    quits.has(copy.connection) ? UNDER_WAY : (last.get(copy.connection) ?? 0) - copy.transaction

  const torn: string[] = []
  const strange: string[] = []
  const copies = new Map<string, SinkMessage[]>()
  const duplicated = new Set<SinkMessage>()
  const unexplained: string[] = []
  const unpromised = new Set<string>()
  for (const copy of messages) {
    const { id, sha256, to } = copy
    const known = sent.get(id)
    if (known?.message.sha256 !== sha256) {
      torn.push(`${id} (${copy.bytes} of ${known?.message.bytes ?? 0} bytes, answered ${copy.answer})`)
      continue
    }
    if (known.reply?.startsWith('250') !== true) unpromised.add(id)
    if (copy.answer !== 'ok') continue
    for (const address of to) {
      const key = `${id} to ${address}`
      if (!known.to.includes(address)) strange.push(key)
      const others = copies.get(key) ?? []
      if (others.length > 0) {
        const place = Math.min(...others.map((one) => after(one)))
        if (place >= UNDER_WAY) unexplained.push(key)
        else if (!duplicated.has(copy)) explained[place] = (explained[place] ?? 0) + 1
        duplicated.add(copy)
      }
      copies.set(key, [...others, copy])
    }
  }
  const lost = [...sent.values()]
    .filter(({ reply }) => reply?.startsWith('250') === true)
    .flatMap(({ message, to }) => to.map((address) => `${message.id} to ${address}`))
    .filter((key) => !copies.has(key))
  return {
    lost,
    torn,
    strange,
    unpromised: unpromised.size,
    duplicates: duplicated.size,
    explained,
    unexplained,
    cut: [...begun].filter((connection) => !quits.has(connection)).length,
  }
}
