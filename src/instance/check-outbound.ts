/** What `check` says of the way out: mail that has none, and files that outbound connectors show of this server. */

import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { trustedPath } from '../certificate/trusted-file.ts'
import type { Organization, Problem, Severity } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import { chooseRoute } from '../policy/route.ts'
import type { AcceptedDomain, OutboundConnector } from '../policy/types.ts'
import { printable } from '../text/printable.ts'
import { readIdentity } from './outbound-identity.ts'

const SETTINGS = 'config/connectors.ini'

/** Domains that are named; of the others it is said how many there are. */
const MOST_NAMED = 10

/** Everybody but the owner and the group. */
const OTHERS = 0o007

/**
 * @param instance the instance's folder
 * @returns a warning about what stayed from Haraka's own queue, whose settings count no more
 */
export function checkLeftOver(instance: string): Problem[] {
  const file = 'config/outbound.ini'
  if (!existsSync(join(instance, file))) return []
  const mend = `write what is meant into ${SETTINGS}, [outbound] and [queue], and remove it`
  return [problem('warning', file, "has no effect: the queue is not Haraka's", mend)]
}

/** What is known of the outbound connectors; it takes one organisation after another. */
export class OutboundTally {
  readonly #hasSmartHost: boolean
  readonly #stranded: string[] = []
  readonly #showing = new Map<string, OutboundConnector>()

  /** @param hasSmartHost whether `[outbound] smart_host` is set: it takes what no connector does */
  constructor(hasSmartHost: boolean) {
    this.#hasSmartHost = hasSmartHost
  }

  /** @param organization the next organisation */
  add({ acceptedDomains, outboundConnectors }: Organization): void {
    for (const connector of outboundConnectors) this.#addFiles(connector)
    if (this.#hasSmartHost) return
    for (const domain of acceptedDomains) this.#addDomain(domain, outboundConnectors)
  }

  #addFiles(connector: OutboundConnector): void {
    const { enabled, passwordFile, tlsCertificateFile, tlsKeyFile } = connector
    const files = [tlsCertificateFile, tlsKeyFile, passwordFile]
    const key = JSON.stringify(files)
    if (enabled && files.some((file) => file !== null) && !this.#showing.has(key)) {
      this.#showing.set(key, connector)
    }
  }

  #addDomain(domain: AcceptedDomain, outboundConnectors: readonly OutboundConnector[]): void {
    const { domainName, matchSubDomains, organization } = domain
    const isStranded = (name: string): boolean => {
      const recipientDomain = { domain: name, acceptedDomain: domain, uncoveredParent: null }
      const facts = { domain: name, recipientDomain, organization, outboundConnectors, smartHost: null }
      const route = chooseRoute(facts)
      return !isUnknown(route) && route.via === 'none'
    }
    if (isStranded(domainName)) this.#stranded.push(domainName)
    // Any label stands for all: a connector for one of them alone leaves the others without.
    else if (matchSubDomains && isStranded(`any.${domainName}`)) this.#stranded.push(`*.${domainName}`)
  }

  /** @returns a warning about accepted domains that mail has no way to */
  routes(): Problem[] {
    const all = this.#stranded
    if (all.length === 0) return []
    const more = all.length > MOST_NAMED ? ` and ${all.length - MOST_NAMED} more` : ''
    const named = `${all.slice(0, MOST_NAMED).join(', ')}${more}`
    const message = `mail to accepted domains gets 451 4.4.4, as their MX may be this server: no outbound connector with smart hosts takes it, and there is no [outbound] smart_host (${named})`
    const mend =
      'add an outbound connector to the servers of the organisation, or set smart_host to the server that has the mailboxes'
    return [problem('warning', SETTINGS, message, mend)]
  }

  /**
   * @param instance the instance's folder, on this machine
   * @returns warnings about files that cannot be used, so that mail waits, and about secrets that others can read
   */
  async files(instance: string): Promise<Problem[]> {
    const found: Problem[] = []
    for (const connector of this.#showing.values()) found.push(...(await filesOf(instance, connector)))
    return found
  }
}

async function filesOf(instance: string, connector: OutboundConnector): Promise<Problem[]> {
  const found: Problem[] = []
  const identity = await readIdentity(instance, connector, Date.now())
  if ('failure' in identity) {
    const mend = `put it right on this machine; until then mail through it waits (organisation ${printable(connector.organization, 80)})`
    found.push(problem('warning', 'config/', identity.failure.text, mend))
  }
  for (const name of [connector.tlsKeyFile, connector.passwordFile]) {
    const path = name === null ? null : trustedPath(join(instance, 'config'), name)
    const mode = path === null ? 0 : await modeOf(path)
    if ((mode & OTHERS) === 0) continue
    const file = `config/${printable(name ?? '')}`
    found.push(problem('warning', file, 'is open to every user of this machine', `run chmod o= ${file}`))
  }
  return found
}

async function modeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mode
  } catch {
    // That it is not there was said.
    return 0
  }
}

function problem(severity: Severity, file: string, message: string, mend: string): Problem {
  return { file, line: 0, column: 0, severity, message, mend }
}
