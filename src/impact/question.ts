/**
 * A record of the journal turned back into the question that was decided. What the journal does not hold is said, never
 * guessed: the certificates themselves, names beyond the twentieth, and whether another plugin had allowed relaying.
 */

import type { JournalRecord } from '../journal/record.ts'
import { isReasonCode } from '../policy/reasons.ts'
import type { PeerCertificate, Recipient, Sender } from '../policy/types.ts'
import { recipientOf, senderOf } from '../relaying/envelope.ts'
import { normalizePresentedName } from '../text/certificate-name.ts'
import { normalizeAddress } from '../text/ip-address.ts'

/** Names of one certificate that the journal keeps (`haraka/record-decision.ts`). */
const NAMES_KEPT = 20

/** Characters of an address that it keeps. */
const ADDRESS_KEPT = 1000

/** Reasons that are found before it is asked whether another plugin had allowed relaying (rule 8). */
const BEFORE_RELAYING = new Set([
  'source-route',
  'postmaster',
  'postmaster-not-set',
  'recipient-without-domain',
  'routing-characters',
  'recipient-domain-accepted',
  'inbound-not-accepted',
  'no-route',
  'sending-disabled',
  'directory-unavailable',
  'internal-error',
])

export interface ReplayQuestion {
  readonly sender: Sender
  readonly recipient: Recipient
  /** Whether another plugin had allowed relaying; null where the record does not show it. */
  readonly relayingBefore: boolean | null
  /** Whether an address was too long for the journal. */
  readonly isCut: boolean
}

/**
 * @param record a record of the journal
 * @returns the envelope that was decided on
 */
export function questionOf({ reason, recipient, sender }: JournalRecord): ReplayQuestion {
  const to = partsOf(recipient)
  return {
    sender: senderOf(partsOf(sender)),
    // A source route is not in the address that is journalled; the first rule refuses it.
    recipient: recipientOf(reason === 'source-route' ? { ...to, original: '@' } : to),
    relayingBefore: relayingBefore(reason),
    isCut: recipient.length >= ADDRESS_KEPT || sender.length >= ADDRESS_KEPT,
  }
}

function relayingBefore(reason: string): boolean | null {
  if (reason === 'relaying-respected') return true
  return BEFORE_RELAYING.has(reason) || !isReasonCode(reason) ? null : false
}

/** A quoted local part may hold an @, a domain holds no quote; `<postmaster>` has no domain. */
function partsOf(address: string): { original: string; user: string; host: string } {
  const at = address.lastIndexOf('@')
  const host = at === -1 ? '' : address.slice(at + 1)
  if (host === '' || host.includes('"')) return { original: address, user: address, host: '' }
  return { original: address, user: address.slice(0, at), host }
}

/** Who spoke, as far as the journal has it. */
export interface ReplayPeer {
  readonly address: string | null
  /** The verdict that the decision hung on. */
  readonly certificate: PeerCertificate
  /** Whether it may hold more names than the journal does. */
  readonly isCut: boolean
}

/**
 * @param peer of a record
 * @param isProxy whether an address is a listed proxy's, which is nobody's
 * @returns who spoke
 */
export function peerOf(
  { address, certificate }: JournalRecord['peer'],
  isProxy: (address: string) => boolean,
): ReplayPeer {
  const canonical = normalizeAddress(address)
  const names = certificate.names.flatMap((name) => normalizePresentedName(name) ?? [])
  return {
    address: canonical === null || isProxy(canonical) ? null : canonical,
    certificate: certificateOf(certificate, names),
    isCut: certificate.names.length >= NAMES_KEPT,
  }
}

function certificateOf(
  { state, why }: JournalRecord['peer']['certificate'],
  names: readonly string[],
): PeerCertificate {
  switch (state) {
    case 'verified':
      return { state, names }
    case 'not-verified':
      return { state, names, why: why ?? '' }
    case 'no-tls':
    case 'no-certificate':
      return { state }
  }
}
