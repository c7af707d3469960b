/** `connectorctl certificate verify`: is there a path from a certificate to a trusted CA? */

import { readFileSync } from 'node:fs'
import { Option } from 'commander'
import type { Command } from 'commander'
import { parseRevocationList } from '../../certificate/crl.ts'
import { formatName } from '../../certificate/general-name.ts'
import { DEFAULT_LIMITS } from '../../certificate/limits.ts'
import type { Certificate } from '../../certificate/parse.ts'
import { parseCertificate } from '../../certificate/parse.ts'
import { certificatesIn, revocationListsIn } from '../../certificate/pem.ts'
import { CERTIFICATE_REASONS, CertificateFault } from '../../certificate/reasons.ts'
import { NOTHING_WEAK } from '../../certificate/strength.ts'
import type { Purpose, Verdict } from '../../certificate/verifier.ts'
import { createVerifier } from '../../certificate/verifier.ts'
import { systemBundle } from '../../instance/trust.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'

interface VerifyFlags {
  readonly certificate: string
  readonly chain?: string
  readonly ca?: string
  readonly systemCa?: boolean
  readonly crl?: string
  readonly at?: string
  readonly acceptEku: string
  readonly json?: boolean
}

const PURPOSES: readonly Purpose[] = ['clientAuth', 'serverAuth']

const EXAMPLES = `
Examples:
  connectorctl certificate verify --certificate mail.contoso.com.pem
  connectorctl certificate verify --certificate mail.pem --chain intermediates.pem --ca contoso-ca.pem
  connectorctl certificate verify --certificate mail.pem --accept-eku clientAuth --at 2027-02-01T00:00:00Z --json`

/**
 * @param command `connectorctl certificate`
 * @param context where to write
 */
export function registerVerify(command: Command, context: CliContext): void {
  command
    .command('verify')
    .description('look for a path from a certificate to a trusted CA; exit code 1 when there is none')
    .requiredOption('--certificate <file>', 'the certificate (PEM or DER); further ones in it join the chain')
    .option('--chain <file>', 'what would be presented with it, in any order')
    .addOption(new Option('--ca <file>', 'the trusted CAs (PEM or DER)').conflicts('systemCa'))
    .option('--system-ca', "trust the machine's CAs (so when --ca is not given)")
    .option('--crl <file>', 'revocation lists; the certificate then needs a current one of its issuer')
    .option('--at <time>', 'judge as of this time, e.g. 2026-11-24T02:00:00Z (now when not given)')
    .option('--accept-eku <purposes>', 'what it must be made for, one of them', PURPOSES.join(','))
    .option('--json', 'print the verdict as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((flags: VerifyFlags) => {
      verify(flags, context)
    })
}

function verify(flags: VerifyFlags, { stdout }: CliContext): void {
  const at = flags.at === undefined ? Date.now() : timeOf(flags.at)
  const purposes = purposesOf(flags.acceptEku)
  let verdict: Verdict
  try {
    verdict = verdictOn(flags, at, purposes)
  } catch (error) {
    if (!(error instanceof CertificateFault)) throw error
    const { reason, message } = error
    verdict = {
      ok: false,
      reason,
      detail: message,
      names: [],
      leaf: null,
      failures: [],
      work: { signatures: 0, nameComparisons: 0 },
    }
  }
  stdout.write(flags.json === true ? `${JSON.stringify(asJson(verdict))}\n` : told(verdict))
  if (!verdict.ok) throw new CommandFailed('')
}

function verdictOn(flags: VerifyFlags, at: number, purposes: readonly Purpose[]): Verdict {
  const presented = certificatesOf(flags.certificate)
  if (flags.chain !== undefined) presented.push(...certificatesOf(flags.chain))
  const anchors =
    flags.ca === undefined
      ? systemBundle().anchors
      : certificatesOf(flags.ca).map((der) => parseCertificate(der))
  const lists = flags.crl === undefined ? [] : listsOf(flags.crl).map((der) => parseRevocationList(der))
  return createVerifier({
    anchors,
    purposes,
    allowed: NOTHING_WEAK,
    limits: DEFAULT_LIMITS,
    revocationLists: lists,
    revocationPolicy: flags.crl === undefined ? 'if-available' : 'require-leaf',
    now: () => at,
  }).verify(presented)
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new CertificateFault('unreadable-file', `${path} cannot be read: ${code ?? message}`)
  }
}

function certificatesOf(path: string): Buffer[] {
  const found = certificatesIn(bytesOf(path))
  if (found.length === 0) throw new CertificateFault('unreadable-file', `${path} holds no certificate`)
  return found
}

function listsOf(path: string): Buffer[] {
  const found = revocationListsIn(bytesOf(path))
  if (found.length === 0) throw new CertificateFault('unreadable-file', `${path} holds no revocation list`)
  return found
}

function timeOf(text: string): number {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(time))
    throw new UsageError(`--at "${printable(text)}" is no time: give e.g. 2026-11-24T02:00:00Z (RFC 3339)`)
  return time
}

function purposesOf(text: string): Purpose[] {
  return text.split(',').map((item) => {
    const purpose = PURPOSES.find((known) => known.toLowerCase() === item.trim().toLowerCase())
    if (purpose !== undefined) return purpose
    throw new UsageError(`--accept-eku "${printable(text)}" is none of ${PURPOSES.join(', ')}`)
  })
}

function asJson(verdict: Verdict): object {
  return {
    ok: verdict.ok,
    reason: verdict.ok ? null : verdict.reason,
    names: verdict.names,
    path: verdict.ok ? verdict.path.map(({ subject }) => formatName(subject)) : [],
  }
}

function told(verdict: Verdict): string {
  const names = verdict.names.length === 0 ? 'none that counts' : verdict.names.slice(0, 20).join(', ')
  if (verdict.ok) {
    return ['It counts. The path:', ...pathLines(verdict.path), `Names: ${names}`, ''].join('\n')
  }
  const { reason, detail, failures } = verdict
  return [
    `It does not count: ${reason}: ${CERTIFICATE_REASONS[reason]}`,
    `  ${printable(detail, 500)}`,
    ...failures.flatMap((failure, index) => [
      `Path ${index + 1}:`,
      ...pathLines(failure.path),
      `    ${failure.reason}: ${printable(failure.detail, 500)}`,
    ]),
    `Names: ${names}`,
    '',
  ].join('\n')
}

function pathLines(path: readonly Certificate[]): string[] {
  return path.map(({ subject }, depth) => `  ${depth === 0 ? '' : '<- '}${printable(formatName(subject))}`)
}
