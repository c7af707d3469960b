/** What to do so that mail is not lost: in words, and as the commands to run. */

import { UnquotableText, shellWord } from '../client-setup/quoting.ts'
import type { ReasonCode } from '../policy/reasons.ts'
import { explainReason } from '../policy/reasons.ts'
import type { AcceptedDomain } from '../policy/types.ts'
import type { ChangeCount } from './tally.ts'

export interface Fix {
  /** A sentence or two. */
  readonly advice: string
  /** Quoted for a POSIX shell; none where a person has to decide first. */
  readonly commands: readonly string[]
}

/** Exchange's own limit for the name of a connector. */
const LONGEST_NAME = 64

const NOTHING: Fix = { advice: '', commands: [] }

/** What the replayed mail showed of an organisation. */
export interface KnownOfOrganization {
  /** A domain of it from which mail is relayed; null where none is known. */
  readonly domain: string | null
  /** A connector under which whatever has its certificate is relayed; null where none is known. */
  readonly byCertificate: { readonly connector: string; readonly name: string } | null
}

/** What the advice for one change is made from. */
export interface FixQuestion {
  readonly change: Pick<
    ChangeCount,
    'organization' | 'connector' | 'senderKind' | 'senderDomain' | 'reason' | 'isLoss' | 'facts'
  >
  readonly known: KnownOfOrganization
  /** What --instance names; null for the folder that one is in. */
  readonly instance: string | null
}

type Advise = (question: FixQuestion) => Fix | null

/** Where there is something to say beyond the reason's own advice. */
const ADVICE: Partial<Readonly<Record<ReasonCode, Advise>>> = {
  'null-sender': recogniseByCertificate,
  'sender-domain-not-accepted': registerSender,
  'sender-sub-domain-not-covered': coverSubDomains,
  'sender-domain-not-proven': ({ change, instance }) =>
    proveDomain(change.facts.senderDomain?.unproven?.domainName, change.organization, instance),
  'certificate-domain-not-proven': ({ change, instance }) =>
    proveDomain(change.facts.certificateDomain?.unproven?.domainName, change.organization, instance),
  'certificate-domain-not-accepted': healTrap,
  'sending-disabled': allowSending,
  'no-tls': takenAway,
  'no-certificate': takenAway,
  'certificate-not-verified': takenAway,
  'no-connector-for-certificate': takenAway,
  'partner-connector-only': takenAway,
}

/**
 * @param question a change, and what is known of its organisation
 * @returns how to keep it from being lost; nothing where it is not
 */
export function fixOf(question: FixQuestion): Fix {
  const { isLoss, reason } = question.change
  if (!isLoss) return NOTHING
  const plain = { advice: explainReason(reason).advice, commands: [] }
  try {
    return ADVICE[reason]?.(question) ?? plain
  } catch (error) {
    // A name from an older directory may be one that no shell can be given.
    if (error instanceof UnquotableText) return plain
    throw error
  }
}

function command(words: readonly string[], instance: string | null): string {
  const place = instance === null ? [] : ['--instance', instance]
  return ['connectorctl', ...words, ...place].map((word) => shellWord(word)).join(' ')
}

/** The only thing that lets a non-delivery report through. */
function recogniseByCertificate({ change, instance, known }: FixQuestion): Fix | null {
  const { connector, organization } = change
  const { byCertificate, domain } = known
  if (organization === null || connector === null) return null
  const present = 'certificate: let these servers present one'
  if (byCertificate !== null) {
    const recognised = `that connector ${quotedName(byCertificate.connector)} recognises (${byCertificate.name})`
    return { advice: `${present} ${recognised}: connectorctl client-setup prints how.`, commands: [] }
  }
  if (domain === null) return null
  const advice = `${present} for a name below ${domain} (connectorctl client-setup prints how), and recognise them by it.`
  return { advice, commands: [command(connectorWords(connector, organization, domain), instance)] }
}

function connectorWords(connector: string, organization: string, domain: string): string[] {
  const long = `${connector} by certificate`
  const name = long.length <= LONGEST_NAME ? long : `Certificate for ${domain}`.slice(0, LONGEST_NAME)
  const words = ['inbound-connector', 'add', name, '--organization', organization]
  return [...words, '--connector-type', 'OnPremises', '--tls-sender-certificate-name', `*.${domain}`]
}

function registerSender(question: FixQuestion): Fix | null {
  const { change, instance } = question
  const { facts, organization, senderDomain } = change
  const record = facts.senderDomain?.acceptedDomain ?? null
  if (organization === null) return null
  const left = leaving(record, organization)
  if (left !== null) return takeBack(left, instance)
  const byCertificate = recogniseByCertificate(question)
  if (senderDomain === '') return byCertificate
  if (record !== null) {
    const owner = `${record.domainName} belongs to ${quotedName(record.organization)}. `
    return byCertificate === null ? null : { ...byCertificate, advice: owner + byCertificate.advice }
  }
  const register = command(['domain', 'add', senderDomain, '--organization', organization], instance)
  const { advice, commands } = byCertificate ?? WITHOUT_DOMAIN
  return {
    advice: `when ${senderDomain} is the organisation's own, register it; else (forwarded mail, for instance) ${advice}`,
    commands: [register, ...commands],
  }
}

/** Where no domain of the organisation is known that a certificate could be for. */
const WITHOUT_DOMAIN: Fix = {
  advice: 'certificate: let these servers present one, and recognise them by it.',
  commands: [],
}

/** The record, when it is the organisation's and pending removal. */
function leaving(record: AcceptedDomain | null, organization: string): AcceptedDomain | null {
  return record?.organization === organization && record.pendingRemoval ? record : null
}

function takeBack({ domainName }: AcceptedDomain, instance: string | null): Fix {
  return {
    advice: `${domainName} is pending removal: take that back while mail hangs on it.`,
    commands: [command(['domain', 'set', domainName, '--pending-removal', 'false'], instance)],
  }
}

function coverSubDomains({ change: { facts }, instance }: FixQuestion): Fix | null {
  const parent = facts.senderDomain?.uncoveredParent?.domainName
  if (parent === undefined) return null
  return {
    advice: `let ${parent} cover its sub-domains, or register the sub-domain itself.`,
    commands: [command(['domain', 'set', parent, '--match-sub-domains', 'true'], instance)],
  }
}

function proveDomain(
  domain: string | undefined,
  organization: string | null,
  instance: string | null,
): Fix | null {
  if (domain === undefined || organization === null) return null
  return {
    advice: `prove that ${domain} is the organisation's: the command prints the DNS record that is needed, and looks for it.`,
    commands: [command(['domain', 'verify', domain, '--wait', '1h'], instance)],
  }
}

/** KB 3169958: the certificate domain is not registered. */
function healTrap({ change, instance }: FixQuestion): Fix | null {
  const { connector, facts, organization } = change
  const { certificateDomain, certificateName: name } = facts
  if (certificateDomain === null || organization === null || connector === null) return null
  const { acceptedDomain, domain, uncoveredParent } = certificateDomain
  const left = leaving(acceptedDomain, organization)
  if (left !== null) return takeBack(left, instance)
  if (acceptedDomain !== null) {
    const owner = quotedName(acceptedDomain.organization)
    return {
      advice: `the connector's certificate domain ${domain} belongs to ${owner}: give the connector a name of its own organisation.`,
      commands: [],
    }
  }
  if (uncoveredParent?.organization === organization) {
    const wildcard = `*.${uncoveredParent.domainName}`
    const words = ['inbound-connector', 'set', connector, '--organization', organization]
    return {
      advice: `the trap of KB 3169958: the connector's name ${name ?? domain} stands for ${domain}, which is not registered; with ${wildcard} it stands for ${uncoveredParent.domainName}, which is.`,
      commands: [command([...words, '--tls-sender-certificate-name', wildcard], instance)],
    }
  }
  return {
    advice: `register ${domain}, which the connector's certificate name stands for, when it is the organisation's own.`,
    commands: [command(['domain', 'add', domain, '--organization', organization], instance)],
  }
}

function allowSending({ change: { facts }, instance }: FixQuestion): Fix | null {
  const domain = facts.senderDomain?.acceptedDomain?.domainName
  if (domain === undefined) return null
  return {
    advice: `mail from ${domain} is refused by sendingFromDomainDisabled: take that back when it is wanted.`,
    commands: [command(['domain', 'enable', domain], instance)],
  }
}

/** It had a connector, and would have none. */
function takenAway({ change: { connector, organization, reason } }: FixQuestion): Fix | null {
  if (connector === null || organization === null) return null
  return {
    advice: `the proposal takes these servers away from connector ${quotedName(connector)} of ${quotedName(organization)}: leave it as it is for them. Else: ${explainReason(reason).advice}`,
    commands: [],
  }
}

function quotedName(name: string): string {
  return `"${name}"`
}
