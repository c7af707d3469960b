/**
 * Certificates with whatever is wanted in them, right or wrong, thousands a second: built with node-forge's asn1 and
 * signed by node:crypto.
 */

import type { KeyObject } from 'node:crypto'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import forge from 'node-forge'

const { asn1 } = forge
const { Class, Type } = asn1
type Asn1 = forge.asn1.Asn1

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKeyInfo: Buffer
  readonly identifier: string
}

/** @returns a new P-256 key */
export function newKey(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKeyInfo = publicKey.export({ format: 'der', type: 'spki' })
  return {
    privateKey,
    publicKeyInfo,
    identifier: createHash('sha1').update(publicKeyInfo).digest().toString('latin1'),
  }
}

export interface Plan {
  readonly serial: number
  readonly subject: string
  readonly issuer: string
  readonly key: KeyPair
  readonly signer: KeyPair
  readonly notBefore: Date
  readonly notAfter: Date
  /** null: no extension. */
  readonly ca: { readonly critical: boolean; readonly ca: boolean; readonly pathLength: number | null } | null
  /** The first octet of the bits; null: no extension. */
  readonly keyUsage: number | null
  /** OIDs; null: no extension. */
  readonly purposes: readonly string[] | null
  /** DNS names; null: no extension. */
  readonly names: readonly string[] | null
  readonly permitted: readonly string[]
  readonly excluded: readonly string[]
  /** Key identifiers as octets; null: none. */
  readonly own: string | null
  readonly authority: string | null
  readonly unknownCritical: boolean
  readonly brokenSignature: boolean
}

/**
 * @param plan what goes into it
 * @returns the certificate in DER
 */
export function buildCertificate(plan: Plan): Buffer {
  const algorithm = sequence([oid('1.2.840.10045.4.3.2')])
  const tbs = sequence([
    context(0, [integer(2)]),
    integer(plan.serial),
    algorithm,
    commonName(plan.issuer),
    sequence([time(plan.notBefore), time(plan.notAfter)]),
    commonName(plan.subject),
    asn1.fromDer(plan.key.publicKeyInfo.toString('latin1')),
    context(3, [sequence(extensionsOf(plan))]),
  ])
  const content = Buffer.from(asn1.toDer(tbs).getBytes(), 'latin1')
  const signature = sign('sha256', content, plan.signer.privateKey)
  const whole = sequence([tbs, algorithm, primitive(Type.BITSTRING, `\0${signature.toString('latin1')}`)])
  const der = Buffer.from(asn1.toDer(whole).getBytes(), 'latin1')
  // The last octet of the signature: still DER, no signature any more.
  if (plan.brokenSignature) der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
  return der
}

function extensionsOf(plan: Plan): Asn1[] {
  const { authority, ca, excluded, keyUsage, names, own, permitted, purposes } = plan
  const list: Asn1[] = []
  if (ca !== null) {
    const fields = [
      ...(ca.ca ? [primitive(Type.BOOLEAN, '\u00ff')] : []),
      ...(ca.pathLength === null ? [] : [integer(ca.pathLength)]),
    ]
    list.push(extension('2.5.29.19', ca.critical, sequence(fields)))
  }
  if (keyUsage !== null) {
    const unused = Math.max(0, Math.log2(keyUsage & -keyUsage))
    list.push(extension('2.5.29.15', true, primitive(Type.BITSTRING, String.fromCharCode(unused, keyUsage))))
  }
  if (purposes !== null) list.push(extension('2.5.29.37', false, sequence(purposes.map((one) => oid(one)))))
  if (names !== null) list.push(extension('2.5.29.17', false, sequence(names.map((name) => dns(name)))))
  if (permitted.length + excluded.length > 0) {
    const trees = (tag: 0 | 1, bases: readonly string[]): Asn1[] =>
      bases.length === 0
        ? []
        : [
            context(
              tag,
              bases.map((base) => sequence([dns(base)])),
            ),
          ]
    list.push(extension('2.5.29.30', true, sequence([...trees(0, permitted), ...trees(1, excluded)])))
  }
  if (own !== null) list.push(extension('2.5.29.14', false, primitive(Type.OCTETSTRING, own)))
  if (authority !== null) {
    const identifier = tagged(0, false, authority)
    list.push(extension('2.5.29.35', false, sequence([identifier])))
  }
  if (plan.unknownCritical) list.push(extension('1.3.6.1.4.1.99999.1', true, primitive(Type.NULL, '')))
  return list
}

function extension(id: string, critical: boolean, value: Asn1): Asn1 {
  const flag = critical ? [primitive(Type.BOOLEAN, '\u00ff')] : []
  return sequence([oid(id), ...flag, primitive(Type.OCTETSTRING, asn1.toDer(value).getBytes())])
}

function commonName(name: string): Asn1 {
  const attribute = sequence([oid('2.5.4.3'), primitive(Type.UTF8, name)])
  return sequence([asn1.create(Class.UNIVERSAL, Type.SET, true, [attribute])])
}

function dns(name: string): Asn1 {
  return tagged(2, false, name)
}

function time(date: Date): Asn1 {
  return primitive(Type.UTCTIME, asn1.dateToUtcTime(date))
}

function integer(value: number): Asn1 {
  return primitive(Type.INTEGER, asn1.integerToDer(value).getBytes())
}

function oid(text: string): Asn1 {
  return primitive(Type.OID, asn1.oidToDer(text).getBytes())
}

function primitive(type: forge.asn1.Type, value: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, value)
}

function sequence(value: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, value)
}

function context(tag: 0 | 1 | 3, value: Asn1[]): Asn1 {
  return tagged(tag, true, value)
}

/** Forge's typings know universal types only: these have the numbers 0 to 3. */
const NUMBERS = [Type.NONE, Type.BOOLEAN, Type.INTEGER, Type.BITSTRING] as const

function tagged(tag: 0 | 1 | 2 | 3, constructed: boolean, value: string | Asn1[]): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, NUMBERS[tag], constructed, value)
}
