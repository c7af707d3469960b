/** `connectorctl directory`: the directory in Redis as a whole: its history, whether it is sound, and which counts. */

import type { Command } from 'commander'
import { AuditTrail } from '../../directory/redis/audit.ts'
import { formatRevision } from '../../directory/redis/header.ts'
import { verifyDirectory } from '../../directory/redis/verify.ts'
import { describeHeader } from '../../directory/redis/writer.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { withWriter } from '../redis.ts'
import { requireReplicas } from '../replication.ts'
import { requireConsent } from '../terminal.ts'

const ACCEPT_EXAMPLES = `
Examples:
  connectorctl directory accept
  connectorctl directory accept --after 1795566807556-2 --yes`

const VERIFY_EXAMPLES = `
Examples:
  connectorctl directory verify
  connectorctl directory verify --mend --instance /srv/smarthost`

const AUDIT_EXAMPLES = `
Examples:
  connectorctl directory audit --last 20
  connectorctl directory audit --last 1000 --json | jq -r .who`

/**
 * @param program the program to add the commands to
 * @param context where to write
 */
export function registerDirectory(program: Command, context: CliContext): void {
  const command = program
    .command('directory')
    .description('the directory in Redis: its history and its soundness')
  command
    .command('audit')
    .description('who changed what, the newest first')
    .option('--last <n>', 'how many records', '100')
    .option('--json', 'print one JSON object a line')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', AUDIT_EXAMPLES)
    .action(async (options: { instance: string; last: string; json?: boolean }) => {
      await audit(options, context)
    })
  command
    .command('verify')
    .description('look at every record, index and count; exit code 1 when one is wrong')
    .option('--mend', 'write what is wrong anew, from the organisations and the audit stream')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', VERIFY_EXAMPLES)
    .action(async (options: { instance: string; mend?: boolean }) => {
      await verify(options, context)
    })
  command
    .command('accept')
    .description('declare what stands in Redis to be right, e.g. a restored backup; every node takes it over')
    .option(
      '--after <revision>',
      "the revision that the nodes' log says was seen before, e.g. 1795566807556-2",
    )
    .option('--yes', 'do not ask')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', ACCEPT_EXAMPLES)
    .action(async (options: AcceptOptions) => {
      await accept(options, context)
    })
}

async function audit(
  { instance, last, json }: { instance: string; last: string; json?: boolean },
  { stdout }: CliContext,
): Promise<void> {
  if (!/^[1-9]\d{0,8}$/.test(last))
    throw new UsageError(`--last "${printable(last)}" is no number of records`)
  await withWriter(instance, 'directory audit', async ({ writer }) => {
    let left = Number(last)
    for await (const entry of new AuditTrail(writer.client, writer.keys).entries()) {
      const when = new Date(Number(entry.id.split('-')[0])).toISOString()
      const { id: _id, ...rest } = entry
      if (json === true) stdout.write(`${JSON.stringify({ when, ...rest })}\n`)
      else {
        const { before, after } = entry
        const kind = before === '' ? 'added' : after === '' ? 'removed' : 'changed'
        stdout.write(
          `${when} ${printable(entry.who)} ${kind} ${printable(entry.record)} (${printable(entry.command)})\n`,
        )
        if (before !== '') stdout.write(`  - ${printable(before, 1000)}\n`)
        if (after !== '') stdout.write(`  + ${printable(after, 1000)}\n`)
      }
      if (--left === 0) return
    }
  })
}

async function verify(
  { instance, mend: wanted }: { instance: string; mend?: boolean },
  { stdout }: CliContext,
): Promise<void> {
  await withWriter(instance, 'directory verify --mend', async ({ writer, replicas }) => {
    const { findings, mend } = await verifyDirectory(writer.client, writer.keys)
    for (const { key, what } of findings) stdout.write(`${printable(key)} ${printable(what, 1000)}\n`)
    if (findings.length === 0) {
      const { header } = await writer.organizations.base()
      stdout.write(header === null ? 'Redis holds no directory\n' : `sound: ${describeHeader(header)}\n`)
      return
    }
    if (wanted !== true) throw new CommandFailed(`${findings.length} faults; --mend writes them anew`)
    if (mend === null)
      throw new CommandFailed('this cannot be mended by itself: remove or delegate one of the domains')
    const written = await writer.mend(mend)
    stdout.write(`mended ${findings.length} faults, revision ${formatRevision(written.revision)}\n`)
    requireReplicas(written.replicas, replicas)
  })
}

interface AcceptOptions {
  readonly instance: string
  readonly after?: string
  readonly yes?: boolean
}

/** Longer ahead than any clock is wrong: more would be a slip of the hand that no later history could follow. */
const TEN_YEARS = 315_360_000_000

function epochOf(revision: string | undefined): number {
  if (revision === undefined) return 0
  const epoch = Number(/^(\d{1,15})-\d{1,15}$/.exec(revision)?.[1])
  if (epoch < Date.now() + TEN_YEARS) return epoch
  throw new UsageError(
    `--after "${printable(revision)}" is no revision, e.g. 1795566807556-2: take it from the line in the log`,
  )
}

async function accept({ instance, after, yes }: AcceptOptions, context: CliContext): Promise<void> {
  const epoch = epochOf(after)
  await withWriter(instance, 'directory accept', async ({ writer, replicas }) => {
    const { header } = await writer.organizations.base()
    if (header === null) throw new CommandFailed('Redis holds no directory: fill it with connectorctl apply')
    context.stdout.write(`Redis holds ${describeHeader(header)}\n`)
    if (yes !== true) {
      await requireConsent('Is this the directory that shall count on every node?', context)
    }
    const written = await writer.accept(epoch)
    context.stdout.write(`accepted, revision ${formatRevision(written.revision)}\n`)
    requireReplicas(written.replicas, replicas)
  })
}
