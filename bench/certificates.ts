/** What it costs to judge a certificate: the first time, the second time, and the worst that a peer can send. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_LIMITS } from '../src/certificate/limits.ts'
import type { Certificate } from '../src/certificate/parse.ts'
import { parseCertificate } from '../src/certificate/parse.ts'
import { certificatesIn } from '../src/certificate/pem.ts'
import { NOTHING_WEAK } from '../src/certificate/strength.ts'
import type { Verifier } from '../src/certificate/verifier.ts'
import { createVerifier } from '../src/certificate/verifier.ts'
import type { KeyKind, Made } from '../test/support/authority.ts'
import { Authority, CA, LEAF } from '../test/support/authority.ts'
import { spread } from './figures.ts'

/**
 * @param rounds how often each is measured
 * @param say where to write
 */
export function measureCertificates(rounds: number, say: (line: string) => void): void {
  const authority = new Authority()
  try {
    say('CPU to judge a chain of leaf and intermediate, in milliseconds, median (least-most):')
    for (const key of ['rsa', 'ec'] as const) usual(authority, key, rounds, say)
    say('')
    say('CPU for hostile chains (new ones each time), in milliseconds:')
    hostile(authority, rounds, say)
  } finally {
    authority.close()
  }
}

function usual(authority: Authority, key: KeyKind, rounds: number, say: (line: string) => void): void {
  const root = authority.make({ name: 'Root', issuer: null, key, extensions: CA })
  const issuer = authority.make({ name: 'Intermediate', issuer: root, key, extensions: CA })
  const leaves = Array.from({ length: 20 }, (_, index) =>
    authority.make({ name: `mail${index}.contoso.com`, issuer, key }),
  )
  const trusted = parseCertificate(root.der)
  const strangers: number[] = []
  const first: number[] = []
  const again: number[] = []
  for (let round = 0; round < rounds * 5; round += 1) {
    const verifier = verifierOf([trusted])
    for (const [index, leaf] of leaves.entries()) {
      const presented = [leaf.der, issuer.der]
      const cost = cpu(1, () => {
        if (!verifier.verify(presented).ok) throw new Error('it does not count')
      })
      // The first rounds are spent compiling.
      if (round >= rounds) (index === 0 ? strangers : first).push(cost)
    }
    const presented = leaves.map(({ der }) => [der, issuer.der])
    // A connection of its own each time: the certificates have to be recognised by their octets.
    again.push(cpu(5000, (count) => verifier.verify([...(presented[count % presented.length] ?? [])])))
  }
  say(
    `  ${key}: first leaf of an intermediate ${spread(strangers)}, first time of another leaf ${spread(first)}`,
  )
  say(`  ${key}: second time ${spread(again, 4)}`)
}

function hostile(authority: Authority, rounds: number, say: (line: string) => void): void {
  const cases: [what: string, trusted: Buffer[], presented: Buffer[]][] = []
  const root = authority.make({ name: 'Root', issuer: null, extensions: CA })
  // Nineteen CAs of the same name, none of which signed the leaf: each signature has to be looked at.
  for (const key of ['p521', 'rsa8192'] as const) {
    const authors = manyOfOneName(authority, key)
    const [first] = authors
    if (first === undefined) continue
    const bare = authority.make({ name: 'mail.contoso.com', issuer: first, extensions: LEAF })
    cases.push([
      `19 possible issuers with ${key} keys`,
      [root.der],
      [bare.der, ...authors.slice(1).map(({ der }) => der)],
    ])
  }
  const names = Array.from({ length: 10_000 }, (_, index) => `DNS:n${index}.contoso.com`).join(',')
  const wide = authority.make({ name: 'x', issuer: root, extensions: [...LEAF, `subjectAltName=${names}`] })
  cases.push(['10,000 names (over TLS OpenSSL refuses before)', [root.der], [wide.der]])
  for (const [id, trusted, presented] of limbo()) cases.push([`x509-limbo ${id}`, trusted, presented])
  for (const [what, trusted, presented] of cases) {
    const costs: number[] = []
    const anchors = trusted.map((der) => parseCertificate(der))
    for (let round = 0; round < rounds + 3; round += 1) {
      const verifier = verifierOf(anchors)
      const cost = cpu(1, () => verifier.verify(presented))
      if (round >= 3) costs.push(cost)
    }
    say(`  ${what}: ${spread(costs, 1)}`)
  }
}

function manyOfOneName(authority: Authority, key: 'p521' | 'rsa8192'): Made[] {
  const kind: KeyKind = key
  const [count, extensions] = [20, CA]
  // All with the key identifier that the leaf names; making RSA-8192 keys takes long: two do.
  const keys = Array.from({ length: key === 'p521' ? count : 2 }, () =>
    authority.make({ name: 'Any', issuer: null, key: kind, extensions, subjectKeyIdentifier: '01020304' }),
  )
  return Array.from({ length: count }, (_, index) => {
    const own = keys[index % keys.length]
    if (own === undefined) throw new Error('no key')
    return index < keys.length
      ? own
      : authority.make({
          name: 'Any',
          issuer: null,
          keyOf: own,
          extensions,
          subjectKeyIdentifier: '01020304',
        })
  })
}

function der(pem: string): Buffer {
  return certificatesIn(Buffer.from(pem))[0] ?? Buffer.alloc(0)
}

/** Those of x509-limbo that are made to cost time. */
function limbo(): [string, Buffer[], Buffer[]][] {
  const fixtures =
    process.env['CONNECTORS_FIXTURES'] ?? join(import.meta.dirname, '..', '..', 'shared', 'fixtures')
  const path = join(fixtures, 'x509-limbo', 'limbo.json')
  if (!existsSync(path)) return []
  interface Case {
    readonly id: string
    readonly peer_certificate: string
    readonly trusted_certs: readonly string[]
    readonly untrusted_intermediates: readonly string[]
  }
  const { testcases } = JSON.parse(readFileSync(path, 'utf8')) as { readonly testcases: readonly Case[] }
  return testcases
    .filter(({ id }) => id.startsWith('pathological::') || id === 'cve::cve-2024-0567')
    .map((one) => [
      one.id,
      one.trusted_certs.map((pem) => der(pem)),
      [one.peer_certificate, ...one.untrusted_intermediates].map((pem) => der(pem)),
    ])
}

function verifierOf(anchors: readonly Certificate[]): Verifier {
  return createVerifier({
    anchors,
    purposes: ['clientAuth', 'serverAuth'],
    allowed: NOTHING_WEAK,
    limits: DEFAULT_LIMITS,
    revocationLists: [],
    revocationPolicy: 'if-available',
  })
}

/** Milliseconds of CPU for one of so many. */
function cpu(times: number, act: (count: number) => unknown): number {
  const begin = process.cpuUsage()
  for (let count = 0; count < times; count += 1) act(count)
  const { system, user } = process.cpuUsage(begin)
  return (system + user) / 1000 / times
}
