/** What is sent to a next hop, where, and under which policy. */

import { buildCertificate, newKey } from './certificate-builder.ts'
import type { Made } from './authority.ts'
import { queued } from './queued.ts'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseCertificate, readableCertificates } from '../../src/certificate/parse.ts'
import { certificatesIn } from '../../src/certificate/pem.ts'
import { createTrustSets } from '../../src/certificate/trust-sets.ts'
import { DEFAULT_LIMITS } from '../../src/certificate/limits.ts'
import type { ConnectOptions } from '../../src/outbound/smtp/connect.ts'
import { makeConnect } from '../../src/outbound/smtp/connect.ts'
import type { ConnectorTrust } from '../../src/policy/types.ts'
import type {
  ClientIdentity,
  Connect,
  Envelope,
  Outgoing,
  Target,
  TlsPolicy,
} from '../../src/outbound/types.ts'

export const NOBODY: ClientIdentity = { key: 'nobody', certificate: null, credentials: null }

const OPPORTUNISTIC: TlsPolicy = { level: 'opportunistic', domain: null, trust: null }

/** @returns what connects as this server does, with these default CAs */
export function connectTrusting(
  authorities: readonly Made[],
  timeouts: ReturnType<ConnectOptions['timeouts']> = { connect: 20_000, reply: 20_000 },
): Connect {
  const trust = createTrustSets({
    anchors: readableCertificates(authorities.flatMap(({ pem }) => certificatesIn(Buffer.from(pem)))),
    purposes: ['serverAuth'],
    allowed: { sha1: false, rsa1024: false },
    limits: DEFAULT_LIMITS,
    revocationLists: [],
    revocationPolicy: 'if-available',
  })
  return makeConnect({ helo: () => 'smarthost.test', trust: () => trust, timeouts: () => timeouts })
}

/** @returns trust in these CAs and pins alone */
export function trustIn(
  certificateAuthorities: readonly Made[],
  certificatePins: readonly string[],
): ConnectorTrust {
  const pems = certificateAuthorities.map(({ pem }) => pem)
  return { key: JSON.stringify([pems, certificatePins]), certificateAuthorities: pems, certificatePins }
}

/** @returns the server at this port, by the name that its right certificate has, and without any promise */
export function targetAt(
  { host, port }: { readonly host: string; readonly port: number },
  more: Partial<Target> = {},
): Target {
  return {
    host: 'mail.hop.test',
    address: host,
    port,
    policy: OPPORTUNISTIC,
    identity: NOBODY,
    refuseOwnName: false,
    ...more,
  }
}

export const CONTENT = Buffer.from('From: <kate@contoso.com>\r\nSubject: Offer\r\n\r\nHello\r\n..dot\r\n')

/** @returns a message to all recipients of the envelope, with this content */
export function outgoing(envelope: Partial<Envelope> = {}, content = CONTENT): Outgoing {
  const { envelope: whole } = queued('7A9F4C1E-6C3B-4C8E-9D0C-2B1F0E3D5A61.1', envelope)
  return { envelope: whole, recipients: whole.recipients.map((_, index) => index), content }
}

/** @returns what a side of TLS shows */
export function shown(made: Made, cert = made.pem): { readonly cert: string; readonly key: string } {
  return { cert, key: readFileSync(made.keyFile, 'utf8') }
}

/** @returns a certificate like the one that expired a month ago, for the key of `of`, issued by `issuer` */
export function expired(of: Made, issuer: Made): string {
  const month = 30 * 86_400_000
  const key = {
    privateKey: createPrivateKey(readFileSync(of.keyFile)),
    publicKeyInfo: createPublicKey(of.pem).export({ format: 'der', type: 'spki' }),
    identifier: '',
  }
  const signer = { ...newKey(), privateKey: createPrivateKey(readFileSync(issuer.keyFile)) }
  const der = buildCertificate({
    serial: 77,
    subject: of.name,
    issuer: issuer.name,
    key,
    signer,
    notBefore: new Date(Date.now() - 3 * month),
    notAfter: new Date(Date.now() - month),
    ca: null,
    keyUsage: 0x80,
    purposes: ['1.3.6.1.5.5.7.3.1'],
    names: [of.name],
    permitted: [],
    excluded: [],
    own: null,
    authority: null,
    unknownCritical: false,
    brokenSignature: false,
  })
  parseCertificate(der)
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}
