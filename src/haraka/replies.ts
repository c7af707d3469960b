/**
 * Every SMTP reply that is made here beside those of the rule (`policy/replies.ts`), and what deliveries are put off
 * with. docs/reference/replies.md is made from this list; a test looks for replies in the code that are not in it.
 * What is not in either list is Haraka's own.
 */

interface ReplyText {
  readonly code: 250 | 421 | 451 | 452 | 552 | 554
  /** RFC 3463. */
  readonly status: string
  /** What varies stands in angle brackets. */
  readonly text: string
  /** When it is said. */
  readonly when: string
  /** What to do about it; '' where there is nothing to do. */
  readonly advice: string
}

export const REPLIES = [
  {
    code: 250,
    status: '2.0.0',
    text: 'Message queued',
    when: 'At the end of DATA, once the message and its folder are on disk.',
    advice: '',
  },
  {
    code: 421,
    status: '4.3.2',
    text: 'A PROXY header is required here',
    when: 'A proxy that is listed in `connection.ini` sent none.',
    advice:
      'Let the proxy send a PROXY header, version 1 (HAProxy: `send-proxy`), or take it off `[haproxy] hosts[]`.',
  },
  {
    code: 421,
    status: '4.5.1',
    text: 'There was a PROXY header already',
    when: 'A client behind a proxy sent a PROXY header of its own.',
    advice: 'Look at that client: it tried to speak for another address.',
  },
  {
    code: 421,
    status: '4.3.2',
    text: 'The server is shutting down',
    when: 'The smarthost stops; health checks of proxies hear it first.',
    advice: '',
  },
  {
    code: 451,
    status: '4.3.0',
    text: 'Temporary failure, try again later',
    when: 'Something unforeseen went wrong where there is no connection to speak of.',
    advice: 'Look for the error in the log and report it.',
  },
  {
    code: 451,
    status: '4.3.0',
    text: 'The message could not be queued, try again later',
    when: 'At the end of DATA, when the queue cannot be written.',
    advice: 'Look for the reason in the log, e.g. the permissions of `queue/`.',
  },
  {
    code: 452,
    status: '4.3.1',
    text: 'The queue is full, try again later',
    when: 'At the end of DATA, when the disk is full.',
    advice: 'Make room where `queue/` is; the sending server tries again by itself.',
  },
  {
    code: 552,
    status: '5.3.4',
    text: 'Message size exceeds the limit of this server',
    when: 'At MAIL, when the declared SIZE is over `[max] bytes` in `connection.ini`, or after DATA, when the message is.',
    advice: 'Raise `[max] bytes` if such messages are wanted.',
  },
  {
    code: 552,
    status: '5.3.4',
    text: 'The header of the message is too large',
    when: 'The header is over 1 MiB.',
    advice: 'Mend the sending program.',
  },
  {
    code: 554,
    status: '5.6.0',
    text: 'The message holds a NUL character',
    when: 'After DATA (RFC 5322 section 2.2).',
    advice: 'Mend the sending program.',
  },
  {
    code: 554,
    status: '5.6.0',
    text: 'The message holds a bare CR',
    when: 'After DATA (RFC 5321 section 2.3.8): the next hop may read it as the end of a line.',
    advice: 'Mend the sending program.',
  },
  {
    code: 554,
    status: '5.6.0',
    text: 'The message holds a line that is too long to be passed on unbroken',
    when: 'A line is over `[max] data_line_length` in `connection.ini`.',
    advice: 'Mend the sending program, or raise that setting.',
  },
  {
    code: 554,
    status: '5.4.6',
    text: 'Routing loop detected: <n> Received fields',
    when: 'There are more Received fields than `[message] max_received` in `connectors.ini`.',
    advice: 'Find the two servers that send the message to each other, or raise that setting.',
  },
] as const satisfies readonly ReplyText[]

/**
 * What a message waits for in the queue beside the answers of other servers, as `queue list`, the journal and a delivery
 * status notification say it; the status is that of RFC 3463.
 */
export const DELAYS = [
  {
    status: '4.3.0',
    text: 'where it goes could not be looked up: <why>',
    advice:
      'Look for the directory error in the log; the message is tried again by itself, and goes no other way.',
  },
  {
    status: '4.3.5',
    text: 'outbound connector <name>: <why>',
    advice: 'A certificate, key or password of the connector cannot be used: mend the file under `config/`.',
  },
  {
    status: '4.4.3',
    text: 'the MX of <domain> could not be looked up: <why>',
    advice: 'Look at the name server (`[outbound] resolver`), and at the domain.',
  },
  {
    status: '4.4.3',
    text: 'the address of <host> could not be looked up: <why>',
    advice: 'Look at the name server, and at how the smart host is written.',
  },
  {
    status: '4.4.4',
    text: '<domain> is an accepted domain, and there is no outbound connector and no smart host for it',
    advice:
      'Add an outbound connector to the servers of its organisation, or set `[outbound] smart_host` in `connectors.ini`.',
  },
  {
    status: '4.7.0',
    text: 'the password is sent under TLS only, and the server has none',
    advice: 'Switch TLS on at the next hop, or look for a firewall that takes STARTTLS away.',
  },
  {
    status: '4.7.4',
    text: 'the server does not offer STARTTLS, and mail may go there under TLS only',
    advice: 'Switch TLS on at the next hop, or look for a firewall that takes STARTTLS away.',
  },
  {
    status: '4.7.4',
    text: 'STARTTLS was refused: <reply>',
    advice: 'Look into the log of the next hop.',
  },
  {
    status: '4.7.5',
    text: 'the certificate of the server does not count: <why>',
    advice:
      'Let the next hop renew its certificate, or name its CA in the connector; `connectorctl validate-outbound` says what it shows.',
  },
  {
    status: '4.7.5',
    text: 'the certificate of the server is for <names>, not for <domain>',
    advice: 'Mend `tlsDomain` of the connector, or the certificate.',
  },
  {
    status: '4.7.8',
    text: 'signing in was refused: <reply>',
    advice: 'Look at `userName` and the content of `passwordFile`.',
  },
] as const
