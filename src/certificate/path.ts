/**
 * Path building and validation (RFC 5280 section 6, RFC 4158 for building): from the leaf upwards, depth first, with
 * every presented certificate and every anchor that may be the issuer, until a path holds. Bounded against hostile
 * chains: see limits.ts.
 */

import { isSelfIssued, isSignedBy, mayHaveIssued } from './issued.ts'
import type { Judgement } from './judge.ts'
import { judgeAuthority, judgeLeaf } from './judge.ts'
import type { Limits } from './limits.ts'
import { Work } from './limits.ts'
import { requireNamesWithinConstraints } from './name-constraints.ts'
import type { Certificate } from './parse.ts'
import type { CertificateReason } from './reasons.ts'
import { CertificateFault } from './reasons.ts'
import { formatName } from './general-name.ts'

export interface PathOptions extends Omit<Judgement, 'mostNames'> {
  readonly limits: Limits
  /** Asked for each certificate of a path but the anchor, with its issuer. */
  readonly requireNotRevoked?: (
    certificate: Certificate,
    issuer: Certificate,
    work: Work,
    leaf: boolean,
  ) => void
}

/** Why one candidate path does not hold. */
export interface PathFailure {
  /** From the leaf as far as it was built. */
  readonly path: readonly Certificate[]
  readonly reason: CertificateReason
  /** In words; may hold text from a certificate. */
  readonly detail: string
}

export type PathResult = {
  /** What was done for it. */
  readonly work: { readonly signatures: number; readonly nameComparisons: number }
} & (
  | { readonly ok: true; readonly path: readonly Certificate[] }
  | { readonly ok: false; readonly failure: PathFailure; readonly failures: readonly PathFailure[] }
)

/** Trust anchors by their subject. */
export interface TrustAnchors {
  issuersOf(certificate: Certificate): readonly Certificate[]
}

/**
 * @param certificates the trusted CAs
 * @returns them, to be looked up by name
 */
export function trustAnchors(certificates: readonly Certificate[]): TrustAnchors {
  const bySubject = new Map<string, Certificate[]>()
  for (const certificate of certificates) {
    const list = bySubject.get(certificate.subject.key)
    if (list === undefined) bySubject.set(certificate.subject.key, [certificate])
    else if (!list.some(({ fingerprint }) => fingerprint === certificate.fingerprint)) list.push(certificate)
  }
  return { issuersOf: ({ issuer }) => bySubject.get(issuer.key) ?? [] }
}

/** What is told when there are several: the one that got furthest, then the one that says most. */
const LEAST_TELLING: readonly CertificateReason[] = [
  'intermediate-missing',
  'untrusted-root',
  'self-signed',
  'signature-invalid',
]

/**
 * @param leaf the certificate that the peer proved to own
 * @param presented what else it presented, in any order, with whatever else
 * @param anchors whom it may lead to
 * @param options time, purposes and limits
 * @returns the first path that holds, or why none does; never throws for what a peer presents
 */
export function findPath(
  leaf: Certificate,
  presented: readonly Certificate[],
  anchors: TrustAnchors,
  options: PathOptions,
): PathResult {
  const search = new Search(distinct(leaf, presented), anchors, options)
  const path = search.run(leaf)
  const { signatures, nameComparisons } = search.work
  const work = { signatures, nameComparisons }
  if (path !== null) return { ok: true, path, work }
  return { ok: false, failure: search.mostTelling(), failures: search.failures, work }
}

function distinct(leaf: Certificate, presented: readonly Certificate[]): Certificate[] {
  const seen = new Map<string, Certificate>()
  for (const certificate of presented) {
    if (certificate.fingerprint !== leaf.fingerprint) seen.set(certificate.fingerprint, certificate)
  }
  return [...seen.values()]
}

/** One search for one leaf. */
class Search {
  readonly work: Work
  readonly failures: PathFailure[] = []
  readonly #presented: readonly Certificate[]
  readonly #anchors: TrustAnchors
  readonly #options: PathOptions
  readonly #judgement: Judgement
  /** The search is over, whatever is left to try. */
  #exhausted = false
  readonly #signatures = new Map<Certificate, Map<Certificate, boolean>>()

  constructor(presented: readonly Certificate[], anchors: TrustAnchors, options: PathOptions) {
    this.#presented = presented
    this.#anchors = anchors
    this.#options = options
    this.#judgement = { ...options, mostNames: options.limits.names }
    this.work = new Work(options.limits)
  }

  run(leaf: Certificate): readonly Certificate[] | null {
    if (
      !this.#try([leaf], () => {
        judgeLeaf(leaf, this.#judgement)
      })
    )
      return null
    return this.#extend([leaf])
  }

  mostTelling(): PathFailure {
    const rank = ({ path, reason }: PathFailure): number =>
      (LEAST_TELLING.includes(reason) ? 0 : 1000) + path.length
    const [first, ...others] = this.failures
    if (first === undefined) throw new RangeError('there is a path')
    return others.reduce((best, failure) => (rank(failure) > rank(best) ? failure : best), first)
  }

  /** Runs a check; a fault is kept as the failure of the path so far. */
  #try(path: readonly Certificate[], check: () => void): boolean {
    try {
      check()
      return true
    } catch (error) {
      if (!(error instanceof CertificateFault)) throw error
      this.failures.push({ path, reason: error.reason, detail: error.message })
      if (error.reason === 'too-many-signatures' || error.reason === 'too-many-name-constraints')
        this.#exhausted = true
      return false
    }
  }

  #extend(path: readonly Certificate[]): readonly Certificate[] | null {
    const last = path[path.length - 1]
    if (last === undefined) return null
    const anchors = this.#anchors.issuersOf(last).filter((anchor) => mayHaveIssued(last, anchor))
    for (const anchor of anchors) {
      if (this.#exhausted) return null
      const whole = [...path, anchor]
      if (
        this.#try(whole, () => {
          this.#finish(whole, last, anchor)
        })
      )
        return whole
    }
    const issuers = this.#presented.filter(
      (candidate) => mayHaveIssued(last, candidate) && !isRepeated(path, candidate),
    )
    for (const issuer of issuers) {
      if (this.#exhausted) return null
      const longer = [...path, issuer]
      if (
        !this.#try(longer, () => {
          this.#step(longer, last, issuer)
        })
      )
        continue
      const found = this.#extend(longer)
      if (found !== null) return found
    }
    if (anchors.length === 0 && issuers.length === 0) this.#deadEnd(path, last)
    return null
  }

  #step(path: readonly Certificate[], child: Certificate, issuer: Certificate): void {
    const most = this.#options.limits.intermediates
    if (countIntermediates(path) > most)
      throw new CertificateFault('path-length', `more than ${most} CAs stand between it and the anchor`)
    judgeAuthority(issuer, this.#judgement, false)
    requirePathLength(path)
    this.#requireSignature(child, issuer)
    this.#options.requireNotRevoked?.(child, issuer, this.work, path.length === 2)
  }

  #finish(path: readonly Certificate[], child: Certificate, anchor: Certificate): void {
    judgeAuthority(anchor, this.#judgement, true)
    requirePathLength(path)
    this.#requireSignature(child, anchor)
    this.#options.requireNotRevoked?.(child, anchor, this.work, path.length === 2)
    requireNamesWithinConstraints(path, this.work)
  }

  #requireSignature(child: Certificate, issuer: Certificate): void {
    const known = this.#signatures.get(child) ?? new Map<Certificate, boolean>()
    this.#signatures.set(child, known)
    const good = known.get(issuer) ?? isSignedBy(child, issuer, this.#options.allowed, this.work)
    known.set(issuer, good)
    if (!good)
      throw new CertificateFault('signature-invalid', `it is not signed by ${formatName(issuer.subject)}`)
  }

  #deadEnd(path: readonly Certificate[], last: Certificate): void {
    const selfSigned = isSelfIssued(last)
    const reason = !selfSigned ? 'intermediate-missing' : path.length === 1 ? 'self-signed' : 'untrusted-root'
    const what = selfSigned
      ? `${formatName(last.subject)} is no trusted CA`
      : `its issuer ${formatName(last.issuer)} was not presented and is no trusted CA`
    this.failures.push({ path, reason, detail: what })
  }
}

/** The same certificate, or the same CA again: nothing is gained by it (RFC 4158 section 5.2). */
function isRepeated(path: readonly Certificate[], candidate: Certificate): boolean {
  return path.some(
    ({ fingerprint, publicKeyInfo, subject }) =>
      fingerprint === candidate.fingerprint ||
      (subject.key === candidate.subject.key && publicKeyInfo.equals(candidate.publicKeyInfo)),
  )
}

/** RFC 5280 section 4.2.1.9: intermediates between a CA and the leaf that are not self-issued. */
function requirePathLength(path: readonly Certificate[]): void {
  const authority = path[path.length - 1]
  const most = authority?.basicConstraints?.pathLength ?? null
  if (most === null) return
  const between = countIntermediates(path.slice(0, -1))
  if (between > most)
    throw new CertificateFault('path-length', `${between} CAs below one that permits ${most}`)
}

function countIntermediates(path: readonly Certificate[]): number {
  return path.slice(1).filter((certificate) => !isSelfIssued(certificate)).length
}
