/** `connectorctl explain`: the decision for a message that nobody sent, told the way a person would tell it. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { certificatesIn } from '../../certificate/pem.ts'
import { peerCertificateOf } from '../../certificate/verdict.ts'
import type { Settings } from '../../instance/settings.ts'
import type { Decision } from '../../policy/decide.ts'
import { describe, describePeer, differencesFromMicrosoft } from '../../policy/describe.ts'
import { explainReason } from '../../policy/reasons.ts'
import { formatReply, replyFor } from '../../policy/replies.ts'
import type { Attribution, Candidate, Peer, PeerCertificate, Step } from '../../policy/types.ts'
import type { CertificateFor } from '../../relaying/gather.ts'
import { attributeSender, decideRecipient } from '../../relaying/gather.ts'
import { parseEnvelopeAddress } from '../../relaying/parse-address.ts'
import { recipientOf, senderOf } from '../../relaying/envelope.ts'
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
  const { certificate, certificateFor } = certificateOf(options, instance, settings)
  const peer: Peer = { address, certificate }

  const steps: Step[] = []
  const { attribution, decision } = await withDirectory(instance, settings, async (directory) => {
    const attributed = await attributeSender(directory, peer, sender, certificateFor)
    steps.push(...attributionSteps(attributed))
    const question = {
      attribution: attributed,
      recipient,
      settings: settings.relay,
      relayingRespected: false,
      hasRoute: settings.outbound.smartHost !== null,
    }
    return { attribution: attributed, decision: await decideRecipient(directory, question, steps) }
  })
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

function certificateOf(options: ExplainOptions, instance: string, settings: Settings): Simulated {
  if (!options.tls) return forAll({ state: 'no-tls' })
  if (options.certificateName !== undefined) {
    return forAll({ state: 'verified', names: options.certificateName.map((name) => certificateName(name)) })
  }
  if (options.certificate === undefined) return forAll({ state: 'no-certificate' })
  const presented = certificatesIn(readNamedFile(options.certificate))
  if (presented.length === 0) throw new CommandFailed(`${options.certificate} holds no certificate`)
  const sets = trustOf(instance, settings)
  const certificateFor: CertificateFor = ({ trust }) =>
    peerCertificateOf(sets.verifierFor(trust).verify(presented))
  return { certificate: peerCertificateOf(sets.verifierFor().verify(presented)), certificateFor }
}

interface Simulated {
  readonly certificate: PeerCertificate
  readonly certificateFor: CertificateFor
}

/** What is taken as given is the same under every connector's trust. */
function forAll(certificate: PeerCertificate): Simulated {
  return { certificate, certificateFor: () => certificate }
}

function certificateName(text: string): string {
  const name = normalizePresentedName(text)
  if (name !== null) return name
  throw new UsageError(
    `--certificate-name ${JSON.stringify(printable(text))} is no name that counts: give a DNS name such as mail.contoso.com or *.contoso.com`,
  )
}

function attributionSteps(attribution: Attribution): Step[] {
  const { matched, passedOver, unverified, partners } = attribution
  return [
    { rule: 'who speaks', result: 'yes', detail: describePeer(attribution) },
    ...unverified.map((candidate): Step => ({
      rule: 'candidate',
      result: 'no',
      detail: `${describe(candidate)}: does not count, as ${whyUnverified(candidate)}`,
    })),
    ...partners.map((candidate): Step => ({
      rule: 'candidate',
      result: 'no',
      detail: `${describe(candidate)}: a Partner connector never grants relaying`,
    })),
    ...(matched === null
      ? []
      : [{ rule: 'candidate', result: 'yes', detail: describe(matched) } satisfies Step]),
    ...passedOver.map(({ candidate, because }): Step => ({
      rule: 'candidate',
      result: 'no',
      detail: `${describe(candidate)}: passed over, since of the chosen one ${because}`,
    })),
  ]
}

function whyUnverified({ connector, match }: Candidate): string {
  const under = (connector.trust ?? null) === null ? 'the default CAs' : 'its own CAs and pins'
  return `the certificate is not verified under ${under} (${match.via === 'certificate' ? (match.why ?? '') : ''})`
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
