/** A decision told the way a person would tell it. */

import type { JournalRecord } from '../../journal/record.ts'
import type { Decision } from '../../policy/decide.ts'
import { differencesFromMicrosoft } from '../../policy/describe.ts'
import { isUnknown } from '../../policy/attribute.ts'
import { explainReason } from '../../policy/reasons.ts'
import { describeRoute, explainRoute } from '../../policy/route.ts'
import type { Step } from '../../policy/types.ts'
import { shellWord } from '../../client-setup/quoting.ts'
import type { Remedy } from '../../relaying/remedies.ts'
import type { Simulation } from '../../relaying/simulate.ts'
import { printable } from '../../text/printable.ts'
import type { Asked } from './asked.ts'

export interface Told {
  readonly asked: Asked
  readonly simulation: Simulation
  readonly reply: string
  readonly remedies: readonly Remedy[]
  /** As --instance named it; null for the folder that the command runs in. */
  readonly instance: string | null
  /** Under a proposed directory, when one was named. */
  readonly diff: Pick<Told, 'simulation' | 'reply'> | null
}

const MARKS: Readonly<Record<Step['result'], string>> = { yes: '+', no: '-', skipped: ' ', unknown: '?' }

const VERBS: Readonly<Record<Decision['outcome'], string>> = {
  relay: 'RELAYED to the Internet',
  deliver: 'DELIVERED to an accepted domain',
  deny: 'DENIED',
  defer: 'DEFERRED: the server is asked to try again later',
}

/**
 * @param told a decision and all that is known about it
 * @returns the story for a person
 */
export function story({ asked, diff, instance, remedies, reply, simulation }: Told): string {
  const { attribution, decision, steps } = simulation
  const { sentence, advice } = explainReason(decision.reason)
  const shown = steps.filter(({ result }) => result !== 'skipped')
  const width = Math.max(...shown.map(({ rule }) => rule.length))
  const skipped = steps.filter(({ result }) => result === 'skipped').map(({ rule }) => rule)
  return [
    ...recordedLines(asked, decision),
    `Mail from <${printable(asked.from)}> to <${printable(asked.to)}> would be ${VERBS[decision.outcome]}.`,
    '',
    ...shown.map(
      ({ rule, result, detail }) => `  ${MARKS[result]} ${rule.padEnd(width)}  ${printable(detail, 500)}`,
    ),
    ...(skipped.length === 0 ? [] : [`  (not asked any more: ${skipped.join('; ')})`]),
    ...(asked.helo === null ? [] : [`  EHLO ${printable(asked.helo)} plays no part in the decision.`]),
    '',
    `Organisation: ${decision.organization ?? 'none'}`,
    `Connector:    ${decision.connector ?? 'none'}`,
    `Reason:       ${decision.reason}: ${sentence}`,
    `Reply:        ${reply}`,
    ...routeLines(simulation),
    ...(advice === '' ? [] : [`To change it: ${advice}`]),
    ...remedyLines(remedies, instance),
    ...diffLines(simulation, diff),
    ...differencesFromMicrosoft(attribution).map(
      (told) => `Otherwise in Microsoft 365: ${printable(told, 500)}`,
    ),
    '',
  ].join('\n')
}

/** Where it goes, and what was passed over; also of mail that has nowhere to go. */
function routeLines({ route, routeFacts }: Simulation): string[] {
  if (route === null || routeFacts === null) return []
  const to = isUnknown(route) ? `nobody knows: ${route.why}` : describeRoute(route, routeFacts.domain)
  return [
    `Would go to:  ${printable(to, 500)}`,
    ...explainRoute(routeFacts).map((step) => `  ${lineOf(step)}`),
  ]
}

function recordedLines({ recorded }: Asked, decision: Decision): string[] {
  if (recorded === null) return []
  const { outcome, reason, revision, time } = recorded
  const then = `${VERBS[outcome]} (${printable(reason)}, directory revision ${printable(revision)})`
  return [`On ${printable(time)} it was ${then}.`, ...sinceThen(recorded, decision), '']
}

/** Reasons of a moment, not of the directory. */
const FAILURES = new Set(['directory-unavailable', 'internal-error'])

function sinceThen({ outcome, peer, reason }: JournalRecord, decision: Decision): string[] {
  if (outcome === decision.outcome && reason === decision.reason) return ['It would be the same now:']
  if (FAILURES.has(reason)) return ['It could not be decided at that moment; now:']
  const hasCertificate = peer.certificate.fingerprint !== null
  return [
    'The directory or the settings have changed since; now it is otherwise:',
    // A connector's own CA may have made the difference, or a name beyond those that are kept.
    ...(hasCertificate
      ? [
          '(or it cannot be told: the journal keeps the verdict on a certificate and 20 of its names, not itself)',
        ]
      : []),
  ]
}

/** What the proposal changes: the outcome, and each step that reads otherwise. */
function diffLines(simulation: Simulation, diff: Told['diff']): string[] {
  if (diff === null) return []
  const { decision, steps } = simulation
  const { decision: then, steps: stepsThen } = diff.simulation
  const same = then.outcome === decision.outcome && then.reason === decision.reason
  const [now, later] = [linesOf(steps), linesOf(stepsThen)]
  return [
    '',
    `Under the proposed directory it would be ${same ? 'the same: ' : ''}${VERBS[then.outcome]} (${then.reason}).`,
    ...now.filter((line) => !later.includes(line)).map((line) => `  now:  ${line}`),
    ...later.filter((line) => !now.includes(line)).map((line) => `  then: ${line}`),
    ...routeDiffLines(simulation, diff.simulation),
    ...(same ? [] : [`  reply then: ${diff.reply}`]),
  ]
}

function routeDiffLines(now: Simulation, then: Simulation): string[] {
  const [before, after] = [routeLines(now)[0], routeLines(then)[0]]
  if (before === after || after === undefined) return []
  return [`  ${after.replace('Would go to: ', 'would go then to:')}`]
}

function linesOf(steps: readonly Step[]): string[] {
  return steps.filter(({ result }) => result !== 'skipped').map((step) => lineOf(step))
}

function lineOf({ detail, result, rule }: Step): string {
  return `${MARKS[result]} ${rule}: ${printable(detail, 500)}`
}

/**
 * @param remedy what lets the mail through
 * @param instance as --instance named it; null for the folder that the command runs in
 * @returns the commands that make it, for a shell
 */
export function commandsOf({ changes }: Remedy, instance: string | null): string[] {
  const where = instance === null ? [] : ['--instance', instance]
  return changes.flatMap(({ command }) =>
    command === null
      ? []
      : [`connectorctl ${[...command, ...where].map((word) => shellWord(word)).join(' ')}`],
  )
}

function remedyLines(remedies: readonly Remedy[], instance: string | null): string[] {
  if (remedies.length === 0) return []
  return [
    '',
    'What would let it through, each tried on this message, the smallest first:',
    ...remedies.flatMap((remedy, index) => [
      `  ${index + 1}. ${remedy.changes.map(({ what }) => printable(what, 300)).join('; and ')} (${remedy.decision.reason})`,
      ...commandsOf(remedy, instance).map((command) => `       ${command}`),
    ]),
  ]
}
