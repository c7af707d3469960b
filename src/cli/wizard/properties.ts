/** Whose a record is, and the properties of organisations and domains, asked for one by one. */

import type { StoredOrganization } from '../../directory/editor.ts'
import type { Organization } from '../../directory/model.ts'
import { parseInstant } from '../../directory/schema-report-only.ts'
import type { AcceptedDomain, DomainType } from '../../policy/types.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import type { Given } from '../manage/flags.ts'
import { reportOnlyFromNow } from '../manage/flags.ts'
import { organizationNamed, organizationNames, ownerOf } from '../manage/records.ts'
import { Dialogue } from './dialogue.ts'

/** More are typed, not chosen from. */
const MOST_CHOICES = 20

/**
 * @param open the directory
 * @param name what --organization says
 * @param dialogue where to ask, when there are several and nothing is said
 * @returns the organisation
 */
export async function chooseOwner(
  open: OpenEditor,
  name: string | undefined,
  dialogue: Dialogue,
): Promise<StoredOrganization> {
  if (name !== undefined) return organizationNamed(open, name)
  const names = await organizationNames(open, MOST_CHOICES + 1)
  if (names.length <= 1) return ownerOf(open, undefined)
  const chosen =
    names.length > MOST_CHOICES
      ? await dialogue.ask('Organisation')
      : await dialogue.choose(
          'Which organisation?',
          names.map((value) => ({ value, text: printable(value, 80) })),
          names[0] ?? '',
        )
  return organizationNamed(open, chosen)
}

/**
 * @param organization an organisation
 * @param context where to ask
 * @returns its own properties as they shall be
 */
export async function askForItself(organization: Organization, context: CliContext): Promise<Given> {
  return Dialogue.with(context, async (dialogue) => {
    dialogue.say('An empty answer keeps what stands in brackets; "-" takes it away.')
    const name = await dialogue.ask('Name', organization.name)
    const comment = await dialogue.ask('Comment', organization.comment ?? '')
    const until = await askReportOnly(dialogue, organization.reportOnlyUntil ?? null)
    return new Map<string, unknown>([
      ['name', name],
      ['comment', emptied(comment)],
      ['reportOnlyUntil', until],
    ])
  })
}

/**
 * @param text an answer
 * @returns it, or null where it takes the property away
 */
export function emptied(text: string): string | null {
  return text === '' || text === '-' ? null : text
}

/**
 * @param dialogue where to ask
 * @param present until when it is in report-only mode now, null for never
 * @returns until when it shall be; null for never
 */
export async function askReportOnly(dialogue: Dialogue, present: string | null): Promise<string | null> {
  const active = present !== null && present > new Date().toISOString()
  dialogue.say('In report-only mode what would be denied is relayed and reported; it ends by itself.')
  if (!(await dialogue.confirm('Report-only mode?', active))) return null
  return dialogue.askUntil(
    'Until',
    (answer) => (parseInstant(answer) === null ? 'Write a day, e.g. 2027-02-01.' : null),
    active ? present : reportOnlyFromNow(),
  )
}

const TYPES: readonly { readonly value: DomainType; readonly text: string }[] = [
  { value: 'Authoritative', text: 'Authoritative: all of its recipients are here' },
  { value: 'InternalRelay', text: 'InternalRelay: some of its recipients are on other servers' },
]

/**
 * @param domain an accepted domain
 * @param context where to ask
 * @returns its properties as they shall be
 */
export async function askForDomain(domain: AcceptedDomain, context: CliContext): Promise<Given> {
  return Dialogue.with(context, async (dialogue) => {
    dialogue.say(`Domain ${domain.domainName} of ${printable(domain.organization, 80)}`)
    const { matchSubDomains, pendingRemoval, sendingFromDomainDisabled } = domain
    return new Map<string, unknown>([
      ['domainType', await dialogue.choose('What is it?', TYPES, domain.domainType)],
      ['matchSubDomains', await dialogue.confirm('Do sub-domains count as it?', matchSubDomains)],
      [
        'sendingFromDomainDisabled',
        await dialogue.confirm(
          'Is mail from it refused, whatever connector matched?',
          sendingFromDomainDisabled,
        ),
      ],
      [
        'pendingRemoval',
        await dialogue.confirm('Is it on its way out, and no reason to relay any more?', pendingRemoval),
      ],
    ])
  })
}
