/** What outbound connectors show next hops of this server: files that it can use, and that stay good for a while. */

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readableCertificates } from '../certificate/parse.ts'
import { certificatesIn } from '../certificate/pem.ts'
import { trustedPath } from '../certificate/trusted-file.ts'
import { readIdentity } from '../instance/outbound-identity.ts'
import type { OutboundConnector } from '../policy/types.ts'
import type { Report } from './finding.ts'
import type { PathFacts, PathKind } from './permissions.ts'

/** An enabled outbound connector, as far as its files go. Names are as in the directory, and not safe to print. */
export type OutboundFiles = Pick<
  OutboundConnector,
  'organization' | 'name' | 'tlsCertificateFile' | 'tlsKeyFile' | 'userName' | 'passwordFile'
>

export interface IdentityFacts {
  readonly connector: OutboundFiles
  /** Why it shows nothing, so that its mail waits; null when all is well. */
  readonly failure: string | null
  /** When the first of the certificates that it shows expires, in milliseconds since 1970; null without any. */
  readonly notAfter: number | null
  readonly paths: readonly PathFacts[]
}

const DAY = 86_400_000
const SOON = 30 * DAY

/**
 * @param instance the instance's folder
 * @param connectors outbound connectors
 * @param now milliseconds since 1970
 * @param signal ends it
 * @returns what is there of those that show something; files that several of them name are looked at once
 */
export async function identityFacts(
  instance: string,
  connectors: readonly OutboundFiles[],
  now: number,
  signal: AbortSignal,
): Promise<IdentityFacts[]> {
  const facts: IdentityFacts[] = []
  const seen = new Set<string>()
  for (const connector of connectors) {
    const { passwordFile, tlsCertificateFile, tlsKeyFile, userName } = connector
    const key = JSON.stringify([tlsCertificateFile, tlsKeyFile, userName, passwordFile])
    if ((tlsCertificateFile === null && userName === null) || seen.has(key)) continue
    seen.add(key)
    signal.throwIfAborted()
    facts.push(await factsOf(instance, connector, now))
  }
  return facts
}

async function factsOf(instance: string, connector: OutboundFiles, now: number): Promise<IdentityFacts> {
  const found = await readIdentity(instance, connector, now)
  const paths = await Promise.all([
    pathFacts(instance, connector.tlsKeyFile, 'key'),
    pathFacts(instance, connector.passwordFile, 'secret'),
  ])
  const there = { connector, paths: paths.filter((path) => path !== null) }
  if ('failure' in found) return { ...there, failure: found.failure.text, notAfter: null }
  const pem = found.certificate === null ? '' : found.certificate.cert
  const ends = readableCertificates(certificatesIn(Buffer.from(pem))).map(({ notAfter }) => notAfter)
  return { ...there, failure: null, notAfter: ends.length === 0 ? null : Math.min(...ends) }
}

async function pathFacts(instance: string, name: string | null, kind: PathKind): Promise<PathFacts | null> {
  const path = name === null ? null : trustedPath(join(instance, 'config'), name)
  const stats = path === null ? null : await stat(path).catch(() => null)
  if (path === null || stats === null) return null
  const { gid, mode, uid } = stats
  return { path, kind, mode: mode & 0o777, uid, gid, isFolder: stats.isDirectory(), needed: true }
}

/**
 * @param facts what was seen
 * @param now milliseconds since 1970
 * @param report where findings go
 */
export function checkIdentities(facts: readonly IdentityFacts[], now: number, report: Report): void {
  for (const { connector, failure, notAfter } of facts) {
    const what = `outbound connector "${connector.name}" of ${connector.organization}`
    // It names the connector.
    if (failure !== null)
      report('error', 'outbound-identity-unusable', `${failure} (${connector.organization})`)
    if (notAfter === null) continue
    const day = new Date(notAfter).toISOString().slice(0, 10)
    const file = `${what}: ${connector.tlsCertificateFile ?? ''}`
    if (notAfter < now) report('error', 'outbound-certificate-expired', `${file} expired on ${day}`)
    else if (notAfter - now < SOON) {
      const days = Math.floor((notAfter - now) / DAY)
      report('warning', 'outbound-certificate-expiring', `${file} expires on ${day}, in ${days} days`)
    }
  }
}
