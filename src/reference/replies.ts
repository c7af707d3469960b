/** docs/reference/replies.md: every SMTP reply that is made here, by its code. */

import { DELAYS, REPLIES } from '../haraka/replies.ts'
import { parseSettings } from '../instance/settings.ts'
import { REASONS } from '../policy/reasons.ts'
import type { ReasonCode } from '../policy/reasons.ts'
import { formatReply, replyFor } from '../policy/replies.ts'
import { anchorOf, code, page, plainText, table } from './markdown.ts'

/** @returns the page */
export function repliesPage(): string {
  return page('SMTP replies', [
    "The first number is that of RFC 5321 section 4.2 (2: accepted, 4: try again later, 5: refused for good), the second that of RFC 3463. What is not listed, such as the answer to a command that cannot be read, is Haraka's own.",
    '## Replies to RCPT TO',
    'Each names its reason; several reasons may have one text. Texts of `[replies]` are shown at their default.',
    table(
      ['Reply', 'Reasons'],
      [...ruleReplies()].map(([reply, reasons]) => [
        code(reply),
        reasons.map((reason) => `[${reason}](reasons.md#${anchorOf(reason)})`).join(', '),
      ]),
    ),
    '## Other replies',
    table(
      ['Reply', 'When', 'What to do'],
      REPLIES.map(({ code: number, status, text, when, advice }) => [
        code(`${number} ${status} ${text}`),
        plainText(when),
        advice === '' ? 'nothing' : plainText(advice),
      ]),
    ),
    '## What a queued message waits for',
    'Beside the answers of other servers. Said by `connectorctl queue list` and in the journal; a message that waited too long is returned with a delivery status notification.',
    table(
      ['Status', 'Text', 'What to do'],
      DELAYS.map(({ status, text, advice }) => [status, code(text), plainText(advice)]),
    ),
  ])
}

function ruleReplies(): Map<string, ReasonCode[]> {
  const { replies } = parseSettings('').settings
  const found = new Map<string, ReasonCode[]>()
  for (const { code: reason } of REASONS) {
    const reply = formatReply(replyFor({ reason }, replies, '<id>')).replace(`[${reason} `, '[<reason> ')
    found.set(reply, [...(found.get(reply) ?? []), reason])
  }
  return new Map([...found].toSorted(([left], [right]) => left.localeCompare(right, 'en')))
}
