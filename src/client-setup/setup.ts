/** What the scripts for the on-premises side are made from. Everything is validated: a host is a host, a port a port. */

import type { Certificate } from '../certificate/parse.ts'

export const SETUP_KINDS = ['exchange', 'postfix', 'exim'] as const
export type SetupKind = (typeof SETUP_KINDS)[number]

/** Where the certificate and its key are taken to be when nothing else is said. */
export const DEFAULT_PATHS: Readonly<
  Record<SetupKind, { readonly certificatePath: string; readonly keyPath: string }>
> = {
  exchange: { certificatePath: '', keyPath: '' },
  postfix: {
    certificatePath: '/etc/postfix/smarthost.cert.pem',
    keyPath: '/etc/postfix/smarthost.key.pem',
  },
  exim: { certificatePath: '/etc/exim4/smarthost.cert.pem', keyPath: '/etc/exim4/smarthost.key.pem' },
}

/** What the directory of the smarthost makes of it, and what else the administrator should know. */
export interface SetupNote {
  /** warning: mail will be refused, or not everything that should get through will. */
  readonly severity: 'info' | 'warning'
  readonly text: string
  /** What mends it, each a command for a shell; empty when nothing needs mending, or no command does. */
  readonly commands: readonly string[]
}

export interface ClientSetup {
  readonly organization: string
  /** A normalised domain name, an address in canonical form, or `localhost`. */
  readonly smartHost: string
  readonly port: number
  /** TLS from the first octet on. */
  readonly implicitTls: boolean
  /** The name in the smarthost's certificate that the sending server insists on; an address only where `smartHost` is one. */
  readonly tlsDomain: string
  /** What the sending server says at EHLO; null leaves it as it is. */
  readonly fqdn: string | null
  readonly certificate: ClientCertificate | null
  /** Where it and its key are on the sending server, PEM; of no use to Exchange, which keeps them in its store. */
  readonly certificatePath: string
  readonly keyPath: string
  /** On the sending server, the CAs that the smarthost's certificate may come from; null for those of the system. */
  readonly caPath: string | null
  readonly notes: readonly SetupNote[]
}

/** The certificate that the sending server will present. */
export interface ClientCertificate {
  /** Of the file it came from; empty where that holds nothing else. */
  readonly intermediates: readonly Certificate[]
  readonly leaf: Certificate
  /** As `presentedNames` returns them. */
  readonly names: readonly string[]
}

/** What connectorctl prints for one server. */
export interface PrintedSetup {
  readonly kind: SetupKind
  readonly script: string
  readonly notes: readonly SetupNote[]
}
