/** An impact report in words, the worst first. Whatever the journal holds is made safe here. */

import { gapText } from '../journal/coverage.ts'
import { explainReason } from '../policy/reasons.ts'
import { printable } from '../text/printable.ts'
import type { Fate } from './judgement.ts'
import { UNCERTAIN } from './judgement.ts'
import type { Impact, ImpactChange } from './measure.ts'
import type { Example, ServerCount, UncertainCount } from './tally.ts'

/** Changes that are told one by one; --json has all that are told apart. */
const MOST_CHANGES = 60
const MOST_UNCERTAIN = 10
const MOST_SERVERS = 8

/** The names of organisations and connectors. */
const LONGEST_NAME = 100

const NOW: Readonly<Record<Fate, string>> = {
  relay: 'relayed',
  'report-only': 'relayed in report-only mode',
  deliver: 'delivered',
  deny: 'refused',
  defer: 'deferred',
}

/**
 * @param impact the report
 * @param proposal what was replayed against, e.g. `with proposed.yaml`
 * @returns lines for people
 */
export function impactText(impact: Impact, proposal: string): string {
  const { changes, uncertain } = impact
  const shown = changes.slice(0, MOST_CHANGES)
  const rest = changes.length - shown.length
  return [
    `${count(impact.decisions, 'decision')} since ${impact.period.since}, replayed ${printable(proposal, 400)}.`,
    ...readLines(impact),
    '',
    ...byConnector(shown).flatMap((group) => [
      titleOf(group[0]),
      ...group.flatMap((one) => linesOf(one)),
      '',
    ]),
    ...(rest > 0 ? [`... ${count(rest, 'more change')}: --json has them`, ''] : []),
    ...uncertainLines(uncertain),
    ...summary(impact),
    '',
  ].join('\n')
}

function readLines({ nodes, period }: Impact): string[] {
  const { covered, gaps } = period
  return [
    ...nodes.map(({ damaged, directory, latest, records, repeated }) => {
      const last = latest === null ? '' : `, the last at ${latest}`
      const copies = repeated > 0 ? `, ${count(repeated, 'more that another has as well', '')}` : ''
      const broken = damaged > 0 ? `, ${count(damaged, 'damaged line')} passed over` : ''
      return `read: ${printable(directory, 200)}, ${count(records, 'decision')}${last}${copies}${broken}`
    }),
    ...gaps.map((gap) => gapText(gap)),
    covered === null
      ? 'There is no time that all of these journals cover: how much it is a day cannot be told.'
      : `Figures a day are of the ${number(covered.days)} days from ${covered.from} to ${covered.to}.`,
  ]
}

/** Kept in the order in which they come: the worst first. */
function byConnector(changes: readonly ImpactChange[]): [ImpactChange, ...ImpactChange[]][] {
  const groups = new Map<string, [ImpactChange, ...ImpactChange[]]>()
  for (const change of changes) {
    const key = JSON.stringify([change.organization, change.connector])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [change])
    else group.push(change)
  }
  return [...groups.values()]
}

function titleOf({ connector, organization }: Pick<ImpactChange, 'connector' | 'organization'>): string {
  if (organization === null) return 'No connector:'
  const name = printable(organization, LONGEST_NAME)
  return connector === null
    ? `${name}, no connector:`
    : `${name}, connector "${printable(connector, LONGEST_NAME)}":`
}

function linesOf(change: ImpactChange): string[] {
  const { examples, fix, from, fromReason, isLoss, reason, to } = change
  const then = explainReason(reason)
  return [
    `  ${fateText(change)}: ${mailText(change)}, ${amount(change)}, from ${serversText(change)}`,
    `    now:  ${NOW[from]}${from === 'deny' || from === 'defer' ? ` (${fromReason})` : ''}`,
    `    then: ${NOW[to]} (${reason}). ${then.sentence}`,
    ...examples.slice(0, 1).map((example) => `    e.g.  ${exampleText(example)}`),
    ...(isLoss && fix.advice !== '' ? [`    fix:  ${printable(fix.advice, 800)}`] : []),
    ...fix.commands.map((line) => `          ${printable(line, 2000)}`),
  ]
}

function fateText({ from, isLoss, to }: ImpactChange): string {
  if (isLoss) return to === 'deny' ? 'WOULD BE REFUSED' : 'WOULD BE DEFERRED'
  if (from === 'report-only' && to === 'relay') return 'would be relayed for good'
  return `would be ${NOW[to]}`
}

function mailText({ recipientDomain, senderDomain, senderKind }: ImpactChange): string {
  switch (senderKind) {
    case 'null':
      return 'non-delivery reports (null sender)'
    case 'bare':
      return 'mail from senders without a domain'
    case 'domain':
      return `mail from ${printable(senderDomain)}`
    case 'any':
      return recipientDomain === '' ? 'mail to <postmaster>' : `mail to ${printable(recipientDomain)}`
    case 'other':
      return 'mail from further domains'
  }
}

function amount({ messages, perDay, recipients }: ImpactChange): string {
  const all = `${count(messages, 'message')}${recipients > messages ? ` to ${count(recipients, 'recipient')}` : ''}`
  return perDay === null ? all : `${number(perDay)} messages a day (${all})`
}

function serversText({ moreServers, servers }: Pick<UncertainCount, 'servers' | 'moreServers'>): string {
  const shown = servers.slice(0, MOST_SERVERS).map((server) => serverText(server))
  const total = moreServers > 0 ? `more than ${servers.length}` : String(servers.length)
  const noun = servers.length === 1 && moreServers === 0 ? 'server' : 'servers'
  return `${total} ${noun}: ${shown.join(', ')}${servers.length > shown.length || moreServers > 0 ? ', ...' : ''}`
}

function serverText({ address, messages }: ServerCount): string {
  return `${printable(address, 60)} (${number(messages)})`
}

function exampleText({ id, recipient, sender, time }: Example): string {
  return `${time} <${printable(sender, 100)}> -> <${printable(recipient, 100)}> [${printable(id, 60)}]`
}

function uncertainLines(uncertain: readonly UncertainCount[]): string[] {
  if (uncertain.length === 0) return []
  const rest = uncertain.length - MOST_UNCERTAIN
  return [
    'Cannot be told:',
    ...uncertain
      .slice(0, MOST_UNCERTAIN)
      .flatMap((one) => [
        `  ${titleOf(one)} ${count(one.messages, 'message')} from ${serversText(one)}${one.mayBeRefused ? '; they may be refused' : ''}`,
        `    ${one.reason}: ${UNCERTAIN[one.reason]}`,
        ...one.examples.slice(0, 1).map((example) => `    e.g. ${exampleText(example)}`),
      ]),
    ...(rest > 0 ? [`  ... ${rest} more: --json has them`] : []),
    '',
  ]
}

function summary(impact: Impact): string[] {
  const { changes, lossServers, otherReason, otherwiseThen, uncertain, unchanged } = impact
  const lost = changes.filter(({ isLoss }) => isLoss)
  const others = changes.filter(({ isLoss }) => !isLoss)
  const lines: string[] = []
  if (lost.length > 0) {
    const servers = `${lossServers.isMore ? 'more than ' : ''}${count(lossServers.count, 'server')}`
    lines.push(`${servers}, ${total(lost)} would be refused or deferred.`)
  }
  if (others.length > 0) lines.push(`${total(others)} would be let through, or relayed for good.`)
  if (changes.length === 0 && uncertain.length === 0) lines.push('Nothing would change.')
  if (uncertain.length > 0) {
    const messages = uncertain.reduce((sum, one) => sum + one.messages, 0)
    lines.push(`Of ${count(messages, 'message')} it cannot be told.`)
  }
  const other = otherReason > 0 ? `, ${number(otherReason)} of them for another reason` : ''
  lines.push(`${count(unchanged, 'decision')} would stay as they are${other}.`)
  if (otherwiseThen > 0) {
    lines.push(
      `${count(otherwiseThen, 'decision')} came out otherwise then than they would now: the directory or the settings have changed since.`,
    )
  }
  return lines
}

function total(changes: readonly ImpactChange[]): string {
  const messages = changes.reduce((sum, change) => sum + change.messages, 0)
  if (changes.some(({ perDay }) => perDay === null)) return count(messages, 'message')
  const perDay = changes.reduce((sum, change) => sum + (change.perDay ?? 0), 0)
  return `${number(perDay)} messages a day (${count(messages, 'message')})`
}

function count(value: number, what: string, plural = 's'): string {
  return `${number(value)} ${what}${value === 1 ? '' : plural}`
}

/** Thousands apart; of small ones a decimal. */
function number(value: number): string {
  const digits = value < 10 && !Number.isInteger(value) ? 1 : 0
  return value.toLocaleString('en', { maximumFractionDigits: digits })
}
