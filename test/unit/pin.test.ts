/** Pins and PKCS#12 files, as administrators bring them. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { parseCertificate } from '../../src/certificate/parse.ts'
import { parsePin, pinOf } from '../../src/certificate/pin.ts'
import { certificatesInPkcs12, isPkcs12 } from '../../src/certificate/pkcs12.ts'
import { CertificateFault } from '../../src/certificate/reasons.ts'
import { Authority, CA } from '../support/authority.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

describe('a pin', () => {
  for (const [text, expected] of [
    ['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', EMPTY],
    ['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU', EMPTY],
    ['sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', EMPTY],
    [EMPTY, EMPTY],
    [EMPTY.toUpperCase().replaceAll(/..(?!$)/g, '$&:'), EMPTY],
    // Bits behind the last octet: another text for the same pin.
    ['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=', null],
    [EMPTY.slice(1), null],
    ['', null],
    ['sha1/2jmj7l5rSw0yVb/vlWAYkK/YBwk=', null],
  ] as const) {
    it(`${JSON.stringify(text)} is ${expected === null ? 'none' : 'one'}`, () => {
      assert.equal(parsePin(text), expected)
    })
  }

  it('is what openssl makes of a public key', () => {
    const made = authority.make({ name: 'mail.contoso.com', issuer: null })
    const path = join(authority.folder, 'spki')
    authority.openssl('pkey', '-in', made.keyFile, '-pubout', '-outform', 'DER', '-out', path)
    assert.match(authority.openssl('dgst', '-sha256', path), new RegExp(pinOf(parseCertificate(made.der))))
  })
})

describe('a PKCS#12 file', () => {
  const root = authority.make({ name: 'Root', issuer: null, extensions: CA })
  const made = { rsa: 'rsa', ec: 'ec' } as const

  for (const key of Object.values(made)) {
    for (const way of [[], ['-legacy'], ['-keypbe', 'NONE', '-certpbe', 'NONE']]) {
      it(`of an ${key} key, ${way.join(' ') || 'as openssl writes it'}, holds the certificate of the key first`, () => {
        const own = authority.make({ name: 'mail.contoso.com', issuer: root, key })
        const out = join(authority.folder, 'p12')
        const chain = ['-certfile', root.file, '-passout', 'pass:secret', ...way]
        authority.openssl('pkcs12', '-export', '-inkey', own.keyFile, '-in', own.file, ...chain, '-out', out)
        const bytes = readFileSync(out)
        assert.ok(isPkcs12(bytes))
        const [first, second] = certificatesInPkcs12(bytes, 'secret')
        assert.deepEqual(first, own.der)
        assert.deepEqual(second, root.der)
        assert.throws(() => certificatesInPkcs12(bytes, ''), /give it with --password-file/)
        assert.throws(() => certificatesInPkcs12(bytes, 'wrong'), /does not fit/)
        assert.throws(() => certificatesInPkcs12(bytes.subarray(0, 300), 'secret'), CertificateFault)
      })
    }
  }

  it('is no certificate, and the other way round', () => {
    assert.ok(!isPkcs12(root.der))
    assert.ok(!isPkcs12(Buffer.from(root.pem)))
    assert.ok(!isPkcs12(Buffer.alloc(0)))
  })
})
