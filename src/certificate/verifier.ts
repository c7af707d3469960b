/**
 * Verdicts on what peers present. One verifier stands for one state of trust: CAs, CRLs and policy. When one of them
 * changes there is a new one, so nothing that is remembered here can outlive them.
 */

import { createHash } from 'node:crypto'
import type { RevocationList, RevocationPolicy } from './crl.ts'
import { revocationCheck } from './crl.ts'
import { CLIENT_AUTH, judgePinned, SERVER_AUTH } from './judge.ts'
import type { Limits } from './limits.ts'
import type { Certificate } from './parse.ts'
import { fingerprintOf, parseCertificate, readableCertificates } from './parse.ts'
import type { PathFailure, PathResult } from './path.ts'
import { findPath, trustAnchors } from './path.ts'
import { pinOf } from './pin.ts'
import { presentedNames } from './presented-names.ts'
import type { CertificateReason } from './reasons.ts'
import { CertificateFault } from './reasons.ts'
import type { AllowedWeakness } from './strength.ts'

export type Purpose = 'clientAuth' | 'serverAuth'

export interface VerifierOptions {
  /** The trusted CAs. */
  readonly anchors: readonly Certificate[]
  /** One of them must be permitted along the path. */
  readonly purposes: readonly Purpose[]
  readonly allowed: AllowedWeakness
  readonly limits: Limits
  readonly revocationLists: readonly RevocationList[]
  readonly revocationPolicy: RevocationPolicy
  /** Keys that are trusted by themselves (`pin.ts`), whoever signed their certificate. */
  readonly pins?: readonly string[]
  /** Verdicts that are kept. */
  readonly mostRemembered?: number
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number
}

export type Verdict = {
  /** What the leaf presents, proven or not; empty when it cannot be read. */
  readonly names: readonly string[]
  /** The leaf, unless it cannot be read. */
  readonly leaf: Certificate | null
  readonly work: PathResult['work']
} & (
  | { readonly ok: true; readonly path: readonly Certificate[] }
  | {
      readonly ok: false
      readonly reason: CertificateReason
      /** In words; may hold text from a certificate. */
      readonly detail: string
      /** Why each candidate path does not hold. */
      readonly failures: readonly PathFailure[]
    }
)

export interface Verifier {
  /**
   * @param presented DER of what the peer presented, its own certificate first
   * @returns the verdict; never throws for what a peer presents
   */
  verify(presented: readonly Buffer[]): Verdict
  /** Certificates that are looked at; more need not be handed over. */
  readonly mostCertificates: number
  /** Verdicts that were remembered, for tests. */
  readonly remembered: number
}

const PURPOSES: Readonly<Record<Purpose, string>> = { clientAuth: CLIENT_AUTH, serverAuth: SERVER_AUTH }

const MOST_REMEMBERED = 5000
/** A refusal is looked at again after this long: the clock may have been the reason, or a list that was too new. */
const REFUSAL_MILLISECONDS = 60_000
const NO_WORK = { signatures: 0, nameComparisons: 0 }

/**
 * @param options whom and what to trust
 * @returns a verifier for exactly that
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { limits, now = Date.now, mostRemembered = MOST_REMEMBERED } = options
  const pins = new Set(options.pins)
  const anchors = trustAnchors(options.anchors)
  const cache = new Map<
    string,
    { readonly verdict: Verdict; readonly from: number; readonly until: number }
  >()
  let remembered = 0
  const issuers = new KnownIssuers()

  const judge = (presented: readonly Buffer[], time: number): Verdict => {
    let leaf: Certificate | null = null
    try {
      requireWithinLimits(presented, limits)
      const [own = Buffer.alloc(0), ...others] = presented
      leaf = parseCertificate(own)
      const names = presentedNames(leaf, limits.names)
      const judgement = {
        time,
        purposes: options.purposes.map((purpose) => PURPOSES[purpose]),
        allowed: options.allowed,
      }
      if (pins.has(pinOf(leaf))) {
        judgePinned(leaf, { ...judgement, mostNames: limits.names })
        return { ok: true, leaf, names, path: [leaf], work: NO_WORK }
      }
      if (pins.size > 0 && options.anchors.length === 0)
        throw new CertificateFault('not-pinned', `the pin of its key is ${pinOf(leaf)}`)
      const result = findPath(leaf, issuers.read(others), anchors, {
        ...judgement,
        limits,
        requireNotRevoked: revocationCheck(options.revocationLists, options.revocationPolicy, time),
      })
      if (result.ok) {
        issuers.remember(result.path.slice(1, -1))
        return { ok: true, leaf, names, path: result.path, work: result.work }
      }
      const { failure, failures, work } = result
      return { ok: false, leaf, names, reason: failure.reason, detail: failure.detail, failures, work }
    } catch (error) {
      if (!(error instanceof CertificateFault)) throw error
      const names = leaf === null ? [] : presentedNames(leaf, limits.names)
      return {
        ok: false,
        leaf,
        names,
        reason: error.reason,
        detail: error.message,
        failures: [],
        work: NO_WORK,
      }
    }
  }

  return {
    mostCertificates: limits.certificates,
    get remembered() {
      return remembered
    },
    verify: (presented) => {
      const key = keyOf(presented)
      const time = now()
      const known = cache.get(key)
      if (known !== undefined && known.from <= time && time < known.until) {
        remembered += 1
        return known.verdict
      }
      const verdict = judge(presented, time)
      cache.delete(key)
      if (cache.size >= mostRemembered) {
        const [oldest] = cache.keys()
        if (oldest !== undefined) cache.delete(oldest)
      }
      cache.set(key, {
        verdict,
        from: time - REFUSAL_MILLISECONDS,
        until: validUntil(verdict, options, time),
      })
      return verdict
    },
  }
}

/** The one certificate that the TLS handshake proved possession of stands first: order counts. */
function keyOf(presented: readonly Buffer[]): string {
  // Asked again for each message of a connection.
  const known = KEYS.get(presented)
  if (known !== undefined) return known
  const hash = createHash('sha256')
  for (const der of presented) {
    hash.update(`${der.length} `)
    hash.update(der)
  }
  const key = hash.digest('base64')
  KEYS.set(presented, key)
  return key
}

const KEYS = new WeakMap<readonly Buffer[], string>()

function requireWithinLimits(presented: readonly Buffer[], limits: Limits): void {
  if (presented.length > limits.certificates) {
    throw new CertificateFault(
      'too-many-certificates',
      `${presented.length} certificates; ${limits.certificates} are looked at`,
    )
  }
  const bytes = presented.reduce((sum, { length }) => sum + length, 0)
  if (bytes > limits.bytes)
    throw new CertificateFault('too-many-bytes', `${bytes} octets; ${limits.bytes} are looked at`)
}

const MOST_ISSUERS = 500

/**
 * Intermediates that led to a trusted CA, read: thousands of leaves come with the same few. Only those are kept, so
 * that nobody fills it with certificates of his own.
 */
class KnownIssuers {
  readonly #known = new Map<string, Certificate>()

  /** What cannot be read can be no issuer; the leaf is another matter. */
  read(others: readonly Buffer[]): Certificate[] {
    return others.flatMap((der) => {
      const known = this.#known.get(fingerprintOf(der))
      return known === undefined ? readableCertificates([der]) : [known]
    })
  }

  remember(intermediates: readonly Certificate[]): void {
    for (const certificate of intermediates) {
      this.#known.delete(certificate.fingerprint)
      if (this.#known.size >= MOST_ISSUERS) {
        const [oldest = ''] = this.#known.keys()
        this.#known.delete(oldest)
      }
      this.#known.set(certificate.fingerprint, certificate)
    }
  }
}

/** A verdict never outlives a certificate of its path, nor a list that it was taken from. */
function validUntil(verdict: Verdict, { revocationLists }: VerifierOptions, time: number): number {
  if (!verdict.ok) {
    const begins = verdict.failures.flatMap(({ path }) => path.map(({ notBefore }) => notBefore))
    return Math.min(time + REFUSAL_MILLISECONDS, ...begins.filter((begin) => begin > time))
  }
  const ends = verdict.path.map(({ notAfter }) => notAfter + 1000)
  const updates = revocationLists.flatMap(({ nextUpdate }) =>
    nextUpdate === null || nextUpdate < time ? [] : [nextUpdate + 1000],
  )
  return Math.min(...ends, ...updates)
}
