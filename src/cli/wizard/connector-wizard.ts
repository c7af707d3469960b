/**
 * A connector asked for step by step, as the EAC's wizard does: from which server, its name, how it is recognised, whether
 * to begin with a report only, and a page to review before anything is written.
 */

import type { StoredOrganization } from '../../directory/editor.ts'
import type { ConfiguredConnector, Organization } from '../../directory/model.ts'
import type { ConnectorType } from '../../policy/types.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { prepareChange } from '../manage/change.ts'
import type { ConnectorChange, ConnectorWish } from '../manage/connector-change.ts'
import { connectorAddition, connectorEdit } from '../manage/connector-change.ts'
import type { Given } from '../manage/flags.ts'
import { connectorProperties, connectorSubject } from '../manage/show.ts'
import { Dialogue } from './dialogue.ts'
import { askReportOnly, chooseOwner, emptied } from './properties.ts'
import { askRecognition, wrongName } from './recognition.ts'
import type { Sheet } from './sheet.ts'
import { sheetOf } from './sheet.ts'

export interface PartOfConnector {
  readonly organization: string | undefined
  readonly name: string | undefined
  readonly given: Given
}

/**
 * @param open the directory
 * @param part what was given by flags: it is not asked for
 * @param context where to ask
 * @returns the connector as it was agreed to
 * @throws CommandFailed when it was not
 */
export async function askForConnector(
  open: OpenEditor,
  part: PartOfConnector,
  context: CliContext,
): Promise<ConnectorWish> {
  return Dialogue.with(context, async (dialogue) => {
    const { organization: owner } = await chooseOwner(open, part.organization, dialogue)
    dialogue.say(
      `A new inbound connector of ${printable(owner.name, 80)}. Ctrl-C ends it, and nothing is changed.`,
    )
    const sheet = sheetOf(part.given)
    if (!sheet.has('connectorType')) sheet.set('connectorType', await askType(dialogue, 'OnPremises'))
    const name = part.name ?? (await askName(dialogue, owner, null))
    await askRecognition({ open, owner, dialogue, sheet, present: null })
    if (!sheet.isGiven('reportOnlyUntil') && sheet.get('connectorType') === 'OnPremises') {
      dialogue.say('', 'Step 4 of 5: Is it only to be reported at first?')
      sheet.set('reportOnlyUntil', await askReportOnly(dialogue, null))
    }
    const wish = { owner, name, given: sheet.given }
    await review(open, connectorAddition(wish), owner, 'Create it?', dialogue)
    return wish
  })
}

/**
 * @param open the directory
 * @param stored the organisation
 * @param present its connector as it is: what it has is what an empty answer means
 * @param context where to ask
 * @returns its properties as they were agreed to
 * @throws CommandFailed when they were not
 */
export async function askForChange(
  open: OpenEditor,
  { organization: owner }: StoredOrganization,
  present: ConfiguredConnector,
  context: CliContext,
): Promise<Given> {
  return Dialogue.with(context, async (dialogue) => {
    dialogue.say(
      `${connectorSubject(present.name, present.organization)}: an empty answer keeps what is. Ctrl-C ends it, and nothing is changed.`,
    )
    const sheet: Sheet = sheetOf(new Map())
    sheet.set('connectorType', await askType(dialogue, present.connectorType))
    sheet.set('name', await askName(dialogue, owner, present))
    await askRecognition({ open, owner, dialogue, sheet, present })
    dialogue.say('', 'Step 4 of 5: Does it count?')
    sheet.set('enabled', await dialogue.confirm('Is it enabled?', present.enabled))
    if (sheet.get('connectorType') === 'OnPremises') {
      sheet.set('reportOnlyUntil', await askReportOnly(dialogue, present.reportOnlyUntil ?? null))
    }
    const comment = await dialogue.ask('Comment ("-" for none)', present.comment ?? '')
    sheet.set('comment', emptied(comment))
    const change = connectorEdit({ owner, name: present.name, given: sheet.given, shown: present })
    await review(open, change, owner, 'Change it?', dialogue)
    return sheet.given
  })
}

const TYPES: readonly { readonly value: ConnectorType; readonly text: string }[] = [
  {
    value: 'OnPremises',
    text: "the organisation's own: a mail server, a scanner, an application (OnPremises)",
  },
  {
    value: 'Partner',
    text: 'a partner organisation: its mail is restricted, and it never may relay (Partner)',
  },
]

async function askType(dialogue: Dialogue, present: ConnectorType): Promise<ConnectorType> {
  dialogue.say('')
  return dialogue.choose('Step 1 of 5: From which server does the mail come?', TYPES, present)
}

async function askName(
  dialogue: Dialogue,
  owner: Organization,
  present: ConfiguredConnector | null,
): Promise<string> {
  dialogue.say('', 'Step 2 of 5: What shall the connector be called?')
  return dialogue.askUntil('Name', (answer) => wrongName(answer, owner, present), present?.name ?? null)
}

async function review(
  open: OpenEditor,
  { change, find, warnings }: ConnectorChange,
  owner: Organization,
  question: string,
  dialogue: Dialogue,
): Promise<void> {
  const prepared = await prepareChange(open, change)
  const connector = find(prepared.after)
  if (connector === null) throw new CommandFailed('nothing was changed')
  dialogue.say(
    '',
    `Step 5 of 5: Review ${connectorSubject(connector.name, owner.name)}`,
    ...connectorProperties(connector).map(([property, value]) => `  ${property}: ${printable(value, 2000)}`),
    ...[...warnings(), ...prepared.warnings].map((warning) => `  look at this: ${printable(warning, 1000)}`),
  )
  dialogue.forget()
  if (!(await dialogue.confirm(question, true))) throw new CommandFailed('nothing was changed')
}
