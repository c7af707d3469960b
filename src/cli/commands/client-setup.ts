/** `connectorctl client-setup`: what to run on Exchange Server, Postfix or Exim so that it relays through the smarthost. */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { Argument } from 'commander'
import type { Certificate } from '../../certificate/parse.ts'
import { parseCertificate } from '../../certificate/parse.ts'
import { certificatesIn } from '../../certificate/pem.ts'
import { CertificateFault } from '../../certificate/reasons.ts'
import { readTrusted } from '../../certificate/trusted-file.ts'
import { exchangeScript } from '../../client-setup/exchange.ts'
import { eximLines } from '../../client-setup/exim.ts'
import type { Recognition } from '../../client-setup/notes.ts'
import { certificateNotes, connectorNotes } from '../../client-setup/notes.ts'
import { postfixLines } from '../../client-setup/postfix.ts'
import { shellWord, UnquotableText } from '../../client-setup/quoting.ts'
import { serverNotes } from '../../client-setup/server-notes.ts'
import type {
  ClientCertificate,
  ClientSetup,
  PrintedSetup,
  SetupKind,
  SetupNote,
} from '../../client-setup/setup.ts'
import { SETUP_KINDS } from '../../client-setup/setup.ts'
import type { Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import { readHarakaConfig } from '../../instance/haraka-config.ts'
import { attributeSender } from '../../relaying/gather.ts'
import { termsNow } from '../../relaying/terms.ts'
import { printable } from '../../text/printable.ts'
import { didYouMean } from '../../text/suggest.ts'
import type { CliContext } from '../context.ts'
import { withEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { requireInstance, settingsOf, trustOf, withDirectory } from '../instance.ts'
import { INSTANCE_OPTION } from '../options.ts'
import type { CertificateFile, SetupFlags } from './client-setup-flags.ts'
import { askedFor, pathsOf, readCertificateFile } from './client-setup-flags.ts'

const PRINT: Readonly<Record<SetupKind, (setup: ClientSetup) => string>> = {
  exchange: exchangeScript,
  postfix: postfixLines,
  exim: eximLines,
}

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerClientSetup(program: Command, context: CliContext): void {
  program
    .command('client-setup')
    .description(
      'print what to run on a mail server so that it relays through the smarthost by its certificate',
    )
    .addArgument(new Argument('<server>', 'what runs there').choices(SETUP_KINDS))
    .requiredOption('--organization <name>', 'whose server it is')
    .requiredOption('--smart-host <host>', 'the name or address by which that server reaches the smarthost')
    .requiredOption('--port <number>', "the smarthost's port, e.g. 25")
    .option('--implicit-tls', 'TLS from the first octet on (port 465: always) instead of STARTTLS')
    .option(
      '--tls-domain <name>',
      "the name that the smarthost's certificate must have; --smart-host when not given",
    )
    .option('--fqdn <name>', 'what that server says at EHLO; it plays no part in who may relay')
    .option(
      '--certificate <file>',
      'the certificate that it presents, with its intermediates: PEM, its own first, or PKCS#12. It is read here; Postfix and Exim are told this path',
    )
    .option('--password-file <file>', 'its first line is the password of the PKCS#12 file')
    .option('--key <path>', 'Postfix, Exim: its private key in PEM, on that server; not read here')
    .option(
      '--ca-file <path>',
      'on that server, the CAs that the smarthost may have its certificate from, or that certificate itself; those of the system when not given',
    )
    .option('--json', 'print it as one JSON object')
    .option(...INSTANCE_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  $ connectorctl client-setup exchange --organization contoso --smart-host smtp.contoso.com --port 25 \\
      --certificate mail.pem > smarthost.ps1
  $ connectorctl client-setup postfix --organization contoso --smart-host smtp.contoso.com --port 25 \\
      --certificate /etc/postfix/mail.cert.pem --key /etc/postfix/mail.key.pem
  $ connectorctl client-setup exim --organization contoso --smart-host smtp.contoso.com --port 465

What is printed can be run as it is. What the smarthost makes of it stands above it, warnings on stderr as well.
docs/on-premises/ explains each.`,
    )
    .action(async (kind: SetupKind, flags: SetupFlags) => {
      await run(kind, flags, context)
    })
}

async function run(kind: SetupKind, flags: SetupFlags, { stderr, stdout }: CliContext): Promise<void> {
  const asked = askedFor(kind, flags)
  const instance = resolve(flags.instance)
  requireInstance(instance)
  const file = readCertificateFile(flags)
  const certificate = file?.certificate ?? null
  const organization = await organizationOf(instance, flags.organization, kind)
  const paths = pathsOf(kind, flags, file)
  const notes = [
    ...(await directoryNotes(instance, organization, certificate)),
    ...serverNotes(asked, ownCertificate(instance)),
    ...conversionNotes(kind, file, paths),
  ]
  const fqdn = asked.fqdn ?? certificate?.names.find((name) => !name.startsWith('*.')) ?? null
  const setup = { ...asked, ...paths, organization: organization.name, certificate, fqdn, notes }
  const script = quotedSafely(() => PRINT[kind](setup))
  if (flags.json === true) {
    stdout.write(`${JSON.stringify({ kind, script, notes } satisfies PrintedSetup)}\n`)
    return
  }
  stdout.write(script)
  for (const { severity, text } of notes) {
    if (severity === 'warning') stderr.write(`connectorctl: warning: ${printable(text, 2000)}\n`)
  }
}

function quotedSafely<T>(write: () => T): T {
  try {
    return write()
  } catch (error) {
    if (!(error instanceof UnquotableText)) throw error
    throw new CommandFailed(
      `the path of a file ${error.message}, and cannot be written into a script: rename it`,
    )
  }
}

const MOST_SUGGESTIONS = 10_000

async function organizationOf(instance: string, wanted: string, kind: SetupKind): Promise<Organization> {
  return withEditor(instance, `client-setup ${kind}`, async ({ editor }) => {
    const stored = await editor.read(nameKey(wanted))
    if (stored !== null) return stored.organization
    const known: string[] = []
    for await (const name of editor.names()) if (known.push(name) === MOST_SUGGESTIONS) break
    const meant = didYouMean(wanted, known)
    const mend = meant === null ? '' : `; did you mean "${printable(meant)}"?`
    throw new CommandFailed(`there is no organisation "${printable(wanted)}" in the directory${mend}`)
  })
}

/** The names are taken as verified, so that every connector that names them is seen; then whether each would count them. */
async function directoryNotes(
  instance: string,
  organization: Organization,
  certificate: ClientCertificate | null,
): Promise<SetupNote[]> {
  if (certificate === null) return connectorNotes(organization)
  const settings = settingsOf(instance)
  const trust = trustOf(instance, settings)
  const { intermediates, leaf, names } = certificate
  const peer = { address: null, certificate: { state: 'verified', names } as const }
  const nobody = { address: '', domain: '' }
  const { matched, passedOver } = await withDirectory(instance, settings, (directory) =>
    attributeSender(directory, peer, nobody, () => peer.certificate, termsNow(settings.relay)),
  )
  const candidates = [...(matched === null ? [] : [matched]), ...passedOver.map(({ candidate }) => candidate)]
  const presented = [leaf, ...intermediates].map(({ raw }) => raw)
  const recognitions = candidates.map((candidate): Recognition => {
    const verdict = trust.verifierFor(candidate.connector.trust).verify(presented)
    return { candidate, why: verdict.ok ? null : `${verdict.reason}: ${verdict.detail}` }
  })
  return certificateNotes(organization, names, recognitions)
}

/** @returns the smarthost's, or null when it cannot be read: `check` says why */
function ownCertificate(instance: string): Certificate | null {
  const bytes = readTrusted(join(instance, 'config', readHarakaConfig(instance).tlsCertificate))
  const [own] = typeof bytes === 'string' ? [] : certificatesIn(bytes)
  if (own === undefined) return null
  try {
    return parseCertificate(own)
  } catch (error) {
    if (error instanceof CertificateFault) return null
    throw error
  }
}

function word(path: string): string {
  return quotedSafely(() => shellWord(path))
}

/** Postfix and Exim read PEM. */
function conversionNotes(
  kind: SetupKind,
  file: CertificateFile | null,
  { certificatePath, keyPath }: Pick<ClientSetup, 'certificatePath' | 'keyPath'>,
): SetupNote[] {
  if (kind === 'exchange' || file?.pkcs12 !== true) return []
  const from = `openssl pkcs12 -in ${word(file.path)}`
  const text = `${kind === 'exim' ? 'Exim' : 'Postfix'} reads PEM, not PKCS#12; the file can be taken apart:`
  const commands = [
    `${from} -clcerts -nokeys -out ${word(certificatePath)}`,
    `${from} -cacerts -nokeys >> ${word(certificatePath)}`,
    `${from} -nocerts -nodes -out ${word(keyPath)}`,
  ]
  return [{ severity: 'info', text, commands }]
}
