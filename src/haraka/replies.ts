/**
 * Every SMTP reply that is made here beside those of the rule (`policy/replies.ts`), and what deliveries are put off
 * with. docs/reference/replies.md is made from this list; a test looks for replies in the code that are not in it.
 * What is not in either list is Haraka's own.
 */

interface ReplyText {
  readonly code: 250 | 421 | 451 | 552 | 554
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
    advice: 'Look for the reason in the log: a full disk, or the permissions of `queue/`.',
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

/** What a message waits for in the queue, as the log and a delivery status notification say it. */
export const DELAYS = [
  {
    text: 'the directory could not be asked about <domain>',
    advice: 'Look for the directory error in the log; the message is tried again by itself.',
  },
  {
    text: '<domain> is an accepted domain, and its MX may be this server: set [outbound] smart_host',
    advice: 'Set `[outbound] smart_host` in `connectors.ini`.',
  },
] as const
