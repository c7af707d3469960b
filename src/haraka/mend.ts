/** What a mend is: a fault of Haraka, how its code is recognised, and what is done about it. */

import type {
  ConnectionModule,
  LoggerModule,
  MessageStreamPrototype,
  NetUtilsModule,
  OutboundModule,
  Plugin,
  PluginsModule,
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
  readonly plugins: PluginsModule
  readonly logger: LoggerModule
}

export interface Mend {
  readonly name: string
  /** Where upstream knows of it, or that it does not. */
  readonly upstream: string
  /** The function that is mended, and what it must hold to be the one that is known. */
  readonly recognise: (haraka: HarakaModules) => readonly [unknown, ...RegExp[]]
  readonly apply: (haraka: HarakaModules) => void
}

let modules: HarakaModules | null = null

/**
 * @param plugin a plugin of the running Haraka
 * @returns the modules that the mends work on; a process has one Haraka
 */
export function harakaModules(plugin: Plugin): HarakaModules {
  const outbound = plugin.haraka_require('outbound') as OutboundModule
  modules ??= {
    connection: plugin.haraka_require('connection') as ConnectionModule,
    server: plugin.haraka_require('server') as ServerModule,
    outbound,
    netUtils: outbound.net_utils,
    plugins: plugin.haraka_require('plugins') as PluginsModule,
    logger: plugin.haraka_require('logger') as LoggerModule,
    messageStream: Object.getPrototypeOf(newTransaction(plugin).message_stream) as MessageStreamPrototype,
  }
  return modules
}

/** The class of its stream is nobody's export. */
function newTransaction(plugin: Plugin): Transaction {
  const { createTransaction } = plugin.haraka_require('transaction') as TransactionModule
  return createTransaction(null, {})
}
