/**
 * Haraka's faults that stand in a smarthost's way, mended in place. Each says where upstream knows of it, and how the
 * code looks that it mends: when that has changed, start-up says so instead of mending what it does not know.
 */

import os from 'node:os'
import constants from 'haraka-constants'
import DSN from 'haraka-dsn'
import { isDsn } from './dsn.ts'
import type { HarakaModules, Mend } from './mend.ts'
import { BODY_MENDS } from './mend-body.ts'
import { OUTBOUND_MENDS } from './mend-outbound.ts'
import { PROXY_MENDS } from './mend-proxies.ts'
import type { Connection, Logger } from './types.ts'

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
  ...PROXY_MENDS,
  ...BODY_MENDS,
  {
    name: "root's supplementary groups are dropped with its user",
    upstream: 'not reported',
    recognise: ({ server }) => [server.listening, /process\.setgid\(c\.group\)/],
    apply: mendGroups,
  },
  ...OUTBOUND_MENDS,
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
