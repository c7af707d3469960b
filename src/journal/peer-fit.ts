/** Whether the peer of a record is one that a connector, as it is now, is for: names of connectors change. */

import type { InboundConnector } from '../policy/types.ts'
import { matchesCertificateName, normalizePresentedName } from '../text/certificate-name.ts'
import type { AddressRange } from '../text/ip-address.ts'
import { addressBytes, maskBytes, parseRange } from '../text/ip-address.ts'
import type { JournalRecord } from './record.ts'

/** Peers whose answer is kept: few servers send most of the mail, and an organisation may have many connectors. */
const MOST_PEERS = 10_000

/**
 * Whether the certificate was verified is not asked: another trust may have counted then.
 * @param connectors connectors as they are in the directory
 * @returns tells whether the peer's address is in a range of one of them, or a name of its certificate one of theirs
 */
export function fitsOneOf(
  connectors: readonly Pick<InboundConnector, 'tlsSenderCertificateName' | 'senderIPAddresses'>[],
): (record: JournalRecord) => boolean {
  const names = connectors.flatMap(({ tlsSenderCertificateName: name }) => name ?? [])
  const ranges = connectors.flatMap(({ senderIPAddresses }) =>
    senderIPAddresses.flatMap((text) => parseRange(text) ?? []),
  )
  const known = new Map<string, boolean>()
  return ({ peer: { address, certificate } }) => {
    const key = [address, ...certificate.names].join('\n')
    const before = known.get(key)
    if (before !== undefined) return before
    const fits = hasName(certificate.names, names) || isIn(address, ranges)
    if (known.size >= MOST_PEERS) known.clear()
    known.set(key, fits)
    return fits
  }
}

function hasName(presented: readonly string[], names: readonly string[]): boolean {
  if (names.length === 0) return false
  return presented.some((text) => {
    const name = normalizePresentedName(text)
    return name !== null && names.some((wanted) => matchesCertificateName(wanted, name))
  })
}

function isIn(address: string, ranges: readonly AddressRange[]): boolean {
  const bytes = ranges.length === 0 ? null : addressBytes(address)
  if (bytes === null) return false
  return ranges.some(({ bytes: network, prefixLength }) => {
    if (network.length !== bytes.length) return false
    return maskBytes(bytes, prefixLength).every((octet, index) => octet === network[index])
  })
}
