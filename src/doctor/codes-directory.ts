/** What doctor can find in the directory: connectors and domains. */

import type { FindingText } from './finding-text.ts'

/** Part of `FINDING_CODES`. */
export const CONNECTOR_CODES = [
  {
    code: 'docker-bridge',
    group: 'connectors',
    meaning:
      "A connector is for the bridge of a Docker network: behind Docker's NAT everybody looks like it and may relay.",
    evidence: 'the connector and the address',
    remedy: "Run HAProxy on the host's network, and name the clients' own addresses.",
  },
  {
    code: 'certificate-domain-trap',
    group: 'connectors',
    meaning:
      "The trap of KB 3169958: a connector's certificate domain is no accepted domain of its organisation, so non-delivery reports, forwarded mail and other foreign senders are refused.",
    evidence: 'the connector, its certificate domain, and how much of it was refused in the period',
    remedy:
      'Write "*." and the registered domain as its tlsSenderCertificateName, or register the name itself.',
  },
  {
    code: 'address-connector-loses-mail',
    group: 'connectors',
    meaning:
      'A connector knows its servers by address only: non-delivery reports and foreign senders from them are refused (or would be, after report-only mode). Info when there were none in the period.',
    evidence: 'the connector, and how many in the period: with the null sender, with foreign senders',
    remedy:
      'Give the server a client certificate, and add a connector with --tls-sender-certificate-name for it (connectorctl client-setup prints what to do there).',
  },
  {
    code: 'connector-name-and-addresses',
    group: 'connectors',
    meaning:
      'A connector has a certificate name and addresses. It is read as OR, and a match by address never lets foreign senders through.',
    evidence: 'the connector',
    remedy: 'Make two connectors, one with the name and one with the addresses.',
  },
  {
    code: 'partner-not-enforced',
    group: 'connectors',
    meaning:
      'Restrictions of Partner connectors are not enforced yet: mail that Exchange Online refused will be taken.',
    evidence: 'the connector',
    remedy: 'Refuse it elsewhere until they are.',
  },
  {
    code: 'connectors-overlap',
    group: 'connectors',
    meaning:
      'Several connectors are for the same name or address. A warning between organisations: the same server may send as domains of each of them.',
    evidence: 'the name or range, the connectors, and which of them is chosen (rule 3)',
    remedy:
      'Keep one of them, or see that the overlap is meant; connectorctl explain tells which is chosen for a message.',
  },
  {
    code: 'connector-unreachable',
    group: 'connectors',
    meaning: 'A connector can never be chosen.',
    evidence: 'the connector, and what is always chosen before it, or why no server can match it',
    remedy: 'Remove it, or mend what it was meant to match.',
  },
  {
    code: 'connector-disabled',
    group: 'connectors',
    meaning: 'A connector is disabled: it matches nobody.',
    evidence: 'the connector',
    remedy: 'Enable it, or remove it when it is not needed any more.',
  },
  {
    code: 'organization-without-domains',
    group: 'connectors',
    meaning: 'An organisation has connectors, but no accepted domain that counts: nothing is relayed for it.',
    evidence: 'the organisation, and why its domains do not count, where it has some',
    remedy: 'Register its domains: connectorctl domain add.',
  },
  {
    code: 'public-address-unmatched',
    group: 'connectors',
    meaning:
      'A connector names a public address that has not connected in the period. Exchange Online saw your NAT; this server will see another address.',
    evidence: 'the connector and its public addresses',
    remedy:
      'See in the log or the journal from which address its server connects, and write that (connectorctl inbound-connector set, or import with --map-address).',
  },
  {
    code: 'connector-unused',
    group: 'connectors',
    meaning: 'No server matched the connector in the period, which the journals cover.',
    evidence: 'the connector and the period',
    remedy: 'Remove or disable it when its server is gone.',
  },
  {
    code: 'report-only',
    group: 'connectors',
    meaning:
      'Mail that the rule refuses is relayed until a day, and only journalled. A warning within the last 14 days, when some of it was seen.',
    evidence: 'the connector or organisation, until when, and how much would have been refused in the period',
    remedy: 'Mend what connectorctl impact names before that day.',
  },
  {
    code: 'report-only-ended',
    group: 'connectors',
    meaning: 'Report-only mode has ended; the setting has no effect any more.',
    evidence: 'the connector or organisation, and when it ended',
    remedy: 'Remove reportOnlyUntil.',
  },
  {
    code: 'proof-not-required',
    group: 'domains',
    meaning:
      'Several organisations share the smarthost, and nobody has to show that a domain is his: who registers gmail.com opens the relay to it.',
    evidence: 'how many organisations have domains',
    remedy:
      'connectorctl domain verify for each domain, then connectorctl domain require-proof, when those who write the directory do not all know each other.',
  },
  {
    code: 'domain-unproven',
    group: 'domains',
    meaning: 'Proof of domains is required, and a domain has none: it counts for nothing.',
    evidence: 'the domain and its organisation',
    remedy: 'connectorctl domain verify DOMAIN prints the DNS record that is needed, and looks for it.',
  },
  {
    code: 'domain-proof-grace',
    group: 'domains',
    meaning: 'A domain without proof counts for some time only.',
    evidence: 'the domain, its organisation, and until when',
    remedy: 'connectorctl domain verify DOMAIN before that day.',
  },
  {
    code: 'domain-proof-lost',
    group: 'domains',
    meaning:
      'The DNS record that proved a domain is gone. An error once the domain does not count any more because of it; a warning before that.',
    evidence: 'the domain, its organisation, since when, and until when it counts',
    remedy: 'Put the record back (connectorctl domain show), then connectorctl domain verify DOMAIN.',
  },
  {
    code: 'domain-unused',
    group: 'domains',
    meaning:
      'Nothing was relayed or delivered for a registered domain in the period, which the journals cover.',
    evidence: 'the domain, its organisation and the period',
    remedy: 'Remove it when it is not needed any more: whoever can send as it may relay.',
  },
] as const satisfies readonly FindingText[]
