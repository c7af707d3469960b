/** `connectorctl validate-outbound`: whether mail could go through an outbound connector now, step by step. */

import type { Command } from 'commander'
import type { ConfiguredOutboundConnector, Organization } from '../../directory/model.ts'
import { readIdentity } from '../../instance/outbound-identity.ts'
import { openResolver } from '../../outbound/delivery/resolve.ts'
import { parseEnvelopeAddress } from '../../relaying/parse-address.ts'
import { termsNow } from '../../relaying/terms.ts'
import { withoutWildcard } from '../../text/certificate-name.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { withDirectory } from '../instance.ts'
import { OUTBOUND } from '../manage/connector-kind.ts'
import { connectorOf, ownerOf } from '../manage/records.ts'
import { connectorSubject } from '../manage/show.ts'
import { collected, INSTANCE_OPTION } from '../options.ts'
import { connectFor } from '../validating/connect.ts'
import { routed } from '../validating/routes.ts'
import type { Step } from '../validating/steps.ts'
import { stepLines, stepsWith } from '../validating/steps.ts'
import { heloOf, ownListeners } from '../validating/this-server.ts'
import type { Recipient } from '../validating/validate.ts'
import { validateOutbound } from '../validating/validate.ts'

interface Flags {
  readonly organization?: string
  readonly recipient?: readonly string[]
  readonly sender?: string
  readonly timeout: string
  readonly json?: boolean
  readonly instance: string
}

const MOST_RECIPIENTS = 10

const HELP = `
Each server that the connector leads to is looked up and spoken to, up to STARTTLS, its certificate and AUTH; with
--recipient a real message goes through the connector to it. Nothing is sent where what the connector asks for does not
hold, and nothing is written here. Exit code 1 when a step failed.

Examples:
  connectorctl validate-outbound Filter
  connectorctl validate-outbound Filter --organization contoso --recipient kate@fabrikam.com
  connectorctl validate-outbound "Microsoft 365" --recipient kate@fabrikam.com --sender mike@contoso.com --json`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerValidateOutbound(program: Command, context: CliContext): void {
  program
    .command('validate-outbound')
    .description('try an outbound connector: its servers, TLS, sign-in, and a message')
    .argument('<name>', 'the connector')
    .option('--organization <name>', 'whose it is; may be left out when there is one organisation only')
    .option('--recipient <address>', 'send a test message there through it; may be repeated', collected)
    .option('--sender <address>', "whom it is from; without it postmaster of the organisation's first domain")
    .option('--timeout <seconds>', 'how long each step may take', '30')
    .option('--json', 'print one JSON object')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', HELP)
    .action(async (name: string, flags: Flags) => {
      const recipients = (flags.recipient ?? []).map((text) => recipientOf(text))
      if (recipients.length > MOST_RECIPIENTS) {
        throw new UsageError(`at most ${MOST_RECIPIENTS} recipients: it is a test`)
      }
      const timeoutMilliseconds = secondsOf(flags.timeout) * 1000
      await withEditor(flags.instance, `validate-outbound ${name}`, async (open) => {
        const stored = await ownerOf(open, flags.organization)
        const connector = connectorOf(stored, name, OUTBOUND)
        const sender = senderOf(flags.sender, stored.organization, recipients)
        const run = { open, connector, recipients, sender, timeoutMilliseconds }
        await tell(connector, tried(run, context), flags, context)
      })
    })
}

function secondsOf(text: string): number {
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (seconds > 0) return seconds
  throw new UsageError(`--timeout "${printable(text)}" is no number of seconds from 1 to 999`)
}

function recipientOf(text: string): Recipient {
  const address = addressOf('--recipient', text)
  return { address, domain: address.slice(address.lastIndexOf('@') + 1) }
}

/** An address whose domain is a name, in A-label form. */
function addressOf(flag: string, text: string): string {
  const mend = 'write e.g. kate@fabrikam.com'
  let parsed
  try {
    parsed = parseEnvelopeAddress(text)
  } catch {
    throw new UsageError(`${flag} "${printable(text, 80)}" is no mail address: ${mend}`)
  }
  const domain = normalizeDomain(parsed.host ?? '')
  const local = parsed.original.replaceAll(/^<|>$/g, '').replace(/@[^@]*$/, '')
  if (domain === null || local === '' || !/^[!-~]+$/.test(local)) {
    throw new UsageError(`${flag} "${printable(text, 80)}" is no address in ASCII of a domain: ${mend}`)
  }
  return `${local}@${domain}`
}

function senderOf(
  given: string | undefined,
  { acceptedDomains, name }: Organization,
  recipients: readonly Recipient[],
): string {
  if (given !== undefined) return addressOf('--sender', given)
  const [first] = acceptedDomains
  if (first !== undefined) return `postmaster@${first.domainName}`
  if (recipients.length === 0) return ''
  throw new UsageError(`${printable(name)} has no accepted domain to write from: say it with --sender`)
}

interface Run {
  readonly open: OpenEditor
  readonly connector: ConfiguredOutboundConnector
  readonly recipients: readonly Recipient[]
  readonly sender: string
  readonly timeoutMilliseconds: number
}

async function* tried(
  { connector, open, recipients, sender, timeoutMilliseconds }: Run,
  { signal }: CliContext,
): AsyncGenerator<Step, void, undefined> {
  const { instance, settings } = open
  const domains = domainsOf(connector, recipients)
  const found = await readIdentity(instance, connector, Date.now())
  if ('failure' in found) {
    const mend = 'mend the file on this machine; until then its mail waits'
    yield stepsWith('')('identity', 'failed', found.failure.text, mend)
    return
  }
  const ways = await waysOf(open, connector, recipients)
  for (const { step } of ways) yield step
  const helo = heloOf(instance)
  const connect = connectFor({ instance, settings, helo, timeoutMilliseconds })
  yield* validateOutbound({
    tools: { connector, identity: found, connect, helo, timeoutMilliseconds, signal },
    resolver: openResolver(() => settings.outbound.resolver),
    domains,
    isOurs: ownListeners(instance),
    recipients: recipients.filter((_, index) => ways[index]?.isSendable === true),
    sender,
  })
}

function waysOf(
  { instance, settings }: OpenEditor,
  connector: ConfiguredOutboundConnector,
  recipients: readonly Recipient[],
): Promise<Awaited<ReturnType<typeof routed>>[]> {
  if (recipients.length === 0) return Promise.resolve([])
  const terms = { smartHost: settings.outbound.smartHost, terms: termsNow(settings.relay) }
  return withDirectory(instance, settings, (directory) =>
    Promise.all(recipients.map((recipient) => routed(directory, connector, recipient, terms))),
  )
}

/** By MX it leads where the recipients are: those of the test, or those that it is for. */
function domainsOf(
  { recipientDomains, useMXRecord }: ConfiguredOutboundConnector,
  recipients: readonly Recipient[],
): string[] {
  if (!useMXRecord) return []
  const asked = recipients.map(({ domain }) => domain)
  const meant = recipientDomains
    .filter((pattern) => pattern !== '*')
    .map((pattern) => withoutWildcard(pattern))
  const domains = asked.length > 0 ? asked : meant
  if (domains.length > 0) return [...new Set(domains)]
  throw new UsageError(
    'the connector is for every domain, by its MX: name a recipient in one of them with --recipient',
  )
}

async function tell(
  { name, organization }: ConfiguredOutboundConnector,
  steps: AsyncGenerator<Step, void, undefined>,
  { json }: Flags,
  { stdout }: CliContext,
): Promise<void> {
  const all: Step[] = []
  for await (const step of steps) {
    if (all.length === 0 && json !== true)
      stdout.write(`${connectorSubject(name, organization, OUTBOUND.command)}\n`)
    all.push(step)
    if (json !== true) stdout.write(`${stepLines(step).join('\n')}\n`)
  }
  const failed = all.filter(({ result }) => result === 'failed').length
  const looked = all.filter(({ result }) => result === 'warning').length
  if (json === true) {
    stdout.write(`${JSON.stringify({ organization, connector: name, ok: failed === 0, steps: all })}\n`)
  } else {
    const what = [
      ...(failed > 0 ? [`${counted(failed)} failed`] : []),
      ...(looked > 0 ? [`${counted(looked)} to look at`] : []),
    ]
    stdout.write(`${what.length === 0 ? 'all is well' : what.join(', ')}\n`)
  }
  if (failed > 0) throw new CommandFailed('')
}

function counted(steps: number): string {
  return `${steps} ${steps === 1 ? 'step' : 'steps'}`
}
