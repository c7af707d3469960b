/**
 * A second opinion: random chains with random faults, judged by ours and by `openssl verify -x509_strict`. Every
 * difference falls into a class that is named here. The seed is printed; PROOF=whole judges thousands.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { DEFAULT_LIMITS } from '../../src/certificate/limits.ts'
import { commonNamesOf } from '../../src/certificate/general-name.ts'
import type { Certificate } from '../../src/certificate/parse.ts'
import { isSelfIssued } from '../../src/certificate/issued.ts'
import { parseCertificate } from '../../src/certificate/parse.ts'
import { pemOf } from '../../src/certificate/pem.ts'
import type { PathFailure } from '../../src/certificate/path.ts'
import { NOTHING_WEAK } from '../../src/certificate/strength.ts'
import { createVerifier } from '../../src/certificate/verifier.ts'
import type { KeyPair, Plan } from '../support/certificate-builder.ts'
import { buildCertificate, newKey } from '../support/certificate-builder.ts'

const folder = mkdtempSync(join(tmpdir(), 'connectors-openssl-'))
after(() => {
  rmSync(folder, { recursive: true, force: true })
})

const NOW = Date.parse('2026-11-24T02:00:00Z')
const DAY = 86_400_000
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
const WORLDS = process.env['PROOF'] === 'whole' ? 400 : 30
const LEAVES = 12

interface StricterHere {
  readonly what: string
  readonly applies: (failure: PathFailure, leaf: Certificate) => boolean
}

/** What is refused here on purpose although OpenSSL takes it. */
const STRICTER: readonly StricterHere[] = [
  {
    what: 'a common name beside a SAN is held to name constraints, as it counts here (DESIGN.md, rule 1)',
    applies: ({ reason, detail }, { subject, subjectAltName }) =>
      reason === 'name-constraint' &&
      subjectAltName !== null &&
      commonNamesOf(subject).some((name) => detail.startsWith(`${name} is `)),
  },
  {
    what: 'a wildcard that stands for an excluded name, too, is excluded: one of its names is',
    applies: ({ reason, detail }) => reason === 'name-constraint' && /^\*\.\S+ is excluded$/.test(detail),
  },
]

interface World {
  readonly anchors: readonly Buffer[]
  readonly others: readonly Buffer[]
  readonly leaves: readonly Buffer[]
}

/** mulberry32: the same world for the same seed. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const KEYS = Array.from({ length: 8 }, () => newKey())
const CA_NAMES = ['Root A', 'Root B', 'Issuing 1', 'Issuing 2', 'Issuing 3']
const DOMAINS = ['contoso.example', 'fabrikam.example', 'mail.contoso.example']

interface Authority {
  readonly name: string
  readonly key: KeyPair
}

function makeWorld(seed: number): World {
  const next = random(seed)
  const below = (limit: number): number => Math.floor(next() * limit)
  const chance = (share: number): boolean => next() < share
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T
  let serial = seed * 1000

  const authorities: Authority[] = CA_NAMES.map((name, index) => ({ name, key: KEYS[index] as KeyPair }))
  // The same name with another key: a renewed CA, or an impostor.
  if (chance(0.4)) authorities.push({ name: pick(CA_NAMES), key: KEYS[6] as KeyPair })

  const validity = (): Pick<Plan, 'notBefore' | 'notAfter'> => {
    const when = next()
    if (when < 0.05) return { notBefore: new Date(NOW - 90 * DAY), notAfter: new Date(NOW - DAY) }
    if (when < 0.08) return { notBefore: new Date(NOW + DAY), notAfter: new Date(NOW + 90 * DAY) }
    return { notBefore: new Date(NOW - 90 * DAY), notAfter: new Date(NOW + 90 * DAY) }
  }
  const plan = (subject: string, key: KeyPair, issuer: Authority): Plan => ({
    serial: (serial += 1),
    subject,
    issuer: issuer.name,
    key,
    signer: issuer.key,
    ...validity(),
    ca: null,
    keyUsage: null,
    purposes: null,
    names: null,
    permitted: [],
    excluded: [],
    own: chance(0.03) ? null : key.identifier,
    authority: chance(0.03) ? null : chance(0.03) ? (KEYS[7]?.identifier ?? null) : issuer.key.identifier,
    unknownCritical: chance(0.02),
    brokenSignature: chance(0.03),
  })
  const authority = (own: Authority, issuer: Authority): Buffer =>
    buildCertificate({
      ...plan(own.name, own.key, issuer),
      ca: chance(0.04)
        ? null
        : {
            critical: !chance(0.03),
            ca: !chance(0.03),
            pathLength: chance(0.25) ? below(3) : null,
          },
      // keyCertSign and cRLSign, or digitalSignature only.
      keyUsage: chance(0.1) ? null : chance(0.05) ? 0x80 : 0x06,
      purposes: chance(0.9) ? null : [pick([CLIENT_AUTH, CODE_SIGNING])],
      permitted: chance(0.12) ? [pick(DOMAINS)] : [],
      excluded: chance(0.08) ? [pick(DOMAINS)] : [],
    })

  const [rootA, rootB] = authorities as [Authority, Authority]
  const anchors = [authority(rootA, rootA), ...(chance(0.5) ? [authority(rootB, rootB)] : [])]
  const others: Buffer[] = []
  for (const own of authorities) {
    for (let count = 1 + below(2); count > 0; count -= 1) others.push(authority(own, pick(authorities)))
  }
  const leaves = Array.from({ length: LEAVES }, () => {
    const domain = pick(DOMAINS)
    const names = chance(0.15) ? null : [`${pick(['mail', 'smtp', '*'])}.${domain}`]
    return buildCertificate({
      ...plan(chance(0.3) ? `mail.${pick(DOMAINS)}` : 'Mail server', KEYS[5] as KeyPair, pick(authorities)),
      ca: chance(0.3) ? null : { critical: chance(0.5), ca: false, pathLength: null },
      keyUsage: chance(0.3) ? null : 0x80,
      purposes: chance(0.2) ? null : [chance(0.9) ? CLIENT_AUTH : CODE_SIGNING],
      names,
    })
  })
  return { anchors, others, leaves }
}

interface Opinion {
  readonly ok: boolean
  readonly why: string
}

let files = 0

/** `openssl verify` says `FILE: OK`, or the error before `error FILE: verification failed`. */
async function opensslSays(
  anchors: readonly Buffer[],
  others: readonly Buffer[],
  leaves: readonly Buffer[],
  strict = true,
): Promise<Opinion[]> {
  const write = (ders: readonly Buffer[]): string => {
    files += 1
    const path = join(folder, `${files}.pem`)
    writeFileSync(path, ders.map((der) => pemOf(der)).join(''))
    return path
  }
  const paths = leaves.map((leaf) => write([leaf]))
  const untrusted = others.length === 0 ? [] : ['-untrusted', write(others)]
  const flags = [
    ...(strict ? ['-x509_strict'] : []),
    '-partial_chain',
    '-purpose',
    'sslclient',
    '-attime',
    String(NOW / 1000),
    '-no-CAstore',
    '-no-CApath',
    '-no-CAfile',
  ]
  const output = await new Promise<string>((resolve) => {
    const args = ['verify', ...flags, '-trusted', write(anchors), ...untrusted, ...paths]
    execFile('openssl', args, { maxBuffer: 1e8 }, (_error, stdout, stderr) => {
      resolve(`${stdout}\n${stderr}`)
    })
  })
  return paths.map((path, index) => {
    if (output.includes(`${path}: OK`)) return { ok: true, why: '' }
    const end = output.indexOf(`error ${path}: verification failed`)
    assert.ok(end >= 0, output)
    const begin = index === 0 ? 0 : output.lastIndexOf('verification failed', end - 1)
    return {
      ok: false,
      why: /error (\d+ at \d+ depth lookup: [^\n]*)/.exec(output.slice(begin, end))?.[1] ?? '',
    }
  })
}

interface LenientHere {
  readonly error: RegExp
  readonly what: string
  /** The same path, asked in a way that does not meet that error. */
  readonly again: (leaf: Buffer, between: readonly Buffer[], anchor: Buffer) => Promise<Opinion[]>
}

/** What OpenSSL refuses, and RFC 5280 section 6 does not. */
const MORE_LENIENT: readonly LenientHere[] = [
  {
    error: /^(?:92|81) /,
    what: 'a CA without key usage: section 6.1.4 (n) asks for keyCertSign only where there is the extension',
    again: (leaf, between, anchor) => opensslSays([anchor], between, [leaf], false),
  },
  {
    error: /^(?:18|19) /,
    what: "a self-signed certificate of the anchor's key stands between: OpenSSL ends every path there",
    again: (leaf, between) => {
      const end = between.findIndex((der) => isSelfIssued(parseCertificate(der)))
      return opensslSays(between.slice(end, end + 1), between.slice(0, Math.max(0, end)), [leaf], false)
    },
  },
]

it('random chains are judged as openssl judges them, but for classes of differences that are named', async (t) => {
  const begin = Number(process.env['SEED'] ?? (process.env['PROOF'] === 'whole' ? Date.now() % 1_000_000 : 1))
  const counts = { accepted: 0, refused: 0 }
  const differences = new Map<string, number>()
  const note = (what: string): void => {
    differences.set(what, (differences.get(what) ?? 0) + 1)
  }
  for (let seed = begin; seed < begin + WORLDS; seed += 1) {
    const { anchors, leaves, others } = makeWorld(seed)
    const verifier = createVerifier({
      anchors: anchors.map((der) => parseCertificate(der)),
      purposes: ['clientAuth'],
      allowed: NOTHING_WEAK,
      limits: { ...DEFAULT_LIMITS, signatures: 100 },
      revocationLists: [],
      revocationPolicy: 'if-available',
      now: () => NOW,
    })
    const opinions = await opensslSays(anchors, others, leaves)
    for (const [index, leaf] of leaves.entries()) {
      const ours = verifier.verify([leaf, ...others])
      const theirs = opinions[index] ?? { ok: false, why: 'nothing was said' }
      if (ours.ok === theirs.ok) {
        counts[ours.ok ? 'accepted' : 'refused'] += 1
        continue
      }
      const which = `seed ${seed}, leaf ${index}`
      if (ours.ok) {
        // OpenSSL does not go back when the first issuer that it takes leads nowhere: does it accept our very path?
        const anchor = ours.path.at(-1)?.raw ?? Buffer.alloc(0)
        const between = ours.path.slice(1, -1).map(({ raw }) => raw)
        const [alone] = await opensslSays([anchor], between, [leaf])
        if (alone?.ok === true) {
          note('accepted here: OpenSSL takes another issuer first and does not go back; it accepts our path')
          continue
        }
        const known = MORE_LENIENT.find(({ error }) => error.test(alone?.why ?? ''))
        assert.ok(
          known !== undefined,
          `${which}: accepted here; openssl on that very path: ${alone?.why ?? ''}`,
        )
        // Whatever else might be wrong with the path is looked for without what that class is about.
        const [other] = await known.again(leaf, between, anchor)
        assert.ok(other?.ok === true, `${which}: accepted here; openssl all the same: ${other?.why ?? ''}`)
        note(`accepted here: ${known.what}`)
      } else {
        const own = parseCertificate(leaf)
        const known = STRICTER.find(({ applies }) => ours.failures.some((failure) => applies(failure, own)))
        const told = ours.failures.map(({ detail, path, reason }) => `${path.length} ${reason}: ${detail}`)
        assert.ok(known !== undefined, `${which}: refused here, and openssl accepts it: ${told.join('; ')}`)
        note(`refused here: ${known.what}`)
      }
    }
  }
  t.diagnostic(
    `seed ${begin}, ${WORLDS * LEAVES} chains: ${counts.accepted} accepted and ${counts.refused} refused by both`,
  )
  for (const [what, count] of differences) t.diagnostic(`${count}: ${what}`)
  assert.ok(counts.accepted > WORLDS, 'enough chains are accepted for the test to mean something')
})
