/** A delivery as the journal has it. */

import type { DeliveryRecord } from '../../src/journal/record.ts'

export function deliveryRecord(id: string, more: Partial<DeliveryRecord> = {}): DeliveryRecord {
  return {
    time: '2026-11-24T02:00:01.000Z',
    id,
    event: 'delivered',
    organization: 'contoso',
    sender: 'scanner@contoso.com',
    recipients: ['kate@tailspintoys.com'],
    route: { via: 'connector', organization: 'contoso', connector: 'To partners' },
    remote: { host: 'mx.tailspintoys.com', address: '192.0.2.25', port: 25 },
    tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true },
    status: '2.0.0',
    reply: '250 2.0.0 Ok: queued as 4F2A',
    attempts: 1,
    age: 1000,
    nextAttempt: null,
    by: null,
    related: null,
    ...more,
  }
}
