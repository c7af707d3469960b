/** One address of one server, tried: what it offers and shows, and whether what the connector asks for holds. */

import { formatName } from '../../certificate/general-name.ts'
import type { Certificate } from '../../certificate/parse.ts'
import { readableCertificates } from '../../certificate/parse.ts'
import { pinOf } from '../../certificate/pin.ts'
import { presentedNames } from '../../certificate/presented-names.ts'
import { policyOf } from '../../outbound/delivery/hop.ts'
import type { ClientIdentity, Connect, ConnectFailure, Session, Target } from '../../outbound/types.ts'
import { describeTls } from '../../policy/route.ts'
import type { OutboundConnector } from '../../policy/types.ts'
import { matchesCertificateName } from '../../text/certificate-name.ts'
import { formatSmartHost } from '../../text/smart-host.ts'
import type { Seen } from './conversation.ts'
import { look } from './conversation.ts'
import type { Hop } from './hops.ts'
import type { Step, StepOf } from './steps.ts'
import { stepsWith } from './steps.ts'

/** What a hop is tried with. */
export interface Tools {
  readonly connector: OutboundConnector
  readonly identity: ClientIdentity
  readonly connect: Connect
  /** What is said at EHLO. */
  readonly helo: string
  readonly timeoutMilliseconds: number
  readonly signal: AbortSignal
}

export interface Tried {
  readonly steps: readonly Step[]
  /** Where mail may be sent: what the connector asks for holds. Null where it does not. */
  readonly target: Target | null
}

const MOST_NAMES = 10
const DAY = 86_400_000
const SOON = 30

/**
 * @param hop a server
 * @param tools what it is tried with
 * @returns what was tried, and how it ended; nothing is sent. Never rejects for what the server does
 */
export async function tryHop(hop: Hop, tools: Tools): Promise<Tried> {
  const { address, host, port } = hop
  const name = formatSmartHost({ host, port })
  const step = stepsWith(host === address ? name : `${name} (${address})`)
  const { connector, helo, identity, signal, timeoutMilliseconds } = tools
  const { certificate } = identity
  const seen = await look({ host, address, port, helo, certificate, timeoutMilliseconds, signal })
  const begun = beginning(seen, step)
  if (seen.failure !== null && seen.failure.at !== 'STARTTLS') return { steps: begun, target: null }
  const leaf = readableCertificates(seen.tls?.chain ?? [])[0] ?? null
  const shown = leaf === null ? [] : [certificateStep(leaf, step)]
  const target = targetOf(hop, tools)
  const connected = await tools.connect(target)
  const offered = [...begun, ...tlsSteps(seen, connector, step), ...shown]
  if ('failure' in connected) {
    return { steps: [...offered, failureStep(connected.failure, tools, leaf, step)], target: null }
  }
  const { session } = connected
  await session.close()
  return { steps: [...offered, ...sessionSteps(session, tools, step)], target }
}

function targetOf({ address, host, port }: Hop, { connector, identity }: Tools): Target {
  return {
    host,
    address,
    port,
    policy: policyOf(connector),
    identity,
    // By MX it would be a loop; a smart host may be another server on this machine.
    refuseOwnName: connector.useMXRecord,
  }
}

function beginning({ failure, features, greeting }: Seen, step: StepOf): Step[] {
  const greeted = greeting === null ? [] : [step('connect', 'ok', greeting)]
  if (failure?.at === 'connect') {
    const mend =
      'look at the name, the port, routes and firewalls between here and there, and whether the server runs'
    return [step('connect', 'failed', failure.why, mend)]
  }
  if (failure?.at === 'EHLO') {
    const mend = 'the server takes no mail from here: ask whoever runs it'
    return [...greeted, step('EHLO', 'failed', failure.why, mend)]
  }
  const offered = (features ?? []).filter((feature) => feature.trim() !== '').join(', ')
  return [...greeted, step('EHLO', 'ok', offered === '' ? 'it offers nothing' : `it offers ${offered}`)]
}

function tlsSteps({ failure, tls }: Seen, { tlsSettings }: OutboundConnector, step: StepOf): Step[] {
  if (tls !== null) return [step('STARTTLS', 'ok', `${tls.version}, ${tls.cipher}`)]
  const result = tlsSettings === null ? 'warning' : 'failed'
  if (failure !== null) {
    return [step('STARTTLS', result, failure.why, 'the server fails at TLS: look into its log')]
  }
  const mend =
    tlsSettings === null
      ? 'mail goes there in plain text; tlsSettings EncryptionOnly and more would hold it back'
      : 'switch TLS on at the server; a firewall between that takes STARTTLS away must let it pass'
  return [step('STARTTLS', result, 'it does not offer STARTTLS', mend)]
}

function certificateStep(leaf: Certificate, step: StepOf): Step {
  const names = presentedNames(leaf)
  const shown = [...names.slice(0, MOST_NAMES), ...(names.length > MOST_NAMES ? ['...'] : [])].join(', ')
  const day = new Date(leaf.notAfter).toISOString().slice(0, 10)
  const days = Math.floor((leaf.notAfter - Date.now()) / DAY)
  const detail = `for ${shown === '' ? 'no name' : shown}, issued by ${formatName(leaf.issuer)}, valid until ${day}`
  if (days < 0)
    return step('certificate', 'warning', `${detail}: expired`, 'the server needs a new certificate')
  if (days >= SOON) return step('certificate', 'ok', detail)
  return step(
    'certificate',
    'warning',
    `${detail}: ${days} days left`,
    'the server needs a new certificate soon',
  )
}

function sessionSteps({ tls }: Session, { connector, identity }: Tools, step: StepOf): Step[] {
  const how = tls === null ? 'in plain text' : `under ${tls.version}`
  const wants = describeTls(connector)
  const policy = step('policy', 'ok', `mail goes there ${how}; the connector asks for ${wants}`)
  const { certificate, credentials } = identity
  return [
    policy,
    ...(certificate === null ? [] : [step('identity', 'ok', 'the certificate of this server was shown')]),
    ...(credentials === null ? [] : [step('AUTH', 'ok', `signed in as ${credentials.user}`)]),
  ]
}

/** Nothing was sent. */
function failureStep(
  { kind, said }: ConnectFailure,
  { connector }: Tools,
  leaf: Certificate | null,
  step: StepOf,
): Step {
  const detail = `${said.text}; nothing was sent`
  switch (kind) {
    case 'tls':
      return step('policy', 'failed', detail, mendOfTls(connector, leaf))
    case 'auth':
      return step(
        'AUTH',
        'failed',
        detail,
        'look at userName and the content of passwordFile, and at what the server wants them to be',
      )
    case 'loop':
      return step('connect', 'failed', detail, 'this server is its own next hop: write smartHosts of another')
    case 'refused':
      return step('EHLO', 'failed', detail, 'the server takes no mail from here: ask whoever runs it')
    case 'unreachable':
      return step('connect', 'failed', detail, 'look at the network between here and there, and try again')
  }
}

function mendOfTls({ tlsDomain, tlsSettings }: OutboundConnector, leaf: Certificate | null): string {
  if (leaf === null || tlsSettings === null || tlsSettings === 'EncryptionOnly') {
    return 'TLS must work at the server; without it its mail waits, and is never sent in plain text'
  }
  const names = presentedNames(leaf)
  const isNamed = tlsDomain === null || names.some((name) => matchesCertificateName(tlsDomain, name))
  if (!isNamed) {
    const [first] = names
    const other =
      first === undefined ? '' : `, or set tlsDomain to ${first} if that is the server that is meant`
    return `the certificate is not for ${tlsDomain}: mend the server's certificate${other}`
  }
  return `if it is the right server, name its CA with --trusted-certificate-authorities FILE, or its key with --certificate-pins ${pinOf(leaf)}`
}
