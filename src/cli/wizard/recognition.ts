/** The step of the wizard in which it is said how the server is recognised. */

import type { Written } from '../../directory/as-written.ts'
import { validateWritten } from '../../directory/as-written.ts'
import type { ConfiguredConnector, Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import { normalizePresentedName } from '../../text/certificate-name.ts'
import { printable } from '../../text/printable.ts'
import { problemText } from '../manage/change.ts'
import { listOf } from '../manage/flags.ts'
import { listText } from '../manage/show.ts'
import { askForCertificate } from './certificate-file.ts'
import { nameChoices } from './certificate-names.ts'
import type { Asking } from './sheet.ts'
import { setRecognition } from './sheet.ts'

/**
 * @param asking where to ask; what is answered is written on the sheet
 */
export async function askRecognition(asking: Asking): Promise<void> {
  const { dialogue, sheet } = asking
  const partner = sheet.get('connectorType') === 'Partner'
  if (partner) await askSenderDomains(asking)
  if (sheet.has('tlsSenderCertificateName') || sheet.has('senderIPAddresses')) return
  dialogue.say('')
  const how = await dialogue.choose<How>(
    'Step 3 of 5: How is the server recognised?',
    choicesFor(asking, partner),
    asking.present === null ? 'file' : 'keep',
  )
  if (how === 'file') await askForCertificate(asking)
  if (how === 'name') await askCertificateName(asking)
  if (how === 'address') await askAddresses(asking)
  if (how === 'none') setRecognition(sheet, null, [])
}

type How = 'keep' | 'file' | 'name' | 'address' | 'none'

function choicesFor({ present }: Asking, partner: boolean): { value: How; text: string }[] {
  const name = present?.tlsSenderCertificateName ?? null
  const now = [...(name === null ? [] : [name]), ...(present?.senderIPAddresses ?? [])]
  return [
    ...(present === null
      ? []
      : [{ value: 'keep' as const, text: `as it is: ${printable(listText(now), 200)}` }]),
    { value: 'file', text: 'by its certificate, and the file is at hand (recommended)' },
    { value: 'name', text: 'by its certificate, and the name in it is known' },
    {
      value: 'address',
      text: partner
        ? 'by its addresses'
        : 'by its addresses: non-delivery reports, forwarded mail and other foreign senders get 5.7.64',
    },
    ...(partner ? [{ value: 'none' as const, text: 'not at all: only its domains are named' }] : []),
  ]
}

async function askSenderDomains({ dialogue, present, sheet }: Asking): Promise<void> {
  if (sheet.has('senderDomains')) return
  const before = present?.senderDomains ?? []
  const answer = await dialogue.askUntil(
    'Domains that the partner sends from, with commas between them ("*" for all)',
    (text) => wrong({ connectorType: 'Partner', senderDomains: listOf([text]) }),
    before.length === 0 ? null : before.join(', '),
  )
  sheet.set('senderDomains', listOf([answer]))
}

async function askCertificateName({ dialogue, owner, present, sheet }: Asking): Promise<void> {
  const answer = await dialogue.askUntil(
    'Name in the certificate (mail.contoso.com, or *.contoso.com for all below)',
    (text) => wrong({ connectorType: 'OnPremises', tlsSenderCertificateName: text }),
    present?.tlsSenderCertificateName ?? null,
  )
  const name = normalizePresentedName(answer) ?? answer
  // What was typed is meant: another name is only an offer.
  const [best] = nameChoices([name], owner)
  const other = best !== undefined && best.accepted && best.name !== name ? best : null
  if (other === null) {
    setRecognition(sheet, name, [])
    return
  }
  dialogue.say(`${name} is not an accepted domain of ${printable(owner.name, 80)}, nor covered by one.`)
  dialogue.say(`${other.name} is recommended because ${printable(other.because, 400)}.`)
  setRecognition(sheet, (await dialogue.confirm(`Use ${other.name}?`, true)) ? other.name : name, [])
}

async function askAddresses({ dialogue, present, sheet }: Asking): Promise<void> {
  dialogue.say(
    "The addresses must be the organisation's alone: whoever else sends from there is taken for it.",
  )
  let wide = false
  const before = present?.senderIPAddresses ?? []
  const answer = await dialogue.askUntil(
    'Addresses and ranges, with commas between them (10.1.2.0/24, 192.0.2.7)',
    async (text) => {
      const connector = { connectorType: 'OnPremises', senderIPAddresses: listOf([text]) }
      const problem = wrong(connector)
      wide = false
      if (problem === null || wrong({ ...connector, allowWideAddresses: true }) !== null) return problem
      dialogue.say(problem)
      wide = await dialogue.confirm('Is so wide a range meant?', false)
      return wide ? null : 'Write a narrower one.'
    },
    before.length === 0 ? null : before.join(', '),
  )
  setRecognition(sheet, null, listOf([answer]))
  if (wide) sheet.set('allowWideAddresses', true)
}

/** What the schema says against a connector, in words; null when it says nothing. */
function wrong(connector: Written): string | null {
  const { errors } = validateWritten(
    { name: 'x', inboundConnectors: [{ name: 'x', ...connector }] },
    'it',
    '.',
  )
  return errors.length === 0 ? null : errors.map((problem) => problemText(problem)).join('\n')
}

/**
 * @param name what a connector shall be called
 * @param owner its organisation
 * @param present the connector as it is; null for a new one
 * @returns what is wrong with it, safe to print; null when nothing is
 */
export function wrongName(
  name: string,
  { inboundConnectors }: Organization,
  present: ConfiguredConnector | null,
): string | null {
  const taken = inboundConnectors.find((other) => nameKey(other.name) === nameKey(name))
  if (taken !== undefined && taken !== present) return `"${printable(taken.name, 80)}" is there already.`
  return wrong({ connectorType: 'OnPremises', senderIPAddresses: ['192.0.2.1'], name })
}
