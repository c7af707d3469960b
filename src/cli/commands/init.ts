/** `connectorctl init DIR`: makes another instance. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Endpoint } from '../../instance/endpoint.ts'
import { formatEndpoint, parseEndpoint } from '../../instance/endpoint.ts'
import type { InitOptions } from '../../instance/init.ts'
import { initInstance } from '../../instance/init.ts'
import { groupId, idOf } from '../../instance/prepare.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'

interface Flags {
  readonly smtp: string
  readonly smtps?: string
  readonly smartHost?: string
  readonly workers?: string
  readonly hostname?: string
  readonly user?: string
  readonly group?: string
  readonly demo?: boolean
  readonly sink: string
}

const EXAMPLES = `
Examples:
  connectorctl init demo --demo
  connectorctl init /srv/smarthost --smtp 0.0.0.0:25 --smtps 0.0.0.0:465 --workers 4 --user haraka --group haraka
  connectorctl init /srv/smarthost --smtp '[::]:25' --smart-host mail.provider.example:25 --hostname smtp.contoso.com`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerInit(program: Command, context: CliContext): void {
  program
    .command('init')
    .description('make another instance: a Haraka directory with config/, queue/ and data/')
    .argument('<dir>', 'a new or empty folder')
    .option('--smtp <host:port>', 'where to listen, with STARTTLS', '127.0.0.1:2525')
    .option('--smtps <host:port>', 'where to listen with implicit TLS (none when not given)')
    .option(
      '--smart-host <host:port>',
      'where mail goes that no outbound connector takes (by MX when not given)',
    )
    .option('--workers <n>', 'worker processes (one process for everything when not given)')
    .option(
      '--hostname <name>',
      "the server's name in banner, Received and EHLO (the machine's when not given)",
    )
    .option('--user <name>', 'run as this user once the ports are bound')
    .option('--group <name>', 'run as this group once the ports are bound')
    .option('--demo', 'the demonstration: organisations of the KB, a CA of its own, a mail sink')
    .option('--sink <host:port>', "where the demonstration's sink listens", '127.0.0.1:2526')
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string, flags: Flags) => {
      await init(resolve(folder), flags, context)
    })
}

async function init(folder: string, flags: Flags, { stdout }: CliContext): Promise<void> {
  const options = optionsOf(flags)
  try {
    if (options.user !== null) await idOf('-u', options.user)
    if (options.group !== null) await groupId(options.group)
    const made = await initInstance(folder, options)
    stdout.write(`made in ${folder}: ${made.join('; ')}\n`)
  } catch (error) {
    throw new CommandFailed(messageOf(error))
  }
  const { smtp, smtps, demo } = options
  stdout.write(
    [
      `It will listen on ${formatEndpoint(smtp)}${smtps === null ? '' : ` and ${formatEndpoint(smtps)}`}.`,
      'Next:',
      ...(demo ? [] : [`  edit ${folder}/config/organizations.yaml and connectors.ini`]),
      `  connectorctl check --instance ${folder}`,
      `  connectorctl start --instance ${folder}`,
      '',
    ].join('\n'),
  )
}

function optionsOf(flags: Flags): InitOptions {
  const options = {
    smtp: endpoint('--smtp', flags.smtp),
    smtps: flags.smtps === undefined ? null : endpoint('--smtps', flags.smtps),
    smartHost: flags.smartHost === undefined ? null : endpoint('--smart-host', flags.smartHost),
    workers: workers(flags.workers),
    hostname: hostname(flags.hostname),
    user: account('--user', flags.user),
    group: account('--group', flags.group),
    demo: flags.demo === true,
    sink: endpoint('--sink', flags.sink),
  }
  if (options.smtps !== null && options.smtps.port === options.smtp.port) {
    throw new UsageError('--smtp and --smtps need different ports: Haraka tells them apart by the port')
  }
  if (options.group !== null && options.user === null) throw new UsageError('--group needs --user')
  return options
}

function endpoint(flag: string, text: string): Endpoint {
  const parsed = parseEndpoint(text)
  if (parsed !== null) return parsed
  throw new UsageError(`${flag} "${printable(text)}" is no HOST:PORT, e.g. 192.0.2.1:25 or [2001:db8::1]:25`)
}

function workers(text: string | undefined): number {
  if (text === undefined) return 0
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text)
  throw new UsageError(`--workers "${printable(text)}" is no number from 1 to 999`)
}

function hostname(text: string | undefined): string | null {
  if (text === undefined) return null
  const name = normalizeDomain(text)
  if (name !== null) return name
  throw new UsageError(`--hostname "${printable(text)}" is no DNS name, e.g. smtp.contoso.com`)
}

function account(flag: string, text: string | undefined): string | null {
  if (text === undefined) return null
  if (/^[a-z_][a-z0-9_-]{0,31}$/i.test(text)) return text
  throw new UsageError(`${flag} "${printable(text)}" is no account name`)
}
