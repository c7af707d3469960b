/**
 * What an outbound connector shows the next hop of itself: its certificate and its password, from files under config/.
 * Read again when they change; a file that cannot be used holds the mail back, since without it nothing is promised.
 */

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { trustedPath } from '../certificate/trusted-file.ts'
import type { ClientIdentity, Said } from '../outbound/types.ts'
import type { OutboundConnector } from '../policy/types.ts'
import { printable } from '../text/printable.ts'

type IdentityFiles = Pick<
  OutboundConnector,
  'name' | 'tlsCertificateFile' | 'tlsKeyFile' | 'userName' | 'passwordFile'
>

type Found = ClientIdentity | { readonly failure: Said }

/** Shows nothing. */
const NO_IDENTITY: ClientIdentity = { key: '', certificate: null, credentials: null }

/** Files are looked at so often: a renewed certificate counts within a second. */
const LOOK_MILLISECONDS = 500

/** A password that is longer is none. */
const LONGEST_PASSWORD = 1_000
const LARGEST_FILE = 1_048_576

/** Why a file cannot be used; the message is the end of a sentence. */
class Unusable extends Error {
  override readonly name = 'Unusable'
}

interface Known {
  readonly found: Promise<Found>
  readonly lookedAt: number
  readonly seen: string
}

/**
 * @param instance the instance's folder
 * @param now the clock, in milliseconds
 * @returns what gives the identity of a connector, or why it cannot be had
 */
export function openIdentities(
  instance: string,
  now: () => number = Date.now,
): (connector: IdentityFiles | null) => Promise<Found> {
  const known = new Map<string, Known>()
  return async (connector) => {
    if (connector === null) return NO_IDENTITY
    const { name, passwordFile, tlsCertificateFile, tlsKeyFile, userName } = connector
    if (tlsCertificateFile === null && userName === null) return NO_IDENTITY
    // A failure names the connector.
    const id = JSON.stringify([name, tlsCertificateFile, tlsKeyFile, userName, passwordFile])
    const before = known.get(id)
    if (before !== undefined && now() - before.lookedAt < LOOK_MILLISECONDS) return before.found
    const seen = await stateOf(instance, [tlsCertificateFile, tlsKeyFile, passwordFile])
    // A failure may be the machine's, e.g. too many open files: it says nothing about the next time.
    const isKnown = before?.seen === seen && !('failure' in (await before.found))
    const found = isKnown ? before.found : readIdentity(instance, connector, now())
    known.set(id, { found, lookedAt: now(), seen })
    return found
  }
}

/**
 * @param instance the instance's folder
 * @param connector what names the files
 * @param at when, for the reason
 * @returns the identity, or why it cannot be had; never rejects
 */
export async function readIdentity(instance: string, connector: IdentityFiles, at: number): Promise<Found> {
  try {
    const certificate = await readCertificate(instance, connector)
    const credentials = await readCredentials(instance, connector)
    const key = createHash('sha256')
      .update(JSON.stringify([certificate, credentials]))
      .digest('hex')
    return { key, certificate, credentials }
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    const text = `outbound connector ${printable(connector.name)}: ${error.message}`
    return { failure: { at, code: 0, status: '4.3.5', text, remote: null } }
  }
}

async function readCertificate(
  instance: string,
  { tlsCertificateFile, tlsKeyFile }: IdentityFiles,
): Promise<ClientIdentity['certificate']> {
  if (tlsCertificateFile === null || tlsKeyFile === null) return null
  const cert = await readText(instance, tlsCertificateFile)
  const key = await readText(instance, tlsKeyFile)
  const leaf = use(tlsCertificateFile, 'holds no certificate in PEM', () => new X509Certificate(cert))
  const privateKey = use(tlsKeyFile, 'holds no private key in PEM without a passphrase', () =>
    createPrivateKey(key),
  )
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new Unusable(
      `${printable(tlsKeyFile)} is not the key of the certificate in ${printable(tlsCertificateFile)}`,
    )
  }
  return { cert, key }
}

async function readCredentials(
  instance: string,
  { passwordFile, userName }: IdentityFiles,
): Promise<ClientIdentity['credentials']> {
  if (userName === null || passwordFile === null) return null
  const text = await readText(instance, passwordFile)
  // An editor ends the file with a newline, which is no part of the password.
  const password = text.replace(/\r?\n$/, '')
  if (password !== '' && password.length <= LONGEST_PASSWORD && !/[\0\r\n]/.test(password)) {
    return { user: userName, password }
  }
  throw new Unusable(`${printable(passwordFile)} must hold the password in one line and nothing else`)
}

async function readText(instance: string, name: string): Promise<string> {
  const path = trustedPath(join(instance, 'config'), name)
  if (path === null) throw new Unusable(`${printable(name)} is not under config/`)
  try {
    const { size } = await stat(path)
    if (size <= LARGEST_FILE) return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code ?? String(error)})`
    throw new Unusable(`${printable(name)} under config/ ${why}`)
  }
  throw new Unusable(`${printable(name)} is too large`)
}

function use<T>(name: string, why: string, make: () => T): T {
  try {
    return make()
  } catch {
    throw new Unusable(`${printable(name)} ${why}`)
  }
}

async function stateOf(instance: string, names: readonly (string | null)[]): Promise<string> {
  const states = names.map(async (name) => {
    const path = name === null ? null : trustedPath(join(instance, 'config'), name)
    if (path === null) return ''
    const found = await stat(path, { bigint: true }).catch(() => null)
    return found === null ? 'missing' : `${found.mtimeNs} ${found.ctimeNs} ${found.size} ${found.ino}`
  })
  return (await Promise.all(states)).join('\n')
}
