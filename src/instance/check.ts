/** Everything that can be said about an instance without starting it. `start` refuses when one of it is an error. */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Organization, Problem, Severity } from '../directory/model.ts'
import { authorityFiles } from '../directory/authority-files.ts'
import { parseOrganizations } from '../directory/schema.ts'
import { isAtLeast, MINIMUM_HARAKA } from '../haraka/version.ts'
import { parseRange } from '../text/ip-address.ts'
import { printable } from '../text/printable.ts'
import { formatEndpoint, isLoopback } from './endpoint.ts'
import type { HarakaConfig } from './haraka-config.ts'
import { readHarakaConfig } from './haraka-config.ts'
import { checkLeftOver, OutboundTally } from './check-outbound.ts'
import { checkProofs } from './check-proof.ts'
import { DEMO_CA } from './prepare.ts'
import { readRedisSettings } from './redis-settings.ts'
import type { Settings } from './settings.ts'
import { readSettings } from './settings.ts'
import type { Trust } from './trust.ts'
import { describeExpiring, readExpiring } from '../journal/expiring.ts'
import { loadTrust } from './trust.ts'

export interface CheckResult {
  readonly problems: readonly Problem[]
  readonly settings: Settings
  readonly haraka: HarakaConfig
  readonly organizations: readonly Organization[]
  readonly trust: Trust
}

type Report = (severity: Severity, file: string, message: string, mend: string) => void

const DAY = 86_400_000

/** Plugins that answer no RCPT, or do so as ours expect. */
const HARMLESS = new Set([
  'tls',
  'headers',
  'inbound_connector',
  'relay_access',
  'outbound_connector',
  'status',
  'process_title',
  'syslog',
  'toobusy',
  'limit',
  'dkim',
])

/** Names of the demonstration's organisations in the template. */
const DEMO_ORGANIZATIONS: ReadonlyMap<string, string> = new Map([
  ['contoso', 'contoso.com'],
  ['adatum', 'adatum.com'],
])

/**
 * @param instance the instance's folder
 * @returns everything that was read, and every problem in it
 */
export function checkInstance(instance: string): CheckResult {
  const problems: Problem[] = []
  const report: Report = (severity, file, message, mend) => {
    problems.push({ file, line: 0, column: 0, severity, message, mend })
  }
  const { settings, problems: settingProblems } = readSettings(instance)
  const haraka = readHarakaConfig(instance)
  const trust = loadTrust(instance, settings)
  const store = settings.directory.store
  const directory = store === 'file' ? readOrganizations(instance, report) : readRedis(instance)
  problems.push(...settingProblems, ...trust.problems, ...directory.problems)

  checkVersion(report)
  checkCertificate(instance, haraka, report)
  checkTlsTrust(haraka, report)
  checkPlugins(haraka, settings, report)
  checkListeners(haraka, report)
  checkDemonstration({ settings, haraka, organizations: directory.organizations, report })
  checkWidening(settings, haraka, report)
  const outbound = new OutboundTally(settings.outbound.smartHost !== null)
  for (const organization of directory.organizations) outbound.add(organization)
  problems.push(...checkLeftOver(instance), ...outbound.routes())
  if (store === 'redis') checkBesideRedis(instance, haraka, report)
  else problems.push(...checkProofs(instance, settings.relay, directory.organizations))
  for (const certificate of readExpiring(join(instance, 'data', 'expiring'), Date.now())) {
    report(
      'warning',
      'data/expiring',
      describeExpiring(certificate, Date.now()),
      'tell its administrator to renew it',
    )
  }
  return { problems, settings, haraka, organizations: directory.organizations, trust }
}

function readOrganizations(
  instance: string,
  report: Report,
): { organizations: readonly Organization[]; problems: readonly Problem[] } {
  const file = 'config/organizations.yaml'
  let text: string
  try {
    text = readFileSync(join(instance, file), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'is missing' : `cannot be read: ${code ?? String(error)}`
    report(
      'error',
      file,
      why,
      'write one with "organizations: []", or take the example that connectorctl init writes',
    )
    return { organizations: [], problems: [] }
  }
  const { organizations, errors, warnings } = parseOrganizations(
    text,
    file,
    authorityFiles(join(instance, 'config')).read,
  )
  return { organizations, problems: [...errors, ...warnings] }
}

function readRedis(instance: string): ReturnType<typeof readOrganizations> {
  return { organizations: [], problems: readRedisSettings(instance).problems }
}

function checkBesideRedis(instance: string, { user }: HarakaConfig, report: Report): void {
  if (existsSync(join(instance, 'config', 'organizations.yaml'))) {
    const mend = 'connectorctl apply brings it there; remove it when that is done'
    report('notice', 'config/organizations.yaml', 'has no effect: the directory is in Redis', mend)
  }
  if (user !== null || process.getuid?.() !== 0) return
  report(
    'notice',
    'config/smtp.ini',
    'the smarthost runs as root, and so can read the password of [writer] in config/redis.ini',
    'set user and group',
  )
}

function checkVersion(report: Report): void {
  try {
    const { version } = createRequire(import.meta.url)('Haraka/package.json') as { version: string }
    if (!isAtLeast(version, MINIMUM_HARAKA)) {
      report(
        'error',
        'Haraka',
        `version ${version} is open to SMTP smuggling`,
        `install ${MINIMUM_HARAKA} or later`,
      )
    }
  } catch {
    report('error', 'Haraka', 'is not installed', 'run npm install')
  }
}

/** Trust is for connectors.ini: with crl= Haraka does not even start, and ca= would name every CA in each handshake. */
function checkTlsTrust({ tlsCa, tlsCrl }: HarakaConfig, report: Report): void {
  const file = 'config/tls.ini'
  if (tlsCrl !== null)
    report(
      'error',
      file,
      'crl keeps Haraka from starting',
      'name the lists in config/connectors.ini, [certificates] crl',
    )
  if (tlsCa !== null) {
    const mend = 'name the CAs in config/connectors.ini, [certificates] ca'
    report('warning', file, 'ca has no effect on client certificates here', mend)
  }
}

function checkCertificate(
  instance: string,
  { tlsKey, tlsCertificate, requestCertificate }: HarakaConfig,
  report: Report,
): void {
  if (!requestCertificate) {
    report(
      'error',
      'config/tls.ini',
      'requestCert is false: no client is asked for a certificate, and no certificate-based connector can match',
      'set requestCert=true',
    )
  }
  const key = readKey(join(instance, 'config', tlsKey))
  const certificate = readCertificate(join(instance, 'config', tlsCertificate))
  if (typeof key === 'string')
    report('error', `config/${tlsKey}`, key, "put the server's private key there, readable for the server")
  if (typeof certificate === 'string') {
    report(
      'error',
      `config/${tlsCertificate}`,
      certificate,
      "put the server's certificate there in PEM form; without both files connectorctl start makes a self-signed one",
    )
  }
  if (typeof key === 'string' || typeof certificate === 'string') return
  if (!certificate.checkPrivateKey(key)) {
    report(
      'error',
      `config/${tlsCertificate}`,
      `does not belong to the key in config/${tlsKey}`,
      'put files there that belong together',
    )
  }
  const days = Math.floor((Date.parse(certificate.validTo) - Date.now()) / DAY)
  if (days < 0)
    report(
      'warning',
      `config/${tlsCertificate}`,
      `expired ${-days} days ago: servers that verify it do not send`,
      'renew it',
    )
  else if (days < 30) report('warning', `config/${tlsCertificate}`, `expires in ${days} days`, 'renew it')
}

/** The key, or what is wrong with it. */
function readKey(path: string): ReturnType<typeof createPrivateKey> | string {
  const text = readOr(path)
  if (typeof text !== 'string') return text.why
  try {
    return createPrivateKey(text)
  } catch (error) {
    return `is no private key that can be read: ${printable(error instanceof Error ? error.message : '')}`
  }
}

function readCertificate(path: string): X509Certificate | string {
  const text = readOr(path)
  if (typeof text !== 'string') return text.why
  try {
    return new X509Certificate(text)
  } catch (error) {
    return `is no certificate that can be read: ${printable(error instanceof Error ? error.message : '')}`
  }
}

function readOr(path: string): string | { why: string } {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { why: code === 'ENOENT' ? 'is missing' : `cannot be read: ${code ?? String(error)}` }
  }
}

function checkPlugins(haraka: HarakaConfig, settings: Settings, report: Report): void {
  const file = 'config/plugins'
  const names = haraka.plugins.map((name) => name.replace(/^(?:haraka-plugin-)?connectors\/plugins\//, ''))
  for (const needed of ['tls', 'inbound_connector', 'relay_access', 'outbound_connector']) {
    if (!names.includes(needed)) report('error', file, `${needed} is not listed`, `add the line ${needed}`)
  }
  if (ORDERS.some((order) => isOutOfOrder(order, names))) {
    const mend = 'list tls, then inbound_connector, then relay_access and outbound_connector'
    report('error', file, 'the order is wrong', mend)
  }
  for (const name of names) {
    if (HARMLESS.has(name)) continue
    report(
      'warning',
      file,
      `${printable(name)} may answer RCPT or change who the client is, before connectors are asked`,
      'list it only when you know that it does not',
    )
  }
  if (haraka.ignoreBadPlugins) {
    report(
      'warning',
      'config/smtp.ini',
      'ignore_bad_plugins: a plugin that does not load is left out, the ones that refuse mail as well',
      'remove it',
    )
  }
  if (settings.relay.respectRelaying) {
    report(
      'warning',
      'config/connectors.ini',
      'respect_relaying is true: whoever another plugin lets relay does so without a connector',
      'set it to false unless SMTP AUTH is in use',
    )
  }
}

/** inbound_connector opens what those after it work with. */
const ORDERS = [
  ['tls', 'inbound_connector', 'relay_access'],
  ['inbound_connector', 'outbound_connector'],
] as const

/** One that is missing was reported. */
function isOutOfOrder(order: readonly string[], names: readonly string[]): boolean {
  const places = order.map((name) => names.indexOf(name)).filter((place) => place !== -1)
  return places.some((place, index) => place < (places[index - 1] ?? -1))
}

function checkListeners(haraka: HarakaConfig, report: Report): void {
  const file = 'config/smtp.ini'
  for (const text of haraka.unreadableListen) {
    report('error', file, `listen: "${printable(text)}" is no HOST:PORT`, 'write e.g. 0.0.0.0:25 or [::]:25')
  }
  for (const endpoint of haraka.listen) {
    if (isLoopback(endpoint.host)) continue
    report(
      'warning',
      file,
      `${formatEndpoint(endpoint)} can be reached from the network`,
      'that is what a smarthost is for, once its organisations are yours',
    )
  }
  for (const proxy of haraka.proxies) checkProxy(proxy, report)
}

function checkProxy(proxy: string, report: Report): void {
  const file = 'config/connection.ini'
  const range = parseRange(proxy.replaceAll(/[[\]]/g, ''))
  if (range === null) {
    report(
      'error',
      file,
      `[haproxy] hosts: "${printable(proxy)}" is no address`,
      'write the address of a proxy',
    )
  } else if (range.prefixLength < (range.family === 4 ? 32 : 128)) {
    report(
      'warning',
      file,
      `[haproxy] hosts: every server in ${range.range} may say that it is another`,
      'list the proxies one by one',
    )
  }
}

interface DemonstrationFacts {
  readonly settings: Settings
  readonly haraka: HarakaConfig
  readonly organizations: readonly Organization[]
  readonly report: Report
}

/** The CA's key lies in the folder: whoever can read it is everybody's mail server. */
function checkDemonstration({ settings, haraka, organizations, report }: DemonstrationFacts): void {
  const open = haraka.listen.filter(({ host }) => !isLoopback(host))
  const severity = open.length > 0 ? 'error' : 'warning'
  const where =
    open.length > 0
      ? `, and ${open.map((endpoint) => formatEndpoint(endpoint)).join(', ')} can be reached from the network`
      : ''
  if (settings.certificates.ca.includes(DEMO_CA)) {
    report(
      severity,
      'config/connectors.ini',
      `the demonstration's CA is trusted${where}: its key lies in config/demo/`,
      'set [certificates] ca to system or to your own CA',
    )
  }
  const present = organizations.filter(({ name, acceptedDomains }) => {
    const domain = DEMO_ORGANIZATIONS.get(name)
    return acceptedDomains.some(({ domainName }) => domainName === domain)
  })
  if (present.length > 0) {
    report(
      severity,
      'config/organizations.yaml',
      `the demonstration's organisations are in the directory (${present.map(({ name }) => name).join(', ')})${where}`,
      'remove them and write your own',
    )
  }
  if (settings.demonstration.sink !== null) {
    report(
      'warning',
      'config/connectors.ini',
      "the demonstration's sink is on: what goes there goes nowhere else",
      'empty [demonstration] sink and set [outbound] smart_host',
    )
  }
}

function checkWidening({ relay }: Settings, haraka: HarakaConfig, report: Report): void {
  if (relay.postmaster === null) {
    report(
      'warning',
      'config/connectors.ini',
      '[relay] postmaster is not set: mail to <postmaster> is refused, though RFC 5321 requires it',
      'set it to an address that is read',
    )
  }
  if (!haraka.internalCommandKey) {
    report(
      'warning',
      'config/internalcmd_key',
      "is missing: any local user can command Haraka's master",
      'connectorctl start makes it',
    )
  }
}
