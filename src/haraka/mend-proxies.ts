/** Haraka's faults with proxies that send a PROXY header. */

import ipaddr from 'ipaddr.js'
import constants from 'haraka-constants'
import DSN from 'haraka-dsn'
import { normalizeAddress, parseRange } from '../text/ip-address.ts'
import type { HarakaModules, Mend } from './mend.ts'
import type { NetUtilsModule } from './types.ts'

export const PROXY_MENDS: readonly Mend[] = [
  {
    name: 'a listed proxy that sends no PROXY header gets 421 at once',
    upstream: 'not reported',
    recognise: ({ connection }) => [connection.Connection.prototype._process_data, /\^PROXY /],
    apply: mendMissingProxyHeader,
  },
  {
    name: 'a listed IPv6 proxy without a prefix length is one host',
    upstream: 'not reported',
    recognise: ({ netUtils }) => [netUtils.is_haproxy_allowed, /\|\| 64/],
    apply: mendProxyList,
  },
  {
    name: 'a client behind a proxy cannot send a PROXY header of its own',
    upstream: 'not reported',
    recognise: ({ connection }) => [
      connection.Connection.prototype.cmd_proxy,
      /if \(!this\.proxy\.allowed\)/,
      /this\.apply_proxy\(proxy\)/,
    ],
    apply: mendSecondProxyHeader,
  },
  {
    name: "a proxy's own connections, its health checks, leave no lines in the log",
    upstream: 'not reported',
    recognise: ({ connection }) => [connection.Connection.setupClient, /self\.lognotice\('connect', \{/],
    apply: mendProxyLog,
  },
]

/** Stock Haraka waits 30 seconds, spinning when the client speaks. */
function mendMissingProxyHeader({ connection: { Connection } }: HarakaModules): void {
  const { prototype } = Connection
  const original = prototype._process_data
  prototype._process_data = function () {
    const waiting = this.proxy.timer !== null && this.state === constants.connection.state.PAUSE
    if (waiting && this.current_data !== null && !mayBeProxyHeader(this.current_data)) {
      clearTimeout(this.proxy.timer ?? undefined)
      this.current_data = null
      this.lognotice({ name: 'inbound_connector' }, 'a listed proxy sent no PROXY header', {
        ip: this.remote.ip,
      })
      this.respond(421, DSN.create(421, 'A PROXY header is required here', 3, 2), () => {
        this.disconnect()
      })
      return
    }
    original.call(this)
  }
}

/** Version 1 lines are at most 107 octets. */
function mayBeProxyHeader(bytes: Buffer): boolean {
  const sign = Buffer.from('PROXY ').subarray(0, bytes.length)
  return bytes.subarray(0, sign.length).equals(sign) && (bytes.length <= 107 || bytes.includes(0x0a))
}

function mendProxyList({ netUtils }: HarakaModules): void {
  // Asked at each connection and each MAIL, and Haraka copies the settings for every asking.
  let proxies: readonly ProxyRange[] = []
  let readAt = Number.NEGATIVE_INFINITY
  netUtils.is_haproxy_allowed = (ip) => {
    if (performance.now() - readAt > 500) {
      proxies = listedProxies(netUtils)
      readAt = performance.now()
    }
    const address = proxies.length === 0 ? null : normalizeAddress(ip)
    if (address === null) return false
    const parsed = ipaddr.process(address)
    return proxies.some(
      ([network, length]) => network.kind() === parsed.kind() && parsed.match(network, length),
    )
  }
}

type ProxyRange = ReturnType<typeof ipaddr.parseCIDR>

function listedProxies({ config }: NetUtilsModule): ProxyRange[] {
  const { haproxy } = config.get('connection.ini', { booleans: ['+haproxy.enabled'] }) as {
    haproxy?: { enabled?: boolean; hosts?: readonly unknown[] }
  }
  if (haproxy?.enabled === false) return []
  return (haproxy?.hosts ?? []).flatMap((host) => {
    const range = parseRange(String(host).replaceAll(/[[\]]/g, ''))
    return range === null ? [] : [ipaddr.parseCIDR(range.range)]
  })
}

/**
 * Haraka takes PROXY as a command at any time on a connection from a proxy, the client's too, and believes the last one:
 * whoever may speak to the proxy could be any address.
 */
function mendSecondProxyHeader({ connection: { Connection } }: HarakaModules): void {
  const { prototype } = Connection
  const original = prototype.cmd_proxy
  prototype.cmd_proxy = function (line) {
    if (this.proxy.ip === null) {
      original.call(this, line)
      return
    }
    this.lognotice({ name: 'inbound_connector' }, 'a client behind a proxy sent a PROXY header', {
      ip: this.remote.ip,
    })
    this.respond(421, DSN.create(421, 'There was a PROXY header already', 5, 1), () => {
      this.disconnect()
    })
  }
}

/**
 * Haraka tells of each connection before it knows whom a proxy speaks for, and a proxy that checks every second whether
 * the server is well fills the log with itself. The client is told when its connection ends.
 */
function mendProxyLog({ connection: { Connection }, netUtils }: HarakaModules): void {
  const { prototype } = Connection
  const original = prototype.lognotice
  prototype.lognotice = function (message, ...more) {
    const passing = message === 'connect' || message === 'disconnect'
    if (passing && netUtils.is_haproxy_allowed(this.remote.ip)) this.loginfo(message, ...more)
    else original.call(this, message, ...more)
  }
}
