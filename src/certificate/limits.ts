/** How much work one peer may cause. Each limit has a reason code of its own; tests count the operations. */

import { CertificateFault } from './reasons.ts'

export interface Limits {
  /** Certificates that are looked at, the leaf included. */
  readonly certificates: number
  /** Octets of all presented certificates. */
  readonly bytes: number
  /** CAs between leaf and anchor, self-issued ones not counted. */
  readonly intermediates: number
  /** Signatures verified for one peer, over all candidate paths. */
  readonly signatures: number
  /** Names in one certificate. */
  readonly names: number
  /** Comparisons of a name with a name constraint, over all candidate paths. */
  readonly nameComparisons: number
}

/** No mail server's certificate needs more; the most hostile one costs milliseconds. */
export const DEFAULT_LIMITS: Limits = {
  certificates: 20,
  bytes: 1_048_576,
  intermediates: 8,
  signatures: 10,
  names: 10_000,
  nameComparisons: 50_000,
}

/** Counts what is done for one peer. */
export class Work {
  readonly limits: Limits
  signatures = 0
  nameComparisons = 0

  /** @param limits what is allowed */
  constructor(limits: Limits) {
    this.limits = limits
  }

  /** @throws CertificateFault when one signature more would be too many */
  countSignature(): void {
    if (this.signatures >= this.limits.signatures) {
      throw new CertificateFault('too-many-signatures', `more than ${this.limits.signatures} signatures`)
    }
    this.signatures += 1
  }

  /** @throws CertificateFault when so many comparisons more would be too many */
  countNameComparisons(count: number): void {
    if (this.nameComparisons + count > this.limits.nameComparisons) {
      throw new CertificateFault(
        'too-many-name-constraints',
        `more than ${this.limits.nameComparisons} comparisons`,
      )
    }
    this.nameComparisons += count
  }
}
