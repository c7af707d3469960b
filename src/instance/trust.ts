/** The CAs of `[certificates] ca`: whom client certificates must come from. */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { rootCertificates } from 'node:tls'
import type { Problem } from '../directory/model.ts'
import { printable } from '../text/printable.ts'
import type { Settings } from './settings.ts'

export interface Trust {
  /** The PEM text of each CA. */
  readonly pem: readonly string[]
  /** For people: where they come from. */
  readonly description: readonly string[]
  readonly problems: readonly Problem[]
}

/** Where Debian, RHEL, SUSE, Alpine and macOS keep the machine's bundle. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

const BLOCK = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g

/**
 * @param instance the instance's folder
 * @param settings its settings
 * @returns the CAs, and what is wrong with them
 */
export function loadTrustedCertificateAuthorities(instance: string, settings: Settings): Trust {
  const pem: string[] = []
  const description: string[] = []
  const problems: Problem[] = []
  for (const name of settings.certificates.ca) {
    if (name === 'system') {
      const system = systemBundle()
      pem.push(...system.pem)
      description.push(`system (${system.pem.length} CAs, ${system.from})`)
      continue
    }
    const read = readBundle(instance, name)
    if (typeof read === 'string') problems.push(problem(name, read))
    else {
      pem.push(...read)
      description.push(`${name} (${describe(read)})`)
    }
  }
  return { pem, description, problems }
}

function problem(name: string, message: string): Problem {
  return {
    file: 'config/connectors.ini',
    line: 0,
    column: 1,
    severity: 'error',
    message: `[certificates] ca: ${printable(name)} ${message}`,
    mend: 'name "system" or PEM files under config/, separated by commas',
  }
}

function systemBundle(): { pem: readonly string[]; from: string } {
  for (const path of [process.env['SSL_CERT_FILE'] ?? '', ...SYSTEM_BUNDLES]) {
    try {
      const pem = readFileSync(path, 'utf8').match(BLOCK)
      if (path !== '' && pem !== null) return { pem, from: path }
    } catch {
      // Another system keeps it elsewhere.
    }
  }
  return { pem: rootCertificates, from: "Node's own, as this machine has no bundle" }
}

/** The PEM texts, or what is wrong. */
function readBundle(instance: string, name: string): string[] | string {
  const folder = join(instance, 'config')
  const path = resolve(folder, name)
  const inside = relative(folder, path)
  if (inside.startsWith(`..${sep}`) || inside === '..' || resolve(name) === name)
    return 'is not under config/'
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code ?? String(error)}`
  }
  const blocks = text.match(BLOCK)
  if (blocks === null) return 'holds no certificate in PEM form'
  const damaged = blocks.findIndex((block) => readCertificate(block) === null)
  return damaged === -1 ? [...blocks] : `holds a damaged certificate (number ${damaged + 1})`
}

function readCertificate(block: string): X509Certificate | null {
  try {
    return new X509Certificate(block)
  } catch {
    return null
  }
}

function describe(blocks: readonly string[]): string {
  const [first] = blocks
  const subject = first === undefined ? '' : (readCertificate(first)?.subject ?? '').replaceAll('\n', ', ')
  return blocks.length === 1 ? printable(subject) : `${blocks.length} CAs`
}
