/** `connectorctl doctor`: the whole installation, and what to mend. */

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import type { Examination } from '../../doctor/examine.ts'
import { examine } from '../../doctor/examine.ts'
import type { Finding, FindingSeverity } from '../../doctor/finding.ts'
import { SEVERITIES } from '../../doctor/finding.ts'
import type { NameServer } from '../../dns/server.ts'
import { parseNameServer } from '../../dns/server.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { normalizeAddress } from '../../text/ip-address.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { requireInstance } from '../instance.ts'
import { hasColors } from '../manage/table.ts'
import { collected, INSTANCE_OPTION } from '../options.ts'
import { Progress } from '../terminal.ts'
import { sinceOf } from '../times.ts'

interface Flags {
  readonly instance: string
  readonly since: string
  readonly journal: readonly string[]
  readonly address: readonly string[]
  readonly domain: readonly string[]
  readonly resolver?: string
  readonly dns: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Each finding has a code that never changes its meaning; docs/doctor.md lists them.
Redis and the DNS are waited for some seconds at most, whatever becomes of them.

Examples:
  connectorctl doctor --instance /srv/smarthost
  connectorctl doctor --address 203.0.113.25 --resolver 192.0.2.53
  connectorctl doctor --since 7d --journal /backup/node2/journal --journal /backup/node3/journal
  connectorctl doctor --json --no-dns | jq '.findings[] | select(.severity == "error")'`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('check the whole installation and say what to mend; exit code 1 when there are errors')
    .option('--since <time>', 'from when on use is counted: 90s, 15m, 1h, 7d, or 2026-11-24T02:00:00Z', '30d')
    .option('--journal <dir>', "another node's data/journal, or a copy of it; may be repeated", collected, [])
    .option(
      '--address <ip>',
      "where this host's mail leaves from, e.g. its NAT's address; may be repeated; without it the machine's public ones",
      collected,
      [],
    )
    .option('--domain <name>', 'a domain whose SPF is looked at; may be repeated', collected, [])
    .option('--resolver <addr[:port]>', "the DNS resolver to ask; without it the system's")
    .option('--no-dns', 'ask no DNS')
    .option('--json', 'print {"findings": [...]} as one JSON object')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      await doctor(flags, context)
    })
}

async function doctor(flags: Flags, context: CliContext): Promise<void> {
  const instance = resolve(flags.instance)
  const since = sinceOf(flags.since, 0)
  const dns = {
    enabled: flags.dns,
    resolver: flags.resolver === undefined ? null : resolverOf(flags.resolver),
    addresses: flags.address.map((text) => addressOf(text)),
    domains: flags.domain.map((text) => domainOf(text)),
  }
  requireInstance(instance)
  for (const folder of flags.journal) {
    if (existsSync(folder)) continue
    throw new CommandFailed(`--journal ${printable(folder)}: there is no such folder`)
  }
  const journals = [join(instance, 'data', 'journal'), ...flags.journal.map((folder) => resolve(folder))]
  const bar = new Progress(context)
  const progress = (what: string, share: number): void => {
    bar.show(what, share)
  }
  const { signal, stdout } = context
  const examination = await examine({ instance, journals, since, dns, signal, progress })
    .catch((error: unknown) => {
      if (signal.aborted) throw new CommandFailed('stopped: nothing is said about the rest')
      throw error
    })
    .finally(() => {
      bar.done()
    })
  const { findings } = examination
  if (flags.json === true) stdout.write(`${JSON.stringify({ findings })}\n`)
  else stdout.write(tell(examination, colours(context)))
  // What is wrong was said above.
  if (findings.some(({ severity }) => severity === 'error')) throw new CommandFailed('')
}

function resolverOf(text: string): NameServer {
  const server = parseNameServer(text)
  if (server !== null) return server
  throw new UsageError(
    `--resolver ${JSON.stringify(printable(text))} is no address: give 192.0.2.53 or [2001:db8::53]:53`,
  )
}

function addressOf(text: string): string {
  const address = normalizeAddress(text)
  if (address !== null) return address
  throw new UsageError(`--address ${JSON.stringify(printable(text))} is no IPv4 or IPv6 address`)
}

function domainOf(text: string): string {
  const domain = normalizeDomain(text)
  if (domain !== null) return domain
  throw new UsageError(`--domain ${JSON.stringify(printable(text))} is no domain name`)
}

type Colour = (severity: FindingSeverity, text: string) => string

const COLOURS = { error: 'red', warning: 'yellow', info: 'cyan' } as const

function colours({ stdout }: CliContext): Colour {
  const isColoured = hasColors(stdout)
  return (severity, text) => (isColoured ? styleText(COLOURS[severity], text) : text)
}

const TITLES: Readonly<Record<FindingSeverity, string>> = {
  error: 'ERRORS',
  warning: 'WARNINGS',
  info: 'FOR INFORMATION',
}

function tell({ findings, fine }: Examination, colour: Colour): string {
  const lines: string[] = []
  for (const severity of SEVERITIES) {
    const found = findings.filter((finding) => finding.severity === severity)
    if (found.length === 0) continue
    lines.push(
      colour(severity, `${TITLES[severity]} (${found.length})`),
      ...byCode(found, severity, colour),
      '',
    )
  }
  const count = (severity: FindingSeverity): number =>
    findings.filter((finding) => finding.severity === severity).length
  lines.push(
    ...(fine.length === 0 ? [] : [`Looked at, and nothing to mend: ${fine.join(', ')}.`]),
    `${count('error')} errors, ${count('warning')} warnings, ${count('info')} for information. docs/doctor.md explains each code.`,
  )
  return `${lines.join('\n')}\n`
}

/** What is mended in the same way is told together. */
function byCode(findings: readonly Finding[], severity: FindingSeverity, colour: Colour): string[] {
  const groups = new Map<string, Finding[]>()
  for (const finding of findings) {
    const key = `${finding.code}\n${finding.remedy}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [finding])
    else group.push(finding)
  }
  return [...groups.values()].flatMap((group) => [
    ...group.map(({ code, evidence }) => `  ${colour(severity, code)}: ${evidence}`),
    `    -> ${group[0]?.remedy ?? ''}`,
  ])
}
