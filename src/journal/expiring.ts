/**
 * Certificates of servers that will stop being let in: one small file each in data/expiring/, shared by all workers, so
 * that the log says it once a day and `connectorctl check` at any time.
 */

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { printable } from '../text/printable.ts'

export interface ExpiringCertificate {
  /** SHA-256 of the DER form. */
  readonly fingerprint: string
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly notAfter: number
  /** Where it was last presented from. */
  readonly address: string
  readonly organization: string | null
  readonly connector: string | null
}

export interface ExpiringCertificates {
  /**
   * Notes a certificate that is trusted and was presented; nothing happens when it is valid for long.
   * @param certificate the certificate
   */
  note(certificate: ExpiringCertificate): void
}

const DAY = 86_400_000
const SOON_DAYS = 30
/** A fleet of servers has fewer; what is trusted is noted only, so nobody else can fill the folder. */
const MOST = 1000

const SCHEMA = z.object({
  fingerprint: z.string(),
  names: z.array(z.string()),
  notAfter: z.number(),
  address: z.string(),
  organization: z.string().nullable(),
  connector: z.string().nullable(),
  /** The day on which the log said it. */
  day: z.string(),
})

type Noted = z.infer<typeof SCHEMA>

/**
 * @param directory the folder data/expiring
 * @param log told once a day of each certificate that expires within 30 days, and when they cannot be noted
 * @param now the clock, in milliseconds since 1970
 * @returns where to note certificates
 */
export function openExpiring(
  directory: string,
  log: (message: string) => void,
  now: () => number = Date.now,
): ExpiringCertificates {
  /** What this process noted today. */
  let today = ''
  let noted = new Set<string>()
  let failed = false
  return {
    note: (certificate) => {
      if (certificate.notAfter - now() > SOON_DAYS * DAY) return
      const day = new Date(now()).toISOString().slice(0, 10)
      if (day !== today) {
        today = day
        noted = new Set()
        failed = false
      }
      if (failed || noted.size >= MOST || noted.has(certificate.fingerprint)) return
      noted.add(certificate.fingerprint)
      try {
        if (write(directory, { ...certificate, names: certificate.names.slice(0, 5), day }, now()))
          log(describeExpiring(certificate, now()))
      } catch (error) {
        failed = true
        log(`certificates that expire soon cannot be noted in ${directory}: ${String(error)}; mail goes on`)
      }
    },
  }
}

/** @returns whether this is the first time today, over all workers */
function write(directory: string, noted: Noted, now: number): boolean {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const known = readAll(directory)
  for (const { file, noted: other } of known) {
    // Renewed, gone, or expired for a month: nobody waits for it any more.
    const forgotten = Date.parse(other.day) < now - SOON_DAYS * DAY
    if (forgotten) rmSync(join(directory, file), { force: true })
  }
  const before = known.find(({ noted: other }) => other.fingerprint === noted.fingerprint)
  if (before?.noted.day === noted.day) return false
  if (before === undefined && known.length >= MOST) return false
  const path = join(directory, `${noted.fingerprint.replaceAll(/[^0-9A-Za-z]/g, '').toLowerCase()}.json`)
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, JSON.stringify(noted), { mode: 0o600 })
  renameSync(temporary, path)
  return true
}

function readAll(directory: string): { file: string; noted: Noted }[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => {
      try {
        return [{ file, noted: SCHEMA.parse(JSON.parse(readFileSync(join(directory, file), 'utf8'))) }]
      } catch {
        // Removed meanwhile, or damaged: it will be written again.
        return []
      }
    })
}

/**
 * @param directory the folder data/expiring
 * @param now milliseconds since 1970
 * @returns certificates that were seen within 30 days and expire within 30 days or have expired, the first to expire
 *   first; none when there is no folder
 */
export function readExpiring(directory: string, now: number): ExpiringCertificate[] {
  let all: Noted[]
  try {
    all = readAll(directory).map(({ noted }) => noted)
  } catch {
    return []
  }
  return all
    .filter(({ day }) => Date.parse(day) >= now - SOON_DAYS * DAY)
    .toSorted((left, right) => left.notAfter - right.notAfter)
}

/**
 * @param certificate a certificate that expires soon
 * @param now milliseconds since 1970
 * @returns e.g. `the certificate of mail.contoso.com (192.0.2.1, connector "Exchange" of contoso) expires on 2026-12-10, in 16 days`
 */
export function describeExpiring(certificate: ExpiringCertificate, now: number): string {
  const { address, connector, names, notAfter, organization } = certificate
  const days = Math.floor((notAfter - now) / DAY)
  const date = new Date(notAfter).toISOString().slice(0, 10)
  const when =
    notAfter < now ? `expired on ${date}` : `expires on ${date}, in ${days} ${days === 1 ? 'day' : 'days'}`
  const whose = connector === null ? address : `${address}, connector "${connector}" of ${organization ?? ''}`
  return printable(`the certificate of ${names.join(', ')} (${whose}) ${when}`, 500)
}
