/** At delivery: where does the mail go? All of it to the smart host, or by MX, but never by MX to ourselves. */

import constants from 'haraka-constants'
import { safeHook } from '../../src/haraka/safe-hook.ts'
import { theService } from '../../src/haraka/service.ts'
import type { OutboundMessage, Plugin } from '../../src/haraka/types.ts'
import { isUnknown } from '../../src/policy/attribute.ts'
import { findDomain } from '../../src/relaying/gather.ts'
import { termsNow } from '../../src/relaying/terms.ts'
import { normalizeDomain } from '../../src/text/domain-name.ts'

const NAME = 'outbound_connector'

export function register(this: Plugin): void {
  this.register_hook('get_mx', 'get_mx')
}

export const get_mx = safeHook<string, OutboundMessage>(NAME, async (_plugin, _message, domain) => {
  const service = theService()
  const { outbound, relay } = service.settings()
  const { smartHost } = outbound
  if (smartHost !== null) {
    return { code: constants.ok, message: { priority: 0, exchange: smartHost.host, port: smartHost.port } }
  }
  const name = normalizeDomain(domain)
  if (name === null) return undefined
  const fact = await findDomain(service.directory, name, termsNow(relay))
  if (isUnknown(fact)) {
    return { code: constants.denysoft, message: `the directory could not be asked about ${name}` }
  }
  if (fact.acceptedDomain === null) return undefined
  // A bounce to an accepted domain, or a domain registered after the message was queued: wait for a route.
  return {
    code: constants.denysoft,
    message: `${name} is an accepted domain, and its MX may be this server: set [outbound] smart_host`,
  }
})
