/** Certificate revocation lists from files (RFC 5280 section 5 and 6.3), complete and direct ones. */

import type { Element } from './der.ts'
import {
  BOOLEAN,
  booleanOf,
  childrenOf,
  contentOf,
  INTEGER,
  isContext,
  malformed,
  oidOf,
  parseDer,
  SEQUENCE,
  timeOf,
} from './der.ts'
import { formatName, parseName } from './general-name.ts'
import type { DistinguishedName } from './general-name.ts'
import type { Work } from './limits.ts'
import type { Certificate } from './parse.ts'
import { CRL_SIGN } from './parse.ts'
import { publicKeyOf } from './public-key.ts'
import { CertificateFault } from './reasons.ts'
import type { Signed } from './signature.ts'
import { isSignatureOf, signedOf } from './signature.ts'
import { NOTHING_WEAK } from './strength.ts'

/** Whether a certificate needs a list to be trusted; `require-leaf`: the leaf does, its CAs only if there is one. */
export type RevocationPolicy = 'require' | 'require-leaf' | 'if-available'

export interface RevocationList {
  readonly issuer: DistinguishedName
  readonly thisUpdate: number
  /** Milliseconds since 1970; a list without one is never stale. */
  readonly nextUpdate: number | null
  /** Content octets of the revoked serial numbers, hex. */
  readonly revoked: ReadonlySet<string>
  readonly signed: Signed
  /** Whether it has what every list of a conforming CA has; without, it only ever speaks against a certificate. */
  readonly conforming: boolean
}

const CRL_NUMBER = '2.5.29.20'
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35'

/**
 * @param raw a CertificateList in DER
 * @returns what is in it
 * @throws CertificateFault `malformed` when it cannot be read, or is no complete and direct list
 */
export function parseRevocationList(raw: Buffer): RevocationList {
  const whole = parseDer(raw)
  const signed = signedOf(whole, 'list')
  const fields = [...childrenOf(whole.inside?.[0], SEQUENCE, 'list')]
  if (fields[0]?.tag === INTEGER) fields.shift()
  const [inner, issuer, thisUpdate, ...rest] = fields
  if (inner?.encoding.equals(signed.algorithmIdentifier) !== true)
    throw malformed('its two signature algorithms differ')
  const hasNext = rest[0] !== undefined && rest[0].kind === 'universal' && rest[0].tag !== SEQUENCE
  const nextUpdate = hasNext ? timeOf(rest.shift(), 'next update') : null
  const entries =
    rest[0] !== undefined && !isContext(rest[0], 0) ? childrenOf(rest.shift(), SEQUENCE, 'list') : []
  return {
    conforming: requireKnownExtensions(rest[0]),
    issuer: parseName(issuer, 'issuer'),
    thisUpdate: timeOf(thisUpdate, 'this update'),
    nextUpdate,
    revoked: new Set(entries.map((entry) => serialOf(entry))),
    signed,
  }
}

function serialOf(entry: Element): string {
  const [serial, , extensions] = childrenOf(entry, SEQUENCE, 'entry')
  for (const { critical, oid } of extensions === undefined ? [] : extensionsOf(extensions)) {
    // certificateIssuer makes it a list about other CAs' certificates.
    if (critical) throw malformed(`an entry has the critical extension ${oid}`)
  }
  return Buffer.from(contentOf(serial, INTEGER, 'entry'), 'latin1').toString('hex')
}

/** @returns whether those are there that RFC 5280 section 5.2 wants in every list */
function requireKnownExtensions(wrapped: Element | undefined): boolean {
  const extensions = wrapped === undefined ? [] : extensionsOf(wrapped.inside?.[0])
  for (const { critical, oid } of extensions) {
    if (critical) throw malformed(`it has the critical extension ${oid}`)
  }
  return [CRL_NUMBER, AUTHORITY_KEY_IDENTIFIER].every((wanted) =>
    extensions.some(({ oid }) => oid === wanted),
  )
}

function extensionsOf(list: Element | undefined): { oid: string; critical: boolean }[] {
  return childrenOf(list, SEQUENCE, 'list of extensions').map((extension) => {
    const [id, flag] = childrenOf(extension, SEQUENCE, 'list of extensions')
    return {
      oid: oidOf(id, 'list of extensions'),
      critical: flag?.tag === BOOLEAN && booleanOf(flag, 'list of extensions'),
    }
  })
}

/**
 * @param lists the lists that there are
 * @param policy whether a certificate needs one
 * @param time milliseconds since 1970
 * @returns the check for a certificate and its issuer
 */
export function revocationCheck(
  lists: readonly RevocationList[],
  policy: RevocationPolicy,
  time: number,
): (certificate: Certificate, issuer: Certificate, work: Work, leaf: boolean) => void {
  return (certificate, issuer, work, leaf) => {
    const own = lists.filter((list) => list.issuer.key === certificate.issuer.key)
    const signed = own.filter((list) => isIssuedBy(list, issuer, work))
    // A list that is stale still knows what was revoked.
    if (signed.some(({ revoked }) => revoked.has(certificate.serialNumber))) {
      throw new CertificateFault('revoked', `${formatName(issuer.subject)} revoked it`)
    }
    if (policy === 'if-available' || (policy === 'require-leaf' && !leaf)) return
    if (signed.some((list) => list.conforming && isCurrent(list, time))) return
    const what = own.length === 0 ? 'there is no list' : 'there is no list that is current and signed'
    throw new CertificateFault('revocation-unknown', `${what} of ${formatName(issuer.subject)}`)
  }
}

function isCurrent({ thisUpdate, nextUpdate }: RevocationList, time: number): boolean {
  return thisUpdate <= time && (nextUpdate === null || time <= nextUpdate)
}

/** Lists by the issuers whose signature they were found to bear, so that each is verified once. */
const ISSUED = new WeakMap<RevocationList, Map<string, boolean>>()

function isIssuedBy(list: RevocationList, issuer: Certificate, work: Work): boolean {
  if (issuer.keyUsage?.(CRL_SIGN) === false) return false
  const known = ISSUED.get(list) ?? new Map<string, boolean>()
  ISSUED.set(list, known)
  let good = known.get(issuer.fingerprint)
  if (good === undefined) {
    work.countSignature()
    good = isSignatureOf(list.signed, publicKeyOf(issuer), NOTHING_WEAK)
    known.set(issuer.fingerprint, good)
  }
  return good
}
