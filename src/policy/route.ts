/** Where does mail to a recipient go? The selection of an outbound connector, pure. */

import type { OutboundConnector, SmartHost } from './types.ts'

/** none: an accepted domain of somebody here, and nowhere to go but by MX, which may be this server. */
export type Route =
  | { readonly via: 'connector'; readonly connector: OutboundConnector }
  | { readonly via: 'smart-host'; readonly smartHost: SmartHost }
  | { readonly via: 'mx' }
  | { readonly via: 'none' }
