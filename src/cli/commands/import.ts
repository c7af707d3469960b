/** `connectorctl import exchange-online`: what Exchange Online has of an organisation, brought over with a plan first. */

import type { Command } from 'commander'
import type { EditWritten } from '../../directory/editor.ts'
import { nameKey } from '../../directory/model.ts'
import { AddressMap, AddressMapError } from '../../exchange-online/address-map.ts'
import type { ExportedObject } from '../../exchange-online/decode.ts'
import { readExports } from '../../exchange-online/files.ts'
import { interpret } from '../../exchange-online/interpret.ts'
import type { Change, ImportPlan, PlanItem } from '../../exchange-online/plan.ts'
import { namesToLookUp, planImport } from '../../exchange-online/plan.ts'
import { ExportRefused, HOW_TO_EXPORT } from '../../exchange-online/refused.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { requireReplicas } from '../replication.ts'
import { requireConsent } from '../terminal.ts'

interface ImportOptions {
  readonly instance: string
  readonly organization: string
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly json?: boolean
  readonly mapAddress?: readonly string[]
}

/** Records and names that are printed; the counts say the rest. */
const MOST_LINES = 1_000

const HELP = `
In PowerShell, connected to Exchange Online:
  ${HOW_TO_EXPORT}

The files may come in any order. Records of the organisation that are not in them stay as they are.

Examples:
  connectorctl import exchange-online inbound.json domains.json outbound.json --organization contoso --dry-run
  connectorctl import exchange-online *.json --organization contoso --map-address 203.0.113.7=10.1.2.0/24
  connectorctl import exchange-online *.json --organization contoso --map-address 203.0.113.7=203.0.113.7
    (the last one says that the address is seen here, too)`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerImport(program: Command, context: CliContext): void {
  program
    .command('import')
    .description('bring an organisation over from elsewhere')
    .command('exchange-online')
    .description(
      'take over what Get-InboundConnector, Get-AcceptedDomain and Get-OutboundConnector print; shows the plan first',
    )
    .argument('<file...>', 'exports: JSON of ConvertTo-Json, or CSV')
    .requiredOption('--organization <name>', 'whose it is; made when there is none of that name')
    .option('--dry-run', 'show the plan and change nothing')
    .option('--yes', 'do not ask; without a terminal nothing is changed without it')
    .option('--json', 'print plan and outcome as one JSON object; needs --yes or --dry-run')
    .option(
      '--map-address <from=to>',
      'an address in the export, and what this server sees in its place; more than one parted by commas; may be repeated',
      (pair: string, before: readonly string[] | undefined) => [...(before ?? []), pair],
    )
    .option(...INSTANCE_OPTION)
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: ImportOptions) => {
      await importExports(files, options, context)
    })
}

async function importExports(
  files: readonly string[],
  options: ImportOptions,
  context: CliContext,
): Promise<void> {
  if (options.json === true && options.yes !== true && options.dryRun !== true) {
    throw new UsageError('--json needs --yes or --dry-run: it prints nothing that a question could be about')
  }
  const addresses = addressMap(options.mapAddress ?? [])
  const objects = said(() => readExports(files))
  const command = `import exchange-online ${files.join(' ')} --organization ${options.organization}`
  await withEditor(options.instance, command, (open) =>
    importInto(open, { objects, addresses }, options, context),
  )
}

function addressMap(pairs: readonly string[]): AddressMap {
  try {
    return new AddressMap(pairs)
  } catch (error) {
    if (!(error instanceof AddressMapError)) throw error
    throw new UsageError(`--map-address ${error.message}`)
  }
}

function said<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    if (!(error instanceof ExportRefused)) throw error
    throw new CommandFailed(`${error.message}; nothing was changed`)
  }
}

interface Given {
  readonly objects: readonly ExportedObject[]
  readonly addresses: AddressMap
}

async function importInto(
  open: OpenEditor,
  given: Given,
  options: ImportOptions,
  context: CliContext,
): Promise<void> {
  const { plan, expected } = await planned(open, given, options.organization)
  const json = options.json === true
  if (!json) show(plan, context)
  let written: EditWritten | null = null
  if (plan.after !== null && options.dryRun !== true) {
    if (options.yes !== true) await requireConsent('Import it?', context)
    const wanted = { nameKey: nameKey(plan.organization), after: plan.after, expected }
    written = await open.editor.replace([wanted])
  }
  if (json) context.stdout.write(asJson(plan, written))
  else if (written !== null) {
    context.stdout.write(`imported into ${printable(plan.organization)}, revision ${written.revision}\n`)
  }
  if (options.dryRun === true) return
  // An earlier write may have been "written, not replicated".
  requireReplicas(written?.replicas ?? (await open.editor.confirm()), open.replicas)
}

interface Planned {
  readonly plan: ImportPlan
  /** The organisation's revision as it was looked at. */
  readonly expected: string | null
}

async function planned(
  { editor, settings }: OpenEditor,
  { objects, addresses }: Given,
  name: string,
): Promise<Planned> {
  const stored = await editor.read(nameKey(name))
  const before = stored?.organization ?? null
  const own = (before?.acceptedDomains ?? []).map(({ domainName }) => domainName)
  const records = said(() => interpret(objects, addresses, own))
  requireUsed(addresses)
  const registered = await editor.domains(namesToLookUp(records))
  const plan = said(() => planImport({ name, before, records, registered }))
  const warnings = [...plan.warnings, ...aboutProof(plan, settings.relay.requireDomainProof)]
  return { plan: { ...plan, warnings }, expected: stored?.revision ?? null }
}

/** A slip of the hand in an address would leave a server out in silence. */
function requireUsed(addresses: AddressMap): void {
  const unused = addresses.unused()
  if (unused.length === 0) return
  throw new CommandFailed(
    `--map-address ${unused.join(', ')}: no connector in the export has exactly that in SenderIPAddresses; nothing was changed`,
  )
}

function aboutProof({ items }: ImportPlan, required: boolean): string[] {
  const added = items.some(({ kind, action }) => kind === 'accepted-domain' && action === 'added')
  if (!required || !added) return []
  return [
    '[relay] require_domain_proof is on: a domain that is added counts for nothing until connectorctl domain verify has proven it',
  ]
}

function asJson(
  { organization, created, items, warnings, ignored }: ImportPlan,
  written: EditWritten | null,
): string {
  const told = items.map(({ reason, ...item }) => ({ ...item, ...(reason === null ? {} : { reason }) }))
  const unheeded = Object.fromEntries(
    [...ignored].map(([kind, counts]) => [kind, Object.fromEntries(counts)] as const),
  )
  const outcome = { applied: written !== null, revision: written?.revision ?? null }
  const all = { organization, created, items: told, warnings, ignored: unheeded, ...outcome }
  // The same JSON for a program, and harmless where it is printed on a terminal.
  const text = JSON.stringify(all).replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, escapedUnits)
  return `${text}\n`
}

function escapedUnits(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}

function show(plan: ImportPlan, { stdout }: CliContext): void {
  const { organization, created, items, warnings } = plan
  const remarks = (what: string, of: (item: PlanItem) => readonly string[]): string[] =>
    items.slice(0, MOST_LINES).flatMap((item) => of(item).map((text) => `${what}: ${called(item)}: ${text}`))
  const lines = [
    `organisation ${printable(organization)}${created ? ', which is new' : ''}`,
    '',
    ...table(items),
    '',
    ...remarks('warning', (item) => item.warnings),
    ...warnings.map((text) => `warning: ${text}`),
    ...remarks('note', (item) => item.notes),
    ...unheeded(plan),
    counted(items),
  ]
  stdout.write(`${lines.join('\n')}\n`)
  if (plan.after === null) stdout.write('nothing to change\n')
}

function called({ kind, name }: PlanItem): string {
  return `${kind} "${printable(name)}"`
}

function table(items: readonly PlanItem[]): string[] {
  const rows = items
    .slice(0, MOST_LINES)
    .map((item) => [item.kind, printable(item.name, 80), item.action, why(item)] as const)
  const all = [['KIND', 'NAME', 'BECOMES', 'WHY'] as const, ...rows]
  const width = (column: 0 | 1 | 2): number => Math.max(...all.map((row) => row[column].length))
  const widths = [width(0), width(1), width(2)] as const
  const lines = all.map(([kind, name, action, reason]) =>
    `${kind.padEnd(widths[0])}  ${name.padEnd(widths[1])}  ${action.padEnd(widths[2])}  ${reason}`.trimEnd(),
  )
  return items.length > rows.length ? [...lines, `... ${items.length - rows.length} more records`] : lines
}

function why({ reason, changes }: PlanItem): string {
  return reason ?? changes.map((change) => shownChange(change)).join('; ')
}

function shownChange({ property, from, to }: Change): string {
  return `${property}: ${shownValue(from)} -> ${shownValue(to)}`
}

function shownValue(value: Change['from']): string {
  if (value === null) return 'none'
  if (typeof value === 'object') return value.length === 0 ? 'none' : printable(value.join(', '))
  return printable(String(value))
}

function unheeded({ ignored }: ImportPlan): string[] {
  return [...ignored].flatMap(([kind, counts]) => {
    const names = [...counts].toSorted(([left], [right]) => (left < right ? -1 : 1))
    if (names.length === 0) return []
    const shown = names.slice(0, MOST_LINES).map(([name, count]) => `${printable(name, 80)} (${count})`)
    const more = names.length > shown.length ? `, and ${names.length - shown.length} more` : ''
    return [`ignored, as nothing comes of it here: ${kind}: ${shown.join(', ')}${more}`]
  })
}

function counted(items: readonly PlanItem[]): string {
  const count = (action: PlanItem['action']): string =>
    `${items.filter((item) => item.action === action).length} ${action}`
  return `Plan: ${count('added')}, ${count('changed')}, ${count('same')}, ${count('aside')}`
}
