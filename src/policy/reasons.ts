/**
 * Every outcome has one reason, from this closed list. The code is in the log, the journal, the metrics and, with
 * the transaction's id, at the end of the SMTP reply; the sentence and the advice are for the administrator.
 */

import type { Outcome } from './types.ts'

interface ReasonText {
  readonly code: string
  readonly outcome: Outcome
  /** One sentence: what was found. */
  readonly sentence: string
  /** What to do to get the mail through; '' where there is nothing to do. */
  readonly advice: string
}

/** The list that everything else is derived from. Codes are kebab-case and never change their meaning. */
export const REASONS = [
  {
    code: 'sender-domain-accepted',
    outcome: 'relay',
    sentence: "The sender's domain is an accepted domain of the connector's organisation.",
    advice: '',
  },
  {
    code: 'certificate-domain-accepted',
    outcome: 'relay',
    sentence: "The certificate's domain is an accepted domain of the connector's organisation.",
    advice: '',
  },
  {
    code: 'relaying-respected',
    outcome: 'relay',
    sentence: 'Another plugin (SMTP AUTH, for instance) had allowed this connection to relay.',
    advice: '',
  },
  {
    code: 'report-only',
    outcome: 'relay',
    sentence:
      'Neither condition holds, and the mail would be denied; but the connector is in report-only mode, so it is relayed and journalled.',
    advice: 'Mend what the journal names as "would be" before report-only mode ends.',
  },
  {
    code: 'recipient-domain-accepted',
    outcome: 'deliver',
    sentence: "The recipient's domain is an accepted domain of this server.",
    advice: '',
  },
  {
    code: 'postmaster',
    outcome: 'deliver',
    sentence: 'The recipient is <postmaster>, which goes to the address in [relay] postmaster.',
    advice: '',
  },
  {
    code: 'no-tls',
    outcome: 'deny',
    sentence: 'The server spoke without TLS, and no connector holds its address.',
    advice:
      'Let the server use STARTTLS with its client certificate, or add a connector with its address in senderIPAddresses.',
  },
  {
    code: 'no-certificate',
    outcome: 'deny',
    sentence: 'The server spoke TLS without presenting a certificate, and no connector holds its address.',
    advice:
      'Configure a client certificate on the sending server (Postfix: smtp_tls_cert_file; Exchange: TlsCertificateName of the send connector), or add a connector with its address.',
  },
  {
    code: 'certificate-not-verified',
    outcome: 'deny',
    sentence:
      'The server presented a certificate that could not be verified, and no connector holds its address.',
    advice:
      'Install a certificate of a trusted CA together with its intermediates on the sending server, or name its CA in [certificates] ca.',
  },
  {
    code: 'no-connector-for-certificate',
    outcome: 'deny',
    sentence: "The certificate is verified, but no connector names it, nor the server's address.",
    advice: "Add a connector whose tlsSenderCertificateName matches one of the certificate's names.",
  },
  {
    code: 'partner-connector-only',
    outcome: 'deny',
    sentence: 'Only a Partner connector names this server, and those never grant relaying.',
    advice: 'Add a connector with connectorType: OnPremises if the server is your own.',
  },
  {
    code: 'inbound-not-accepted',
    outcome: 'deny',
    sentence:
      'Mail to accepted domains is taken from matched OnPremises connectors only ([relay] accept_inbound = false).',
    advice: 'Add a connector for the sending server, or set accept_inbound = true.',
  },
  {
    code: 'null-sender',
    outcome: 'deny',
    sentence:
      'The null sender (a non-delivery report) has no domain, so only a certificate-based connector with a registered domain can let it through.',
    advice:
      'Let the server present its certificate and add a connector with tlsSenderCertificateName, e.g. "*.contoso.com", where contoso.com is an accepted domain.',
  },
  {
    code: 'sender-domain-not-accepted',
    outcome: 'deny',
    sentence: "The sender's domain is not an accepted domain of the connector's organisation.",
    advice:
      'Register the domain with the organisation, or let the server present its certificate through a connector whose certificate domain is registered.',
  },
  {
    code: 'sender-sub-domain-not-covered',
    outcome: 'deny',
    sentence: "The sender's domain is below an accepted domain that does not cover its sub-domains.",
    advice: 'Set matchSubDomains: true on the accepted domain, or register the sub-domain itself.',
  },
  {
    code: 'sender-domain-not-proven',
    outcome: 'deny',
    sentence:
      "The sender's domain is registered with the connector's organisation, which has not proven that it owns it.",
    advice:
      'Run connectorctl domain verify for it; connectorctl domain show prints the DNS record that is needed.',
  },
  {
    code: 'certificate-domain-not-proven',
    outcome: 'deny',
    sentence:
      "The connector's certificate domain is registered with its organisation, which has not proven that it owns it; and the sender's domain does not help.",
    advice:
      'Run connectorctl domain verify for it; connectorctl domain show prints the DNS record that is needed.',
  },
  {
    code: 'certificate-domain-not-accepted',
    outcome: 'deny',
    sentence:
      "The connector's certificate domain is not an accepted domain of its organisation, and neither is the sender's domain.",
    advice:
      'Change tlsSenderCertificateName to "*." and the registered domain (mail.contoso.com becomes "*.contoso.com"), or register the name itself as an accepted domain.',
  },
  {
    code: 'sending-disabled',
    outcome: 'deny',
    sentence: "The sender's domain is registered with sendingFromDomainDisabled: it is never relayed.",
    advice: 'Remove sendingFromDomainDisabled from the accepted domain if mail from it is wanted again.',
  },
  {
    code: 'source-route',
    outcome: 'deny',
    sentence: 'The recipient holds a source route (@a:user@b), which is refused (RFC 5321 appendix C).',
    advice: 'Address the recipient directly.',
  },
  {
    code: 'routing-characters',
    outcome: 'deny',
    sentence:
      "The recipient's local part holds %, ! or @, which the next hop may read as a request to relay, and the server has no matched connector.",
    advice: 'Address the recipient directly, or add a connector for the sending server.',
  },
  {
    code: 'recipient-without-domain',
    outcome: 'deny',
    sentence: 'The recipient has no domain.',
    advice: 'Address the recipient as user@domain.',
  },
  {
    code: 'postmaster-not-set',
    outcome: 'deny',
    sentence: 'The recipient is <postmaster>, and no address is set for it.',
    advice: 'Set [relay] postmaster in connectors.ini (RFC 5321 section 4.5.1 requires a postmaster).',
  },
  {
    code: 'no-route',
    outcome: 'defer',
    sentence:
      "The recipient's domain is accepted here, but no outbound connector and no smart host takes mail to it, and its MX may be this server.",
    advice:
      'Add an outbound connector to the servers of its organisation (connectorctl outbound-connector add), or set [outbound] smart_host in connectors.ini.',
  },
  {
    code: 'route-leads-back',
    outcome: 'deny',
    sentence: 'The next hop of this mail is the very server that it came from: it would go round in circles.',
    advice:
      'Let the outbound connector (or [outbound] smart_host) name the server that keeps the mailboxes, or let the sending server deliver this mail itself; connectorctl explain tells the route.',
  },
  {
    code: 'directory-unavailable',
    outcome: 'defer',
    sentence: 'The directory could not be asked, and its answer could change the outcome.',
    advice: 'Look for the directory error in the log; the sending server tries again by itself.',
  },
  {
    code: 'internal-error',
    outcome: 'defer',
    sentence: 'Something unforeseen went wrong while deciding; nothing was accepted.',
    advice:
      'Look for the error with this transaction id in the log and report it; the sending server tries again by itself.',
  },
] as const satisfies readonly ReasonText[]

/** One of the codes in the closed list. */
export type ReasonCode = (typeof REASONS)[number]['code']

const BY_CODE: ReadonlyMap<string, ReasonText> = new Map(REASONS.map((reason) => [reason.code, reason]))

/**
 * @param code a reason code
 * @returns what it means and what to do about it
 */
export function explainReason(code: ReasonCode): ReasonText {
  const text = BY_CODE.get(code)
  if (text === undefined) throw new RangeError(`unknown reason code ${code}`)
  return text
}

/**
 * @param code any string
 * @returns whether it is a code of the closed list
 */
export function isReasonCode(code: string): code is ReasonCode {
  return BY_CODE.has(code)
}
