/**
 * What a record of the journal says of a certificate under each connector's trust. The journal holds one verdict, under
 * the trust that the decision hung on; under another one it is not known, and both ways are looked at.
 */

import type { ConnectorMatch } from '../directory/directory.ts'
import { nameKey } from '../directory/model.ts'
import type { JournalRecord } from '../journal/record.ts'
import type { InboundConnector, PeerCertificate } from '../policy/types.ts'
import type { CertificateFor } from '../relaying/gather.ts'

/** The key of the default CAs. */
const DEFAULT = ''

/** Whether the certificate is verified, for each trust set. */
export type Verdicts = ReadonlyMap<string, boolean>

/** Trust sets that are looked at both ways; of more, all together. */
const MOST_OPEN = 4

export interface Possible {
  /** Each of them agrees with the record. */
  readonly verdicts: readonly Verdicts[]
  /** Whether there are more than are looked at. */
  readonly isCut: boolean
  /** Whether the connector that the record names is not there. */
  readonly isGone: boolean
}

/**
 * @param record a record whose peer presented a certificate
 * @param present connectors of the directory as it is that name the peer
 * @param proposed those of the proposed one
 * @returns what the certificate may be worth
 */
export function possibleVerdicts(
  record: JournalRecord,
  present: readonly ConnectorMatch[],
  proposed: readonly ConnectorMatch[],
): Possible {
  const { state } = record.peer.certificate
  const named = byName(present)
  const judgedBy = trustOfRecord(record, named)
  const known = new Map<string, boolean>(judgedBy === null ? [] : [[judgedBy, state === 'verified']])
  const trusts = [...named, ...byName(proposed)].map((connector) => keyOf(connector))
  const open = [...new Set(trusts)].filter((key) => !known.has(key))
  return { ...bothWays(known, open), isGone: judgedBy === null }
}

/** Under which trust the recorded verdict was made; null when it cannot be told. */
function trustOfRecord(
  { connector: name, organization, peer, via }: JournalRecord,
  named: readonly InboundConnector[],
): string | null {
  if (via === 'address') return DEFAULT
  if (via === null) {
    const [first] = named
    return first === undefined || peer.certificate.state === 'verified' ? DEFAULT : keyOf(first)
  }
  if (name === null || organization === null) return null
  const matched = named.find(
    (connector) =>
      nameKey(connector.name) === nameKey(name) && nameKey(connector.organization) === nameKey(organization),
  )
  return matched === undefined ? null : keyOf(matched)
}

function byName(matches: readonly ConnectorMatch[]): InboundConnector[] {
  return matches.flatMap(({ by, connector }) => (by.via === 'certificate' ? [connector] : []))
}

function keyOf({ trust }: InboundConnector): string {
  return trust?.key ?? DEFAULT
}

function bothWays(known: Verdicts, open: readonly string[]): Pick<Possible, 'verdicts' | 'isCut'> {
  const isCut = open.length > MOST_OPEN
  const groups = isCut ? [open] : open.map((key) => [key])
  let verdicts: Verdicts[] = [known]
  for (const group of groups) {
    verdicts = verdicts.flatMap((before) =>
      [true, false].map((verified) => new Map([...before, ...group.map((key) => [key, verified] as const)])),
    )
  }
  return { verdicts, isCut }
}

/**
 * @param certificate as it was recorded
 * @param verdicts what it is taken to be worth
 * @returns its worth for each connector
 */
export function certificateUnder(certificate: PeerCertificate, verdicts: Verdicts): CertificateFor {
  if (!('names' in certificate)) return () => certificate
  const { names } = certificate
  const why = certificate.state === 'not-verified' ? certificate.why : 'not verified under this trust'
  return (connector) =>
    verdicts.get(keyOf(connector)) === true
      ? { state: 'verified', names }
      : { state: 'not-verified', names, why }
}

/**
 * Without a connector only the reason of a denial hangs on this one.
 * @param certificate as it was recorded
 * @param verdicts what it is taken to be worth
 * @returns its worth under the default CAs; as recorded where that is not known
 */
export function certificateByDefault(certificate: PeerCertificate, verdicts: Verdicts): PeerCertificate {
  if (!('names' in certificate)) return certificate
  const verified = verdicts.get(DEFAULT)
  if (verified === undefined || verified === (certificate.state === 'verified')) return certificate
  return verified
    ? { state: 'verified', names: certificate.names }
    : { state: 'not-verified', names: certificate.names, why: 'not verified under the default CAs' }
}
