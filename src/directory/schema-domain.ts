/** One accepted domain, as New-AcceptedDomain describes it. */

import { isIP } from 'node:net'
import type { AcceptedDomain, DomainType } from '../policy/types.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { isPublicSuffix } from '../text/public-suffix.ts'
import { didYouMean } from '../text/suggest.ts'
import { DOMAIN_PROPERTIES, IDLE_DOMAIN_PROPERTIES } from './properties.ts'
import { readProof } from './schema-proof.ts'
import type { Field, Fields, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

const DOMAIN_TYPES: readonly DomainType[] = ['Authoritative', 'InternalRelay']

const KNOWN: readonly string[] = [...DOMAIN_PROPERTIES, ...IDLE_DOMAIN_PROPERTIES]

/**
 * @param reader where problems are reported
 * @param node the domain's node
 * @param organization the organisation that owns it
 * @returns the domain, or null after a report when it cannot be used
 */
export function readDomain(reader: YamlReader, node: YamlNode, organization: string): AcceptedDomain | null {
  const fields = reader.fields(node, 'an accepted domain', KNOWN)
  if (fields === null) return null
  noticeIdle(reader, fields, IDLE_DOMAIN_PROPERTIES)
  const given = fields.get('domainName')
  if (given === undefined)
    reader.error(node, 'an accepted domain needs a domainName', 'add e.g. domainName: contoso.com')
  const domainName = given === undefined ? null : readDomainName(reader, given)
  const domainType = readType(reader, fields.get('domainType'))
  const matchSubDomains = reader.flag(fields, 'matchSubDomains', false)
  if (matchSubDomains && domainType === 'Authoritative') {
    reader.report(
      fields.get('matchSubDomains')?.key ?? node,
      'notice',
      'matchSubDomains works with Authoritative here; Exchange Online wants InternalRelay for it',
      'write domainType: InternalRelay if the same domain is registered there',
    )
  }
  const rest = {
    domainType,
    matchSubDomains,
    sendingFromDomainDisabled: reader.flag(fields, 'sendingFromDomainDisabled', false),
    pendingRemoval: reader.flag(fields, 'pendingRemoval', false),
    delegatedSubDomains: readDelegated(reader, fields.get('delegatedSubDomains'), domainName),
    proof: readProof(reader, fields.get('proof'), domainName),
  }
  return domainName === null ? null : { organization, domainName, ...rest }
}

function readDomainName(reader: YamlReader, field: Field): string | null {
  const text = reader.text(field)
  return text === null ? null : checkedDomain(reader, field.value, 'domainName', text)
}

function readDelegated(reader: YamlReader, field: Field | undefined, domainName: string | null): string[] {
  const names = new Set<string>()
  for (const item of reader.items(field) ?? []) {
    const text = reader.itemText(item, 'a name in delegatedSubDomains')
    const name = text === null ? null : checkedDomain(reader, item, 'delegatedSubDomains:', text)
    if (name === null || domainName === null) continue
    if (name.endsWith(`.${domainName}`)) names.add(name)
    else
      reader.error(item, `${name} is not below ${domainName}`, 'list sub-domains of the accepted domain only')
  }
  return [...names]
}

function checkedDomain(reader: YamlReader, node: YamlNode, what: string, text: string): string | null {
  const domain = normalizeDomain(text)
  if (domain !== null && !isPublicSuffix(domain)) return domain
  const [message, mend] = domain === null ? whyNoDomain(text) : whyPublic(domain)
  reader.error(node, `${what} ${quoted(text)} ${message}`, mend)
  return null
}

function whyPublic(domain: string): readonly [message: string, mend: string] {
  if (!domain.includes('.')) return ['is a single label', 'write the whole domain, e.g. contoso.com']
  return ['is a public suffix: strangers register below it', `write your own domain, e.g. contoso.${domain}`]
}

function whyNoDomain(text: string): readonly [message: string, mend: string] {
  const below = text.startsWith('*.') ? normalizeDomain(text.slice(2)) : null
  if (text === '*') {
    return [
      'stands for every domain: that is an open relay',
      'list the domains of the organisation one by one',
    ]
  }
  if (below !== null) return ['is a wildcard', `write domainName: ${below} and matchSubDomains: true`]
  if (text.includes('*')) return ['holds a wildcard', 'write the domain without it; see matchSubDomains']
  if (isIP(text.replaceAll(/^\[|\]$/g, '')) !== 0) return ['is an IP address', 'write a domain name']
  const mailDomain = text.includes('@') ? normalizeDomain(text.slice(text.lastIndexOf('@') + 1)) : null
  if (mailDomain !== null) return ['is a mail address', `write ${mailDomain}`]
  return [
    'is no domain name',
    'write letters, digits and hyphens between dots, at most 63 in a label and 253 in all',
  ]
}

function readType(reader: YamlReader, field: Field | undefined): DomainType {
  const text = field === undefined ? 'Authoritative' : reader.text(field)
  const known = DOMAIN_TYPES.find((type) => type === text)
  if (known !== undefined || text === null || field === undefined) return known ?? 'Authoritative'
  if (text.toLowerCase() === 'externalrelay') {
    const message = `domainType ${quoted(text)} exists in on-premises Exchange only`
    reader.error(field.value, message, 'write InternalRelay')
  } else {
    reader.error(field.value, `domainType ${quoted(text)} is unknown`, choiceMend(text, DOMAIN_TYPES))
  }
  return 'Authoritative'
}

/**
 * @param text what was written
 * @param choices what can be written
 * @returns the mend for a value that is none of them
 */
export function choiceMend(text: string, choices: readonly string[]): string {
  const meant = didYouMean(text, choices)
  return meant === null ? `write ${choices.join(' or ')}` : `did you mean ${meant}?`
}

/**
 * A property of the cmdlet that nothing comes of: said, never refused, since Microsoft's own recipes set them.
 * @param reader where it is said
 * @param fields the fields that are given
 * @param idle the names of the properties without effect
 */
export function noticeIdle(reader: YamlReader, fields: Fields, idle: readonly string[]): void {
  for (const { name, key } of fields.values()) {
    if (idle.includes(name)) reader.report(key, 'notice', `${name} has no effect here`, 'it can stay')
  }
}
