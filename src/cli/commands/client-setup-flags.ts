/** The flags of `connectorctl client-setup`, and what each of the three servers has no means for. */

import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { isPkcs12 } from '../../certificate/pkcs12.ts'
import { CertificateFault } from '../../certificate/reasons.ts'
import { clientCertificateIn } from '../../client-setup/client-certificate.ts'
import type { ClientCertificate, ClientSetup, SetupKind } from '../../client-setup/setup.ts'
import { DEFAULT_PATHS } from '../../client-setup/setup.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { normalizeAddress } from '../../text/ip-address.ts'
import { printable } from '../../text/printable.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { readNamedFile } from '../files.ts'

export interface SetupFlags {
  readonly instance: string
  readonly organization: string
  readonly smartHost: string
  readonly port: string
  readonly implicitTls?: boolean
  readonly tlsDomain?: string
  readonly fqdn?: string
  readonly certificate?: string
  readonly passwordFile?: string
  readonly key?: string
  readonly caFile?: string
  readonly json?: boolean
}

/** The file that --certificate names. */
export interface CertificateFile {
  /** Absolute. */
  readonly path: string
  readonly pkcs12: boolean
  readonly certificate: ClientCertificate
}

/**
 * @param flags the flags
 * @returns what the file holds, or null when none was named
 * @throws CommandFailed when it cannot be read
 */
export function readCertificateFile({ certificate, passwordFile }: SetupFlags): CertificateFile | null {
  if (certificate === undefined) return null
  const password = passwordFile === undefined ? '' : readNamedFile(passwordFile).toString('utf8')
  const bytes = readNamedFile(certificate)
  try {
    return {
      path: resolve(certificate),
      pkcs12: isPkcs12(bytes),
      certificate: clientCertificateIn(bytes, password.split(/\r?\n/)[0] ?? ''),
    }
  } catch (error) {
    if (!(error instanceof CertificateFault)) throw error
    throw new CommandFailed(`${printable(certificate)}: ${printable(error.message)}`)
  }
}

export type Asked = Pick<ClientSetup, 'smartHost' | 'port' | 'implicitTls' | 'tlsDomain' | 'fqdn' | 'caPath'>

/**
 * @param kind what runs on the sending server
 * @param flags the flags
 * @returns what they ask for
 * @throws UsageError when one is wrong, or that server cannot do it
 */
export function askedFor(kind: SetupKind, flags: SetupFlags): Asked {
  const smartHost = hostOf(flags.smartHost)
  const port = portOf(flags.port)
  const implicitTls = flags.implicitTls === true || port === 465
  const tlsDomain = flags.tlsDomain === undefined ? smartHost : nameOf('--tls-domain', flags.tlsDomain)
  const fqdn = flags.fqdn === undefined ? null : nameOf('--fqdn', flags.fqdn)
  const asked = { smartHost, port, implicitTls, tlsDomain, fqdn, caPath: flags.caFile ?? null }
  const cannot = kind === 'exchange' ? notInExchange(asked, flags) : notInUnix(kind, asked, flags)
  if (cannot !== null) throw new UsageError(cannot)
  return asked
}

const needsName = (host: string, server: string): string =>
  `--smart-host ${host} is an address, and ${server} compares certificates with names only: add --tls-domain with the name in the smarthost's certificate`

function notInExchange({ implicitTls, smartHost, tlsDomain }: Asked, { key }: SetupFlags): string | null {
  if (implicitTls)
    return 'Exchange speaks STARTTLS only: give the port that the smarthost has for that, e.g. 25'
  if (isIP(smartHost) === 6)
    return '--smart-host is an IPv6 address, and Exchange takes names and IPv4 addresses: give a name'
  if (isIP(tlsDomain) !== 0) return needsName(smartHost, 'Exchange')
  return key === undefined
    ? null
    : '--key is for Postfix and Exim: Exchange keeps the key in the store of the computer'
}

function notInUnix(
  kind: 'postfix' | 'exim',
  { smartHost, tlsDomain }: Asked,
  { caFile, key }: SetupFlags,
): string | null {
  for (const [flag, path] of [
    ['--key', key],
    ['--ca-file', caFile],
  ] as const) {
    if (path?.startsWith('/') === false)
      return `${flag} ${printable(path)} is a path on the sending server: write it from the root, with a /`
  }
  if (kind === 'postfix') return isIP(tlsDomain) === 0 ? null : needsName(smartHost, 'Postfix')
  return tlsDomain === smartHost
    ? null
    : "--tls-domain: Exim compares the smarthost's certificate with the name that it connects to: give that name as --smart-host (with a line in /etc/hosts where no DNS has it)"
}

function hostOf(text: string): string {
  const host = normalizeAddress(text) ?? normalizeDomain(text)
  if (host !== null) return host
  throw new UsageError(
    `--smart-host "${printable(text)}" is no name and no address: give e.g. smtp.contoso.com or 192.0.2.1`,
  )
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  throw new UsageError(`--port "${printable(text)}" is no number from 1 to 65535`)
}

function nameOf(flag: string, text: string): string {
  const name = normalizeDomain(text)
  if (name !== null) return name
  throw new UsageError(`${flag} "${printable(text)}" is no DNS name, e.g. mail.contoso.com`)
}

/**
 * @param kind what runs on the sending server
 * @param flags the flags
 * @param file what --certificate names
 * @returns where that server has its certificate and its key, in PEM
 */
export function pathsOf(
  kind: SetupKind,
  { key }: SetupFlags,
  file: CertificateFile | null,
): Pick<ClientSetup, 'certificatePath' | 'keyPath'> {
  const usual = DEFAULT_PATHS[kind]
  return {
    certificatePath: file === null || file.pkcs12 ? usual.certificatePath : file.path,
    keyPath: key ?? usual.keyPath,
  }
}
