/** `connectorctl explain`: the decision for a message, told the way a person would tell it, and what would change it. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Directory } from '../../directory/directory.ts'
import type { Organization } from '../../directory/model.ts'
import { formatProblem, nameKey } from '../../directory/model.ts'
import { OrganizationsSource, SourceError } from '../../directory/organizations-source.ts'
import { readProposal } from '../../impact/proposal.ts'
import { overlaid } from '../../impact/proposed-directory.ts'
import type { Settings } from '../../instance/settings.ts'
import { isUnknown } from '../../policy/attribute.ts'
import { formatReply, replyFor } from '../../policy/replies.ts'
import { wouldLeadBack } from '../../outbound/delivery/leads-back.ts'
import { openResolver } from '../../outbound/delivery/resolve.ts'
import { describeRoute, explainRoute } from '../../policy/route.ts'
import type { Remedy } from '../../relaying/remedies.ts'
import { likelyOrganizations, remediesFor } from '../../relaying/remedies.ts'
import type { Simulation, SimulationOptions } from '../../relaying/simulate.ts'
import { simulate } from '../../relaying/simulate.ts'
import { messageOf } from '../../text/message-of.ts'
import type { CliContext } from '../context.ts'
import { withEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import type { Asked, AskedOptions } from '../explain/asked.ts'
import { askedFor } from '../explain/asked.ts'
import type { Told } from '../explain/story.ts'
import { commandsOf, story } from '../explain/story.ts'
import { requireInstance, settingsOf, trustOf, withDirectory } from '../instance.ts'
import { reportOnlyFromNow } from '../manage/flags.ts'
import { INSTANCE_OPTION } from '../options.ts'

interface ExplainOptions extends AskedOptions {
  readonly instance: string
  readonly diff?: string
  readonly json?: boolean
}

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerExplain(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description(
      'tell what would become of a message, rule by rule, without sending it, and what would let it through',
    )
    .option('--from <address>', 'the envelope sender; "" is the null sender of a non-delivery report')
    .option('--to <address>', 'the envelope recipient')
    .option('--ip <address>', 'where the server connects from; without it no address matches')
    .option('--certificate <file>', 'the certificate that it presents: PEM, the leaf first, then its chain')
    .option(
      '--certificate-name <name...>',
      'names that its certificate proves, taken as verified; may be repeated',
    )
    .option('--helo <name>', 'what it says at EHLO; it plays no part, and the answer says so')
    .option('--no-tls', 'it connects without TLS')
    .option(
      '--session <file>',
      'in place of these: an entry of the journal, as journal --json prints it; - is stdin',
    )
    .option(
      '--diff <file>',
      'also what would become of it if the organisations in this file, as apply takes it, were in force',
    )
    .option('--json', 'print the decision as one JSON object, one a line for several entries')
    .option(...INSTANCE_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  connectorctl explain --from kate@contoso.com --to bob@example.net --ip 10.1.0.20
  connectorctl explain --from "" --to bob@example.net --certificate mail.contoso.com.pem
  connectorctl explain --from "" --to bob@example.net --ip 10.1.0.20 --diff proposed.yaml
  connectorctl journal --id 4F2A6D1E-0C3B.1 --json | connectorctl explain --session -`,
    )
    .action(async (options: ExplainOptions) => {
      await explain(options, context)
    })
}

async function explain(options: ExplainOptions, { stderr, stdout }: CliContext): Promise<void> {
  const instance = resolve(options.instance)
  const asked = askedFor(options, () => {
    requireInstance(instance)
    return trustOf(instance, settingsOf(instance))
  })
  requireInstance(instance)
  const settings = settingsOf(instance)
  const told = await withDirectory(instance, settings, async (directory) => {
    const proposed = options.diff === undefined ? null : await proposedIn(options.diff, directory, stderr)
    const resolver = openResolver(() => settings.outbound.resolver)
    const leadsBack: SimulationOptions['leadsBack'] = (route, address) =>
      wouldLeadBack(route, address, resolver)
    const all: Told[] = []
    for (const one of asked) {
      const simulation = await simulate(directory, settings, one.message, { leadsBack })
      const reply = replyTo(simulation, settings)
      const remedies = await remediesOf(instance, settings, directory, one, simulation)
      const other = proposed === null ? null : await simulate(proposed, settings, one.message, { leadsBack })
      const diff = other === null ? null : { simulation: other, reply: replyTo(other, settings) }
      const named = options.instance === INSTANCE_OPTION[2] ? null : options.instance
      all.push({ asked: one, simulation, reply, remedies, diff, instance: named })
    }
    return all
  })
  const write = options.json === true ? asJson : story
  stdout.write(told.map((one) => write(one)).join(options.json === true ? '' : '\n'))
}

function replyTo({ decision }: Simulation, { replies }: Settings): string {
  return formatReply(replyFor(decision, replies, 'simulated'))
}

async function proposedIn(
  file: string,
  directory: Directory,
  stderr: NodeJS.WritableStream,
): Promise<Directory> {
  try {
    const source = new OrganizationsSource(file)
    const organizations = await readProposal(source, directory, false, (problem) => {
      stderr.write(`${formatProblem(problem)}\n`)
    })
    return overlaid(directory, organizations)
  } catch (error) {
    if (error instanceof SourceError) {
      throw new CommandFailed(error.problems.map((problem) => formatProblem(problem)).join('\n'))
    }
    throw new CommandFailed(`${file} cannot be used: ${messageOf(error)}`)
  }
}

async function remediesOf(
  instance: string,
  settings: Settings,
  directory: Directory,
  { message }: Asked,
  simulation: Simulation,
): Promise<Remedy[]> {
  const { outcome } = simulation.decision
  if (outcome === 'relay' || outcome === 'deliver') return []
  const reportOnlyUntil = `${reportOnlyFromNow()}T00:00:00.000Z`
  const organization = await likelyOwner(instance, simulation)
  return remediesFor({ directory, settings, message, simulation, organization, reportOnlyUntil })
}

/** With all that it owns. Where the directory cannot be read as a whole (Redis without a writer) less is advised. */
async function likelyOwner(instance: string, simulation: Simulation): Promise<Organization | null> {
  const [name] = likelyOrganizations(simulation)
  try {
    return await withEditor(instance, 'explain', async ({ editor }) => {
      const key = name === undefined ? await onlyName(editor.names()) : nameKey(name)
      return key === null ? null : ((await editor.read(key))?.organization ?? null)
    })
  } catch (error) {
    if (error instanceof CommandFailed) return null
    throw error
  }
}

async function onlyName(names: AsyncIterable<string>): Promise<string | null> {
  let only: string | null = null
  for await (const name of names) {
    if (only !== null) return null
    only = name
  }
  return only
}

function asJson({ asked, diff, instance, remedies, reply, simulation }: Told): string {
  const told = {
    ...decisionAsJson({ reply, simulation }),
    remedies: remedies.map((remedy) => ({
      changes: remedy.changes.map(({ what }) => what),
      commands: commandsOf(remedy, instance),
      outcome: remedy.decision.outcome,
      reason: remedy.decision.reason,
    })),
    ...(asked.recorded === null
      ? {}
      : {
          recorded: {
            time: asked.recorded.time,
            outcome: asked.recorded.outcome,
            reason: asked.recorded.reason,
          },
        }),
  }
  const proposed = diff === null ? {} : { proposed: decisionAsJson(diff) }
  return `${JSON.stringify({ ...told, ...proposed })}\n`
}

function decisionAsJson({ reply, simulation }: Pick<Told, 'reply' | 'simulation'>): object {
  const { decision, steps } = simulation
  const { connector, organization, outcome, reason, wouldBe } = decision
  const reported = wouldBe === null ? {} : { wouldBe }
  const route = routeAsJson(simulation)
  return { outcome, reason, reply, organization, connector, route, steps, ...reported }
}

/** null where it plays no part: the mail is not accepted. */
function routeAsJson({ route, routeFacts }: Simulation): object | null {
  if (route === null || routeFacts === null) return null
  const steps = explainRoute(routeFacts)
  if (isUnknown(route)) return { via: 'unknown', why: route.why, steps }
  const { name = null, organization = null } = route.via === 'connector' ? route.connector : {}
  const to = describeRoute(route, routeFacts.domain)
  return { via: route.via, organization, connector: name, to, steps }
}
