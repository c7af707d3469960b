/** `connectorctl domain require-proof on|off`: whether a domain counts only once its owner has shown control of it. */

import type { Command } from 'commander'
import { setRequireDomainProof } from '../../instance/change-setting.ts'
import type { GracePlan, Unproven } from '../../proof/grace.ts'
import { giveGrace, planGrace } from '../../proof/grace.ts'
import { GRACE_DAYS } from '../../proof/look.ts'
import { openProofMemory } from '../../proof/memory.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { changeDirectory, withEditor } from '../editor.ts'
import { UsageError } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { requireYes } from '../wizard/dialogue.ts'

interface RequireOptions {
  readonly instance: string
  readonly json?: boolean
  readonly yes?: boolean
}

const HELP = `
Examples:
  connectorctl domain verify --all
  connectorctl domain require-proof on
  connectorctl domain require-proof off

on lists the domains that would stop counting. Those that are registered already count for ${GRACE_DAYS} days more; whoever is
registered later counts once he is proven. The setting is in config/connectors.ini of this node: where several nodes share
a directory, run it on each of them. Days that were given are not given again.`

/** Organisations, and domains of each, that are named for people; --json names all. */
const MOST_OWNERS = 50
const MOST_NAMED = 20

/**
 * @param parent `connectorctl domain`
 * @param context where to write
 */
export function registerDomainRequireProof(parent: Command, context: CliContext): void {
  parent
    .command('require-proof')
    .description('switch on or off that a domain counts only once it is proven')
    .argument('<on|off>')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON and nothing else on stdout')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', HELP)
    .action(async (what: string, options: RequireOptions) => {
      if (what !== 'on' && what !== 'off') {
        throw new UsageError(`"${printable(what, 80)}" is neither on nor off`)
      }
      await withEditor(options.instance, `domain require-proof ${what}`, (open) =>
        what === 'on' ? switchOn(open, options, context) : switchOff(open, options, context),
      )
    })
}

async function switchOn(open: OpenEditor, options: RequireOptions, context: CliContext): Promise<void> {
  if (open.settings.relay.requireDomainProof) {
    tellDone({ required: true, changed: false, unproven: [], revision: null }, open, options, context)
    return
  }
  const memory = await openProofMemory(open.instance, open.settings)
  try {
    const now = new Date().toISOString()
    const requiredSince = await memory.requiredSince()
    const plan = await planGrace(open.editor, now, requiredSince)
    const stream = options.json === true ? context.stderr : context.stdout
    for (const line of planLines(plan, requiredSince)) stream.write(`${line}\n`)
    await requireYes('Require proof of domains?', options.yes === true, '', context)
    // The days first: a domain must not stop counting because the command was killed in between.
    const written = await giveGrace(open.editor, (prepare) => changeDirectory(open, prepare), plan)
    await memory.rememberRequired(now)
    await setRequireDomainProof(open.instance, true)
    const revision = written?.revision ?? null
    tellDone({ required: true, changed: true, unproven: plan.unproven, revision }, open, options, context)
  } finally {
    memory.close()
  }
}

async function switchOff(open: OpenEditor, options: RequireOptions, context: CliContext): Promise<void> {
  const changed = open.settings.relay.requireDomainProof
  if (changed) {
    const memory = await openProofMemory(open.instance, open.settings)
    try {
      await setRequireDomainProof(open.instance, false)
      await memory.rememberRequired(null)
    } finally {
      memory.close()
    }
  }
  tellDone({ required: false, changed, unproven: [], revision: null }, open, options, context)
}

interface Done {
  readonly required: boolean
  readonly changed: boolean
  readonly unproven: readonly Unproven[]
  readonly revision: string | null
}

function tellDone(
  { changed, required, revision, unproven }: Done,
  { editor }: OpenEditor,
  { json }: RequireOptions,
  { stdout }: CliContext,
): void {
  if (json === true) {
    const domains = unproven.map(({ countsUntil, domain }) => ({
      domain: domain.domainName,
      organization: domain.organization,
      countsUntil,
    }))
    stdout.write(`${JSON.stringify({ required, changed, revision, unproven: domains })}\n`)
    return
  }
  const state = `proof of domains is ${required ? '' : 'not '}required`
  if (!changed) {
    stdout.write(`nothing to change: ${state} here already\n`)
    return
  }
  stdout.write(`${state} from now on; in force within a second\n`)
  if (editor.store === 'redis') {
    stdout.write(
      `that is a setting of this node: on every other node of the fleet run connectorctl domain require-proof ${required ? 'on' : 'off'}, too\n`,
    )
  }
}

function* planLines({ domains, unproven }: GracePlan, requiredSince: string | null): Generator<string> {
  if (unproven.length === 0) {
    yield domains === 0 ? 'there are no accepted domains' : `all ${domains} domains are proven`
    return
  }
  yield `${unproven.length} of ${domains} domains are not proven, and will stop counting:`
  const byOwner = new Map<string, Unproven[]>()
  for (const one of unproven) {
    const own = byOwner.get(one.domain.organization)
    if (own === undefined) byOwner.set(one.domain.organization, [one])
    else own.push(one)
  }
  for (const [organization, own] of [...byOwner].slice(0, MOST_OWNERS)) {
    yield `  ${printable(organization, 80)}:`
    // Those that stop first are named first.
    const sorted = own.toSorted((left, right) => compare(left.countsUntil ?? '', right.countsUntil ?? ''))
    for (const { countsUntil, domain } of sorted.slice(0, MOST_NAMED)) {
      yield `    ${domain.domainName}: ${countsUntil === null ? 'at once' : `on ${countsUntil}`}`
    }
    if (own.length > MOST_NAMED) yield `    and ${own.length - MOST_NAMED} more`
  }
  if (byOwner.size > MOST_OWNERS) yield `  and ${byOwner.size - MOST_OWNERS} organisations more`
  if (requiredSince !== null) {
    yield `another node requires proof since ${requiredSince}: the ${GRACE_DAYS} days were given then`
  }
  yield 'connectorctl domain verify NAME prints the DNS record that is needed'
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
