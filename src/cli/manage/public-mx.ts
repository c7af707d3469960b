/** Where the world delivers a domain's mail, and whether that is this host: who registers a domain should know. */

import type { Command } from 'commander'
import { resolverOf } from '../../dns/lookup.ts'
import { withPatience } from '../../dns/patience.ts'
import type { LookupOptions, PublicMx } from '../../dns/public-mx.ts'
import { addressesOf, publicMx } from '../../dns/public-mx.ts'
import { parseNameServer } from '../../dns/server.ts'
import { hostNameOf, readHarakaConfig } from '../../instance/haraka-config.ts'
import { ownAddresses } from '../../instance/own-addresses.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { normalizeAddress } from '../../text/ip-address.ts'
import { printable } from '../../text/printable.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import type { Options } from './flags.ts'

/** Hosts that are named. */
const MOST_HOSTS = 5

export interface FoundMx {
  /** Safe to print, e.g. `the public MX of contoso.com is mail.contoso.com (192.0.2.1)`. */
  readonly text: string
  /** Whether one of the hosts is this one. */
  readonly ours: boolean
}

/** @param command gets the options that say how the DNS is asked */
export function addDnsOptions(command: Command): void {
  command
    .option('--resolver <address>', "the name server to ask, as ADDR or ADDR:PORT, in place of the system's")
    .option('--no-dns', 'do not ask for the public MX')
}

/**
 * @param domain a normalised domain name
 * @param instance the instance's folder
 * @param options what commander made of the flags
 * @param signal gives up
 * @returns what is known of the domain's public MX
 * @throws UsageError when --resolver is no address, CommandFailed after Ctrl-C
 */
export async function findPublicMx(
  domain: string,
  instance: string,
  options: Options,
  signal: AbortSignal,
): Promise<FoundMx> {
  const lookup: LookupOptions = { ...resolverOption(options), signal }
  if (options['dns'] === false) {
    return { text: `the public MX of ${domain} was not asked for (--no-dns)`, ours: false }
  }
  try {
    const found = await publicMx(domain, lookup)
    return { text: mxText(domain, found), ours: await isOurs(found, instance, lookup) }
  } catch (error) {
    if (signal.aborted) throw new CommandFailed('stopped; nothing was changed')
    throw error
  }
}

function resolverOption({ resolver }: Options): Pick<LookupOptions, 'resolver'> {
  if (typeof resolver !== 'string') return {}
  const server = parseNameServer(resolver)
  if (server === null) {
    throw new UsageError(
      `--resolver "${printable(resolver, 80)}" is no address: write e.g. 192.0.2.53 or 192.0.2.53:5353`,
    )
  }
  return { resolver: server }
}

function mxText(domain: string, found: PublicMx): string {
  switch (found.kind) {
    case 'mx': {
      const hosts = found.exchanges.slice(0, MOST_HOSTS).map(({ addresses, host }) => {
        const where =
          addresses === null ? 'address unknown' : addresses.slice(0, 4).join(', ') || 'without an address'
        return `${printable(host, 255)} (${where})`
      })
      return `the public MX of ${domain} is ${hosts.join(', ')}${found.count > MOST_HOSTS ? ', ...' : ''}`
    }
    case 'null-mx':
      return `${domain} takes no mail: its public MX is the null MX (RFC 7505)`
    case 'implicit':
      return `${domain} has no public MX: its mail goes to its own address, ${found.addresses.slice(0, 4).join(', ')}`
    case 'none':
      return `${domain} has neither a public MX nor an address: nobody can send mail to it`
    case 'no-such-domain':
      return `the public DNS knows no ${domain}`
    case 'could-not-ask': {
      const [failure] = found.failures
      const why =
        failure === undefined
          ? 'no answer'
          : `${failure.server === '' ? '' : `${failure.server}: `}${failure.detail}`
      return `the public MX of ${domain} could not be asked for (${printable(why, 300)})`
    }
    default: {
      const never: never = found
      return never
    }
  }
}

async function isOurs(found: PublicMx, instance: string, lookup: LookupOptions): Promise<boolean> {
  const exchanges = found.kind === 'mx' ? found.exchanges : []
  const addresses =
    found.kind === 'implicit' ? found.addresses : exchanges.flatMap((one) => one.addresses ?? [])
  const me = hostNameOf(instance)
  if (me !== null && exchanges.some(({ host }) => normalizeDomain(host) === me)) return true
  if (addresses.length === 0) return false
  const own = addressesHere(instance)
  if (addresses.some((address) => own.has(address))) return true
  if (me === null) return false
  // Behind a NAT the host's public address is known by its name only.
  const named = await withPatience(lookup, (patience) =>
    addressesOf(resolverOf(lookup.resolver === undefined ? null : [lookup.resolver], patience), me),
  )
  return 'found' in named && named.found.some((address) => addresses.includes(address))
}

function addressesHere(instance: string): Set<string> {
  const listening = readHarakaConfig(instance).listen.flatMap(({ host }) => normalizeAddress(host) ?? [])
  return new Set([...ownAddresses('outside'), ...listening])
}
