/** One certificate, read once: what RFC 5280 sections 4.1 and 4.2 put into it. It is not judged here. */

import { createHash } from 'node:crypto'
import type { Element } from './der.ts'
import {
  bitsOf,
  BOOLEAN,
  booleanOf,
  childrenOf,
  contentOf,
  countOf,
  INTEGER,
  isContext,
  malformed,
  OCTET_STRING,
  oidOf,
  parseDer,
  SEQUENCE,
  timeOf,
} from './der.ts'
import type { DistinguishedName, GeneralName } from './general-name.ts'
import { parseGeneralName, parseName } from './general-name.ts'
import { CertificateFault } from './reasons.ts'
import type { Signed } from './signature.ts'
import { signedOf } from './signature.ts'

export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/** KeyUsage bits (RFC 5280 section 4.2.1.3). */
export const KEY_CERT_SIGN = 5
export const CRL_SIGN = 6

export interface Certificate {
  /** DER. */
  readonly raw: Buffer
  /** SHA-256 of `raw`, hex. */
  readonly fingerprint: string
  readonly version: number
  /** The content octets of the serial number, hex. */
  readonly serialNumber: string
  readonly signed: Signed
  /** Whether the algorithm is the same inside and outside of what is signed. */
  readonly signatureAlgorithmsAgree: boolean
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  /** Milliseconds since 1970; both ends are inside. */
  readonly notBefore: number
  readonly notAfter: number
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKeyInfo: Buffer
  /** OIDs of the critical extensions. */
  readonly critical: ReadonlySet<string>
  readonly extensions: ReadonlySet<string>
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | null } | null
  readonly keyUsage: ((bit: number) => boolean) | null
  readonly extendedKeyUsage: readonly string[] | null
  readonly subjectAltName: readonly GeneralName[] | null
  readonly nameConstraints: NameConstraints | null
  readonly subjectKeyIdentifier: string | null
  /** null without the extension; '' when it has no key identifier. */
  readonly authorityKeyIdentifier: string | null
}

export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
} as const

/**
 * @param raw one certificate in DER
 * @returns what is in it
 * @throws CertificateFault `malformed` when it cannot be read
 */
export function parseCertificate(raw: Buffer): Certificate {
  const whole = parseDer(raw)
  const signed = signedOf(whole, 'certificate')
  const fields = [...childrenOf(whole.inside?.[0], SEQUENCE, 'certificate')]
  let version = 1
  if (isContext(fields[0], 0)) version = countOf(fields.shift()?.inside?.[0], 'version') + 1
  const [serial, inner, issuer, validity, subject, publicKeyInfo, ...rest] = fields
  const [notBefore, notAfter] = childrenOf(validity, SEQUENCE, 'validity')
  if (publicKeyInfo === undefined || inner === undefined) throw malformed('it is incomplete')
  const extensions = extensionsOf(rest)
  return {
    raw,
    fingerprint: fingerprintOf(raw),
    version,
    serialNumber: Buffer.from(contentOf(serial, INTEGER, 'serial number'), 'latin1').toString('hex'),
    signed,
    signatureAlgorithmsAgree: inner.encoding.equals(signed.algorithmIdentifier),
    issuer: parseName(issuer, 'issuer'),
    subject: parseName(subject, 'subject'),
    notBefore: timeOf(notBefore, 'validity'),
    notAfter: timeOf(notAfter, 'validity'),
    publicKeyInfo: publicKeyInfo.encoding,
    ...decode(extensions),
  }
}

/**
 * @param ders certificates in DER, of which some may be damaged
 * @returns those that can be read, in order
 */
export function readableCertificates(ders: readonly Buffer[]): Certificate[] {
  return ders.flatMap((der) => {
    try {
      return [parseCertificate(der)]
    } catch (error) {
      if (error instanceof CertificateFault) return []
      throw error
    }
  })
}

/**
 * @param raw one certificate in DER
 * @returns SHA-256 of it, hex
 */
export function fingerprintOf(raw: Buffer): string {
  return createHash('sha256').update(raw).digest('hex')
}

interface Extension {
  readonly critical: boolean
  /** What is in it, for those that are read here. */
  readonly value: Element | null
}

type Extensions = ReadonlyMap<string, Extension>

function extensionsOf(rest: readonly Element[]): Extensions {
  const found = new Map<string, Extension>()
  const wrapped = rest.find((element) => isContext(element, 3))
  if (wrapped === undefined) return found
  for (const extension of childrenOf(wrapped.inside?.[0], SEQUENCE, 'list of extensions')) {
    const [id, ...more] = childrenOf(extension, SEQUENCE, 'list of extensions')
    const oid = oidOf(id, 'list of extensions')
    if (found.has(oid)) throw malformed('it holds an extension twice')
    const critical = more[0]?.tag === BOOLEAN ? booleanOf(more.shift(), 'list of extensions') : false
    contentOf(more[0], OCTET_STRING, 'list of extensions')
    const value = more[0] !== undefined && READ.has(oid) ? parseDer(more[0].octets) : null
    found.set(oid, { critical, value })
  }
  return found
}

const READ: ReadonlySet<string> = new Set([
  OID.subjectKeyIdentifier,
  OID.keyUsage,
  OID.subjectAltName,
  OID.basicConstraints,
  OID.nameConstraints,
  OID.authorityKeyIdentifier,
  OID.extendedKeyUsage,
  OID.authorityInfoAccess,
])

type Decoded = Pick<
  Certificate,
  | 'critical'
  | 'extensions'
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'subjectAltName'
  | 'nameConstraints'
  | 'subjectKeyIdentifier'
  | 'authorityKeyIdentifier'
>

function decode(extensions: Extensions): Decoded {
  const access = extensions.get(OID.authorityInfoAccess)?.value
  // Nothing is fetched from there, but it has to be what it says that it is.
  if (access !== undefined && access !== null) requireAccessDescriptions(access)
  const read = <T>(oid: string, how: (value: Element) => T): T | null => {
    const value = extensions.get(oid)?.value
    return value === undefined || value === null ? null : how(value)
  }
  return {
    critical: new Set([...extensions].flatMap(([oid, { critical }]) => (critical ? [oid] : []))),
    extensions: new Set(extensions.keys()),
    basicConstraints: read(OID.basicConstraints, basicConstraintsOf),
    keyUsage: read(OID.keyUsage, (value) => bitsOf(value, 'key usage')),
    extendedKeyUsage: read(OID.extendedKeyUsage, (value) => {
      const purposes = childrenOf(value, SEQUENCE, 'extended key usage')
      if (purposes.length === 0) throw malformed('its extended key usage is empty')
      return purposes.map((purpose) => oidOf(purpose, 'extended key usage'))
    }),
    subjectAltName: read(OID.subjectAltName, (value) => {
      const names = childrenOf(value, SEQUENCE, 'subject alternative name')
      if (names.length === 0) throw malformed('its subject alternative name is empty')
      return names.map((name) => parseGeneralName(name, 'subject alternative name'))
    }),
    nameConstraints: read(OID.nameConstraints, nameConstraintsOf),
    subjectKeyIdentifier: read(OID.subjectKeyIdentifier, (value) =>
      hex(contentOf(value, OCTET_STRING, 'subject key identifier')),
    ),
    authorityKeyIdentifier: read(OID.authorityKeyIdentifier, (value) => {
      const key = childrenOf(value, SEQUENCE, 'authority key identifier').find((element) =>
        isContext(element, 0),
      )
      return key === undefined ? '' : hex(key.content)
    }),
  }
}

function requireAccessDescriptions(value: Element): void {
  const what = 'authority information access'
  const list = childrenOf(value, SEQUENCE, what)
  if (list.length === 0) throw malformed(`its ${what} is malformed`)
  for (const description of list) {
    const [method, location] = childrenOf(description, SEQUENCE, what)
    oidOf(method, what)
    if (location === undefined) throw malformed(`its ${what} is malformed`)
    parseGeneralName(location, what)
  }
}

function hex(content: string): string {
  return Buffer.from(content, 'latin1').toString('hex')
}

function basicConstraintsOf(value: Element): { ca: boolean; pathLength: number | null } {
  const fields = [...childrenOf(value, SEQUENCE, 'basic constraints')]
  const ca = fields[0]?.tag === BOOLEAN ? booleanOf(fields.shift(), 'basic constraints') : false
  const pathLength = fields.length === 0 ? null : countOf(fields.shift(), 'basic constraints')
  if (fields.length > 0) throw malformed('its basic constraints are malformed')
  return { ca, pathLength }
}

function nameConstraintsOf(value: Element): NameConstraints {
  const lists = childrenOf(value, SEQUENCE, 'name constraints')
  const subtrees = (tag: number): GeneralName[] => {
    const list = lists.find((element) => isContext(element, tag))
    if (list === undefined) return []
    if (list.inside === null || list.inside.length === 0)
      throw malformed('its name constraints are malformed')
    return list.inside.map((subtree) => {
      // minimum is 0 and left out, maximum must be absent (RFC 5280 section 4.2.1.10).
      const [base, ...limits] = childrenOf(subtree, SEQUENCE, 'name constraints')
      if (base === undefined || limits.length > 0) throw malformed('its name constraints are malformed')
      return parseGeneralName(base, 'name constraints')
    })
  }
  if (lists.length === 0 || !lists.every((element) => isContext(element, 0) || isContext(element, 1))) {
    throw malformed('its name constraints are malformed')
  }
  return { permitted: subtrees(0), excluded: subtrees(1) }
}
