/** Certificates and revocation lists that stop counting one day, and those that have. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RevocationList } from '../certificate/crl.ts'
import { parseRevocationList } from '../certificate/crl.ts'
import { formatName } from '../certificate/general-name.ts'
import type { Certificate } from '../certificate/parse.ts'
import { readableCertificates } from '../certificate/parse.ts'
import { certificatesIn, revocationListsIn } from '../certificate/pem.ts'
import { parseEach, readTrusted, trustedPath } from '../certificate/trusted-file.ts'
import type { HarakaConfig } from '../instance/haraka-config.ts'
import type { Settings } from '../instance/settings.ts'
import type { ExpiringCertificate } from '../journal/expiring.ts'
import { describeExpiring, readExpiring } from '../journal/expiring.ts'
import type { OwnAuthorities } from './directory-facts.ts'
import { describeConnector } from './directory-facts.ts'
import type { Report } from './finding.ts'

/** A file, or whatever else holds certificates. */
export interface CertificateSet {
  readonly where: string
  readonly certificates: readonly Certificate[]
}

export interface CertificateFacts {
  /** What the server presents: the configured chain, then those in config/tls/. */
  readonly own: readonly CertificateSet[]
  /** The files of [certificates] ca. */
  readonly authorities: readonly CertificateSet[]
  /** Whether the machine's CAs count as well. */
  readonly system: boolean
  readonly lists: readonly { readonly where: string; readonly list: RevocationList }[]
  readonly listsRequired: boolean
  /** What servers presented. */
  readonly presented: readonly ExpiringCertificate[]
}

const DAY = 86_400_000
const SOON = 30 * DAY

/** Files of config/tls/ that are read. */
const MOST_FILES = 500

/**
 * @param instance the instance's folder
 * @param settings its settings
 * @param haraka what Haraka's files say
 * @param now milliseconds since 1970
 * @returns what can be read; what cannot is check's to tell
 */
export function certificateFacts(
  instance: string,
  { certificates }: Settings,
  { tlsCertificate }: HarakaConfig,
  now: number,
): CertificateFacts {
  const config = join(instance, 'config')
  const trusted = (name: string): Buffer | null => {
    const path = trustedPath(config, name)
    const bytes = path === null ? '' : readTrusted(path)
    return typeof bytes === 'string' ? null : bytes
  }
  return {
    own: [tlsCertificate, ...namesIn(join(config, 'tls')).map((name) => join('tls', name))].flatMap(
      (name) => {
        const bytes = readTrusted(join(config, name))
        return typeof bytes === 'string' ? [] : [setOf(`config/${name}`, bytes)]
      },
    ),
    authorities: certificates.ca.flatMap((name) => {
      const bytes = name === 'system' ? null : trusted(name)
      return bytes === null ? [] : [setOf(`config/${name}`, bytes)]
    }),
    system: certificates.ca.includes('system'),
    lists: certificates.crl.flatMap((name) => {
      const bytes = trusted(name)
      const lists = bytes === null ? [] : parseEach(revocationListsIn(bytes), parseRevocationList, 'list')
      return typeof lists === 'string' ? [] : lists.map((list) => ({ where: `config/${name}`, list }))
    }),
    listsRequired: certificates.crlPolicy === 'require',
    presented: readExpiring(join(instance, 'data', 'expiring'), now),
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted().slice(0, MOST_FILES)
  } catch {
    return []
  }
}

function setOf(where: string, bytes: Buffer): CertificateSet {
  return { where, certificates: readableCertificates(certificatesIn(bytes)) }
}

/**
 * @param facts what was read
 * @param now milliseconds since 1970
 * @param report where findings go
 */
export function checkCertificates(facts: CertificateFacts, now: number, report: Report): void {
  for (const { certificates, where } of facts.own) {
    for (const certificate of certificates) {
      const what = `${where}: ${tell(certificate, now)}`
      if (certificate.notAfter < now) report('error', 'server-certificate-expired', what)
      else if (certificate.notAfter - now < SOON) report('warning', 'server-certificate-expiring', what)
    }
  }
  const anyLeft = facts.system || facts.authorities.some(({ certificates }) => hasLiving(certificates, now))
  for (const set of facts.authorities) checkAuthorities(set, anyLeft, now, report)
  for (const { list, where } of facts.lists) {
    const { issuer, nextUpdate } = list
    if (nextUpdate === null || nextUpdate >= now) continue
    const what = `${where}: the list of ${formatName(issuer)} is stale since ${dayOf(nextUpdate)}`
    report(facts.listsRequired ? 'error' : 'warning', 'crl-stale', what)
  }
  for (const certificate of facts.presented) {
    report('warning', 'client-certificate-expiring', describeExpiring(certificate, now))
  }
}

/**
 * @param own CAs of a connector's own
 * @param now milliseconds since 1970
 * @param report where findings go
 */
export function checkOwnAuthorities(
  { certificateAuthorities, connector }: OwnAuthorities,
  now: number,
  report: Report,
): void {
  const bytes = certificateAuthorities.map((pem) => Buffer.from(pem))
  const certificates = readableCertificates(bytes.flatMap((pem) => certificatesIn(pem)))
  const where = describeConnector(connector)
  checkAuthorities({ where, certificates }, hasLiving(certificates, now), now, report)
}

function hasLiving(certificates: readonly Certificate[], now: number): boolean {
  return certificates.some(({ notAfter }) => notAfter >= now)
}

function checkAuthorities(
  { certificates, where }: CertificateSet,
  anyLeft: boolean,
  now: number,
  report: Report,
): void {
  for (const certificate of certificates) {
    const what = `${where}: ${tell(certificate, now)}`
    if (certificate.notAfter < now) report(anyLeft ? 'warning' : 'error', 'authority-expired', what)
    else if (certificate.notAfter - now < SOON) report('warning', 'authority-expiring', what)
  }
}

function tell({ notAfter, subject }: Certificate, now: number): string {
  const name = formatName(subject)
  if (notAfter < now) return `${name} expired on ${dayOf(notAfter)}`
  return `${name} expires on ${dayOf(notAfter)}, in ${Math.floor((notAfter - now) / DAY)} days`
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}
