/** What the peer hears. RFC 5321 section 4.2 (codes), RFC 3463 (enhanced codes); the two deny texts are Microsoft's. */

import type { Decision } from './decide.ts'
import type { ReasonCode } from './reasons.ts'

/** The settings of `[replies]`. */
export interface ReplyTexts {
  readonly tenantAttribution: string
  readonly attr36: string
  readonly helpUrl: string
}

export interface Reply {
  readonly code: 250 | 451 | 501 | 550 | 552 | 554
  /** RFC 3463, e.g. `5.7.64`. */
  readonly status: string
  /** One line, with `[<reason> <transaction id>]` at its end unless the recipient was accepted. */
  readonly text: string
}

type Kind = 'accepted' | 'tenant-attribution' | 'attr36' | (Omit<Reply, 'text'> & { readonly words: string })

const KINDS: Readonly<Record<ReasonCode, Kind>> = {
  'sender-domain-accepted': 'accepted',
  'certificate-domain-accepted': 'accepted',
  'relaying-respected': 'accepted',
  'report-only': 'accepted',
  'recipient-domain-accepted': 'accepted',
  postmaster: 'accepted',
  'no-tls': 'tenant-attribution',
  'no-certificate': 'tenant-attribution',
  'certificate-not-verified': 'tenant-attribution',
  'no-connector-for-certificate': 'tenant-attribution',
  'partner-connector-only': 'tenant-attribution',
  'inbound-not-accepted': 'tenant-attribution',
  'null-sender': 'attr36',
  'sender-domain-not-accepted': 'attr36',
  'sender-sub-domain-not-covered': 'attr36',
  'certificate-domain-not-accepted': 'attr36',
  'sender-domain-not-proven': 'attr36',
  'certificate-domain-not-proven': 'attr36',
  'sending-disabled': 'attr36',
  'source-route': { code: 501, status: '5.1.3', words: 'Source routes are not accepted' },
  'routing-characters': {
    code: 550,
    status: '5.1.3',
    words: 'Routing characters in the local part are not accepted',
  },
  'recipient-without-domain': { code: 501, status: '5.1.3', words: 'The recipient needs a domain' },
  'postmaster-not-set': { code: 550, status: '5.1.1', words: 'No postmaster address is set here' },
  'no-route': { code: 451, status: '4.4.4', words: "No route to the recipient's domain, try again later" },
  // RFC 3463 section 3.5: X.4.6, routing loop detected.
  'route-leads-back': {
    code: 550,
    status: '5.4.6',
    words: "Routing loop: mail to the recipient's domain leads back to the sending server",
  },
  'directory-unavailable': {
    code: 451,
    status: '4.3.0',
    words: 'Temporary directory failure, try again later',
  },
  'internal-error': { code: 451, status: '4.3.0', words: 'Temporary failure, try again later' },
}

/**
 * @param decision the decision for one recipient
 * @param texts the settings of `[replies]`
 * @param id the transaction's id, `simulated` in an explanation
 * @returns the reply to RCPT TO
 */
export function replyFor(decision: Pick<Decision, 'reason'>, texts: ReplyTexts, id: string): Reply {
  const kind = KINDS[decision.reason]
  const suffix = `[${decision.reason} ${id}]`
  if (kind === 'accepted') return { code: 250, status: '2.1.5', text: 'Recipient OK' }
  if (kind === 'tenant-attribution') {
    return { code: 550, status: '5.7.64', text: `${texts.tenantAttribution} ${suffix}` }
  }
  if (kind === 'attr36') {
    return { code: 550, status: '5.7.64', text: `${texts.attr36} ${texts.helpUrl} ${suffix}` }
  }
  return { code: kind.code, status: kind.status, text: `${kind.words} ${suffix}` }
}

/**
 * @param reply a reply
 * @returns it as it goes over the wire, without CRLF
 */
export function formatReply(reply: Reply): string {
  return `${reply.code} ${reply.status} ${reply.text}`
}
