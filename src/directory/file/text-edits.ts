/**
 * Changes `organizations.yaml` as a careful administrator would: comments, order, quotes and the look of every other
 * line stay. The YAML library keeps comments but lays lines out anew; so what it would have written without the change is
 * compared with what it writes with it, and only the difference is taken over into the text.
 */

import type { Document, Node, Pair, YAMLMap, YAMLSeq } from 'yaml'
import { isMap, isNode, isScalar, isSeq, visit } from 'yaml'
import { parsePin } from '../../certificate/pin.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { parseRange } from '../../text/ip-address.ts'
import { formatSmartHost, parseSmartHost } from '../../text/smart-host.ts'
import type { Written } from '../as-written.ts'
import {
  connectorAsWritten,
  domainAsWritten,
  itselfAsWritten,
  organizationAsWritten,
  outboundConnectorAsWritten,
} from '../as-written.ts'
import type { Difference } from '../difference.ts'
import { connectorDifference, domainDifference, outboundConnectorDifference } from '../difference.ts'
import type { Organization } from '../model.ts'
import { nameKey } from '../model.ts'
import { parseWithComments } from './comments.ts'
import { takeOver } from './take-over.ts'

/** One organisation before and after; before null adds it, after null removes it. */
export interface TextEdit {
  readonly before: Organization | null
  readonly after: Organization | null
}

/**
 * @param text a valid organizations.yaml
 * @param edits what shall be different
 * @returns texts with it, the one that looks most like before first; whether they say what was wanted is for the caller to
 *   see by reading them
 */
export function editText(text: string, edits: readonly TextEdit[]): string[] {
  const lines = text.replaceAll('\r\n', '\n')
  const document = parseWithComments(lines)
  const organizations = listAt(document, document.contents, 'organizations')
  const layout = layoutOf(lines, organizations)
  const untouched = document.toString(layout)
  const byName = new Map(organizations.items.map((item) => [nameIn(item), item]))
  for (const edit of edits) {
    const item = edit.before === null ? undefined : byName.get(nameKey(edit.before.name))
    editOrganization(document, organizations, item, edit)
  }
  visit(document, { Pair: (_, pair) => keepCommentsOfNone(pair) })
  const changed = document.toString(layout)
  const merged = takeOver(lines, untouched, changed)
  const texts = merged === null ? [changed] : [merged, changed]
  return text.includes('\r\n') ? texts.map((one) => one.replaceAll('\n', '\r\n')) : texts
}

function layoutOf(
  text: string,
  { flow, range }: YAMLSeq,
): { lineWidth: 0; flowCollectionPadding: boolean; indentSeq: boolean } {
  const start = range?.[0] ?? 0
  return {
    lineWidth: 0,
    flowCollectionPadding: /[[{] \S/.test(text),
    indentSeq: flow === true || text[start - 1] !== '\n',
  }
}

function editOrganization(
  document: Document.Parsed,
  organizations: YAMLSeq<Node>,
  map: Node | undefined,
  { before, after }: TextEdit,
): void {
  if (before === null) {
    if (after !== null) append(document, organizations, organizationAsWritten(after), true)
    return
  }
  if (after === null) {
    keepItems(
      organizations,
      organizations.items.filter((item) => item !== map),
    )
    return
  }
  if (!isMap(map)) return
  editMap(document, map, itselfAsWritten(before), itselfAsWritten(after))
  const change = { before, after }
  editList(document, map, 'acceptedDomains', domainDifference(change), domainAsWritten, (item) =>
    normalizeDomain(textOf(item, 'domainName') ?? ''),
  )
  editList(document, map, 'inboundConnectors', connectorDifference(change), connectorAsWritten, nameIn)
  const outbound = outboundConnectorDifference(change)
  editList(document, map, 'outboundConnectors', outbound, outboundConnectorAsWritten, nameIn)
}

function editList<T extends { readonly domainName: string } | { readonly name: string }>(
  document: Document.Parsed,
  owner: YAMLMap,
  key: string,
  { added, changed, removed }: Difference<T>,
  written: (record: T) => Written,
  keyOf: (item: unknown) => string | null,
): void {
  if (added.length + changed.length + removed.length === 0) return
  const list = listAt(document, owner, key)
  const byKey = new Map(list.items.map((item) => [keyOf(item), item]))
  const renamed = renamings(removed, added)
  const kept = new Set(renamed.map(([from]) => from))
  const gone = new Set<unknown>(
    removed.flatMap((record) => (kept.has(record) ? [] : [byKey.get(keyOfRecord(record))])),
  )
  keepItems(
    list,
    list.items.filter((item) => !gone.has(item)),
  )
  for (const [from, to] of [...changed, ...renamed]) {
    const item = byKey.get(keyOfRecord(from))
    if (!isMap(item)) continue
    // It follows from whether there are smart hosts; what says otherwise would contradict them.
    if (useMXRecordOf(from) !== useMXRecordOf(to)) item.delete('useMXRecord')
    editMap(document, item, written(from), written(to))
  }
  const known = new Set(renamed.map(([, to]) => to))
  for (const record of added) if (!known.has(record)) append(document, list, written(record), false)
}

function useMXRecordOf(record: object): unknown {
  return 'useMXRecord' in record ? record.useMXRecord : null
}

/** A connector for the same servers, or of the same mail to them, under another name is the same item: it keeps its comments and its place. */
function renamings<T extends object>(
  removed: readonly T[],
  added: readonly T[],
): (readonly [from: T, to: T])[] {
  const serversOf = (record: T): string | null => {
    if ('senderIPAddresses' in record && 'tlsSenderCertificateName' in record)
      return JSON.stringify([record.tlsSenderCertificateName, record.senderIPAddresses])
    return 'smartHosts' in record && 'recipientDomains' in record
      ? JSON.stringify([record.recipientDomains, record.smartHosts])
      : null
  }
  const left = new Map(added.map((record) => [serversOf(record), record]))
  return removed.flatMap((from) => {
    const servers = serversOf(from)
    const to = servers === null ? undefined : left.get(servers)
    if (to === undefined) return []
    left.delete(servers)
    return [[from, to] as const]
  })
}

function keyOfRecord(record: { readonly domainName: string } | { readonly name: string }): string {
  return 'domainName' in record ? record.domainName : nameKey(record.name)
}

function editMap(document: Document.Parsed, map: YAMLMap, before: Written, after: Written): void {
  for (const key of Object.keys(before)) if (!(key in after)) map.delete(key)
  for (const [key, value] of Object.entries(after)) {
    const was = before[key]
    if (JSON.stringify(was) === JSON.stringify(value)) continue
    const node = map.get(key, true)
    // A scalar keeps its comment and its quotes.
    if (isScalar(node) && (typeof value !== 'object' || value === null)) node.value = value
    else if (isSeq<Node>(node) && isTexts(value) && key !== 'trustedCertificateAuthorities') {
      editTexts(document, node, value, key === 'smartHosts' ? canonicalSmartHost : canonicalText)
    } else map.set(key, document.createNode(value))
  }
}

/** Entries that stay keep their comments; how they are written is theirs. */
function editTexts(
  document: Document.Parsed,
  list: YAMLSeq<Node>,
  wanted: readonly string[],
  canonicalOf: (text: string) => string,
): void {
  const known = new Map(
    list.items.map((item) => [canonicalOf(isScalar(item) ? String(item.value) : ''), item]),
  )
  keepItems(
    list,
    wanted.map((text) => known.get(text) ?? document.createNode(text)),
  )
}

/** What comes first now need not be apart from its key as it was from the one before it. */
function keepItems(list: YAMLSeq<Node>, items: Node[]): void {
  const [was] = list.items
  const [first] = items
  if (isNode(was) && isNode(first) && was !== first) {
    if (was.spaceBefore === true) first.spaceBefore = true
    else delete first.spaceBefore
  }
  list.items = items
}

/** As the schema would keep it: an address range, a pin, an address space, a domain. */
function canonicalText(text: string): string {
  const bare = text.replace(/^smtp:/i, '').replace(/;\d{1,4}$/, '')
  const wildcard = bare.startsWith('*.')
  const domain = normalizeDomain(wildcard ? bare.slice(2) : bare)
  return (
    parseRange(text)?.range ?? parsePin(text) ?? (domain === null ? bare : `${wildcard ? '*.' : ''}${domain}`)
  )
}

/** As the schema would keep it, also where a range stands for its address. */
function canonicalSmartHost(text: string): string {
  const smartHost = parseSmartHost(text.replace(/\/\d+$/, ''))
  return smartHost === null ? text : formatSmartHost(smartHost)
}

/** A list that has become empty is written behind its key, where its comments have no place: they stand above the key. */
function keepCommentsOfNone({ key, value: list }: Pair): void {
  if (!isNode(key) || !isSeq(list) || list.flow === true || list.items.length > 0) return
  const comments = [key.commentBefore, list.commentBefore, list.comment]
  const given = comments.filter((comment) => typeof comment === 'string')
  if (given.length > 0) key.commentBefore = given.join('\n')
  delete list.commentBefore
  delete list.comment
  delete list.spaceBefore
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** @returns the list under a key, made when there is none */
function listAt(document: Document.Parsed, owner: unknown, key: string): YAMLSeq<Node> {
  const node = isMap(owner) ? owner.get(key, true) : undefined
  if (isSeq<Node>(node)) return node
  const list = document.createNode([]) as YAMLSeq<Node>
  list.flow = true
  if (isNode(node)) Object.assign(list, { comment: node.comment, commentBefore: node.commentBefore })
  if (isMap(owner)) owner.set(key, list)
  return list
}

function append(document: Document.Parsed, list: YAMLSeq<Node>, value: Written, apart: boolean): void {
  const node = document.createNode(value, { aliasDuplicateObjects: false })
  // `[]` would put all of it on one line.
  if (list.items.length === 0) list.flow = false
  else if (apart) node.spaceBefore = true
  list.add(node)
}

function textOf(item: unknown, key: string): string | null {
  const value = isMap(item) ? item.get(key) : null
  return typeof value === 'string' ? value : null
}

function nameIn(item: unknown): string | null {
  const name = textOf(item, 'name')
  return name === null ? null : nameKey(name)
}
