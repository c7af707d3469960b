/** docs/reference/reasons.md: why mail was relayed, delivered, denied or deferred, and why a certificate does not count. */

import { CERTIFICATE_REASONS } from '../certificate/reasons.ts'
import { parseSettings } from '../instance/settings.ts'
import { REASONS } from '../policy/reasons.ts'
import { formatReply, replyFor } from '../policy/replies.ts'
import type { Outcome } from '../policy/types.ts'
import { code, page, plainText, table } from './markdown.ts'

const OUTCOMES: readonly (readonly [outcome: Outcome, meaning: string])[] = [
  ['relay', 'The recipient is accepted, and the mail goes on to wherever the recipient is.'],
  ['deliver', "The recipient's domain is an accepted domain of this server: no relaying is involved."],
  ['deny', 'The recipient is refused for good.'],
  ['defer', 'The recipient is refused for now: the sending server tries again by itself.'],
]

/** @returns the page */
export function reasonsPage(): string {
  const { replies } = parseSettings('').settings
  return page('Reasons', [
    'Every decision has one reason from this list. Its code is in the log, in the journal, and at the end of the SMTP reply, before the id of the transaction: `connectorctl journal --id <id>` tells the whole decision. Replies are shown with the default texts of `[replies]`.',
    ...OUTCOMES.flatMap(([outcome, meaning]) => [
      `## Outcome: ${outcome}`,
      meaning,
      ...REASONS.filter((reason) => reason.outcome === outcome).flatMap(
        ({ code: reason, sentence, advice }) => [
          `### ${reason}`,
          plainText(sentence),
          ...(advice === '' ? [] : [`**What to do:** ${plainText(advice)}`]),
          `Reply: ${code(formatReply(replyFor({ reason }, replies, '<id>')))}`,
        ],
      ),
    ]),
    '## Why a certificate does not count',
    'Said in the journal, by `connectorctl certificate verify` and by `connectorctl certificate probe`, with the reason `certificate-not-verified` of a decision.',
    table(
      ['Code', 'Meaning'],
      Object.entries(CERTIFICATE_REASONS).map(([reason, sentence]) => [code(reason), plainText(sentence)]),
    ),
  ])
}
