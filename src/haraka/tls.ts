/**
 * The TLS contexts of this process. Haraka builds one for each STARTTLS from the options, another for whoever sends a
 * server name (SNI), and its `ca=` reaches some of them only; a context without CAs trusts those that Node was built
 * with. Here every one trusts the CAs of `[certificates] ca` and no other, and is built once.
 */

import { constants as cryptoConstants } from 'node:crypto'
import { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import { verdictIsAvailable } from './peer.ts'
import type { Logger, TlsOptions, TlsSocketModule } from './types.ts'

/** Resumed sessions would carry an old verdict: until they are validated anew, every handshake is a whole one. */
const NO_RESUMPTION = cryptoConstants.SSL_OP_NO_TICKET

const TAKEN_OVER = new WeakSet<TlsSocketModule>()

/**
 * @param tlsSocket Haraka's tls_socket module, after its tls plugin was registered
 * @param trusted the PEM texts of the CAs that client certificates are verified against
 * @param log told when OpenSSL's verdict cannot be had from this Node
 */
export function takeOverTls(
  tlsSocket: TlsSocketModule,
  trusted: readonly string[],
  log: Pick<Logger, 'logerror'>,
): void {
  if (TAKEN_OVER.has(tlsSocket)) return
  TAKEN_OVER.add(tlsSocket)

  let contexts = new Map<string, SecureContext>()
  const rebuild = (): void => {
    contexts = new Map()
    for (const [name, options] of Object.entries(tlsSocket.certsByHost)) {
      const context = contextFor(options, trusted, name, log)
      if (context === null) continue
      contexts.set(name.toLowerCase(), context)
      if (name !== '*') continue
      options.ca = trusted
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
  selfTest(log)
}

function contextFor(
  options: TlsOptions,
  trusted: readonly string[],
  name: string,
  log: Pick<Logger, 'logerror'>,
): SecureContext | null {
  const { key, cert, dhparam, ciphers, minVersion } = options
  if (key === undefined || cert === undefined) return null
  try {
    return createSecureContext({
      key,
      cert,
      ca: [...trusted],
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

/** The verdict comes from no public interface: notice at start-up, not at the first refusal, when it has gone. */
function selfTest(log: Pick<Logger, 'logerror'>): void {
  const socket = new TLSSocket(new Socket(), { isServer: true })
  if (!verdictIsAvailable(socket)) {
    log.logerror(
      `Node ${process.version} does not tell OpenSSL's verdict on client certificates: no certificate counts as verified. Use Node 20, 22 or 24.`,
    )
  }
  socket.destroy()
}
