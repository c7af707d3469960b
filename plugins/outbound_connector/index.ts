/** The queue and the way out: opens it where mail is taken, and says what it can do. */

import { resolve } from 'node:path'
import { harakaModules } from '../../src/haraka/mend.ts'
import { openOutbound } from '../../src/haraka/outbound.ts'
import type { HookAnswer } from '../../src/haraka/safe-hook.ts'
import { safeHook } from '../../src/haraka/safe-hook.ts'
import { initFailure, theService } from '../../src/haraka/service.ts'
import type { Plugin } from '../../src/haraka/types.ts'

const NAME = 'outbound_connector'
const INSTANCE = resolve(process.env['HARAKA'] ?? '.')

export function register(this: Plugin): void {
  this.register_hook('init_master', 'open_in_master', 10)
  this.register_hook('init_child', 'open', 10)
  this.register_hook('capabilities', 'capabilities')
}

/** The workers have the queue; their master has none. */
export const open_in_master = safeHook(NAME, (plugin) =>
  harakaModules(plugin).server.cluster === undefined ? openQueue(plugin) : undefined,
)

export const open = safeHook(NAME, (plugin) => openQueue(plugin))

async function openQueue(plugin: Plugin): Promise<HookAnswer | undefined> {
  try {
    await openOutbound(plugin, harakaModules(plugin), INSTANCE, theService())
    return undefined
  } catch (error) {
    return initFailure(error)
  }
}

/** RFC 3461: what is asked for is kept with the message, and passed on or answered here. */
export const capabilities = safeHook(NAME, (_plugin, connection) => {
  connection.capabilities.push('DSN')
  return undefined
})
