/**
 * The certificates that a new instance needs: the server's own, self-signed, and for the demonstration a private CA
 * with client certificates. Issued with node-forge, in JavaScript, so that nothing else has to be installed; its RSA
 * keys come from Node's own crypto, which is faster and OpenSSL's.
 */

import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { isIP } from 'node:net'
import forge from 'node-forge'

const makeKeys = promisify(generateKeyPair)

const HOUR = 3_600_000
const DAY = 24 * HOUR

export interface IssuedCertificate {
  /** PKCS#8 in PEM form. */
  readonly key: string
  readonly certificate: string
}

/** A CA that certificates can be issued by. */
export interface CertificateAuthority extends IssuedCertificate {
  readonly issue: (request: CertificateRequest) => Promise<IssuedCertificate>
}

export interface CertificateRequest {
  readonly commonName: string
  /** Names and addresses for the subject alternative name. */
  readonly names: readonly string[]
  readonly days: number
}

/**
 * @param request the names
 * @returns a self-signed certificate for a server
 */
export async function issueServerCertificate(request: CertificateRequest): Promise<IssuedCertificate> {
  const key = await rsaKey()
  const certificate = template(request, key)
  certificate.setIssuer(certificate.subject.attributes)
  certificate.setExtensions(leafExtensions(request.names))
  certificate.sign(key.privateKey, forge.md.sha256.create())
  return { key: key.pem, certificate: toPem(certificate) }
}

/**
 * @param commonName the CA's name
 * @param days how long it lasts
 * @returns the CA; its key is as secret as any
 */
export async function createCertificateAuthority(
  commonName: string,
  days: number,
): Promise<CertificateAuthority> {
  const key = await rsaKey()
  const ca = template({ commonName, names: [], days }, key)
  ca.setIssuer(ca.subject.attributes)
  ca.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ])
  ca.sign(key.privateKey, forge.md.sha256.create())
  return {
    key: key.pem,
    certificate: toPem(ca),
    issue: async (request) => {
      const leafKey = await rsaKey()
      const leaf = template(request, leafKey)
      leaf.setIssuer(ca.subject.attributes)
      leaf.setExtensions([
        ...leafExtensions(request.names),
        { name: 'authorityKeyIdentifier', keyIdentifier: ca.generateSubjectKeyIdentifier().getBytes() },
      ])
      leaf.sign(key.privateKey, forge.md.sha256.create())
      return { key: leafKey.pem, certificate: toPem(leaf) }
    },
  }
}

interface Key {
  readonly pem: string
  readonly privateKey: forge.pki.rsa.PrivateKey
  readonly publicKey: forge.pki.rsa.PublicKey
}

async function rsaKey(): Promise<Key> {
  const { privateKey: pem } = await makeKeys('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const privateKey = forge.pki.privateKeyFromPem(pem)
  return { pem, privateKey, publicKey: forge.pki.setRsaPublicKey(privateKey.n, privateKey.e) }
}

function template({ commonName, days }: CertificateRequest, { publicKey }: Key): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = publicKey
  // RFC 5280 section 4.1.2.2: positive, at most 20 octets.
  certificate.serialNumber = `5${randomBytes(16).toString('hex').slice(1)}`
  // An hour back, for clocks that are behind.
  certificate.validity.notBefore = new Date(Date.now() - HOUR)
  certificate.validity.notAfter = new Date(Date.now() + days * DAY)
  certificate.setSubject([{ name: 'commonName', value: commonName.slice(0, 64) }])
  return certificate
}

function leafExtensions(names: readonly string[]): object[] {
  return [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    {
      name: 'subjectAltName',
      altNames: names.map((name) => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name })),
    },
    { name: 'subjectKeyIdentifier' },
  ]
}

function toPem(certificate: forge.pki.Certificate): string {
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n')
}
