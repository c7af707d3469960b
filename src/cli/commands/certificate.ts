/** `connectorctl certificate`: what a certificate is, and whether it counts. */

import type { Command } from 'commander'
import type { CliContext } from '../context.ts'
import { registerInspect } from './certificate-inspect.ts'
import { registerProbe } from './certificate-probe.ts'
import { registerVerify } from './certificate-verify.ts'

/**
 * @param program the program to add the commands to
 * @param context where to write
 */
export function registerCertificate(program: Command, context: CliContext): void {
  const command = program
    .command('certificate')
    .description('what a certificate is, whom it would be, and whether it counts')
  registerVerify(command, context)
  registerInspect(command, context)
  registerProbe(command, context)
}
