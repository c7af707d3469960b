/** The next hops of an outbound connector. */

import ipaddr from 'ipaddr.js'
import { isIP } from 'node:net'
import type { SmartHost } from '../policy/types.ts'
import { parseRange } from '../text/ip-address.ts'
import { formatSmartHost, parseSmartHost } from '../text/smart-host.ts'
import type { Fields, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/** Each costs a look-up, and none of hundreds would be tried before the message is old. */
const MOST_SMART_HOSTS = 100

const MEND =
  'write a name or an address, with a port where it is not 25: smtp.contoso.com:587, [2001:db8::1]:25'

/**
 * @param reader where problems are reported
 * @param fields the connector's fields
 * @returns its smart hosts, each once
 */
export function readSmartHosts(reader: YamlReader, fields: Fields): readonly SmartHost[] {
  const found = new Map<string, SmartHost>()
  const items = reader.items(fields.get('smartHosts')) ?? []
  for (const item of items.slice(0, MOST_SMART_HOSTS)) {
    const smartHost = readSmartHost(reader, item)
    if (smartHost === null) continue
    const name = formatSmartHost(smartHost)
    if (found.has(name)) reader.error(item, `smart host ${name} is given twice`, 'keep one of the two')
    found.set(name, smartHost)
  }
  if (items.length > MOST_SMART_HOSTS) {
    const message = `smartHosts names ${items.length} smart hosts, and ${MOST_SMART_HOSTS} are the most`
    reader.error(
      items[MOST_SMART_HOSTS] ?? null,
      message,
      'give them one name with several addresses in the DNS',
    )
  }
  return [...found.values()]
}

function readSmartHost(reader: YamlReader, node: YamlNode): SmartHost | null {
  const text = reader.itemText(node, 'a smart host in smartHosts')
  if (text === null) return null
  const smartHost = parseSmartHost(text) ?? withoutPrefix(reader, node, text)
  if (smartHost === null) {
    const [message, mend] = whyNoSmartHost(text)
    reader.error(node, `smart host ${quoted(text)} ${message}`, mend)
  } else if (isNobody(smartHost.host)) {
    reader.error(
      node,
      `smart host ${quoted(text)} is the address of no server`,
      'write the address of the server',
    )
    return null
  }
  return smartHost
}

/** Microsoft's pages list a range as an example; mail goes to one server, never to a network. */
function withoutPrefix(reader: YamlReader, node: YamlNode, text: string): SmartHost | null {
  const address = text.slice(0, text.indexOf('/'))
  const smartHost = parseRange(text) === null || isIP(address) === 0 ? null : parseSmartHost(address)
  if (smartHost === null) return null
  const message = `smart host ${quoted(text)} is a range: mail goes to ${smartHost.host} alone`
  reader.report(node, 'warning', message, `write ${smartHost.host}, and the other servers one by one`)
  return smartHost
}

function whyNoSmartHost(text: string): readonly [message: string, mend: string] {
  if (text.includes('*')) return ['holds a wildcard', 'write the name of the server']
  if (text.includes('@')) return ['is a mail address', 'write the name of the server']
  if (/^[a-z]+:\/\//i.test(text)) return ['is a URL', 'write the name of the server, without smtp://']
  if (/[,;\s]/.test(text)) return ['is more than one name', 'write each as an item of the list']
  return ['is neither a name nor an address', MEND]
}

/** An address that no server has: 0.0.0.0 means this very machine to a connect(), a multicast one everybody. */
function isNobody(host: string): boolean {
  return isIP(host) !== 0 && ['unspecified', 'multicast', 'broadcast'].includes(ipaddr.parse(host).range())
}
