/** The trusted files: the CAs that certificates of clients and of next hops must come from, and what they revoked. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import type { RevocationList } from '../certificate/crl.ts'
import { parseRevocationList } from '../certificate/crl.ts'
import { formatName } from '../certificate/general-name.ts'
import type { Certificate } from '../certificate/parse.ts'
import { readableCertificates } from '../certificate/parse.ts'
import { certificatesIn, revocationListsIn } from '../certificate/pem.ts'
import type { TrustSets } from '../certificate/trust-sets.ts'
import { createTrustSets } from '../certificate/trust-sets.ts'
import { parseEach, readAuthorities, readTrusted, trustedPath } from '../certificate/trusted-file.ts'
import type { Problem } from '../directory/model.ts'
import { printable } from '../text/printable.ts'
import type { Settings } from './settings.ts'

export interface Trust {
  readonly sets: TrustSets
  /** Whom the certificates of next hops must lead to. */
  readonly nextHops: TrustSets
  /** For people: where the CAs come from. */
  readonly description: readonly string[]
  readonly problems: readonly Problem[]
  /** The files that it was read from. */
  readonly files: readonly string[]
}

/** Where Debian, RHEL, SUSE, Alpine and macOS keep the machine's bundle. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

const MEND_CA = 'name "system" or PEM files under config/, separated by commas'
const MEND_CRL = 'name PEM or DER files under config/, separated by commas'

/**
 * @param instance the instance's folder
 * @param settings its settings
 * @returns whom to trust, and what is wrong with the files
 */
export function loadTrust(instance: string, { certificates, outbound }: Settings): Trust {
  const clients = readNamedAuthorities(instance, 'certificates', certificates.ca)
  const isSame = certificates.ca.join('\n') === outbound.ca.join('\n')
  const servers = isSame ? clients : readNamedAuthorities(instance, 'outbound', outbound.ca)
  const revocation = readNamedLists(instance, certificates.crl)
  const { lists } = revocation
  const allowed = {
    sha1: certificates.allow.includes('sha1'),
    rsa1024: certificates.allow.includes('rsa1024'),
  }
  const { limits } = certificates
  const sets = createTrustSets({
    anchors: clients.anchors,
    purposes: certificates.acceptEku,
    allowed,
    limits,
    revocationLists: lists,
    revocationPolicy: certificates.crlPolicy,
  })
  // Lists are published for the CAs of clients; of the CAs of next hops one may be had or not.
  const nextHops = createTrustSets({
    anchors: servers.anchors,
    purposes: ['serverAuth'],
    allowed,
    limits,
    revocationLists: lists,
    revocationPolicy: 'if-available',
  })
  return {
    sets,
    nextHops,
    description: clients.description,
    problems: [...clients.problems, ...(isSame ? [] : servers.problems), ...revocation.problems],
    files: [...new Set([...clients.files, ...servers.files, ...revocation.files])],
  }
}

interface NamedAuthorities {
  readonly anchors: readonly Certificate[]
  readonly description: readonly string[]
  readonly problems: readonly Problem[]
  readonly files: readonly string[]
}

function readNamedAuthorities(
  instance: string,
  section: 'certificates' | 'outbound',
  names: readonly string[],
): NamedAuthorities {
  const anchors: Certificate[] = []
  const description: string[] = []
  const problems: Problem[] = []
  const files: string[] = []
  for (const name of names) {
    if (name === 'system') {
      const system = systemBundle()
      anchors.push(...system.anchors)
      files.push(...system.files)
      description.push(`system (${system.anchors.length} CAs, ${system.from})`)
      continue
    }
    const read = readNamed(instance, name, files, readAuthorities)
    if (typeof read === 'string') problems.push(problem(`[${section}] ca`, name, read, MEND_CA))
    else {
      anchors.push(...read)
      description.push(`${name} (${describe(read)})`)
    }
  }
  return { anchors, description, problems, files }
}

function readNamedLists(
  instance: string,
  names: readonly string[],
): Pick<NamedAuthorities, 'problems' | 'files'> & { readonly lists: readonly RevocationList[] } {
  const lists: RevocationList[] = []
  const problems: Problem[] = []
  const files: string[] = []
  for (const name of names) {
    const read = readNamed(instance, name, files, readRevocationLists)
    if (typeof read === 'string') problems.push(problem('[certificates] crl', name, read, MEND_CRL))
    else {
      lists.push(...read)
      problems.push(...staleLists(name, read))
    }
  }
  return { lists, problems, files }
}

/** @param files gets the path, whether it can be read or not: it may be mended */
function readNamed<T>(
  instance: string,
  name: string,
  files: string[],
  read: (path: string) => T | string,
): T | string {
  const path = trustedPath(join(instance, 'config'), name)
  if (path === null) return 'is not under config/'
  files.push(path)
  return read(path)
}

function problem(
  key: string,
  name: string,
  message: string,
  mend: string,
  severity: Problem['severity'] = 'error',
): Problem {
  return {
    file: 'config/connectors.ini',
    line: 0,
    column: 1,
    severity,
    message: `${key}: ${printable(name)} ${message}`,
    mend,
  }
}

/** @returns the machine's CA bundle; a root in it that cannot be read is the machine's fault, and trusts nobody */
export function systemBundle(): { anchors: readonly Certificate[]; from: string; files: readonly string[] } {
  for (const path of [process.env['SSL_CERT_FILE'] ?? '', ...SYSTEM_BUNDLES]) {
    if (path === '') continue
    try {
      const anchors = readableCertificates(certificatesIn(readFileSync(path)))
      if (anchors.length > 0) return { anchors, from: path, files: [path] }
    } catch {
      // Another system keeps it elsewhere.
    }
  }
  const anchors = readableCertificates(rootCertificates.flatMap((pem) => certificatesIn(Buffer.from(pem))))
  return { anchors, from: "Node's own, as this machine has no bundle", files: [] }
}

function readRevocationLists(path: string): readonly RevocationList[] | string {
  const bytes = readTrusted(path)
  if (typeof bytes === 'string') return bytes
  const ders = revocationListsIn(bytes)
  if (ders.length === 0) return 'holds no revocation list'
  return parseEach(ders, parseRevocationList, 'revocation list')
}

function staleLists(name: string, lists: readonly RevocationList[]): Problem[] {
  return lists
    .filter(({ nextUpdate }) => nextUpdate !== null && nextUpdate < Date.now())
    .map(({ issuer, nextUpdate }) => {
      const since = new Date(nextUpdate ?? 0).toISOString().slice(0, 10)
      const what = `holds a list of ${printable(formatName(issuer))} that is stale since ${since}`
      return problem('[certificates] crl', name, what, 'fetch the new one', 'warning')
    })
}

function describe(anchors: readonly Certificate[]): string {
  const [first] = anchors
  return anchors.length === 1 && first !== undefined
    ? printable(formatName(first.subject))
    : `${anchors.length} CAs`
}
