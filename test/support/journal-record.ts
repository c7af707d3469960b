/** A decision as the journal has it. */

import type { JournalRecord } from '../../src/journal/record.ts'

export function journalRecord(id: string, more: Partial<JournalRecord> = {}): JournalRecord {
  return {
    time: '2026-11-24T02:00:00.000Z',
    id,
    peer: {
      address: '10.1.0.7',
      helo: 'scanner',
      tls: null,
      certificate: { state: 'no-tls', fingerprint: null, names: [], why: null },
    },
    organization: 'contoso',
    connector: 'Branch scanners',
    via: 'address',
    sender: 'scanner@contoso.com',
    recipient: 'kate@tailspintoys.com',
    outcome: 'relay',
    reason: 'sender-domain-accepted',
    reply: '250 2.1.5 Recipient OK',
    revision: 'abc',
    ...more,
  }
}
