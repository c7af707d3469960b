/** Certificates made with the openssl program, for what no fixture holds. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificatesIn } from '../../src/certificate/pem.ts'

export type KeyKind =
  'ec' | 'rsa' | 'rsa-pss' | 'ed25519' | 'rsa1024' | 'rsaExponent' | 'rsa8192' | 'p521' | 'secp256k1'

const KEYS: Readonly<Record<KeyKind, readonly string[]>> = {
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  secp256k1: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  p521: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  rsa8192: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:8192'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  rsa1024: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  rsaExponent: [
    '-algorithm',
    'RSA',
    '-pkeyopt',
    'rsa_keygen_bits:2048',
    '-pkeyopt',
    `rsa_keygen_pubexp:${2n ** 65n + 1n}`,
  ],
  'rsa-pss': ['-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ed25519: ['-algorithm', 'ED25519'],
}

export interface Wanted {
  /** The common name; '' for no subject at all. */
  readonly name: string
  /** Null for a self-signed one. */
  readonly issuer: Made | null
  readonly key?: KeyKind
  /** Another certificate for the key of this one. */
  readonly keyOf?: Made
  /** Lines of an extension file beside the key identifiers. */
  readonly extensions?: readonly string[]
  /** e.g. `-sha1` */
  readonly digest?: string
  readonly days?: number
  /** As in an extension file; the hash of the key when not given. */
  readonly subjectKeyIdentifier?: string
  /** In which string types names are written, as in req's `string_mask`. */
  readonly stringMask?: string
}

export interface Made {
  readonly name: string
  readonly der: Buffer
  readonly pem: string
  /** Paths of the key and the certificate. */
  readonly keyFile: string
  readonly file: string
}

export const CA = ['basicConstraints=critical,CA:true', 'keyUsage=critical,keyCertSign,cRLSign']
export const LEAF = [
  'basicConstraints=critical,CA:false',
  'keyUsage=critical,digitalSignature',
  'extendedKeyUsage=serverAuth',
]

/** A folder of certificates; remove it after the tests. */
export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), 'connectors-authority-'))
  #count = 0

  openssl(...args: string[]): string {
    return execFileSync('openssl', args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] }).toString()
  }

  make({
    name,
    issuer,
    key = 'ec',
    keyOf,
    extensions = LEAF,
    digest,
    days = 30,
    stringMask,
    subjectKeyIdentifier = 'hash',
  }: Wanted): Made {
    this.#count += 1
    const path = (kind: string): string => join(this.folder, `${this.#count}.${kind}`)
    if (keyOf === undefined) this.openssl('genpkey', ...KEYS[key], '-out', path('key'))
    else writeFileSync(path('key'), readFileSync(keyOf.keyFile))
    const subject = name === '' ? '/' : `/CN=${name}`
    const strings = stringMask === undefined ? '' : `string_mask=${stringMask}\n`
    writeFileSync(path('cnf'), `[req]\ndistinguished_name=dn\n${strings}[dn]\n`)
    const request = ['-new', '-utf8', '-config', path('cnf'), '-key', path('key'), '-subj', subject]
    this.openssl('req', ...request, '-out', path('csr'))
    writeFileSync(
      path('ext'),
      [
        `subjectKeyIdentifier=${subjectKeyIdentifier}`,
        ...(issuer === null ? [] : ['authorityKeyIdentifier=keyid']),
        ...extensions,
        '',
      ].join('\n'),
    )
    const signer =
      issuer === null ? ['-signkey', path('key')] : ['-CA', issuer.file, '-CAkey', issuer.keyFile]
    this.openssl(
      'x509',
      '-req',
      '-in',
      path('csr'),
      ...signer,
      '-set_serial',
      String(1000 + this.#count),
      '-days',
      String(days),
      '-extfile',
      path('ext'),
      '-out',
      path('crt'),
      ...(digest === undefined ? [] : [digest]),
    )
    const pem = readFileSync(path('crt'), 'utf8')
    const der = certificatesIn(Buffer.from(pem))[0] ?? Buffer.alloc(0)
    return { name, der, pem, keyFile: path('key'), file: path('crt') }
  }

  /** A CRL of an issuer that names these certificates, in PEM. */
  revoke(issuer: Made, revoked: readonly Made[], { days = 7, conforming = true } = {}): string {
    this.#count += 1
    const index = join(this.folder, `${this.#count}.index`)
    const config = join(this.folder, `${this.#count}.cnf`)
    const number = join(this.folder, `${this.#count}.number`)
    const date = (offset: number): string =>
      `${new Date(Date.now() + offset).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`
    const serialOf = (made: Made): string =>
      this.openssl('x509', '-in', made.file, '-noout', '-serial').trim().replace('serial=', '')
    writeFileSync(
      index,
      revoked
        .map((made) => `R\t${date(86_400_000)}\t${date(-1000)}\t${serialOf(made)}\tunknown\t/CN=x\n`)
        .join(''),
    )
    writeFileSync(number, '01\n')
    writeFileSync(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${index}\ncrlnumber=${number}\ndefault_md=sha256\n[x]\nauthorityKeyIdentifier=keyid\n`,
    )
    const out = join(this.folder, `${this.#count}.crl`)
    this.openssl(
      'ca',
      '-gencrl',
      '-config',
      config,
      '-cert',
      issuer.file,
      '-keyfile',
      issuer.keyFile,
      '-crldays',
      String(days),
      ...(conforming ? ['-crlexts', 'x'] : []),
      '-out',
      out,
    )
    return readFileSync(out, 'utf8')
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
