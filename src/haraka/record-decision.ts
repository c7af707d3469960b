/** Tells a decision to everybody who wants to know: the journal, Haraka's results and the log. */

import type { JournalRecord } from '../journal/record.ts'
import type { Decision } from '../policy/decide.ts'
import type { Reply } from '../policy/replies.ts'
import { formatReply } from '../policy/replies.ts'
import type { PeerCertificate, Recipient, Sender } from '../policy/types.ts'
import { printable } from '../text/printable.ts'
import type { ObservedPeer } from './peer.ts'
import type { Service } from './service.ts'
import type { Connection } from './types.ts'

/** Names of one certificate that are worth a line; `connectorctl` tells the rest. */
const MOST_NAMES = 20

export interface DecisionMade {
  readonly decision: Decision
  readonly reply: Reply
  readonly peer: ObservedPeer
  /** The verdict that the decision hangs on. */
  readonly certificate: PeerCertificate
  readonly sender: Sender
  readonly recipient: Recipient
  readonly service: Service
}

/**
 * @param connection the connection that asked
 * @param made the decision and what it was taken from
 */
export function recordDecision(connection: Connection, made: DecisionMade): void {
  const { transaction } = connection
  if (transaction === null) return
  const { decision, recipient, sender } = made
  made.service.journal.write(journalRecord(transaction.uuid, made))
  noteExpiry(made)
  const accepted = decision.outcome === 'relay' || decision.outcome === 'deliver'
  transaction.results.add({ name: 'relay_access' }, { [accepted ? 'pass' : 'fail']: decision.reason })
  connection.lognotice({ name: 'relay_access' }, decision.outcome, {
    reason: decision.reason,
    ...(decision.wouldBe === null ? {} : { would_be: decision.wouldBe }),
    sender: printable(sender.address),
    recipient: printable(recipient.address),
    organization: decision.organization ?? '',
    connector: decision.connector ?? '',
  })
}

/** What is not trusted is nobody's business: it was said why at once. */
function noteExpiry({ certificate, decision, peer, service }: DecisionMade): void {
  const { fingerprint, notAfter } = peer
  if (certificate.state !== 'verified' || fingerprint === null || notAfter === null) return
  const { connector, organization } = decision
  const { names } = certificate
  service.expiring.note({
    fingerprint,
    names,
    notAfter,
    address: peer.remoteAddress,
    organization,
    connector,
  })
}

function journalRecord(id: string, made: DecisionMade): JournalRecord {
  const { decision, reply, peer, sender, recipient, service } = made
  return {
    time: new Date().toISOString(),
    id,
    peer: {
      address: peer.remoteAddress,
      helo: peer.helo.slice(0, 255),
      tls: peer.tls,
      certificate: { ...certificateOf(made.certificate), fingerprint: peer.fingerprint },
    },
    organization: decision.organization,
    connector: decision.connector,
    via: decision.via,
    sender: sender.address.slice(0, 1000),
    recipient: recipient.address.slice(0, 1000),
    outcome: decision.outcome,
    reason: decision.reason,
    ...(decision.wouldBe === null ? {} : { wouldBe: decision.wouldBe }),
    reply: formatReply(reply),
    revision: service.directory.summary().revision,
  }
}

function certificateOf(
  certificate: PeerCertificate,
): Pick<JournalRecord['peer']['certificate'], 'state' | 'names' | 'why'> {
  const names = 'names' in certificate ? certificate.names.slice(0, MOST_NAMES) : []
  return { state: certificate.state, names, why: 'why' in certificate ? certificate.why.slice(0, 500) : null }
}
