/** `connectorctl certificate inspect`: what stands in certificates, and whom they would be. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { describeCertificate } from '../../certificate/describe.ts'
import type { Certificate } from '../../certificate/parse.ts'
import { parseCertificate } from '../../certificate/parse.ts'
import { certificatesIn } from '../../certificate/pem.ts'
import { certificatesInPkcs12, isPkcs12 } from '../../certificate/pkcs12.ts'
import { presentedNames } from '../../certificate/presented-names.ts'
import { CertificateFault } from '../../certificate/reasons.ts'
import type { TrustSets } from '../../certificate/trust-sets.ts'
import type { Directory } from '../../directory/directory.ts'
import { isUnknown } from '../../policy/attribute.ts'
import type { WeighedCandidate } from '../../policy/types.ts'
import { attributeSender } from '../../relaying/gather.ts'
import type { Terms } from '../../policy/proof.ts'
import { termsNow } from '../../relaying/terms.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { readNamedFile } from '../files.ts'
import { requireInstance, settingsOf, trustOf, withDirectory } from '../instance.ts'

interface InspectFlags {
  readonly instance?: string
  readonly passwordFile?: string
}

const EXAMPLES = `
Examples:
  connectorctl certificate inspect mail.contoso.com.pem
  connectorctl certificate inspect mail.pem --instance /srv/smarthost
  connectorctl certificate inspect exchange.pfx --password-file password.txt`

/**
 * @param command `connectorctl certificate`
 * @param context where to write
 */
export function registerInspect(command: Command, context: CliContext): void {
  command
    .command('inspect')
    .description('what stands in certificates, and which connectors they would match')
    .argument('<file...>', 'PEM, DER or PKCS#12 files')
    .option('--instance <dir>', 'an instance, to match the certificates with its connectors')
    .option('--password-file <file>', 'its first line is the password of the PKCS#12 files')
    .addHelpText('after', EXAMPLES)
    .action(async (files: readonly string[], flags: InspectFlags) => {
      await inspect(files, flags, context)
    })
}

async function inspect(
  files: readonly string[],
  { instance, passwordFile }: InspectFlags,
  { stdout }: CliContext,
): Promise<void> {
  const password = passwordFile === undefined ? '' : firstLine(readNamedFile(passwordFile))
  const show = (house: House | null): Promise<void> => showFiles(files, password, house, stdout)
  if (instance === undefined) await show(null)
  else await withHouse(resolve(instance), show)
}

async function showFiles(
  files: readonly string[],
  password: string,
  house: House | null,
  stdout: NodeJS.WritableStream,
): Promise<void> {
  for (const file of files) {
    const certificates = read(file, password)
    for (const [index, certificate] of certificates.entries()) {
      stdout.write(`${file}, certificate ${index + 1} of ${certificates.length}\n`)
      for (const [what, how] of describeCertificate(certificate, Date.now())) {
        stdout.write(`  ${`${what}:`.padEnd(15)}${printable(how, 2000)}\n`)
      }
      if (house !== null && certificate.basicConstraints?.ca !== true) {
        const others = certificates.filter((other) => other !== certificate)
        stdout.write(await matches(house, certificate, others))
      }
    }
  }
}

function read(file: string, password: string): Certificate[] {
  const bytes = readNamedFile(file)
  try {
    const ders = isPkcs12(bytes) ? certificatesInPkcs12(bytes, password) : certificatesIn(bytes)
    if (ders.length > 0) return ders.map((der) => parseCertificate(der))
  } catch (error) {
    if (error instanceof CertificateFault) throw new CommandFailed(`${file}: ${printable(error.message)}`)
    throw error
  }
  throw new CommandFailed(`${file} holds no certificate`)
}

function firstLine(bytes: Buffer): string {
  return bytes.toString('utf8').split(/\r?\n/)[0] ?? ''
}

interface House {
  readonly directory: Directory
  readonly trust: TrustSets
  readonly terms: Terms
}

async function withHouse(instance: string, use: (house: House) => Promise<void>): Promise<void> {
  requireInstance(instance)
  const settings = settingsOf(instance)
  const trust = trustOf(instance, settings)
  await withDirectory(instance, settings, (directory) =>
    use({ directory, trust, terms: termsNow(settings.relay) }),
  )
}

/** The names are taken as verified: what would be, once the path is good; and then whether it is. */
async function matches(
  { directory, trust, terms }: House,
  certificate: Certificate,
  others: readonly Certificate[],
): Promise<string> {
  const names = presentedNames(certificate)
  const peer = { address: null, certificate: { state: 'verified', names } as const }
  const nobody = { address: '', domain: '' }
  const { matched, passedOver, partners } = await attributeSender(
    directory,
    peer,
    nobody,
    () => peer.certificate,
    terms,
  )
  const presented = [certificate, ...others].map(({ raw }) => raw)
  const candidates = [...(matched === null ? [] : [matched]), ...passedOver.map(({ candidate }) => candidate)]
  const lines = candidates.flatMap((candidate) => {
    const verdict = trust.verifierFor(candidate.connector.trust).verify(presented)
    const under =
      (candidate.connector.trust ?? null) === null ? 'the default CAs' : "the connector's own CAs and pins"
    const counts = verdict.ok
      ? `counts under ${under}, as it stands in this file`
      : `does not count under ${under}, as it stands in this file (${verdict.reason}: ${printable(verdict.detail, 500)})`
    return [`  ${whom(candidate)}: ${condition(candidate)}\n`, `    it ${counts}\n`]
  })
  for (const partner of partners) {
    lines.push(`  ${whom(partner)} is a Partner connector and never grants relaying\n`)
  }
  return lines.length === 0 ? '  no connector names it\n' : lines.join('')
}

function whom({ connector }: Pick<WeighedCandidate, 'connector'>): string {
  const name = connector.tlsSenderCertificateName ?? ''
  return `connector "${printable(connector.name)}" of ${printable(connector.organization)} (${name})`
}

function condition({ certificateAccepted, certificateDomain, connector }: WeighedCandidate): string {
  const name = connector.tlsSenderCertificateName ?? ''
  const domain = certificateDomain === null || isUnknown(certificateDomain) ? name : certificateDomain.domain
  return certificateAccepted === 'yes'
    ? `condition (b) holds: ${domain} is an accepted domain`
    : `the trap: ${domain} is no accepted domain of ${connector.organization}, so only its registered senders get through`
}
