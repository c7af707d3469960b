/**
 * The TLS contexts of this process. Haraka builds one for each STARTTLS from the options, another for whoever sends a
 * server name (SNI), and puts the name of every CA into the request for a certificate. Here each is built once, asks for
 * a certificate and names no CAs: whether one counts is for src/certificate to say, and TLS only proves who has the key.
 */

import { constants as cryptoConstants } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { Logger, TlsOptions, TlsSocketModule } from './types.ts'

/** A resumed session has the leaf without its intermediates: every handshake is a whole one. */
const NO_RESUMPTION = cryptoConstants.SSL_OP_NO_TICKET

const TAKEN_OVER = new WeakSet<TlsSocketModule>()

/**
 * @param tlsSocket Haraka's tls_socket module, after its tls plugin was registered
 * @param log told when a server certificate cannot be used
 */
export function takeOverTls(tlsSocket: TlsSocketModule, log: Pick<Logger, 'logerror'>): void {
  if (TAKEN_OVER.has(tlsSocket)) return
  TAKEN_OVER.add(tlsSocket)

  let contexts = new Map<string, SecureContext>()
  const rebuild = (): void => {
    contexts = new Map()
    for (const [name, options] of Object.entries(tlsSocket.certsByHost)) {
      const context = contextFor(options, name, log)
      if (context === null) continue
      contexts.set(name.toLowerCase(), context)
      if (name !== '*') continue
      delete options.ca
      options.secureOptions = NO_RESUMPTION
      options.secureContext = context
      options.SNICallback = (serverName, done) => {
        done(null, contextNamed(contexts, serverName))
      }
    }
  }

  const loadDefaults = tlsSocket.load_default_opts.bind(tlsSocket)
  tlsSocket.load_default_opts = () => {
    // Otherwise Haraka would build a context of its own with every CA in it, too.
    delete tlsSocket.certsByHost['*']?.ca
    loadDefaults()
    rebuild()
  }
  const loadFolder = tlsSocket.get_certs_dir.bind(tlsSocket)
  tlsSocket.get_certs_dir = async (folder) => {
    const result = await loadFolder(folder)
    rebuild()
    return result
  }
  rebuild()
}

function contextFor(options: TlsOptions, name: string, log: Pick<Logger, 'logerror'>): SecureContext | null {
  const { key, cert, dhparam, ciphers, minVersion } = options
  if (key === undefined || cert === undefined) return null
  try {
    return createSecureContext({
      key,
      cert,
      // Any value will do, as long as all contexts of this server share it.
      sessionIdContext: 'connectors',
      secureOptions: NO_RESUMPTION,
      honorCipherOrder: true,
      ...(dhparam === undefined || dhparam.length === 0 ? {} : { dhparam }),
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(minVersion === undefined
        ? {}
        : { minVersion: minVersion as NonNullable<SecureContextOptions['minVersion']> }),
    })
  } catch (error) {
    log.logerror(
      `no TLS with the certificate ${name === '*' ? 'in config/tls_cert.pem' : `for ${name} in config/tls/`}: ${error instanceof Error ? error.message : String(error)}`,
    )
    return null
  }
}

function contextNamed(
  contexts: ReadonlyMap<string, SecureContext>,
  serverName: string,
): SecureContext | undefined {
  const name = serverName.toLowerCase()
  const wildcard = `*${name.slice(name.indexOf('.'))}`
  return contexts.get(name) ?? contexts.get(wildcard) ?? contexts.get('*')
}
