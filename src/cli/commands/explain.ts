/** `connectorctl explain`: the decision for a message that nobody sent, told the way a person would tell it. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { certificatesIn } from '../../certificate/pem.ts'
import type { TrustSets } from '../../certificate/trust-sets.ts'
import type { Decision } from '../../policy/decide.ts'
import { differencesFromMicrosoft } from '../../policy/describe.ts'
import { explainReason } from '../../policy/reasons.ts'
import { formatReply, replyFor } from '../../policy/replies.ts'
import type { Attribution, Step } from '../../policy/types.ts'
import { recipientOf, senderOf } from '../../relaying/envelope.ts'
import { parseEnvelopeAddress } from '../../relaying/parse-address.ts'
import type { DescribedPeer } from '../../relaying/simulate.ts'
import { givenPeer, presentingPeer, simulate } from '../../relaying/simulate.ts'
import { normalizePresentedName } from '../../text/certificate-name.ts'
import { normalizeAddress } from '../../text/ip-address.ts'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { readNamedFile } from '../files.ts'
import { requireInstance, settingsOf, trustOf, withDirectory } from '../instance.ts'
import { INSTANCE_OPTION } from '../options.ts'

interface ExplainOptions {
  readonly instance: string
  readonly from: string
  readonly to: string
  readonly ip?: string
  readonly certificate?: string
  readonly certificateName?: readonly string[]
  readonly helo?: string
  readonly tls: boolean
  readonly json?: boolean
}

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerExplain(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('tell what would become of a message, rule by rule, without sending it')
    .requiredOption('--from <address>', 'the envelope sender; "" is the null sender of a non-delivery report')
    .requiredOption('--to <address>', 'the envelope recipient')
    .option('--ip <address>', 'where the server connects from; without it no address matches')
    .option('--certificate <file>', 'the certificate that it presents: PEM, the leaf first, then its chain')
    .option(
      '--certificate-name <name...>',
      'names that its certificate proves, taken as verified; may be repeated',
    )
    .option('--helo <name>', 'what it says at EHLO; it plays no part, and the answer says so')
    .option('--no-tls', 'it connects without TLS')
    .option('--json', 'print the decision as one JSON object')
    .option(...INSTANCE_OPTION)
    .action(async (options: ExplainOptions) => {
      await explain(options, context)
    })
}

async function explain(options: ExplainOptions, { stdout }: CliContext): Promise<void> {
  refuseContradictions(options)
  const sender = senderOf(parseAddress('--from', options.from))
  const recipient = recipientOf(parseAddress('--to', options.to))
  const address = options.ip === undefined ? null : parseIp(options.ip)
  const instance = resolve(options.instance)
  requireInstance(instance)
  const settings = settingsOf(instance)
  const peer = peerOf(options, address, () => trustOf(instance, settings))

  const { attribution, decision, steps } = await withDirectory(instance, settings, (directory) =>
    simulate(directory, settings, { peer, sender, recipient }),
  )
  const reply = formatReply(replyFor(decision, settings.replies, 'simulated'))
  if (options.json === true) {
    const { outcome, reason, organization, connector } = decision
    stdout.write(`${JSON.stringify({ outcome, reason, reply, organization, connector, steps })}\n`)
    return
  }
  stdout.write(story({ options, attribution, decision, reply, steps }))
}

function refuseContradictions(options: ExplainOptions): void {
  const { certificate, certificateName, tls } = options
  if (certificate !== undefined && certificateName !== undefined) {
    throw new UsageError('--certificate and --certificate-name exclude each other: give one of them')
  }
  if (!tls && (certificate !== undefined || certificateName !== undefined)) {
    throw new UsageError(
      '--no-tls excludes --certificate and --certificate-name: without TLS none is presented',
    )
  }
}

function parseAddress(flag: string, text: string): ReturnType<typeof parseEnvelopeAddress> {
  try {
    return parseEnvelopeAddress(text)
  } catch (error) {
    const why = messageOf(error)
    throw new UsageError(`${flag} ${JSON.stringify(printable(text))} is no mail address: ${printable(why)}`)
  }
}

function parseIp(text: string): string {
  const address = normalizeAddress(text)
  if (address === null)
    throw new UsageError(`--ip ${JSON.stringify(printable(text))} is no IPv4 or IPv6 address`)
  return address
}

function peerOf(options: ExplainOptions, address: string | null, trust: () => TrustSets): DescribedPeer {
  if (!options.tls) return givenPeer(address, { state: 'no-tls' })
  if (options.certificateName !== undefined) {
    const names = options.certificateName.map((name) => certificateName(name))
    return givenPeer(address, { state: 'verified', names })
  }
  if (options.certificate === undefined) return givenPeer(address, { state: 'no-certificate' })
  const presented = certificatesIn(readNamedFile(options.certificate))
  if (presented.length === 0) throw new CommandFailed(`${options.certificate} holds no certificate`)
  return presentingPeer(address, presented, trust())
}

function certificateName(text: string): string {
  const name = normalizePresentedName(text)
  if (name !== null) return name
  throw new UsageError(
    `--certificate-name ${JSON.stringify(printable(text))} is no name that counts: give a DNS name such as mail.contoso.com or *.contoso.com`,
  )
}

interface Told {
  readonly options: ExplainOptions
  readonly attribution: Attribution
  readonly decision: Decision
  readonly reply: string
  readonly steps: readonly Step[]
}

const MARKS: Readonly<Record<Step['result'], string>> = { yes: '+', no: '-', skipped: ' ', unknown: '?' }

const VERBS: Readonly<Record<Decision['outcome'], string>> = {
  relay: 'RELAYED to the Internet',
  deliver: 'DELIVERED to an accepted domain',
  deny: 'DENIED',
  defer: 'DEFERRED: the server is asked to try again later',
}

function story({ options, attribution, decision, reply, steps }: Told): string {
  const { sentence, advice } = explainReason(decision.reason)
  const shown = steps.filter(({ result }) => result !== 'skipped')
  const width = Math.max(...shown.map(({ rule }) => rule.length))
  const skipped = steps.filter(({ result }) => result === 'skipped').map(({ rule }) => rule)
  return [
    `Mail from <${printable(options.from)}> to <${printable(options.to)}> would be ${VERBS[decision.outcome]}.`,
    '',
    ...shown.map(
      ({ rule, result, detail }) => `  ${MARKS[result]} ${rule.padEnd(width)}  ${printable(detail, 500)}`,
    ),
    ...(skipped.length === 0 ? [] : [`  (not asked any more: ${skipped.join('; ')})`]),
    ...(options.helo === undefined
      ? []
      : [`  EHLO ${printable(options.helo)} plays no part in the decision.`]),
    '',
    `Organisation: ${decision.organization ?? 'none'}`,
    `Connector:    ${decision.connector ?? 'none'}`,
    `Reason:       ${decision.reason}: ${sentence}`,
    `Reply:        ${reply}`,
    ...(advice === '' ? [] : [`To change it: ${advice}`]),
    ...differencesFromMicrosoft(attribution).map(
      (told) => `Otherwise in Microsoft 365: ${printable(told, 500)}`,
    ),
    '',
  ].join('\n')
}
