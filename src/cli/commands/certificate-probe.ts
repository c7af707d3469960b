/** `connectorctl certificate probe`: what happens when a server connects with a certificate. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { formatName } from '../../certificate/general-name.ts'
import { parseCertificate } from '../../certificate/parse.ts'
import { certificatesIn } from '../../certificate/pem.ts'
import { presentedNames } from '../../certificate/presented-names.ts'
import { CertificateFault } from '../../certificate/reasons.ts'
import type { Endpoint } from '../../instance/endpoint.ts'
import { parseEndpoint } from '../../instance/endpoint.ts'
import { describe } from '../../policy/describe.ts'
import type { Attribution, Peer } from '../../policy/types.ts'
import { explainReason, isReasonCode } from '../../policy/reasons.ts'
import { senderOf } from '../../relaying/envelope.ts'
import { attributeSender } from '../../relaying/gather.ts'
import { termsNow } from '../../relaying/terms.ts'
import { parseEnvelopeAddress } from '../../relaying/parse-address.ts'
import { peerCertificateOf } from '../../certificate/verdict.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { readNamedFile } from '../files.ts'
import { requireInstance, settingsOf, trustOf, withDirectory } from '../instance.ts'
import type { ProbeResult } from '../smtp-probe.ts'
import { probe } from '../smtp-probe.ts'

interface ProbeFlags {
  readonly certificate?: string
  readonly key?: string
  readonly implicitTls?: boolean
  readonly from: string
  readonly to: string
  readonly helo: string
  readonly timeout: string
  readonly instance?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  connectorctl certificate probe smtp.contoso.com:25
  connectorctl certificate probe smtp.contoso.com:25 --certificate mail.pem --key mail.key --from kate@contoso.com
  connectorctl certificate probe smtp.contoso.com:465 --implicit-tls --certificate mail.pem --key mail.key --json`

/**
 * @param command `connectorctl certificate`
 * @param context where to write
 */
export function registerProbe(command: Command, context: CliContext): void {
  command
    .command('probe')
    .description(
      'connect as a sending server would, ask up to RCPT, send nothing; exit code 1 unless the recipient is accepted',
    )
    .argument('<host:port>', 'the smarthost, e.g. smtp.contoso.com:25')
    .option('--certificate <file>', 'what to present: PEM, the certificate first, then its intermediates')
    .option('--key <file>', 'its private key in PEM')
    .option('--implicit-tls', 'TLS from the first octet on (port 465) instead of STARTTLS')
    .option(
      '--from <address>',
      'the envelope sender; "" is the null sender, which the certificate alone decides',
      '',
    )
    .option('--to <address>', 'the envelope recipient', 'nobody@example.com')
    .option('--helo <name>', 'what to say at EHLO', 'probe.example.com')
    .option('--timeout <seconds>', 'how long each step may take', '20')
    .option(
      '--instance <dir>',
      'the instance behind that port, to say what it concludes from the certificate',
    )
    .option('--json', 'print everything as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(async (target: string, flags: ProbeFlags) => {
      await run(target, flags, context)
    })
}

interface Presented {
  readonly chain: readonly Buffer[]
  readonly names: readonly string[]
  readonly subjects: readonly string[]
  readonly pem: { readonly cert: Buffer; readonly key: Buffer }
}

async function run(target: string, flags: ProbeFlags, { stdout }: CliContext): Promise<void> {
  const { host, port } = targetOf(target)
  const timeoutMilliseconds = secondsOf(flags.timeout) * 1000
  requireOneLine('--from', flags.from)
  requireOneLine('--to', flags.to)
  requireOneLine('--helo', flags.helo)
  const presented = presentedOf(flags)
  const conclusion =
    flags.instance === undefined ? null : await concludes(resolve(flags.instance), flags, presented)
  const result = await probe({
    host,
    port,
    implicitTls: flags.implicitTls === true,
    certificate: presented?.pem ?? null,
    helo: flags.helo,
    from: flags.from,
    to: flags.to,
    timeoutMilliseconds,
  })
  const reason = /\[([a-z-]+) [\w.-]+\]$/.exec(result.reply ?? '')?.[1] ?? null
  const accepted = result.reply?.startsWith('250') === true
  if (flags.json === true) stdout.write(asJson(accepted, reason, result, presented, conclusion))
  else stdout.write(told(result, presented, reason, conclusion))
  if (!accepted) throw new CommandFailed('')
}

function asJson(
  accepted: boolean,
  reason: string | null,
  result: ProbeResult,
  presented: Presented | null,
  conclusion: readonly string[] | null,
): string {
  const { names = [], subjects = [] } = presented ?? {}
  return `${JSON.stringify({ accepted, reason, ...result, presented: { names, subjects }, conclusion })}\n`
}

function targetOf(text: string): Endpoint {
  const endpoint = /:\d+$/.test(text) ? parseEndpoint(text) : null
  if (endpoint !== null) return endpoint
  throw new UsageError(
    `"${printable(text)}" is no HOST:PORT: give e.g. smtp.contoso.com:25 or [2001:db8::1]:25`,
  )
}

function secondsOf(text: string): number {
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (seconds === 0)
    throw new UsageError(`--timeout "${printable(text)}" is no number of seconds from 1 to 9999`)
  return seconds
}

/** It would be another command. */
function requireOneLine(flag: string, text: string): void {
  if (/[\r\n<>]/.test(text)) throw new UsageError(`${flag} holds a line break or an angle bracket`)
}

function presentedOf({ certificate, key }: ProbeFlags): Presented | null {
  if (certificate === undefined && key === undefined) return null
  if (certificate === undefined || key === undefined)
    throw new UsageError(
      '--certificate and --key belong together: give both, or none to connect without a certificate',
    )
  const cert = readNamedFile(certificate)
  const chain = certificatesIn(cert)
  const [own] = chain
  if (own === undefined) throw new CommandFailed(`${certificate} holds no certificate`)
  try {
    return {
      chain,
      names: presentedNames(parseCertificate(own)),
      subjects: chain.map((der) => formatName(parseCertificate(der).subject)),
      pem: { cert, key: readNamedFile(key) },
    }
  } catch (error) {
    if (error instanceof CertificateFault)
      throw new CommandFailed(`${certificate}: ${printable(error.message)}`)
    throw error
  }
}

/** From the settings of the instance, by the certificate alone: the address is seen there only. */
async function concludes(
  instance: string,
  flags: ProbeFlags,
  presented: Presented | null,
): Promise<string[]> {
  requireInstance(instance)
  const settings = settingsOf(instance)
  const trust = trustOf(instance, settings)
  if (presented === null) return ['no certificate: only a connector by address can match']
  const verdict = trust.verifierFor().verify(presented.chain)
  const peer: Peer = { address: null, certificate: peerCertificateOf(verdict) }
  const sender = senderOf(parseEnvelopeAddress(flags.from))
  const attribution = await withDirectory(instance, settings, (directory) =>
    attributeSender(
      directory,
      peer,
      sender,
      ({ trust: own }) => peerCertificateOf(trust.verifierFor(own).verify(presented.chain)),
      termsNow(settings.relay),
    ),
  )
  return conclusions(attribution)
}

function conclusions({ matched, partners, peer, unverified }: Attribution): string[] {
  const { certificate } = peer
  const condition =
    matched?.certificateAccepted === 'yes'
      ? 'its domain is an accepted domain: any sender may relay'
      : 'its domain is no accepted domain: only registered senders may relay'
  const found = [
    ...(matched === null ? [] : [describe(matched), condition]),
    ...unverified.map((candidate) => `${describe(candidate)}, would match if the certificate counted`),
    ...partners.map(
      (candidate) => `${describe(candidate)}, is a Partner connector and never grants relaying`,
    ),
  ]
  return [
    'why' in certificate ? `the certificate does not count: ${certificate.why}` : 'the certificate counts',
    ...(found.length === 0 ? ['no connector names it'] : found),
  ]
}

function told(
  result: ProbeResult,
  presented: Presented | null,
  reason: string | null,
  conclusion: readonly string[] | null,
): string {
  const { failure, reply } = result
  const lines = [...dialogueLines(result, presented), '']
  if (failure !== null) lines.push(`It failed: ${safe(failure)}`)
  if (reply !== null) lines.push(reply.startsWith('250') ? 'It may relay.' : 'It is refused.')
  if (reason !== null && isReasonCode(reason)) {
    const { advice, sentence } = explainReason(reason)
    lines.push(`Reason: ${reason}: ${sentence}`)
    if (advice !== '') lines.push(`To change it: ${advice}`)
  }
  if (conclusion !== null)
    lines.push('The settings of the instance say:', ...conclusion.map((line) => `  ${safe(line)}`))
  return `${lines.join('\n')}\n`
}

function safe(text: string): string {
  return printable(text, 1000)
}

function dialogueLines({ dialogue, tls }: ProbeResult, presented: Presented | null): string[] {
  const secured = tls === null ? [] : tlsLines(tls, presented).map((line) => safe(line))
  const starttls = dialogue.some(({ command }) => command === 'STARTTLS')
  const lines = starttls ? [] : [...secured]
  for (const { command, reply } of dialogue) {
    if (command !== '') lines.push(`> ${safe(command)}`)
    lines.push(...reply.split('\n').map((line) => `< ${safe(line)}`))
    if (command === 'STARTTLS') lines.push(...secured)
  }
  return lines
}

function tlsLines(tls: NonNullable<ProbeResult['tls']>, presented: Presented | null): string[] {
  const { cipher, protocol, server } = tls
  return [
    `* ${protocol}, ${cipher}`,
    server === null
      ? '* the server presented no certificate'
      : `* the server presented ${server.subject}, issued by ${server.issuer}, valid until ${server.validTo}`,
    presented === null
      ? '* no certificate was presented to it'
      : `* presented to it: ${presented.subjects.join(' <- ')}; names that count: ${presented.names.join(', ') || 'none'}`,
  ]
}
