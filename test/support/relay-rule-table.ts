/** The rule of DESIGN.md as a table: who connects, with what, from, to -> the outcome and its one reason. */

import type { PeerCertificate } from '../../src/policy/types.ts'
import type { Message, World } from './policy-world.ts'
import { connector, domain, EARLIER, LATER, proof } from './policy-world.ts'

export const WORLD: World = {
  domains: [
    domain('contoso', 'contoso.com'),
    domain('contoso', 'legacy.contoso.com', { sendingFromDomainDisabled: true }),
    domain('contoso', 'leaving.example', { pendingRemoval: true }),
    domain('adatum', 'adatum.com'),
    domain('fabrikam', 'fabrikam.com', { matchSubDomains: true }),
    domain('wingtip', 'wingtip.com'),
    domain('wingtip', 'mail.wingtip.com'),
    domain('northwind', 'northwind.com'),
    domain('xn', 'xn--bcher-kva.example'),
    domain('trying', 'trying.example'),
    domain('trying', 'off.trying.example', { sendingFromDomainDisabled: true }),
    domain('proving', 'proven.example', { proof: proof() }),
    domain('proving', 'unproven.example', { matchSubDomains: true }),
    domain('proving', 'lost.example', { proof: proof({ lostAt: EARLIER, countsUntil: EARLIER }) }),
    domain('proving', 'losing.example', { proof: proof({ lostAt: EARLIER, countsUntil: LATER }) }),
    domain('proving', 'grace.example', { proof: proof({ token: null, provenAt: null, countsUntil: LATER }) }),
    domain('proving', 'barred.example', { sendingFromDomainDisabled: true }),
  ],
  connectors: [
    connector('contoso', 'Datacentre', { tlsSenderCertificateName: '*.contoso.com' }),
    connector('contoso', 'Branch', { senderIPAddresses: ['10.1.0.0/24', '2001:db8:1::/48'] }),
    connector('contoso', 'Leaving', { tlsSenderCertificateName: '*.leaving.example' }),
    connector('adatum', 'Hybrid wizard', { tlsSenderCertificateName: 'mail.adatum.com' }),
    connector('fabrikam', 'Mail', { tlsSenderCertificateName: 'mail.fabrikam.com' }),
    connector('fabrikam', 'Off', { tlsSenderCertificateName: '*.off.example', enabled: false }),
    connector('fabrikam', 'Off by address', { senderIPAddresses: ['10.9.0.0/16'], enabled: false }),
    connector('wingtip', 'Exact', { tlsSenderCertificateName: 'mail.wingtip.com' }),
    connector('wingtip', 'Both', {
      tlsSenderCertificateName: 'smtp.wingtip.com',
      senderIPAddresses: ['10.5.0.7/32'],
    }),
    connector('northwind', 'Bank', {
      connectorType: 'Partner',
      tlsSenderCertificateName: '*.partner.example',
      senderIPAddresses: ['10.8.0.0/16'],
    }),
    connector('northwind', 'Foreign name', { tlsSenderCertificateName: '*.hosting.example' }),
    connector('xn', 'IDN', { tlsSenderCertificateName: '*.xn--bcher-kva.example' }),
    connector('trying', 'Trial', { senderIPAddresses: ['10.20.0.0/24'], reportOnlyUntil: LATER }),
    connector('trying', 'Trial by name', {
      tlsSenderCertificateName: '*.unregistered.example',
      reportOnlyUntil: LATER,
    }),
    connector('trying', 'Over', { senderIPAddresses: ['10.21.0.0/24'], reportOnlyUntil: EARLIER }),
    connector('trying', 'Trial that is off', {
      senderIPAddresses: ['10.22.0.0/24'],
      reportOnlyUntil: LATER,
      enabled: false,
    }),
    connector('proving', 'By address', { senderIPAddresses: ['10.30.0.0/24'] }),
    connector('proving', 'By name', { tlsSenderCertificateName: '*.unproven.example' }),
    connector('proving', 'By proven name', { tlsSenderCertificateName: '*.proven.example' }),
  ],
}

export const verified = (...names: string[]): PeerCertificate => ({ state: 'verified', names })
const unverified = (...names: string[]): PeerCertificate => ({
  state: 'not-verified',
  names,
  why: 'SELF_SIGNED',
})
const NONE: PeerCertificate = { state: 'no-certificate' }
export const PLAIN: PeerCertificate = { state: 'no-tls' }

export type Row = readonly [
  behaviour: string,
  peer: PeerCertificate | string,
  from: string,
  to: string,
  expected: string,
  more?: Partial<Message>,
]

export const IP = '10.1.0.20'
export const MAIL = verified('mail.contoso.com')
export const OUT = 'bob@example.net'

const PROOF = { requireDomainProof: true } as const
const TRIAL = '10.20.0.1'
const PROVING = '10.30.0.1'

export const ROWS: readonly Row[] = [
  // Report-only mode: mail of a matched connector that fails both conditions, and nothing else.
  ['report-only mode relays a foreign sender', TRIAL, 'a@elsewhere.example', OUT, 'relay report-only'],
  ['report-only mode relays a non-delivery report', TRIAL, '', OUT, 'relay report-only'],
  [
    'report-only mode relays what the trap would deny',
    verified('mail.unregistered.example'),
    '',
    OUT,
    'relay report-only',
  ],
  [
    'report-only mode changes nothing for a registered sender',
    TRIAL,
    'a@trying.example',
    OUT,
    'relay sender-domain-accepted',
  ],
  [
    'report-only mode never relays a domain that may not send',
    TRIAL,
    'a@off.trying.example',
    OUT,
    'deny sending-disabled',
  ],
  [
    'report-only mode never relays a source route',
    TRIAL,
    '',
    OUT,
    'deny source-route',
    { sourceRoute: true },
  ],
  ['report-only mode is over once its date has come', '10.21.0.1', '', OUT, 'deny null-sender'],
  ['report-only mode of a disabled connector matches nobody', '10.22.0.1', '', OUT, 'deny no-tls'],
  [
    'report-only mode counts for no certificate that is not verified',
    unverified('mail.unregistered.example'),
    '',
    OUT,
    'deny certificate-not-verified',
  ],
  // Proof of domains, where it is required.
  ['a proven domain counts', PROVING, 'a@proven.example', OUT, 'relay sender-domain-accepted', PROOF],
  [
    'an unproven domain does not count as the sender’s',
    PROVING,
    'a@unproven.example',
    OUT,
    'deny sender-domain-not-proven',
    PROOF,
  ],
  [
    'a sub-domain of an unproven domain does not count',
    PROVING,
    'a@sub.unproven.example',
    OUT,
    'deny sender-domain-not-proven',
    PROOF,
  ],
  [
    'an unproven domain counts where no proof is required',
    PROVING,
    'a@unproven.example',
    OUT,
    'relay sender-domain-accepted',
  ],
  [
    'an unproven domain does not count as the certificate’s',
    verified('mail.unproven.example'),
    '',
    OUT,
    'deny certificate-domain-not-proven',
    PROOF,
  ],
  [
    'a proven domain counts as the certificate’s',
    verified('mail.proven.example'),
    '',
    OUT,
    'relay certificate-domain-accepted',
    PROOF,
  ],
  [
    'an unproven domain does not count as the recipient’s',
    PLAIN,
    'a@elsewhere.example',
    'b@unproven.example',
    'deny no-tls',
    PROOF,
  ],
  [
    'a proven domain counts as the recipient’s',
    PLAIN,
    'a@elsewhere.example',
    'b@proven.example',
    'deliver recipient-domain-accepted',
    PROOF,
  ],
  [
    'mail to a domain that somebody else claims without proof is relayed like any other',
    verified('mail.proven.example'),
    'a@proven.example',
    'b@unproven.example',
    'relay certificate-domain-accepted',
    PROOF,
  ],
  [
    'a lost proof counts until its time is over',
    PROVING,
    'a@losing.example',
    OUT,
    'relay sender-domain-accepted',
    PROOF,
  ],
  ['a lost proof counts no longer', PROVING, 'a@lost.example', OUT, 'deny sender-domain-not-proven', PROOF],
  [
    'a domain that was registered before proof was required has time to be proven',
    PROVING,
    'a@grace.example',
    OUT,
    'relay sender-domain-accepted',
    PROOF,
  ],
  [
    'whoever claims a domain without proof cannot bar it from sending',
    verified('mail.proven.example'),
    'a@barred.example',
    OUT,
    'relay certificate-domain-accepted',
    PROOF,
  ],
  // The certificate connector: anything leaves.
  [
    'a registered sender leaves by certificate',
    MAIL,
    'kate@contoso.com',
    OUT,
    'relay certificate-domain-accepted',
  ],
  ['a non-delivery report leaves by certificate', MAIL, '', OUT, 'relay certificate-domain-accepted'],
  [
    'an unregistered sender leaves by certificate',
    MAIL,
    'app@unknown.example',
    OUT,
    'relay certificate-domain-accepted',
  ],
  [
    'a forwarded message leaves by certificate',
    MAIL,
    'john@fabrikam.com',
    'kate@tailspintoys.com',
    'relay certificate-domain-accepted',
  ],
  [
    'a sub-domain sender leaves by certificate',
    MAIL,
    'a@sales.contoso.com',
    OUT,
    'relay certificate-domain-accepted',
  ],
  ['a sender without a domain leaves by certificate', MAIL, 'root', OUT, 'relay certificate-domain-accepted'],
  [
    'the wildcard certificate itself matches',
    verified('*.contoso.com'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],
  [
    'contoso.com itself matches *.contoso.com',
    verified('contoso.com'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],
  [
    'any depth matches *.contoso.com',
    verified('a.b.c.contoso.com'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],
  [
    'one of many names is enough',
    verified('x.example', 'mail.contoso.com'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],
  [
    'evilcontoso.com is not contoso.com',
    verified('mail.evilcontoso.com'),
    'kate@contoso.com',
    OUT,
    'deny no-connector-for-certificate',
  ],
  [
    'contoso.com.evil.example is not contoso.com',
    verified('contoso.com.evil.example'),
    '',
    OUT,
    'deny no-connector-for-certificate',
  ],
  [
    'an internationalised name matches as A-label',
    verified('mx.xn--bcher-kva.example'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],

  // The address connector: registered senders only.
  ['a registered sender leaves by address', IP, 'scan@contoso.com', OUT, 'relay sender-domain-accepted'],
  [
    'an IPv6 address counts as well',
    '2001:db8:1:2::3',
    'scan@contoso.com',
    OUT,
    'relay sender-domain-accepted',
  ],
  ['a neighbouring IPv6 network does not', '2001:db8:2::3', 'scan@contoso.com', OUT, 'deny no-tls'],
  ['a neighbouring IPv4 network does not', '10.1.1.20', 'scan@contoso.com', OUT, 'deny no-tls'],
  ['a non-delivery report is denied by address', IP, '', OUT, 'deny null-sender'],
  [
    'an unregistered sender is denied by address',
    IP,
    'app@unknown.example',
    OUT,
    'deny sender-domain-not-accepted',
  ],
  [
    'a forwarded message is denied by address',
    IP,
    'john@fabrikam.com',
    'kate@tailspintoys.com',
    'deny sender-domain-not-accepted',
  ],
  [
    "another organisation's domain is denied by address",
    IP,
    'x@adatum.com',
    OUT,
    'deny sender-domain-not-accepted',
  ],
  [
    'a sub-domain sender needs matchSubDomains',
    IP,
    'a@sales.contoso.com',
    OUT,
    'deny sender-sub-domain-not-covered',
  ],
  ['a look-alike sender is not the domain', IP, 'a@evilcontoso.com', OUT, 'deny sender-domain-not-accepted'],
  ['a sender without a domain is denied by address', IP, 'root', OUT, 'deny sender-domain-not-accepted'],
  [
    'a sender that is an address literal is denied',
    IP,
    'a@[10.1.0.20]',
    OUT,
    'deny sender-domain-not-accepted',
  ],
  [
    'a domain pending removal does not relay as sender',
    IP,
    'a@leaving.example',
    OUT,
    'deny sender-domain-not-accepted',
  ],
  ['a proxy address is nobody', NONE, 'scan@contoso.com', OUT, 'deny no-certificate', { address: null }],

  // Certificate before address, and what an address cannot do.
  ['with both, the certificate counts', MAIL, '', OUT, 'relay certificate-domain-accepted', { address: IP }],
  [
    'an unverified certificate from a known address is by address',
    unverified('mail.contoso.com'),
    'scan@contoso.com',
    OUT,
    'relay sender-domain-accepted',
    { address: IP },
  ],
  [
    'an unverified certificate adds nothing to the address',
    unverified('mail.contoso.com'),
    '',
    OUT,
    'deny null-sender',
    { address: IP },
  ],
  [
    'a connector with name and address, matched by address, has no (b)',
    NONE,
    '',
    OUT,
    'deny null-sender',
    { address: '10.5.0.7' },
  ],
  [
    'the same by address with a registered sender',
    NONE,
    'a@wingtip.com',
    OUT,
    'relay sender-domain-accepted',
    { address: '10.5.0.7' },
  ],

  // The trap: the connector's exact name must be registered itself.
  [
    'the trap: mail.adatum.com is not registered',
    verified('mail.adatum.com'),
    '',
    OUT,
    'deny certificate-domain-not-accepted',
  ],
  [
    'the trap for an unregistered sender',
    verified('mail.adatum.com'),
    'x@unknown.example',
    OUT,
    'deny certificate-domain-not-accepted',
  ],
  [
    'in the trap a registered sender still leaves',
    verified('mail.adatum.com'),
    'a@adatum.com',
    OUT,
    'relay sender-domain-accepted',
  ],
  [
    'no trap when the exact name is registered',
    verified('mail.wingtip.com'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],
  [
    'no trap when the parent covers sub-domains',
    verified('mail.fabrikam.com'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],
  [
    'a wildcard certificate matches an exact connector',
    verified('*.fabrikam.com'),
    '',
    OUT,
    'relay certificate-domain-accepted',
  ],
  ['its star is one label', verified('*.com'), '', OUT, 'deny no-connector-for-certificate'],
  [
    'a connector name of nobody gives nothing',
    verified('mx.hosting.example'),
    '',
    OUT,
    'deny certificate-domain-not-accepted',
  ],
  [
    "a stranger's accepted domain does not help",
    verified('mx.hosting.example'),
    'k@contoso.com',
    OUT,
    'deny certificate-domain-not-accepted',
  ],
  [
    'a certificate domain pending removal gives nothing',
    verified('mx.leaving.example'),
    '',
    OUT,
    'deny certificate-domain-not-accepted',
  ],

  // Nobody's server, told apart in four ways.
  ['without TLS', PLAIN, 'kate@contoso.com', OUT, 'deny no-tls'],
  ['TLS without a certificate', NONE, 'kate@contoso.com', OUT, 'deny no-certificate'],
  [
    'an untrusted certificate',
    unverified('mail.contoso.com'),
    'kate@contoso.com',
    OUT,
    'deny certificate-not-verified',
  ],
  [
    "a verified certificate of nobody's",
    verified('mail.example.org'),
    'kate@contoso.com',
    OUT,
    'deny no-connector-for-certificate',
  ],
  [
    'a certificate without a usable name',
    verified(),
    'kate@contoso.com',
    OUT,
    'deny no-connector-for-certificate',
  ],
  [
    'a disabled connector by name',
    verified('mx.off.example'),
    'a@fabrikam.com',
    OUT,
    'deny no-connector-for-certificate',
  ],
  ['a disabled connector by address', '10.9.0.1', 'a@fabrikam.com', OUT, 'deny no-tls'],
  [
    'a Partner connector by name never relays',
    verified('mx.partner.example'),
    'a@northwind.com',
    OUT,
    'deny partner-connector-only',
  ],
  [
    'a Partner connector by address never relays',
    '10.8.0.1',
    'a@northwind.com',
    OUT,
    'deny partner-connector-only',
  ],

  // Delivery to accepted domains.
  [
    'anybody may write to an accepted domain',
    PLAIN,
    'john@example.net',
    'kate@contoso.com',
    'deliver recipient-domain-accepted',
  ],
  [
    'a non-delivery report to an accepted domain',
    PLAIN,
    '',
    'kate@contoso.com',
    'deliver recipient-domain-accepted',
  ],
  [
    'a sub-domain recipient with matchSubDomains',
    PLAIN,
    'a@b.example',
    'x@eu.fabrikam.com',
    'deliver recipient-domain-accepted',
  ],
  ['a sub-domain recipient without it is relaying', PLAIN, 'a@b.example', 'x@eu.contoso.com', 'deny no-tls'],
  [
    'a domain pending removal still receives',
    PLAIN,
    'a@b.example',
    'x@leaving.example',
    'deliver recipient-domain-accepted',
  ],
  [
    'a domain that may not send still receives',
    PLAIN,
    'a@b.example',
    'x@legacy.contoso.com',
    'deliver recipient-domain-accepted',
  ],
  [
    'accept_inbound = false refuses strangers',
    PLAIN,
    'a@b.example',
    'kate@contoso.com',
    'deny inbound-not-accepted',
    { acceptInbound: false },
  ],
  [
    'accept_inbound = false takes from a matched connector',
    IP,
    'a@b.example',
    'kate@contoso.com',
    'deliver recipient-domain-accepted',
    { acceptInbound: false },
  ],
  [
    'accept_inbound = false refuses a Partner',
    '10.8.0.1',
    'a@b.example',
    'kate@contoso.com',
    'deny inbound-not-accepted',
    { acceptInbound: false },
  ],
  [
    'no smart host: mail for an accepted domain waits',
    PLAIN,
    'a@b.example',
    'kate@contoso.com',
    'defer no-route',
    { hasRoute: false },
  ],
  [
    'no smart host: mail to the Internet leaves by MX',
    MAIL,
    '',
    OUT,
    'relay certificate-domain-accepted',
    { hasRoute: false },
  ],

  // Sending disabled comes before (a), (b) and other plugins.
  [
    'a domain that may not send is denied by certificate',
    MAIL,
    'a@legacy.contoso.com',
    OUT,
    'deny sending-disabled',
  ],
  [
    'a domain that may not send is denied by address',
    IP,
    'a@legacy.contoso.com',
    OUT,
    'deny sending-disabled',
  ],
  [
    'a domain that may not send is denied to strangers',
    PLAIN,
    'a@legacy.contoso.com',
    OUT,
    'deny sending-disabled',
  ],
  [
    'a domain that may not send is denied whatever AUTH says',
    PLAIN,
    'a@legacy.contoso.com',
    OUT,
    'deny sending-disabled',
    { relayingRespected: true },
  ],
  [
    'and so for another organisation’s server',
    verified('mail.fabrikam.com'),
    'a@legacy.contoso.com',
    OUT,
    'deny sending-disabled',
  ],
  [
    'a domain that may not send may write to accepted domains',
    PLAIN,
    'a@legacy.contoso.com',
    'kate@contoso.com',
    'deliver recipient-domain-accepted',
  ],

  // AUTH of another plugin.
  [
    'relaying that AUTH granted is respected when asked for',
    PLAIN,
    'a@b.example',
    OUT,
    'relay relaying-respected',
    { relayingRespected: true },
  ],

  // Recipients that are traps themselves.
  ['a source route is refused', MAIL, '', OUT, 'deny source-route', { sourceRoute: true }],
  [
    'a per cent sign from a stranger is refused',
    PLAIN,
    'a@b.example',
    'u%example.net@contoso.com',
    'deny routing-characters',
  ],
  [
    'an exclamation mark from a stranger is refused',
    PLAIN,
    'a@b.example',
    'h!u@contoso.com',
    'deny routing-characters',
  ],
  [
    'an at sign in the local part is refused',
    PLAIN,
    'a@b.example',
    'u@example.net@contoso.com',
    'deny routing-characters',
  ],
  [
    'a Partner is a stranger there',
    '10.8.0.1',
    'a@b.example',
    'u%example.net@contoso.com',
    'deny routing-characters',
  ],
  [
    'a matched connector may use them',
    IP,
    'a@contoso.com',
    'u%example.net@contoso.com',
    'deliver recipient-domain-accepted',
  ],
  ['a recipient without a domain is refused', MAIL, '', 'bob', 'deny recipient-without-domain'],
  [
    '<postmaster> goes to its address',
    PLAIN,
    '',
    'postmaster',
    'deliver postmaster',
    { postmaster: 'pm@contoso.com' },
  ],
  [
    '<PostMaster> in any case',
    PLAIN,
    '',
    'PostMaster',
    'deliver postmaster',
    { postmaster: 'pm@contoso.com' },
  ],
  [
    '<postmaster> also with accept_inbound = false',
    PLAIN,
    '',
    'postmaster',
    'deliver postmaster',
    { postmaster: 'pm@contoso.com', acceptInbound: false },
  ],
  ['<postmaster> without an address for it', PLAIN, '', 'postmaster', 'deny postmaster-not-set'],
  ['postmaster of somebody else is relaying', PLAIN, '', 'postmaster@example.net', 'deny no-tls'],
  [
    'an address literal as recipient is relaying',
    MAIL,
    '',
    'u@[192.0.2.1]',
    'relay certificate-domain-accepted',
  ],
  ['an address literal from a stranger is denied', PLAIN, '', 'u@[192.0.2.1]', 'deny no-tls'],
]

/** Several connectors name the peer: the one that counts (rule 3). */
export const TIES: readonly (readonly [behaviour: string, World, Message, connector: string])[] = [
  [
    'prefers the organisation that owns the sender’s domain',
    {
      domains: [domain('b', 'b.example')],
      connectors: [
        connector('a', 'A', { senderIPAddresses: ['10.0.0.0/24'] }),
        connector('b', 'B', { senderIPAddresses: ['10.0.0.0/24'] }),
      ],
    },
    { address: '10.0.0.1', from: 'x@b.example', to: OUT },
    'B',
  ],
  [
    'prefers an exact name to a wildcard',
    {
      domains: [domain('a', 'a.example', { matchSubDomains: true })],
      connectors: [
        connector('a', 'Wild', { tlsSenderCertificateName: '*.a.example' }),
        connector('a', 'Exact', { tlsSenderCertificateName: 'm.a.example' }),
      ],
    },
    { certificate: verified('m.a.example'), from: '', to: OUT },
    'Exact',
  ],
  [
    'prefers the longer prefix',
    {
      domains: [],
      connectors: [
        connector('a', 'A wide', { senderIPAddresses: ['10.0.0.0/16'] }),
        connector('a', 'B narrow', { senderIPAddresses: ['10.0.0.0/24'] }),
      ],
    },
    { address: '10.0.0.1', from: '', to: OUT },
    'B narrow',
  ],
  [
    'prefers the longer wildcard',
    {
      domains: [],
      connectors: [
        connector('a', 'A', { tlsSenderCertificateName: '*.a.example' }),
        connector('a', 'B', { tlsSenderCertificateName: '*.b.a.example' }),
      ],
    },
    { certificate: verified('m.b.a.example'), from: '', to: OUT },
    'B',
  ],
  [
    'falls back on the names',
    {
      domains: [],
      connectors: [
        connector('b', 'A', { senderIPAddresses: ['10.0.0.0/24'] }),
        connector('a', 'Z', { senderIPAddresses: ['10.0.0.0/24'] }),
        connector('a', 'Y', { senderIPAddresses: ['10.0.0.0/24'] }),
      ],
    },
    { address: '10.0.0.1', from: '', to: OUT },
    'Y',
  ],
]

export function messageOf([, peer, from, to, , more]: Row): Message {
  const who = typeof peer === 'string' ? { address: peer } : { certificate: peer }
  return { ...who, from, to, ...more }
}
