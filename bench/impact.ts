/**
 * How fast `connectorctl impact` replays a journal, and in how much memory: a month of a company, and one in which every
 * record is another stranger's. Each against a directory in memory and one in Redis, with report-only mode off and with
 * another organisation.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Directory } from '../src/directory/directory.ts'
import type { Organization } from '../src/directory/model.ts'
import { openRedisDirectory } from '../src/directory/redis/redis-store.ts'
import { parseOrganizations } from '../src/directory/schema.ts'
import type { Impact, ImpactQuestion } from '../src/impact/measure.ts'
import { measureImpact } from '../src/impact/measure.ts'
import { enforcing, overlaid, wholeDirectory } from '../src/impact/proposed-directory.ts'
import { redisSettingsOf } from '../src/instance/store.ts'
import { readSettings } from '../src/instance/settings.ts'
import type { JournalRecord } from '../src/journal/record.ts'
import { memoryOf, runConnectorctl } from './program.ts'
import { startBenchRedis } from './redis-server.ts'
import { writeOrganizations } from './scale-data.ts'

const FILE_BYTES = 16 * 1024 * 1024
const MONTH = 30 * 86_400_000

/** In report-only mode; `writeOrganizations` makes the others. */
const COMPANY = `
  - name: company
    reportOnlyUntil: '${new Date(Date.now() + MONTH).toISOString()}'
    acceptedDomains:
      - domainName: company.example
    inboundConnectors:
      - name: Servers
        connectorType: OnPremises
        tlsSenderCertificateName: '*.company.example'
      - name: Scanners
        connectorType: OnPremises
        senderIPAddresses: [10.1.0.0/16]
`

/** `fabrikam.example` is registered, the scanners are gone. */
const PROPOSED = `organizations:
  - name: company
    acceptedDomains:
      - domainName: company.example
      - domainName: fabrikam.example
    inboundConnectors:
      - name: Servers
        connectorType: OnPremises
        tlsSenderCertificateName: '*.company.example'
`

/** Makes the record of a number. */
type Kind = (index: number) => JournalRecord

/**
 * @param count records
 * @param domains registered domains
 * @param say where to say the figures
 */
export async function measureImpacts(
  count: number,
  domains: number,
  say: (line: string) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'connectors-bench-'))
  const redis = await startBenchRedis(join(folder, 'redis'))
  try {
    const begin = Date.now() - MONTH + 1000
    const bytes = await writeJournal(join(folder, 'company'), count, companyRecord(begin, MONTH / count))
    await writeJournal(join(folder, 'strangers'), count, strangerRecord(begin, MONTH / count))
    const organizations = await directoryOf(folder, domains)
    const stored = await redisDirectory(folder, redis.port)
    const proposed = parsed(PROPOSED)
    say(
      `Replaying ${count.toLocaleString('en')} records (${Math.round(bytes / count)} bytes each), ${domains.toLocaleString('en')} registered domains:`,
    )
    for (const journal of ['company', 'strangers']) {
      for (const [store, directory] of [
        ['in memory', wholeDirectory(organizations)],
        ['in Redis', stored],
      ] as const) {
        await round(`${journal}, ${store}, report-only mode off`, join(folder, journal), count, say, {
          directory,
          proposed: enforcing(directory),
          isOther: false,
        })
        await round(`${journal}, ${store}, another organisation`, join(folder, journal), count, say, {
          directory,
          proposed: overlaid(directory, proposed),
          isOther: true,
        })
      }
    }
    await stored.close()
  } finally {
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Sides {
  readonly directory: Directory
  readonly proposed: Directory
  readonly isOther: boolean
}

async function round(
  what: string,
  journal: string,
  count: number,
  say: (line: string) => void,
  sides: Sides,
): Promise<void> {
  // Forgets the most memory that there was before.
  writeFileSync('/proc/self/clear_refs', '5')
  const before = memoryOf(process.pid, 'VmRSS')
  const begin = performance.now()
  const impact = await measureImpact(questionOf(journal, sides), {
    signal: new AbortController().signal,
    progress: () => undefined,
  })
  const seconds = (performance.now() - begin) / 1000
  requireAll(impact, count)
  const lost = impact.changes.reduce((sum, change) => sum + (change.isLoss ? change.recipients : 0), 0)
  say(
    `  ${what}: ${seconds.toFixed(1)} s, ${Math.round(count / seconds).toLocaleString('en')} records/s, peak ${memoryOf(process.pid, 'VmHWM').toFixed(0)} MiB (${before.toFixed(0)} before); ${lost.toLocaleString('en')} would be refused`,
  )
}

function questionOf(journal: string, { directory, isOther, proposed }: Sides): ImpactQuestion {
  const until = new Date()
  return {
    own: journal,
    copies: [],
    since: new Date(until.getTime() - 31 * 86_400_000),
    until,
    directory,
    proposed: { directory: proposed, now: until.toISOString(), isOther },
    settings: {
      relay: { acceptInbound: true, respectRelaying: false, requireDomainProof: false, postmaster: null },
      outbound: { smartHost: { host: 'next.example', port: 25 } },
    },
    proxies: [],
    organization: null,
    instance: null,
  }
}

function requireAll({ changes, decisions, uncertain, unchanged }: Impact, count: number): void {
  const changed = changes.reduce((sum, { recipients }) => sum + recipients, 0)
  if (decisions === count && uncertain.length === 0 && changed + unchanged === count) return
  throw new Error(`${decisions} of ${count} were replayed, ${changed} changed, ${unchanged} did not`)
}

async function directoryOf(folder: string, domains: number): Promise<readonly Organization[]> {
  const path = join(folder, 'organizations.yaml')
  await writeOrganizations(path, { domains, connectors: domains / 10, organizations: domains / 10 })
  writeFileSync(path, COMPANY, { flag: 'a' })
  return parsed(await readFile(path, 'utf8'))
}

function parsed(text: string): readonly Organization[] {
  const { errors, organizations } = parseOrganizations(text, 'bench', () => ({ wrong: 'is none' }))
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'))
  return organizations
}

async function redisDirectory(folder: string, port: number): Promise<Directory> {
  const instance = join(folder, 'instance')
  await runConnectorctl(['init', instance, '--smtp', '127.0.0.1:2525', '--demo', '--hostname', 'bench.test'])
  const ini = join(instance, 'config', 'connectors.ini')
  writeFileSync(ini, (await readFile(ini, 'utf8')).replace('store = file', 'store = redis'))
  writeFileSync(join(instance, 'config', 'redis.ini'), `[server]\nport = ${port}\n`)
  if (readSettings(instance).settings.directory.store !== 'redis') throw new Error('the store is no Redis')
  await runConnectorctl(['apply', join(folder, 'organizations.yaml'), '--yes', '--instance', instance])
  const { cache, prefix, reader } = redisSettingsOf(instance)
  return openRedisDirectory({
    connection: reader,
    prefix,
    cache,
    seen: { read: () => null, write: quiet },
    log: { info: quiet, warn: quiet, error: quiet },
  })
}

const quiet = (): void => undefined

/** As `writer.ts` names and cuts its files. @returns bytes */
async function writeJournal(directory: string, count: number, kind: Kind): Promise<number> {
  mkdirSync(directory)
  let [file, number, size, bytes]: [FileHandle | null, number, number, number] = [null, 0, 0, 0]
  let lines: string[] = []
  const flush = async (): Promise<void> => {
    await file?.write(lines.join(''))
    lines = []
  }
  for (let index = 0; index < count; index += 1) {
    const record = kind(index)
    const line = `${JSON.stringify(record)}\n`
    if (file === null || size + line.length > FILE_BYTES) {
      await flush()
      await file?.close()
      number += 1
      size = 0
      file = await open(
        join(directory, `${record.time.replaceAll(/[-:]/g, '')}-1000-${number}.jsonl`),
        'ax',
        0o600,
      )
    }
    lines.push(line)
    size += line.length
    bytes += line.length
    if (lines.length >= 1000) await flush()
  }
  await flush()
  await file?.close()
  return bytes
}

interface Spoken {
  readonly address: string
  readonly sender: string
  readonly recipient: string
  readonly by: 'certificate' | 'address' | null
  readonly outcome: JournalRecord['outcome']
  readonly reason: string
  readonly wouldBe?: string
}

/** Seven in ten from its servers, two from its scanners, of which some fail both conditions, one from the Internet. */
function companyRecord(begin: number, apart: number): Kind {
  return (index) => {
    const to = `someone${index % 9000}@d${(index * 7919) % 90_000}.test`
    const tenth = index % 10
    if (tenth < 7) {
      return recordOf(index, begin + index * apart, {
        address: `10.2.0.${index % 20}`,
        sender: index % 50 === 0 ? '' : `user${index % 5000}@company.example`,
        recipient: to,
        by: 'certificate',
        outcome: 'relay',
        reason: 'certificate-domain-accepted',
      })
    }
    const address = `10.1.${index % 7}.${index % 200}`
    if (tenth === 7) {
      const sender = `scanner${index % 300}@company.example`
      const relayed = { by: 'address', outcome: 'relay', reason: 'sender-domain-accepted' } as const
      return recordOf(index, begin + index * apart, { address, sender, recipient: to, ...relayed })
    }
    if (tenth === 8) {
      const sender = index % 3 === 0 ? '' : `fax@${index % 2 === 0 ? 'fabrikam' : 'adatum'}.example`
      const wouldBe = sender === '' ? 'null-sender' : 'sender-domain-not-accepted'
      const relayed = { by: 'address', outcome: 'relay', reason: 'report-only', wouldBe } as const
      return recordOf(index, begin + index * apart, { address, sender, recipient: to, ...relayed })
    }
    return recordOf(index, begin + index * apart, {
      address: `198.51.${(index >> 8) % 100}.${index % 256}`,
      sender: `someone@d${(index * 104_729) % 200_000}.test`,
      recipient: `user${index % 5000}@company.example`,
      by: null,
      outcome: 'deliver',
      reason: 'recipient-domain-accepted',
    })
  }
}

/** Nobody twice. */
function strangerRecord(begin: number, apart: number): Kind {
  return (index) =>
    recordOf(index, begin + index * apart, {
      address: `${100 + (index >> 24)}.${(index >> 16) % 256}.${(index >> 8) % 256}.${index % 256}`,
      sender: `a@s${index}.test`,
      recipient: `b@r${index}.test`,
      by: null,
      outcome: 'deny',
      reason: 'no-tls',
    })
}

function recordOf(index: number, time: number, spoken: Spoken): JournalRecord {
  const { address, by, outcome, reason, recipient, sender, wouldBe } = spoken
  const digits = (index * 2_654_435_761).toString(16).toUpperCase().padStart(12, '0').slice(-12)
  const name = `mail${index % 20}.company.example`
  const certified = by === 'certificate'
  return {
    time: new Date(time).toISOString(),
    id: `4F2A9C31-E22F-4A49-9A46-${digits}.1`,
    peer: {
      address,
      helo: `mail${index % 50}.test`,
      tls: certified ? 'TLSv1.3' : null,
      certificate: {
        state: certified ? 'verified' : 'no-tls',
        fingerprint: certified ? `${'3A:'.repeat(31)}9F` : null,
        names: certified ? [name] : [],
        why: null,
      },
    },
    organization: by === null ? (outcome === 'deliver' ? 'company' : null) : 'company',
    connector: by === null ? null : certified ? 'Servers' : 'Scanners',
    via: by,
    sender,
    recipient,
    outcome,
    reason,
    ...(wouldBe === undefined ? {} : { wouldBe }),
    reply: '250 2.1.5 Recipient OK',
    revision: '0123456789ab',
  }
}
