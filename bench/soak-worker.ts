/**
 * One worker of the soak, a process of its own as on a node of its own: asks about everybody's subject all the time and
 * changes its own now and then. `soak.ts` starts it, and reads what it wrote into its file.
 */

import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Directory } from '../src/directory/directory.ts'
import { ChangeRefused } from '../src/directory/redis/changes.ts'
import { openRedisDirectory } from '../src/directory/redis/redis-store.ts'
import { seenFile } from '../src/directory/redis/seen-file.ts'
import { DirectoryWriter } from '../src/directory/redis/writer.ts'
import type { Peer } from '../src/policy/types.ts'
import { isUnknown } from '../src/policy/attribute.ts'
import { attributeSender, decideRecipient } from '../src/relaying/gather.ts'
import { connectionTo } from '../test/support/redis.ts'
import type { WorkerOptions, WorkerReport } from './soak-report.ts'
import { bucketOf } from './soak-report.ts'
import type { Read, Seen, SubjectState } from './soak-world.ts'
import { FIRST_STATE, organizationsFor, subjectOf, writeRead } from './soak-world.ts'

/** Milliseconds between reads, about, and how many at a time: a million in ten minutes of sixteen workers. */
const READ_EACH = 20
const READS_AT_ONCE = 2

const SETTINGS = { acceptInbound: true, postmaster: null, requireDomainProof: false }
const TERMS = { now: '2026-11-25T00:00:00.000Z', requireDomainProof: false }
const MOST_BUFFERED = 65_536

/**
 * Says "ready", begins when it is told until when (milliseconds since 1970), and sends its report.
 * @param json the options
 */
export async function runWorker(json: string): Promise<void> {
  const options = JSON.parse(json) as WorkerOptions
  const { worker, port, prefix, folder } = options
  const complaints: string[] = []
  const complain = (message: string): void => {
    if (complaints.length < 20) complaints.push(message)
  }
  let away = false
  const connection = connectionTo(port)
  const directory = await openRedisDirectory({
    connection,
    prefix,
    seen: seenFile(join(folder, `seen${worker}.json`), complain),
    log: {
      info: () => {
        away = false
      },
      warn: complain,
      error: (message) => {
        away ||= message.includes('cannot be asked')
        complain(message)
      },
    },
    cache: { maxBytes: 67_108_864, ttlMilliseconds: 60_000 },
  })
  const command = `soak ${worker}`
  const writer = await DirectoryWriter.open({ connection, prefix, replicas: 0, command, seen: null })
  try {
    const reader = new Reader(directory, join(folder, `reads${worker}`), () => away)
    const change = new Changer(writer, worker)
    const told = once(process, 'message')
    process.send?.('ready')
    const [until] = (await told) as [number]
    await Promise.all([reader.run(options.workers, until), change.run(until, options.writeEach)])
    const { reads, latencies } = reader
    const { writes, refused } = change
    process.send?.({ reads, writes, refused, latencies, complaints } satisfies WorkerReport)
  } finally {
    writer.close()
    await directory.close()
    process.disconnect()
  }
}

class Reader {
  reads = 0
  readonly latencies: number[] = []
  readonly #directory: Directory
  readonly #file: number
  readonly #isAway: () => boolean
  #lines: string[] = []
  #characters = 0

  constructor(directory: Directory, path: string, isAway: () => boolean) {
    this.#directory = directory
    this.#isAway = isAway
    this.#file = openSync(path, 'w')
  }

  async run(workers: number, until: number): Promise<void> {
    while (Date.now() < until) {
      const subjects = Array.from({ length: READS_AT_ONCE }, () => randomInt(workers))
      for (const read of await Promise.all(subjects.map((subject) => this.#read(subject)))) this.#keep(read)
      await pause(randomInt(2 * READ_EACH))
    }
    this.#flush()
    closeSync(this.#file)
  }

  async #read(subject: number): Promise<Read> {
    const asked = Date.now()
    const begin = performance.now()
    const before = this.#isAway()
    const seen = await lookAt(this.#directory, subject)
    const away = before || this.#isAway()
    const bucket = bucketOf((performance.now() - begin) * 1000)
    this.latencies[bucket] = (this.latencies[bucket] ?? 0) + 1
    return { subject, asked, answered: Date.now(), away, seen }
  }

  #keep(read: Read): void {
    this.reads++
    const line = `${writeRead(read)}\n`
    this.#lines.push(line)
    this.#characters += line.length
    if (this.#characters > MOST_BUFFERED) this.#flush()
  }

  #flush(): void {
    writeSync(this.#file, this.#lines.join(''))
    this.#lines = []
    this.#characters = 0
  }
}

/** One message, decided as the plugins decide it. */
async function lookAt(directory: Directory, subject: number): Promise<Seen> {
  const { organizations, moving, flip, certificateName } = subjectOf(subject)
  const peer: Peer = {
    address: '192.0.2.1',
    certificate: { state: 'verified', names: [certificateName] },
  }
  const sender = { address: `a@${moving}`, domain: moving }
  const attribution = await attributeSender(directory, peer, sender, () => peer.certificate, TERMS)
  const recipient = { address: `b@${flip}`, localPart: 'b', domain: flip, sourceRoute: false }
  const { outcome } = await decideRecipient(directory, {
    now: TERMS.now,
    attribution,
    recipient,
    settings: SETTINGS,
    relayingRespected: false,
    smartHost: { host: 'next.example', port: 25 },
  })
  const { senderDomain, matched, unknown } = attribution
  return {
    owner: isUnknown(senderDomain)
      ? null
      : ownerIn(organizations, senderDomain?.acceptedDomain?.organization),
    connector: unknown === null ? matched !== null : null,
    outcome,
  }
}

function ownerIn(organizations: readonly string[], owner: string | undefined): 0 | 1 | 2 {
  const index = organizations.indexOf(owner ?? '')
  return index === 0 || index === 1 ? index : 2
}

/** Changes its own subject, and takes the contested domain or gives it back. */
class Changer {
  writes = 0
  refused = 0
  readonly #writer: DirectoryWriter
  readonly #worker: number
  #state: SubjectState = FIRST_STATE
  #contested = false

  constructor(writer: DirectoryWriter, worker: number) {
    this.#writer = writer
    this.#worker = worker
  }

  async run(until: number, each: number): Promise<void> {
    for (;;) {
      await pause(each / 2 + randomInt(each))
      if (Date.now() >= until) return
      if (randomInt(4) === 0) await this.#contest()
      else await this.#change()
    }
  }

  async #change(): Promise<void> {
    const { owner, connector, flip } = this.#state
    const changed = [
      { ...this.#state, owner: owner === 0 ? 1 : 0 },
      { ...this.#state, connector: !connector },
      { ...this.#state, flip: !flip },
    ] as const
    const state = changed[randomInt(changed.length)] ?? this.#state
    await this.#write(state, this.#contested)
    this.#state = state
  }

  async #contest(): Promise<void> {
    try {
      await this.#write(this.#state, !this.#contested)
      this.#contested = !this.#contested
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error
      this.refused++
    }
  }

  async #write(state: SubjectState, contested: boolean): Promise<void> {
    const wanted = organizationsFor(this.#worker, state, contested)
    const { organizations } = this.#writer
    const before = await Promise.all(wanted.map(({ name }) => organizations.read(name)))
    await this.#writer.replace(
      wanted.map((after, index) => ({
        nameKey: after.name,
        after,
        expected: before[index]?.revision ?? null,
      })),
    )
    this.writes++
  }
}
