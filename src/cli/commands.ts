/** The commands. Each is loaded when it is asked for: reading all of them takes as long as doing most of them. */

import type { Command } from 'commander'
import type { CliContext } from './context.ts'

/** Adds a command to the program. */
type Register = (program: Command, context: CliContext) => void

/** In the order of the help. */
const COMMANDS: readonly (readonly [name: string, load: () => Promise<Register>])[] = [
  ['start', async () => (await import('./commands/start.ts')).registerStart],
  ['init', async () => (await import('./commands/init.ts')).registerInit],
  ['check', async () => (await import('./commands/check.ts')).registerCheck],
  ['certificate', async () => (await import('./commands/certificate.ts')).registerCertificate],
  ['explain', async () => (await import('./commands/explain.ts')).registerExplain],
  ['journal', async () => (await import('./commands/journal.ts')).registerJournal],
  ['apply', async () => (await import('./commands/apply.ts')).registerApply],
  ['export', async () => (await import('./commands/export.ts')).registerExport],
  ['directory', async () => (await import('./commands/directory.ts')).registerDirectory],
  ['organization', async () => (await import('./commands/organization.ts')).registerOrganization],
  ['domain', async () => (await import('./commands/domain.ts')).registerDomain],
  [
    'inbound-connector',
    async () => (await import('./commands/inbound-connector.ts')).registerInboundConnector,
  ],
  [
    'outbound-connector',
    async () => (await import('./commands/outbound-connector.ts')).registerOutboundConnector,
  ],
  [
    'validate-outbound',
    async () => (await import('./commands/validate-outbound.ts')).registerValidateOutbound,
  ],
  ['queue', async () => (await import('./commands/queue.ts')).registerQueue],
  ['trace', async () => (await import('./commands/trace.ts')).registerTrace],
  ['import', async () => (await import('./commands/import.ts')).registerImport],
  ['client-setup', async () => (await import('./commands/client-setup.ts')).registerClientSetup],
  ['doctor', async () => (await import('./commands/doctor.ts')).registerDoctor],
  ['impact', async () => (await import('./commands/impact.ts')).registerImpact],
  ['completion', async () => (await import('./commands/completion.ts')).registerCompletion],
  ['__complete', async () => (await import('./commands/complete.ts')).registerComplete],
]

/** What is made from all other commands. */
const OF_ALL = 'completion'

/**
 * @param only the name of a command
 * @returns what adds that command to a program, or all commands when there is none of that name
 */
export async function loadCommands(only?: string): Promise<Register[]> {
  const wanted = only === OF_ALL ? [] : COMMANDS.filter(([name]) => name === only)
  const loaded: Register[] = []
  for (const [, load] of wanted.length > 0 ? wanted : COMMANDS) loaded.push(await load())
  return loaded
}
