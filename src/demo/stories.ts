/** The cases of Microsoft's KB 3169958 (and what stands around them), as messages that the demonstration sends. */

import type { Outcome } from '../policy/types.ts'
import type { ReasonCode } from '../policy/reasons.ts'

/** How the server that connects shows who it is. */
export interface Speaker {
  /** For the reader. */
  readonly who: string
  /** A pair of files in config/demo/, or null: STARTTLS without a certificate. */
  readonly certificate: string | null
  /** Its source address. */
  readonly address: string
}

export interface Story {
  readonly title: string
  /** What happens in the company, and why it matters. */
  readonly text: string
  readonly speaker: Speaker
  /** '' is the null sender. */
  readonly from: string
  readonly to: string
  /** The connector's certificate name while this happens; the demonstration edits organizations.yaml for it. */
  readonly certificateName: string
  readonly expected: { readonly outcome: Outcome; readonly reason: ReasonCode }
}

const EXCHANGE: Speaker = {
  who: "contoso's Exchange server, with its certificate for mail.contoso.com",
  certificate: 'mail.contoso.com',
  address: '127.0.0.1',
}
const EXCHANGE_BY_ADDRESS: Speaker = {
  who: "contoso's Exchange server, known by its address only",
  certificate: null,
  address: '127.0.10.5',
}
const SCANNER: Speaker = {
  who: "a scanner in contoso's branch office, known by its address",
  certificate: null,
  address: '127.0.10.7',
}
const NOBODY: Speaker = {
  who: 'a server that nobody here knows, without a certificate',
  certificate: null,
  address: '127.0.0.1',
}
const IMPOSTOR: Speaker = {
  who: 'a server whose certificate for mail.contoso.com was issued by a CA that nobody trusts',
  certificate: 'untrusted.mail.contoso.com',
  address: '127.0.0.1',
}
const STRANGER: Speaker = {
  who: "fabrikam's server, with a good certificate for mail.fabrikam.com that no connector names",
  certificate: 'mail.fabrikam.com',
  address: '127.0.0.1',
}

const WILDCARD = '*.contoso.com'
const KATE = 'kate@contoso.com'
const OUTSIDE = 'kate@tailspintoys.com'

const RELAY_BY_CERTIFICATE = { outcome: 'relay', reason: 'certificate-domain-accepted' } as const
const RELAY_BY_SENDER = { outcome: 'relay', reason: 'sender-domain-accepted' } as const

/** In the order in which they are told. */
export const STORIES: readonly Story[] = [
  {
    title: 'A registered sender, by address',
    text: 'contoso.com is an accepted domain, and the address belongs to a connector: the scan may leave.',
    speaker: SCANNER,
    from: 'scanner@contoso.com',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: RELAY_BY_SENDER,
  },
  {
    title: 'A registered sender, by certificate',
    text: 'The same with a certificate connector: what a hybrid set-up does all day.',
    speaker: EXCHANGE,
    from: KATE,
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: RELAY_BY_CERTIFICATE,
  },
  {
    title: 'A non-delivery report, with the certificate',
    text: 'Its sender is null, so no sender domain can be registered: the certificate speaks for it.',
    speaker: EXCHANGE,
    from: '',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: RELAY_BY_CERTIFICATE,
  },
  {
    title: 'A non-delivery report, without it',
    text: 'The same server, known by its address only: nothing registered is left to go by.',
    speaker: EXCHANGE_BY_ADDRESS,
    from: '',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: { outcome: 'deny', reason: 'null-sender' },
  },
  {
    title: 'An unregistered sender, with the certificate',
    text: 'An application of contoso sends as a domain that contoso never registered.',
    speaker: EXCHANGE,
    from: 'newsletter@contoso-events.net',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: RELAY_BY_CERTIFICATE,
  },
  {
    title: 'An unregistered sender, without it',
    text: 'By address only, the domain of every sender has to be registered.',
    speaker: EXCHANGE_BY_ADDRESS,
    from: 'newsletter@contoso-events.net',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: { outcome: 'deny', reason: 'sender-domain-not-accepted' },
  },
  {
    title: 'Forwarded mail, with the certificate',
    text: 'john@fabrikam.com wrote to kate@contoso.com, who forwards to her other mailbox; the sender stays john.',
    speaker: EXCHANGE,
    from: 'john@fabrikam.com',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: RELAY_BY_CERTIFICATE,
  },
  {
    title: 'Forwarded mail, without it',
    text: 'To the smarthost this looks like anybody sending as fabrikam.',
    speaker: EXCHANGE_BY_ADDRESS,
    from: 'john@fabrikam.com',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: { outcome: 'deny', reason: 'sender-domain-not-accepted' },
  },
  {
    title: "Nobody's server",
    text: 'It says that it is kate@contoso.com. Without a connector that proves nothing.',
    speaker: NOBODY,
    from: KATE,
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: { outcome: 'deny', reason: 'no-certificate' },
  },
  {
    title: 'An untrusted certificate',
    text: 'The name is right, the signature is not: it counts as no certificate at all.',
    speaker: IMPOSTOR,
    from: KATE,
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: { outcome: 'deny', reason: 'certificate-not-verified' },
  },
  {
    title: "A good certificate that is nobody's",
    text: 'Verified, but no connector names mail.fabrikam.com.',
    speaker: STRANGER,
    from: 'john@fabrikam.com',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: { outcome: 'deny', reason: 'no-connector-for-certificate' },
  },
  {
    title: 'Mail for contoso itself',
    text: 'Anybody may write to an accepted domain, as long as it only has to be delivered.',
    speaker: NOBODY,
    from: 'john@fabrikam.com',
    to: KATE,
    certificateName: WILDCARD,
    expected: { outcome: 'deliver', reason: 'recipient-domain-accepted' },
  },
  {
    title: 'The trap: the connector says mail.contoso.com',
    text: 'The certificate still matches, but mail.contoso.com is no accepted domain: the report is denied.',
    speaker: EXCHANGE,
    from: '',
    to: OUTSIDE,
    certificateName: 'mail.contoso.com',
    expected: { outcome: 'deny', reason: 'certificate-domain-not-accepted' },
  },
  {
    title: 'In the trap, registered senders still get through',
    text: 'Which is why nobody notices the trap before the first report or forwarded message.',
    speaker: EXCHANGE,
    from: KATE,
    to: OUTSIDE,
    certificateName: 'mail.contoso.com',
    expected: RELAY_BY_SENDER,
  },
  {
    title: 'Out of the trap: *.contoso.com again',
    text: 'The wildcard makes contoso.com the certificate domain, and that is registered.',
    speaker: EXCHANGE,
    from: '',
    to: OUTSIDE,
    certificateName: WILDCARD,
    expected: RELAY_BY_CERTIFICATE,
  },
]
