/** Which domains a connector is for, as SenderDomains and RecipientDomains of the cmdlets list them. */

import { normalizeDomain } from '../text/domain-name.ts'
import type { YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/**
 * `contoso.com`, `*.contoso.com`, `*`, also as an address space with its cost: `smtp:*.contoso.com;1`.
 * @param reader where problems are reported
 * @param node the item of the list
 * @param property the list's name
 * @returns it with the domain in A-label form, or null after a report
 */
export function readDomainPattern(reader: YamlReader, node: YamlNode, property: string): string | null {
  const text = reader.itemText(node, `a domain in ${property}`)
  if (text === null) return null
  const pattern = text.replace(/^smtp:/i, '').replace(/;\d{1,4}$/, '')
  if (pattern === '*') return pattern
  const wildcard = pattern.startsWith('*.')
  const domain = normalizeDomain(wildcard ? pattern.slice(2) : pattern)
  if (domain !== null) return wildcard ? `*.${domain}` : domain
  const mend = 'write contoso.com, "*.contoso.com" (the domain and all below it) or "*"'
  reader.error(node, `${quoted(text)} in ${property} is no domain`, mend)
  return null
}
