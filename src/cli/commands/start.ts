/** `connectorctl start`: what `npm start` runs. Checks everything first, then runs Haraka in the foreground. */

import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { formatProblem } from '../../directory/model.ts'
import { describeConnection } from '../../directory/redis/client.ts'
import type * as Host from '../../haraka/host.ts'
import type { CheckResult } from '../../instance/check.ts'
import { checkInstance } from '../../instance/check.ts'
import { formatEndpoint } from '../../instance/endpoint.ts'
import { redisSettingsOf } from '../../instance/store.ts'
import { prepareInstance } from '../../instance/prepare.ts'
import type { Sink } from '../../instance/sink.ts'
import { startSink } from '../../instance/sink.ts'
import { lookDaily } from '../../proof/periodic.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { messageOf } from '../../text/message-of.ts'

const EXAMPLES = `
Examples:
  connectorctl start
  connectorctl start --instance /srv/smarthost`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerStart(program: Command, context: CliContext): void {
  program
    .command('start')
    .description('prepare the instance when it is new and run the smarthost in the foreground')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (options: { instance: string }) => {
      await start(resolve(options.instance), context)
    })
}

async function start(instance: string, context: CliContext): Promise<void> {
  const made = await prepareInstance(instance).catch((error: unknown) => {
    throw new CommandFailed(messageOf(error))
  })
  for (const line of made) context.stdout.write(`made ${line}\n`)
  const result = checkInstance(instance)
  const errors = result.problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new CommandFailed(errors.map((problem) => formatProblem(problem)).join('\n'))
  for (const { host, port } of result.haraka.listen) await refusePortInUse(host, port)
  const sink = await openSink(instance, result, context)
  await runInForeground(instance, result, sink, context)
}

async function openSink(instance: string, result: CheckResult, context: CliContext): Promise<Sink | null> {
  const address = result.settings.demonstration.sink
  if (address === null) return null
  try {
    return await startSink(instance, address, (text) => context.stdout.write(text))
  } catch (error) {
    throw new CommandFailed(
      `the demonstration's sink cannot listen on ${formatEndpoint(address)}: ${reasonOf(error)}; stop what listens there, or change [demonstration] sink and [outbound] smart_host in config/connectors.ini`,
    )
  }
}

/** Resolves never: Haraka ends the process. */
function runInForeground(
  instance: string,
  result: CheckResult,
  sink: Sink | null,
  { stdout, stderr }: CliContext,
): Promise<void> {
  // Required, not imported: Haraka requires its plugins, and both must share one copy of each module.
  const { runHaraka } = createRequire(import.meta.url)('../../haraka/host.ts') as typeof Host
  const worker = fileURLToPath(new URL('../../../bin/worker.js', import.meta.url))
  runHaraka(instance, worker, {
    ready: () => {
      stdout.write(banner(instance, result))
      const connectorctl = fileURLToPath(new URL('../../../bin/connectorctl.js', import.meta.url))
      lookDaily({ instance, connectorctl, log: (line) => stdout.write(`${line}\n`) })
    },
    failed: (why) => {
      stderr.write(`connectorctl: ${why}\n`)
    },
    stopped: () => {
      void sink?.close()
      stdout.write('stopped\n')
    },
  })
  return new Promise(() => undefined)
}

/**
 * One clear line before Haraka is started: it would end with a stack, in cluster mode never.
 * @throws CommandFailed when the address cannot be listened on
 */
async function refusePortInUse(host: string, port: number): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((done, failed) => {
      server.once('error', failed)
      server.listen({ host, port, exclusive: true }, done)
    })
  } catch (error) {
    throw new CommandFailed(`cannot listen on ${formatEndpoint({ host, port })}: ${reasonOf(error)}`)
  } finally {
    await new Promise((done) => server.close(done))
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return 'the port is in use; stop the other server, or change listen in config/smtp.ini'
  }
  if (code === 'EACCES') {
    return 'ports below 1024 need root; start as root (init --user drops the privileges), or change listen in config/smtp.ini'
  }
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address; change listen in config/smtp.ini'
  return message
}

function banner(instance: string, { haraka, settings, organizations, trust }: CheckResult): string {
  const lines = haraka.listen.map(
    ({ host, port, implicitTls }) =>
      `  ${formatEndpoint({ host, port })} (${implicitTls ? 'implicit TLS' : 'STARTTLS'})`,
  )
  const names = organizations.map(({ name }) => name)
  const inFile = names.length === 0 ? 'none: nobody may relay' : names.join(', ')
  const { store } = settings.directory
  const route = settings.outbound.smartHost
  return [
    '',
    `connectors: the smarthost is up (${instance}${haraka.workers > 0 ? `, ${haraka.workers} workers` : ''})`,
    'Listening on:',
    ...lines,
    `Organisations: ${store === 'file' ? inFile : `those in ${describeConnection(redisSettingsOf(instance).reader)}`}`,
    `Trusted CAs for client certificates: ${trust.description.join('; ')}`,
    `Mail leaves through: ${route === null ? 'the MX of each domain' : formatEndpoint(route)}`,
    ...tryLine(instance, settings.demonstration.sink !== null, haraka.listen),
    'Stop with Ctrl-C.',
    '',
    '',
  ].join('\n')
}

function tryLine(
  instance: string,
  demonstration: boolean,
  listen: CheckResult['haraka']['listen'],
): string[] {
  const plain = listen.find(({ implicitTls }) => !implicitTls)
  if (!demonstration || plain === undefined) return []
  const certificate = join(relative('.', instance), 'config', 'demo', 'mail.contoso.com')
  return [
    `Try: printf 'Subject: hello\\n\\nIt works.\\n' | curl -k --crlf --ssl-reqd smtp://${formatEndpoint(plain)} --cert ${certificate}.cert.pem --key ${certificate}.key.pem --mail-from kate@contoso.com --mail-rcpt john@fabrikam.com -T -`,
  ]
}
