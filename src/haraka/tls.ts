/**
 * The TLS contexts of this process. Haraka builds one for each STARTTLS from the options, another for whoever sends a
 * server name (SNI), and puts the name of every CA into the request for a certificate. Here each is built once, asks for
 * a certificate and names no CAs: whether one counts is for src/certificate to say, and TLS only proves who has the key.
 */

import { constants as cryptoConstants } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { Logger, TlsOptions, TlsSocketModule } from './types.ts'
import { messageOf } from '../text/message-of.ts'

/** A resumed session has the leaf without its intermediates: every handshake is a whole one. */
const NO_RESUMPTION = cryptoConstants.SSL_OP_NO_TICKET

export interface TlsContexts {
  /** Pairs of key and certificate in tls.ini. */
  readonly pairs: number
  /**
   * Takes another certificate of the server itself for the connections to come.
   * @param pair key and certificate in PEM
   * @returns how a listener that keeps a context of its own has to make it
   * @throws when key and certificate do not belong together, or cannot be read; nothing has changed then
   */
  renew(pair: { readonly key: Buffer; readonly cert: Buffer }): SecureContextOptions
}

const TAKEN_OVER = new WeakMap<TlsSocketModule, TlsContexts>()

/**
 * @param tlsSocket Haraka's tls_socket module, after its tls plugin was registered
 * @param log told when a server certificate cannot be used
 * @returns the contexts, the same ones for the same module
 */
export function takeOverTls(tlsSocket: TlsSocketModule, log: Pick<Logger, 'logerror'>): TlsContexts {
  const known = TAKEN_OVER.get(tlsSocket)
  if (known !== undefined) return known

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
  const taken: TlsContexts = {
    get pairs() {
      return tlsSocket.certsByHost['*']?.cert?.length ?? 0
    },
    renew: ({ key, cert }) => {
      const options = tlsSocket.certsByHost['*'] ?? {}
      const changed = contextOptions({ ...options, key: [key], cert: [cert] })
      createSecureContext(changed)
      options.key = [key]
      options.cert = [cert]
      rebuild()
      return changed
    },
  }
  TAKEN_OVER.set(tlsSocket, taken)
  return taken
}

function contextFor(options: TlsOptions, name: string, log: Pick<Logger, 'logerror'>): SecureContext | null {
  if (options.key === undefined || options.cert === undefined) return null
  try {
    return createSecureContext(contextOptions(options))
  } catch (error) {
    log.logerror(
      `no TLS with the certificate ${name === '*' ? 'in config/tls_cert.pem' : `for ${name} in config/tls/`}: ${messageOf(error)}`,
    )
    return null
  }
}

function contextOptions({ key, cert, dhparam, ciphers, minVersion }: TlsOptions): SecureContextOptions {
  return {
    ...(key === undefined ? {} : { key }),
    ...(cert === undefined ? {} : { cert }),
    // Any value will do, as long as all contexts of this server share it.
    sessionIdContext: 'connectors',
    secureOptions: NO_RESUMPTION,
    honorCipherOrder: true,
    ...(dhparam === undefined || dhparam.length === 0 ? {} : { dhparam }),
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(minVersion === undefined
      ? {}
      : { minVersion: minVersion as NonNullable<SecureContextOptions['minVersion']> }),
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
