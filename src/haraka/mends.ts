/**
 * Haraka's faults that stand in a smarthost's way, mended in place. Each says where upstream knows of it, and how the
 * code looks that it mends: when that has changed, start-up says so instead of mending what it does not know.
 */

import os from 'node:os'
import ipaddr from 'ipaddr.js'
import constants from 'haraka-constants'
import DSN from 'haraka-dsn'
import { normalizeAddress, parseRange } from '../text/ip-address.ts'
import { isDsn } from './dsn.ts'
import type {
  Connection,
  ConnectionModule,
  Logger,
  MessageStreamPrototype,
  NetUtilsModule,
  OutboundModule,
  Plugin,
  ServerModule,
  Transaction,
  TransactionModule,
} from './types.ts'

/** The modules of the running Haraka. */
export interface HarakaModules {
  readonly connection: ConnectionModule
  readonly server: ServerModule
  readonly outbound: OutboundModule
  readonly netUtils: NetUtilsModule
  readonly messageStream: MessageStreamPrototype
}

interface Mend {
  readonly name: string
  /** Where upstream knows of it, or that it does not. */
  readonly upstream: string
  /** The function that is mended, and what it must hold to be the one that is known. */
  readonly recognise: (haraka: HarakaModules) => readonly [unknown, ...RegExp[]]
  readonly apply: (haraka: HarakaModules) => void
}

export const MENDS: readonly Mend[] = [
  {
    name: 'MAIL on ports 465 and 587 without AUTH, and 552 5.3.4 for a SIZE that is too big',
    upstream: 'haraka/Haraka#1873',
    recognise: ({ connection }) => [
      connection.Connection.prototype.cmd_mail,
      /\[587, 465\]\.includes\(this\.local\.port\)/,
      /Message too big!/,
      /this\.init_transaction\(/,
    ],
    apply: mendMailCommand,
  },
  {
    name: '552 5.3.4 for a message that is too big',
    upstream: 'not reported',
    recognise: ({ connection }) => [
      connection.Connection.prototype.max_data_exceeded_respond,
      /'Message too big!'/,
    ],
    apply: mendMessageTooBig,
  },
  {
    name: 'a refusal to queue keeps its own code (451)',
    upstream: 'not reported',
    recognise: ({ connection }) => [
      connection.Connection.prototype.queue_outbound_respond,
      /this\.respond\(450, msg/,
    ],
    apply: mendQueueReplies,
  },
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
    name: "root's supplementary groups are dropped with its user",
    upstream: 'not reported',
    recognise: ({ server }) => [server.listening, /process\.setgid\(c\.group\)/],
    apply: mendGroups,
  },
  {
    name: 'a queue file that could not be written whole never gets its name',
    upstream: 'not reported',
    recognise: ({ outbound }) => [
      outbound.process_delivery,
      /ws\.on\('close', async \(\) => \{[\s\S]*fs\.rename\(tmp_path, dest_path\)/,
      /this\.build_todo\(todo, ws,/,
    ],
    apply: mendTornQueueFiles,
  },
  {
    name: 'a message that was never spooled has no file to remove',
    upstream: 'not reported',
    recognise: ({ messageStream }) => [messageStream.destroy, /fs\.unlink\(this\.#filename/],
    apply: mendMessageStream,
  },
  {
    name: "the host's name is not asked of the kernel for each reply",
    upstream: 'not reported',
    recognise: ({ connection }) => [connection.Connection.prototype.respond, /os\.hostname\(\)/],
    apply: mendHostname,
  },
  {
    name: 'results.ini is not looked for on disk at each MAIL',
    upstream: 'not reported',
    recognise: ({ netUtils }) => [netUtils.config.get, /reader\.read_config\(full_path, type, cb, options\)/],
    apply: mendResultSettings,
  },
]

const APPLIED = new WeakSet<object>()

/**
 * @param plugin a plugin of the running Haraka
 * @returns the modules that the mends work on
 */
export function harakaModules(plugin: Plugin): HarakaModules {
  const outbound = plugin.haraka_require('outbound') as OutboundModule
  return {
    connection: plugin.haraka_require('connection') as ConnectionModule,
    server: plugin.haraka_require('server') as ServerModule,
    outbound,
    netUtils: outbound.net_utils,
    messageStream: Object.getPrototypeOf(newTransaction(plugin).message_stream) as MessageStreamPrototype,
  }
}

/** The class of its stream is nobody's export. */
function newTransaction(plugin: Plugin): Transaction {
  const { createTransaction } = plugin.haraka_require('transaction') as TransactionModule
  return createTransaction(null, {})
}

/**
 * Mends this process's Haraka, once.
 * @param haraka its modules
 * @param log told of each mend that no longer fits
 */
export function applyMends(haraka: HarakaModules, log: Pick<Logger, 'logerror'>): void {
  if (APPLIED.has(haraka.connection)) return
  APPLIED.add(haraka.connection)
  for (const mend of MENDS) {
    if (isRecognised(mend, haraka)) mend.apply(haraka)
    else {
      log.logerror(
        `this Haraka is not the one that connectors knows: left as it is: "${mend.name}" (upstream: ${mend.upstream}). Look for a newer haraka-plugin-connectors.`,
      )
    }
  }
}

/**
 * @param mend one of the mends
 * @param haraka the running Haraka, not mended yet
 * @returns whether the code that it mends is the code that it was written for
 */
export function isRecognised(mend: Mend, haraka: HarakaModules): boolean {
  const [code, ...signs] = mend.recognise(haraka)
  if (typeof code !== 'function') return false
  const source = code.toString()
  return signs.every((sign) => sign.test(source))
}

const TOO_BIG = 'Message size exceeds the limit of this server'

/** RFC 1870 section 6.1: the refusal of a declared size is 552. */
function mendMailCommand({ connection: { Connection, cfg } }: HarakaModules): void {
  const { prototype } = Connection
  const original = prototype.cmd_mail
  prototype.cmd_mail = function (line) {
    const size = Number(/\sSIZE=(\d{1,20})(?:\s|$)/i.exec(line.slice(line.lastIndexOf('>') + 1))?.[1] ?? 0)
    if (cfg.max.bytes > 0 && size > cfg.max.bytes && this.hello.host) {
      this.respond(552, DSN.create(552, TOO_BIG, 3, 4))
      return
    }
    hidePort(this, () => {
      original.call(this, line)
    })
  }
}

/**
 * Haraka wants AUTH on two local ports before any plugin is asked. The port is hidden from that test alone: by the
 * time the transaction begins, and with it the first hook, it is back.
 */
function hidePort(connection: Connection, run: () => void): void {
  const { local } = connection
  const { port } = local
  if (port !== 465 && port !== 587) {
    run()
    return
  }
  const own = connection as Connection & { init_transaction?: (then: () => void) => void }
  const begin = own.init_transaction?.bind(connection)
  const restore = (): void => {
    local.port = port
    delete own.init_transaction
  }
  local.port = 0
  own.init_transaction = (then) => {
    restore()
    begin?.(then)
  }
  try {
    run()
  } finally {
    restore()
  }
}

function mendMessageTooBig({ connection: { Connection } }: HarakaModules): void {
  const { prototype } = Connection
  const original = prototype.max_data_exceeded_respond
  prototype.max_data_exceeded_respond = function (code) {
    if (code === constants.denysoft) {
      original.call(this, code)
      return
    }
    this.respond(552, DSN.create(552, TOO_BIG, 3, 4), () => {
      this.msg_count.reject++
      this.reset_transaction(() => {
        this.resume()
      })
    })
  }
}

function mendQueueReplies({ connection: { Connection } }: HarakaModules): void {
  const { prototype } = Connection
  for (const method of ['queue_respond', 'queue_outbound_respond'] as const) {
    const original = prototype[method]
    prototype[method] = function (code, message) {
      if (code !== constants.denysoft || !isDsn(message) || this.transaction === null) {
        original.call(this, code, message)
        return
      }
      this.store_queue_result(code, message.reply)
      this.respond(message.code, message, () => {
        this.msg_count.tempfail++
        this.reset_transaction(() => {
          this.resume()
        })
      })
    }
  }
}

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

/** A system call for each RSET, each message and each connection otherwise. */
function mendMessageStream({ messageStream }: HarakaModules): void {
  const { destroy } = messageStream
  messageStream.destroy = function () {
    if (this.spooling) destroy.call(this)
  }
}

const RESULT_SETTINGS_MILLISECONDS = 1000

/** Each transaction has its results, and those read their settings: a file that is not there is never remembered. */
function mendResultSettings({ netUtils: { config } }: HarakaModules): void {
  const get = config.get.bind(config)
  let settings: Record<string, unknown> | null = null
  let readAt = Number.NEGATIVE_INFINITY
  config.get = (name, ...more) => {
    if (name !== 'results.ini') return get(name, ...more)
    if (settings === null || performance.now() - readAt > RESULT_SETTINGS_MILLISECONDS) {
      settings = get(name, ...more)
      readAt = performance.now()
    }
    return settings
  }
}

const HOSTNAME_MILLISECONDS = 10_000

function mendHostname(): void {
  const ask = os.hostname
  let name = ask()
  let askedAt = performance.now()
  os.hostname = () => {
    if (performance.now() - askedAt > HOSTNAME_MILLISECONDS) {
      name = ask()
      askedAt = performance.now()
    }
    return name
  }
}

function mendGroups({ server }: HarakaModules): void {
  const original = server.listening.bind(server)
  server.listening = () => {
    const { user, group } = server.cfg.main
    if (process.getuid?.() === 0 && user !== undefined && user !== '') {
      // @types/node leaves it out; Node has it wherever there are users.
      const { initgroups } = process as unknown as {
        initgroups: (user: string | number, group: string | number) => void
      }
      if (group !== undefined && group !== '') initgroups(user, group)
      else process.setgroups?.([])
    }
    original()
  }
}

/**
 * When the disk is full Haraka removes the temporary file and renames it at the same time. Should the rename win, the
 * client hears 451, sends again, and the torn message is delivered as well at the next start.
 */
function mendTornQueueFiles({ outbound }: HarakaModules): void {
  const original = outbound.build_todo.bind(outbound)
  outbound.build_todo = (todo, file, then) => {
    file.prependListener('error', () => {
      file.removeAllListeners('close')
    })
    original(todo, file, then)
  }
}
