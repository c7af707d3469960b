/** One organisation changed, whichever store it is in: worked out, validated by the schema, written, and told. */

import { join } from 'node:path'
import type { Written } from '../../directory/as-written.ts'
import { organizationAsWritten, validateWritten } from '../../directory/as-written.ts'
import type { EditWritten, StoredOrganization } from '../../directory/editor.ts'
import type { Organization, Problem } from '../../directory/model.ts'
import { withoutWildcard } from '../../text/certificate-name.ts'
import { ancestorsOf } from '../../text/domain-name.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { changeDirectory } from '../editor.ts'
import { CommandFailed } from '../errors.ts'

/** A change of one organisation; `edit` runs again when somebody else was faster. */
export interface Change {
  readonly nameKey: string
  /**
   * @param before the organisation as it is, null when there is none
   * @returns it as it shall be written, null to remove it
   * @throws CommandFailed when that cannot be, or is not what was agreed to
   */
  readonly edit: (before: Organization | null) => Written | null
  /** Of the organisation as it will be, the records whose warnings are told. */
  readonly touched?: (after: Organization) => Touched
}

/** Records of an organisation. */
export interface Touched extends Pick<Organization, 'acceptedDomains' | 'inboundConnectors'> {
  readonly outboundConnectors?: Organization['outboundConnectors']
}

export interface Prepared {
  readonly before: Organization | null
  readonly after: Organization | null
  /** Warnings and notices that are new, or about what is changed. */
  readonly warnings: readonly string[]
}

/** What was done. */
export interface Carried extends Prepared {
  /** Null when nothing is different. */
  readonly written: EditWritten | null
}

/**
 * @param open the directory
 * @param change what shall be different
 * @returns how the organisation will be; nothing is written
 * @throws CommandFailed with everything that is wrong with it
 */
export async function prepareChange(open: OpenEditor, change: Change): Promise<Prepared> {
  return prepared(open, change, await open.editor.read(change.nameKey))
}

function prepared(open: OpenEditor, change: Change, stored: StoredOrganization | null): Prepared {
  const before = stored?.organization ?? null
  const written = change.edit(before)
  if (written === null) return { before, after: null, warnings: [] }
  const { organization, errors, warnings } = validate(open, written)
  if (organization === null) {
    throw new CommandFailed(
      [...errors.map((problem) => problemText(problem)), 'nothing was changed'].join('\n'),
    )
  }
  const known = new Set(before === null ? [] : texts(validate(open, organizationAsWritten(before)).warnings))
  const told = new Set(texts(warnings).filter((text) => !known.has(text)))
  const touched = change.touched?.(organization)
  if (touched !== undefined) for (const text of warningsAbout(open, organization, touched)) told.add(text)
  return { before, after: organization, warnings: [...told] }
}

/**
 * @param open the directory
 * @param organization an organisation
 * @param touched some of its records
 * @returns what the schema says of these
 */
export function warningsAbout(open: OpenEditor, organization: Organization, touched: Touched): string[] {
  const { acceptedDomains, inboundConnectors, outboundConnectors = [] } = touched
  const needed = new Set(
    [
      ...inboundConnectors.map(({ tlsSenderCertificateName: name }) => withoutWildcard(name ?? '')),
      ...outboundConnectors.flatMap(({ recipientDomains }) => recipientDomains),
    ].flatMap((name) => [name, ...ancestorsOf(name)]),
  )
  const around = organization.acceptedDomains.filter(
    (domain) => needed.has(domain.domainName) && !acceptedDomains.includes(domain),
  )
  // Two may be for the same recipients.
  const beside =
    outboundConnectors.length === 0
      ? []
      : organization.outboundConnectors.filter((connector) => !outboundConnectors.includes(connector))
  const itself = { name: organization.name, comment: null }
  const said = (records: Omit<Organization, 'name' | 'comment'>): string[] =>
    texts(validate(open, organizationAsWritten({ ...itself, ...records })).warnings)
  const others = said({ acceptedDomains: around, inboundConnectors: [], outboundConnectors: beside })
  const foreign = new Set(others)
  return said({
    acceptedDomains: [...around, ...acceptedDomains],
    inboundConnectors,
    outboundConnectors: [...beside, ...outboundConnectors],
  }).filter((text) => !foreign.has(text))
}

function validate({ instance }: OpenEditor, written: Written): ReturnType<typeof validateWritten> {
  return validateWritten(written, 'the change', join(instance, 'config'))
}

function texts(problems: readonly Problem[]): string[] {
  return [...new Set(problems.map((problem) => problemText(problem)))]
}

/**
 * @param problem what the schema says
 * @returns it without the place in a file: what was typed stands in none
 */
export function problemText({ mend, message }: Problem): string {
  return mend === '' || mend === 'it can stay' ? message : `${message} (${mend})`
}

/**
 * @param open the directory
 * @param change what shall be different
 * @returns what was written
 * @throws CommandFailed when it cannot be; nothing was changed then
 */
export async function carryOut(open: OpenEditor, change: Change): Promise<Carried> {
  let last: Prepared = { before: null, after: null, warnings: [] }
  const written = await changeDirectory(open, async () => {
    const stored = await open.editor.read(change.nameKey)
    last = prepared(open, change, stored)
    return [{ nameKey: change.nameKey, after: last.after, expected: stored?.revision ?? null }]
  })
  return { ...last, written }
}

/** What a command says once it is done. */
export interface Outcome {
  /** e.g. `inbound-connector "Exchange" of contoso` */
  readonly subject: string
  /** e.g. `added` */
  readonly verb: string
  readonly carried: Carried
  /** The record as it is now, for --json; null when it was removed. */
  readonly record: object | null
  readonly json: boolean
}

/**
 * @param outcome what was done
 * @param context where to write
 */
export function tellOutcome(
  { subject, verb, carried, record, json }: Outcome,
  { stdout, stderr }: CliContext,
): void {
  const { warnings, written } = carried
  if (json) {
    const revision = written?.revision ?? null
    stdout.write(`${JSON.stringify({ changed: written !== null, revision, record, warnings })}\n`)
  } else if (written === null) {
    stdout.write(`nothing to change: ${subject} is like that already\n`)
  } else {
    stdout.write(`${subject} ${verb}; in force within a second (revision ${printable(written.revision)})\n`)
  }
  tellWarnings(warnings, stderr)
}

/**
 * @param warnings what to look at
 * @param stderr where to write
 */
export function tellWarnings(warnings: readonly string[], stderr: NodeJS.WritableStream): void {
  for (const warning of warnings) stderr.write(`warning: ${printable(warning, 1000)}\n`)
}

/**
 * @param what what is asked for, e.g. `inbound-connector "Exchange" of contoso`
 * @returns the refusal when it is not any more what was shown
 */
export function changedMeanwhile(what: string): CommandFailed {
  return new CommandFailed(
    `${what} was changed by somebody else meanwhile, nothing was by this: look at it again`,
  )
}
