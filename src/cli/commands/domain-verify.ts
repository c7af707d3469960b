/** `connectorctl domain verify`: whether the owner of a domain shows control of it by a record in the DNS. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { describeProof } from '../../dns/describe-proof.ts'
import type { Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import { writeProofs } from '../../proof/carry-out.ts'
import type { Looked } from '../../proof/look.ts'
import { lookAt } from '../../proof/look.ts'
import { openProofMemory } from '../../proof/memory.ts'
import type { CliContext } from '../context.ts'
import { changeDirectory, withEditor } from '../editor.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { domainNamed, domainNameOf, organizationNamed } from '../manage/records.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { claim } from '../proving/claim.ts'
import type { Proving, VerifyOptions } from '../proving/options.ts'
import { askWith, durationOf } from '../proving/options.ts'
import { isThere, tell } from '../proving/outcome.ts'
import { verifyAll } from '../proving/verify-all.ts'
import { Progress } from '../terminal.ts'

const HELP = `
Examples:
  connectorctl domain verify contoso.com
  connectorctl domain verify contoso.com --wait 30m
  connectorctl domain verify contoso.com --resolver 192.0.2.53
  connectorctl domain verify contoso.com --organization fabrikam
  connectorctl domain verify --all

It prints the TXT record that is needed, and looks for it at the authoritative servers of the domain. A domain below one
that the same organisation has proven is proven by it. Where proof is required, --organization takes a domain over that
another organisation has registered, but not proven; without a terminal that wants --yes.

--all looks at every domain, also at those that are proven: one whose record is gone counts for 14 days more. A running
smarthost does so once a day; --if-older is for timers on several nodes. Exit code 1 when a domain is not proven, with
--all when one is lost.`

const DEFAULT_WAIT = '1h'

/** Milliseconds between two looks of --wait: the first soon, then less and less often. */
const FIRST_PAUSE = 2_000
const LONGEST_PAUSE = 60_000
const BAR_MILLISECONDS = 1_000

/**
 * @param parent `connectorctl domain`
 * @param context where to write
 */
export function registerDomainVerify(parent: Command, context: CliContext): void {
  parent
    .command('verify')
    .description('show the DNS record that proves a domain, and look for it')
    .argument('[name]')
    .option('--organization <name>', 'whose it shall be; with --all, whose domains are looked at')
    .option(
      '--resolver <address>',
      'the name server to believe, as ADDR or ADDR:PORT, not the authoritative ones',
    )
    .option('--wait [duration]', `ask again until the record is there, for 90s, 30m or 2h (${DEFAULT_WAIT})`)
    .option('--all', 'look at all domains')
    .option('--if-older <duration>', 'with --all: do nothing when that was done within this time')
    .option('--yes', 'do not ask before a domain is taken over')
    .option('--json', 'print JSON and nothing else on stdout')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: VerifyOptions) => {
      requireFitting(name, options)
      const command = `domain verify ${name ?? '--all'}`
      await withEditor(options.instance, command, async (open) => {
        const memory = await openProofMemory(open.instance, open.settings)
        try {
          if (name === undefined) await verifyAll({ open, memory }, options, context)
          else await verify({ open, memory }, name, options, context)
        } finally {
          memory.close()
        }
      })
    })
}

function requireFitting(name: string | undefined, { all, ifOlder, wait }: VerifyOptions): void {
  if (name === undefined && all !== true) {
    throw new UsageError('the name of the domain is missing; --all looks at all domains')
  }
  if (name !== undefined && all === true) throw new UsageError('give a name or --all, not both')
  if (all === true && wait !== undefined) throw new UsageError('--wait is for one domain, not for --all')
  if (all !== true && ifOlder !== undefined) throw new UsageError('--if-older goes with --all')
}

async function verify(
  proving: Proving,
  name: string,
  options: VerifyOptions,
  context: CliContext,
): Promise<void> {
  const { memory, open } = proving
  const ask = askWith(proving, options, context.signal)
  const domainName = domainNameOf(name)
  const wanted =
    options.organization === undefined ? null : await organizationNamed(open, options.organization)
  const registered = (await open.editor.domains([domainName])).get(domainName)
  const owner = registered === undefined ? null : nameKey(registered.organization)
  const installationId = await memory.installationId()
  const look = (domain: AcceptedDomain, organization: Organization): Promise<Looked> => {
    return patiently(
      () => lookAt(domain, organization, { ask, installationId, now: new Date().toISOString() }),
      options,
      context,
    )
  }
  if (wanted !== null && nameKey(wanted.organization.name) !== owner) {
    await claim(proving, { organization: wanted.organization, domainName, look }, options, context)
    return
  }
  const { record, stored } = await domainNamed(open, name)
  const looked = await look(record, stored.organization)
  const written = await writeProofs(open.editor, (prepare) => changeDirectory(open, prepare), [looked])
  tell(open, { looked, revision: written?.revision ?? null }, options, context)
}

/**
 * Looks once, or with --wait again and again.
 * @returns what was found at last
 * @throws CommandFailed after Ctrl-C
 */
async function patiently(
  look: () => Promise<Looked>,
  { wait }: VerifyOptions,
  context: CliContext,
): Promise<Looked> {
  const began = Date.now()
  const milliseconds = wait === undefined ? 0 : durationOf(wait === true ? DEFAULT_WAIT : wait, '--wait')
  const progress = new Progress(context)
  const show = (): void => {
    progress.show('Waiting for the record', Math.min(1, (Date.now() - began) / milliseconds))
  }
  const bar = milliseconds > 0 ? setInterval(show, BAR_MILLISECONDS) : null
  try {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(LONGEST_PAUSE, pause * 1.5)) {
      const looked = await look()
      const left = began + milliseconds - Date.now()
      if (isThere(looked) || left <= 0) return looked
      if (pause === FIRST_PAUSE) sayWhatIsMissing(looked, context)
      await delay(Math.min(pause, left), undefined, { signal: context.signal })
    }
  } catch (error) {
    if (context.signal.aborted) throw new CommandFailed('stopped; nothing was changed')
    throw error
  } finally {
    if (bar !== null) clearInterval(bar)
    progress.done()
  }
}

/** Who waits has to publish the record meanwhile. */
function sayWhatIsMissing({ result }: Looked, { stderr }: CliContext): void {
  const { name, value } = result.record
  stderr.write(`${describeProof(result).summary}\n  ${name}.  TXT  "${value}"\nwaiting for it ...\n`)
}
