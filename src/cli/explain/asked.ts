/** What `explain` is asked: a message described by flags, or ones that the journal has. */

import { readFileSync } from 'node:fs'
import { certificatesIn } from '../../certificate/pem.ts'
import type { TrustSets } from '../../certificate/trust-sets.ts'
import { parseRecord } from '../../journal/parse-record.ts'
import type { JournalRecord } from '../../journal/record.ts'
import type { PeerCertificate } from '../../policy/types.ts'
import { recipientOf, senderOf } from '../../relaying/envelope.ts'
import { parseEnvelopeAddress } from '../../relaying/parse-address.ts'
import type { DescribedPeer, SimulatedMessage } from '../../relaying/simulate.ts'
import { givenPeer, presentingPeer } from '../../relaying/simulate.ts'
import { normalizePresentedName } from '../../text/certificate-name.ts'
import { normalizeAddress } from '../../text/ip-address.ts'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { readNamedFile } from '../files.ts'

export interface AskedOptions {
  readonly from?: string
  readonly to?: string
  readonly ip?: string
  readonly certificate?: string
  readonly certificateName?: readonly string[]
  readonly helo?: string
  readonly session?: string
  readonly tls: boolean
}

/** One message to one recipient. */
export interface Asked {
  readonly message: SimulatedMessage
  readonly from: string
  readonly to: string
  readonly helo: string | null
  /** What the journal has of it; null for a message that nobody sent. */
  readonly recorded: JournalRecord | null
}

/** Recipients of one message are explained one after the other; a whole journal is for `impact`. */
const MOST_SESSIONS = 100

/**
 * @param options the flags
 * @param trust asked when a certificate is to be verified
 * @returns what is to be explained, at least one
 * @throws UsageError when the flags contradict each other, CommandFailed when a file cannot be used
 */
export function askedFor(options: AskedOptions, trust: () => TrustSets): Asked[] {
  refuseContradictions(options)
  const { from, session, to } = options
  if (session !== undefined) return recordsIn(session).map((record) => recordedMessage(record))
  if (from === undefined || to === undefined) {
    throw new UsageError(
      'say what to explain: --from and --to describe a message, --session names an entry of the journal',
    )
  }
  const sender = senderOf(parseAddress('--from', from))
  const recipient = recipientOf(parseAddress('--to', to))
  const address = options.ip === undefined ? null : parseIp(options.ip)
  const peer = peerOf(options, address, trust)
  return [{ message: { peer, sender, recipient }, from, to, helo: options.helo ?? null, recorded: null }]
}

function recordsIn(file: string): JournalRecord[] {
  const text = file === '-' ? readFileSync(0, 'utf8') : readNamedFile(file).toString('utf8')
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const [whole] = [parseRecord(text)]
  const records = whole === null ? lines.map((line) => parseRecord(line)) : [whole]
  const good = records.filter((record) => record !== null)
  if (good.length > 0 && good.length === records.length && good.length <= MOST_SESSIONS) return good
  throw new CommandFailed(
    good.length > MOST_SESSIONS
      ? `${file} holds ${good.length} entries of a journal: connectorctl impact replays so many`
      : `${file} holds no entry of a journal: write one with connectorctl journal --id ID --json`,
  )
}

function recordedMessage(record: JournalRecord): Asked {
  const { peer, reason, recipient, sender } = record
  return {
    message: {
      peer: givenPeer(normalizeAddress(peer.address), certificateIn(record)),
      sender: senderOf(recordedAddress(sender)),
      // The journal keeps the address without its route; that there was one, the reason says.
      recipient: { ...recipientOf(recordedAddress(recipient)), sourceRoute: reason === 'source-route' },
      relayingRespected: reason === 'relaying-respected',
    },
    from: sender,
    to: recipient,
    helo: null,
    recorded: record,
  }
}

/** The journal keeps an address as the rule saw it, which is not always one that may be written in SMTP. */
function recordedAddress(text: string): ReturnType<typeof parseEnvelopeAddress> {
  try {
    return parseEnvelopeAddress(text)
  } catch (error) {
    throw new CommandFailed(
      `the entry's address ${JSON.stringify(printable(text))} cannot be read: ${printable(messageOf(error))}`,
    )
  }
}

function certificateIn({ peer: { certificate } }: JournalRecord): PeerCertificate {
  const { names, state, why } = certificate
  switch (state) {
    case 'verified':
      return { state, names }
    case 'not-verified':
      return { state, names, why: why ?? 'not recorded' }
    default:
      return { state }
  }
}

function refuseContradictions(options: AskedOptions): void {
  const { certificate, certificateName, session, tls } = options
  if (session !== undefined) {
    const others = ['from', 'to', 'ip', 'certificate', 'certificateName', 'helo'] as const
    if (!tls || others.some((name) => options[name] !== undefined)) {
      throw new UsageError('--session says all about the message: leave the flags that describe one out')
    }
  }
  if (certificate !== undefined && certificateName !== undefined) {
    throw new UsageError('--certificate and --certificate-name exclude each other: give one of them')
  }
  if (!tls && (certificate !== undefined || certificateName !== undefined)) {
    throw new UsageError(
      '--no-tls excludes --certificate and --certificate-name: without TLS none is presented',
    )
  }
}

function parseAddress(flag: string, text: string): ReturnType<typeof parseEnvelopeAddress> {
  try {
    return parseEnvelopeAddress(text)
  } catch (error) {
    const why = messageOf(error)
    throw new UsageError(`${flag} ${JSON.stringify(printable(text))} is no mail address: ${printable(why)}`)
  }
}

function parseIp(text: string): string {
  const address = normalizeAddress(text)
  if (address === null)
    throw new UsageError(`--ip ${JSON.stringify(printable(text))} is no IPv4 or IPv6 address`)
  return address
}

function peerOf(options: AskedOptions, address: string | null, trust: () => TrustSets): DescribedPeer {
  if (!options.tls) return givenPeer(address, { state: 'no-tls' })
  if (options.certificateName !== undefined) {
    const names = options.certificateName.map((name) => certificateName(name))
    return givenPeer(address, { state: 'verified', names })
  }
  if (options.certificate === undefined) return givenPeer(address, { state: 'no-certificate' })
  const presented = certificatesIn(readNamedFile(options.certificate))
  if (presented.length === 0) throw new CommandFailed(`${options.certificate} holds no certificate`)
  return presentingPeer(address, presented, trust())
}

function certificateName(text: string): string {
  const name = normalizePresentedName(text)
  if (name !== null) return name
  throw new UsageError(
    `--certificate-name ${JSON.stringify(printable(text))} is no name that counts: give a DNS name such as mail.contoso.com or *.contoso.com`,
  )
}
