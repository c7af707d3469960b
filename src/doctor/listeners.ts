/** What the running server offers on its own ports: STARTTLS, and that it asks for a client certificate. */

import type { HarakaConfig } from '../instance/haraka-config.ts'
import { formatEndpoint } from '../instance/endpoint.ts'
import type { Report } from './finding.ts'
import type { ListenerState } from './listener-probe.ts'
import { probeListener } from './listener-probe.ts'

export interface ListenerFacts {
  /** HOST:PORT, as it was tried. */
  readonly where: string
  readonly state: ListenerState
}

/** A server that is well answers at once; a proxy's check of one that drains waits a little. */
const PATIENCE = 4_000

/** Nobody listens on more; each is a connection. */
const MOST_LISTENERS = 20

/**
 * @param haraka what Haraka's files say
 * @param signal ends it
 * @returns what each port offers
 */
export async function listenerFacts({ listen }: HarakaConfig, signal: AbortSignal): Promise<ListenerFacts[]> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)])
  return Promise.all(
    listen.slice(0, MOST_LISTENERS).map(async ({ host, implicitTls, port }) => {
      const target = { host: reachable(host), port, implicitTls }
      return { where: formatEndpoint(target), state: await probeListener(target, patience) }
    }),
  )
}

/** Whoever listens everywhere listens on loopback. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/**
 * @param listeners what was seen
 * @param report where findings go
 */
export function checkListeners(listeners: readonly ListenerFacts[], report: Report): void {
  const away = listeners.filter(({ state }) => state.kind === 'away')
  if (listeners.length > 0 && away.length === listeners.length) {
    report('warning', 'not-running', away.map(({ where }) => where).join(', '))
    return
  }
  for (const { state, where } of listeners) {
    switch (state.kind) {
      case 'away':
        report('error', 'listener-refused', `${where}: ${state.why}`)
        break
      case 'refused':
        report('warning', 'listener-refused', `${where}: ${state.said}`)
        break
      case 'no-starttls':
        report('error', 'starttls-not-offered', `${where}: ${state.said}`)
        break
      case 'tls-failed':
        report('error', 'tls-failed', `${where}: ${state.why}`)
        break
      case 'tls':
        if (state.certificateRequested) break
        report('error', 'certificate-not-requested', `${where}: ${state.protocol}`)
        break
    }
  }
}
