/** What `connectorctl domain verify` says of one domain. */

import { describeProof } from '../../dns/describe-proof.ts'
import { isProven } from '../../policy/proof.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import type { Looked } from '../../proof/look.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { domainJson } from '../manage/show.ts'
import type { VerifyOptions } from './options.ts'

/**
 * @param looked what was found of a domain
 * @returns whether its record, or one above it, is in the DNS
 */
export function isThere({ state }: Looked): boolean {
  return state === 'newly-proven' || state === 'proven' || state === 'found-again'
}

/** What was found of one domain, and the revision of the directory with it; null when nothing was written. */
export interface VerifyOutcome {
  readonly looked: Looked
  readonly revision: string | null
  /** Domains of others that went. */
  readonly taken?: readonly AcceptedDomain[]
}

/**
 * @param open the directory
 * @param outcome what was found
 * @param options what commander made of the flags
 * @param context where to write
 * @throws CommandFailed without a message when the domain is not proven: everything was said
 */
export function tell(
  open: OpenEditor,
  { looked, revision, taken = [] }: VerifyOutcome,
  { json }: VerifyOptions,
  { stdout }: CliContext,
): void {
  const { domain, proof, result, state } = looked
  const { requireDomainProof } = open.settings.relay
  const proven = isThere(looked)
  const counts = !requireDomainProof || isProven({ proof }, new Date().toISOString())
  const { evidence, remedy, summary } = describeProof(result)
  if (json === true) {
    const record = { ...result.record, type: 'TXT' }
    const found = { kind: result.kind, summary, evidence, remedy }
    const after = domainJson({ ...domain, proof })
    stdout.write(
      `${JSON.stringify({ proven, state, counts, record, found, changed: revision !== null, revision, domain: after, taken: taken.map((one) => domainJson(one)) })}\n`,
    )
  } else {
    const lines = proven
      ? [provenText(looked), ...evidence.map((line) => `  ${line}`)]
      : [...missingText(looked, counts, requireDomainProof)]
    if (revision !== null) lines.push(`in force within a second (revision ${printable(revision)})`)
    stdout.write(`${lines.join('\n')}\n`)
  }
  if (!proven) throw new CommandFailed('')
}

function provenText({ domain, proof, result, state }: Looked): string {
  const { domainName, organization } = domain
  const again = state === 'proven' ? ' (it was before)' : state === 'found-again' ? ' again' : ''
  const by =
    proof?.domain === domainName
      ? ''
      : `, by ${proof?.domain ?? ''} above it, whose owner has what is below, too`
  return `${domainName} of ${printable(organization, 80)} is proven${again}${by}: ${describeProof(result).summary}`
}

function* missingText(
  { domain, proof, result, state }: Looked,
  counts: boolean,
  required: boolean,
): Generator<string> {
  const { domainName, organization } = domain
  const { evidence, remedy, summary } = describeProof(result)
  const isLost = state === 'lost' || state === 'newly-lost'
  const what = state === 'unknown' && proof?.provenAt != null ? 'could not be looked at' : 'is not proven'
  yield `${domainName} of ${printable(organization, 80)} ${isLost ? 'has lost its proof' : what}: ${summary}`
  for (const line of evidence) yield `  ${line}`
  yield 'the DNS record that proves it:'
  yield `  name   ${result.record.name}`
  yield '  type   TXT'
  yield `  value  ${result.record.value}`
  yield `what to do: ${remedy}; then connectorctl domain verify ${domainName} (with --wait it waits)`
  yield consequence(proof?.countsUntil ?? null, counts, required)
}

function consequence(countsUntil: string | null, counts: boolean, required: boolean): string {
  if (!required) return 'proof is not required here: the domain counts all the same'
  if (!counts)
    return 'until then it counts for nothing: mail from it is not relayed, and mail to it is not taken'
  return countsUntil === null ? 'it counts as before' : `it counts until ${countsUntil}`
}
