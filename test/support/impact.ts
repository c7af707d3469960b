/** Journals for tests of `impact`: what a server would have decided under a directory, written as it writes it. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { registerImpact } from '../../src/cli/commands/impact.ts'
import type { CliContext } from '../../src/cli/context.ts'
import { CommandFailed, UsageError } from '../../src/cli/errors.ts'
import type { Directory } from '../../src/directory/directory.ts'
import type { Organization } from '../../src/directory/model.ts'
import { parseOrganizations } from '../../src/directory/schema.ts'
import type { Impact, ImpactQuestion } from '../../src/impact/measure.ts'
import { measureImpact } from '../../src/impact/measure.ts'
import { wholeDirectory } from '../../src/impact/proposed-directory.ts'
import type { JournalRecord } from '../../src/journal/record.ts'
import type { PeerCertificate } from '../../src/policy/types.ts'
import { recipientOf, senderOf } from '../../src/relaying/envelope.ts'
import { parseEnvelopeAddress } from '../../src/relaying/parse-address.ts'
import { givenPeer, simulate } from '../../src/relaying/simulate.ts'
import { Writable } from 'node:stream'
import type { Finished } from './smarthost.ts'

export const HOUR = 3_600_000
export const DAY = 24 * HOUR

/** The time of the tests: nothing hangs on today's. */
export const NOW = new Date('2026-11-25T12:00:00.000Z')

export const SETTINGS: ImpactQuestion['settings'] = {
  relay: { acceptInbound: true, respectRelaying: false, requireDomainProof: false, postmaster: null },
  outbound: { smartHost: { host: 'next.example', port: 25 } },
}

/** Every file of CAs is there, and each is another trust. */
const authorities = (name: string): { readonly pem: string } => ({ pem: name })

/** @returns what stands in a text of organizations.yaml */
export function organizationsOf(text: string): readonly Organization[] {
  const { errors, organizations } = parseOrganizations(text, 'organizations.yaml', authorities)
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'))
  return organizations
}

export function directoryOf(text: string): Directory {
  return wholeDirectory(organizationsOf(text))
}

/** One message, as a server that speaks to the smarthost would say it. */
export interface Mail {
  readonly ip?: string
  readonly certificate?: PeerCertificate
  readonly from: string
  readonly to?: string | readonly string[]
  /** How often it came. */
  readonly times?: number
}

const WITHOUT_TLS: PeerCertificate = { state: 'no-tls' }

/** Decides mail as the server would, and makes the records of it, one each minute up to an hour before `NOW`. */
export async function recordsOf(
  directory: Directory,
  mails: readonly Mail[],
  settings: ImpactQuestion['settings'] = SETTINGS,
  decidedAt: Date = NOW,
): Promise<JournalRecord[]> {
  const records: JournalRecord[] = []
  let number = 0
  for (const { certificate, from, ip = '10.1.0.7', times = 1, to = 'kate@tailspintoys.com' } of mails) {
    for (let time = 0; time < times; time += 1) {
      number += 1
      for (const recipient of typeof to === 'string' ? [to] : to) {
        const { attribution, decision } = await simulate(directory, settings, {
          peer: givenPeer(ip, certificate ?? WITHOUT_TLS),
          sender: senderOf(parseEnvelopeAddress(from)),
          recipient: recipientOf(parseEnvelopeAddress(recipient)),
          now: decidedAt.toISOString(),
        })
        const shown = attribution.peer.certificate
        records.push(
          record({
            time: new Date(NOW.getTime() - HOUR - (100_000 - number) * 100).toISOString(),
            id: `4F2A9C31-E22F-4A49-9A46-${String(number).padStart(12, '0')}.1`,
            peer: {
              address: ip,
              helo: 'client.test',
              tls: shown.state === 'no-tls' ? null : 'TLSv1.3',
              certificate: {
                state: shown.state,
                fingerprint: 'names' in shown ? 'AB:CD' : null,
                names: 'names' in shown ? shown.names : [],
                why: 'why' in shown ? shown.why : null,
              },
            },
            organization: decision.organization,
            connector: decision.connector,
            via: decision.via,
            sender: senderOf(parseEnvelopeAddress(from)).address,
            recipient: recipientOf(parseEnvelopeAddress(recipient)).address,
            outcome: decision.outcome,
            reason: decision.reason,
            ...(decision.wouldBe === null ? {} : { wouldBe: decision.wouldBe }),
          }),
        )
      }
    }
  }
  return records
}

/** @returns a record of a message that a scanner's connector relayed, otherwise where it is said */
export function record(more: Partial<JournalRecord> = {}): JournalRecord {
  return {
    time: new Date(NOW.getTime() - HOUR).toISOString(),
    id: '4F2A9C31-E22F-4A49-9A46-000000000001.1',
    peer: {
      address: '10.1.0.7',
      helo: 'client.test',
      tls: null,
      certificate: { state: 'no-tls', fingerprint: null, names: [], why: null },
    },
    organization: 'contoso',
    connector: 'Scanners',
    via: 'address',
    sender: 'scanner@contoso.com',
    recipient: 'kate@tailspintoys.com',
    outcome: 'relay',
    reason: 'sender-domain-accepted',
    reply: '250 2.1.5 Recipient OK',
    revision: '0123456789ab',
    ...more,
  }
}

/** Writes one file of a folder that is made, as the writer names it; `more` are lines that are no records. */
export async function writeJournal(
  folder: string,
  records: readonly JournalRecord[],
  more: readonly string[] = [],
): Promise<string> {
  await mkdir(folder, { recursive: true })
  const first = records[0]?.time ?? NOW.toISOString()
  const lines = [...records.map((one) => JSON.stringify(one)), ...more]
  const path = join(folder, `${first.replaceAll(/[-:]/g, '')}-1000-1.jsonl`)
  await writeFile(path, lines.map((line) => `${line}\n`).join(''))
  return folder
}

/** Replays a folder; only what differs from the ordinary is said. */
export function measure(
  own: string,
  question: Pick<ImpactQuestion, 'directory' | 'proposed'> & Partial<ImpactQuestion>,
): Promise<Impact> {
  return measureImpact(
    {
      own,
      copies: [],
      since: new Date(NOW.getTime() - 30 * DAY),
      until: NOW,
      settings: SETTINGS,
      proxies: [],
      organization: null,
      instance: null,
      ...question,
    },
    { signal: new AbortController().signal, progress: () => undefined },
  )
}

/** Runs `connectorctl impact` in this process. */
export async function impact(...args: string[]): Promise<Finished> {
  const [stdout, stderr] = [new Kept(), new Kept()]
  const context: CliContext = { stdout, stderr, signal: new AbortController().signal }
  const program = new Command('connectorctl')
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) })
  registerImpact(program, context)
  const code = await program.parseAsync(['impact', ...args], { from: 'user' }).then(
    () => 0,
    (error: unknown) => {
      if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
      if (!(error instanceof UsageError || error instanceof CommandFailed)) throw error
      stderr.write(error.message)
      return error instanceof UsageError ? 2 : 1
    },
  )
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class Kept extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
