/** What is found of the way out: the queue, and what outbound connectors show next hops of this server. */

import type { FindingText } from './finding-text.ts'

export const QUEUE_CODES = [
  {
    code: 'queue-old',
    group: 'queue',
    meaning:
      'Mail has been waiting in the queue for more than four hours, or (error) for more than two days. Held mail does not count.',
    evidence: 'how many messages, and since when the oldest waits',
    remedy:
      'connectorctl queue list --older-than 4h shows the last answer to each; docs/queue.md says what can be done.',
  },
  {
    code: 'queue-long',
    group: 'queue',
    meaning: 'More than 10,000 messages wait in the queue.',
    evidence: 'how many',
    remedy:
      'See whether a next hop is slow (connectorctl queue list --by destination), or somebody sends more than usual (connectorctl queue list --by organization).',
  },
  {
    code: 'queue-destination-late',
    group: 'queue',
    meaning:
      'Mail to one destination has been waiting for more than an hour, or (error) for more than a day.',
    evidence: 'the destination, how many messages, since when the oldest waits, and the last answer',
    remedy:
      'Mend what the last answer says, at the connector or at the next hop, then connectorctl queue retry --destination it.',
  },
  {
    code: 'queue-held',
    group: 'queue',
    meaning:
      'Mail is held: it could not be delivered, and its sender must not be told since it may be somebody else, or an administrator held it. It stays until somebody says what becomes of it.',
    evidence: 'how many messages, and since when the oldest is there',
    remedy: 'connectorctl queue list --held, then connectorctl queue release or drop (docs/queue.md).',
  },
  {
    code: 'queue-not-answering',
    group: 'queue',
    meaning: 'A process that has a part of the queue does not answer: that part was not looked at.',
    evidence: 'which process, and for how long',
    remedy: 'See in the log what it does; when it is ended, another one takes its mail over.',
  },
  {
    code: 'queue-left-behind',
    group: 'queue',
    meaning:
      'A process has ended and left mail in its folder. Another one takes it over within a minute; where none lives, nobody delivers it.',
    evidence: 'the folder, how many messages, and how many processes live',
    remedy:
      'Start the server; where it runs and this stays, the log says why the folder cannot be taken over. Nothing need be moved by hand.',
  },
  {
    code: 'queue-not-taken-over',
    group: 'queue',
    meaning: "There are messages in Haraka's own form, which are delivered only once they are taken over.",
    evidence: 'the folder, how many, and since when the oldest waits',
    remedy:
      'Start the server again: it takes over those in queue/, and says in the log which it cannot. Move those of another folder (config/queue_dir) into queue/ before.',
  },
  {
    code: 'queue-damaged',
    group: 'queue',
    meaning:
      'A file of the queue cannot be read as a message: it is not delivered. The server sets such files aside, in queue/damaged/, with the reason beside them (.why).',
    evidence: 'the file and what is wrong with it',
    remedy:
      'Look into it: the envelope in JSON stands at its beginning, the message follows; tell sender and recipient what was lost. Move it out of queue/ when it is dealt with.',
  },
  {
    code: 'queue-foreign',
    group: 'queue',
    meaning: 'The queue folder holds what this server did not name: it is passed over at each start.',
    evidence: 'the names',
    remedy: 'Move it elsewhere.',
  },
] as const satisfies readonly FindingText[]

export const OUTBOUND_CODES = [
  {
    code: 'outbound-identity-unusable',
    group: 'connectors',
    meaning:
      "An outbound connector's certificate, key or password cannot be used: its mail waits, as it promised to show them.",
    evidence: 'the connector, the file and what is wrong with it',
    remedy: 'Mend the file; it counts within a second. connectorctl validate-outbound tries it.',
  },
  {
    code: 'outbound-certificate-expired',
    group: 'connectors',
    meaning:
      'The certificate that an outbound connector shows next hops has expired: they will refuse it, or the mail.',
    evidence: 'the connector, the file and the day',
    remedy: 'Renew it and put it in place of the old one; it counts within a second.',
  },
  {
    code: 'outbound-certificate-expiring',
    group: 'connectors',
    meaning: 'The certificate that an outbound connector shows next hops expires within 30 days.',
    evidence: 'the connector, the file and the day',
    remedy: 'Renew it and put it in place of the old one; it counts within a second.',
  },
] as const satisfies readonly FindingText[]
