/** The listeners' side of TLS: a renewed certificate without a restart, and one line for a handshake that failed. */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Server as TlsServer } from 'node:tls'
import { readHarakaConfig } from '../instance/haraka-config.ts'
import { watchFiles } from '../instance/watch-files.ts'
import { printable } from '../text/printable.ts'
import type { TlsContexts } from './tls.ts'
import type { Connection, Plugin, ServerModule } from './types.ts'
import { messageOf } from '../text/message-of.ts'

/**
 * Watches the key and the certificate of the server. Renewing them is two writes: while they do not fit each other,
 * those before stay in force. Open connections keep what they have.
 * @param plugin whose log is used
 * @param instance the Haraka folder
 * @param server Haraka's server module, with its listeners
 * @param contexts where a new certificate goes
 */
export function watchServerCertificate(
  plugin: Plugin,
  instance: string,
  server: ServerModule,
  contexts: TlsContexts,
): void {
  if (contexts.pairs > 1) {
    plugin.lognotice('config/tls.ini names several certificates: a renewed one counts after a restart')
    return
  }
  const paths = (): { key: string; cert: string } => {
    const { tlsKey, tlsCertificate } = readHarakaConfig(instance)
    return { key: join(instance, 'config', tlsKey), cert: join(instance, 'config', tlsCertificate) }
  }
  const files = Object.values(paths())
  watchFiles({
    files: () => files,
    changed: () => {
      try {
        const { key, cert } = paths()
        const pair = { key: readFileSync(key), cert: readFileSync(cert) }
        const options = contexts.renew(pair)
        for (const listener of tlsListeners(server)) listener.setSecureContext(options)
        plugin.lognotice(`the server's certificate is in force: ${describe(pair.cert)}`)
      } catch (error) {
        const why = messageOf(error)
        plugin.logerror(
          `the server's key or certificate was changed and is not used, those before stay in force: ${printable(why)}`,
        )
      }
    },
  })
}

function describe(pem: Buffer): string {
  const { subject, validTo } = new X509Certificate(pem)
  return `${printable(subject.replaceAll('\n', ', '))}, valid until ${new Date(validTo).toISOString().slice(0, 10)}`
}

/** Behind a proxy Haraka keeps the TLS server inside a plain one. */
function tlsListeners({ listeners }: ServerModule): TlsServer[] {
  return listeners.flatMap((listener) => {
    const inner = listener.tlsServer ?? listener
    return inner instanceof TlsServer ? [inner] : []
  })
}

/**
 * On implicit TLS a handshake that fails leaves no connection and, in Haraka, no trace.
 * @param plugin whose log is used
 * @param server Haraka's server module, with its listeners
 */
export function reportFailedHandshakes(plugin: Plugin, server: ServerModule): void {
  for (const listener of tlsListeners(server)) {
    // A socket that was closed does not know any more whose it was; node keeps an address that was asked for once.
    listener.on('connection', ({ remoteAddress }: Socket) => remoteAddress)
    listener.on('tlsClientError', (error: Error, socket: TLSSocket & { readonly _parent?: Socket }) => {
      const ip = socket._parent?.remoteAddress ?? socket.remoteAddress ?? 'unknown'
      plugin.lognotice(`the TLS handshake failed ip=${printable(ip)} why=${why(error)}`)
    })
  }
}

const FAILURES = new WeakMap<Connection, Error>()

/**
 * Remembers why a handshake failed, until its connection ends.
 * @param connection one that begins
 */
export function watchHandshake(connection: Connection): void {
  // Before Haraka's own, which ends the connection.
  connection.client.prependListener('error', (error: Error & { source?: string }) => {
    if (error.source === 'tls') FAILURES.set(connection, error)
  })
}

/**
 * @param connection one that ends
 * @returns why its handshake failed after STARTTLS; null when there was none, or it succeeded
 */
export function failedHandshake(connection: Connection): string | null {
  if (connection.client.cleartext === undefined || connection.tls.enabled) return null
  const error = FAILURES.get(connection)
  return error === undefined ? 'the client went away' : why(error)
}

/** OpenSSL's words without its places in the source: `sslv3 alert illegal parameter`. */
function why(error: Error): string {
  const { code, message } = error as NodeJS.ErrnoException
  const words = /^[0-9A-F]+:error:[^:]*:[^:]*:[^:]*:([^:]+):/i.exec(message)?.[1]
  return printable(words ?? (code === 'ECONNRESET' ? 'the client went away' : message), 200)
}
