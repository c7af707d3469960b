/** `config/connectors.ini`: every setting, its default, and what is wrong with it. */

import { z } from 'zod'
import type { RevocationPolicy } from '../certificate/crl.ts'
import type { Limits } from '../certificate/limits.ts'
import { DEFAULT_LIMITS } from '../certificate/limits.ts'
import type { Purpose } from '../certificate/verifier.ts'
import type { Problem } from '../directory/model.ts'
import type { NameServer } from '../dns/server.ts'
import { parseNameServer } from '../dns/server.ts'
import { REASONS } from '../policy/reasons.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { printable } from '../text/printable.ts'
import type { Endpoint } from './endpoint.ts'
import { isLoopback } from './endpoint.ts'
import type { Ini } from './ini.ts'
import type { ReadIniFile } from './ini-schema.ts'
import {
  choices,
  count,
  duration,
  durations,
  endpoint,
  flag,
  iniProblem,
  list,
  parseIniFile,
  readIniFile,
} from './ini-schema.ts'

/** Room that the longest reason, an id and CRLF take of the 512 octets of a reply line (RFC 5321 4.5.3.1.5). */
const SUFFIX_LENGTH = ' []'.length + Math.max(...REASONS.map(({ code }) => code.length)) + 1 + 50
const LONGEST_REPLY = 512 - '550 5.7.64 '.length - SUFFIX_LENGTH - '\r\n'.length

const line = (fallback: string) =>
  z
    .string()
    .optional()
    .transform((text, context) => {
      const value = text === undefined || text === '' ? fallback : text
      if (/^[\x20-\x7e]+$/.test(value)) return value
      context.addIssue({
        code: 'custom',
        message: 'holds characters that an SMTP reply cannot carry|use ASCII letters, digits and punctuation',
      })
      return z.NEVER
    })

const nameServer = () =>
  z
    .string()
    .optional()
    .transform((text, context) => {
      if (text === undefined || text === '') return null
      const server = parseNameServer(text)
      if (server !== null) return server
      context.addIssue({
        code: 'custom',
        message: `"${printable(text)}" is no address of a name server|write e.g. 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53`,
      })
      return z.NEVER
    })

const SCHEMA = z.object({
  directory: z.object({
    store: z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined || text === '' || text === 'file') return 'file' as const
        if (text === 'redis') return 'redis' as const
        context.addIssue({ code: 'custom', message: `"${printable(text)}" is no store|write file or redis` })
        return z.NEVER
      }),
  }),
  certificates: z.object({
    ca: list().transform((named) => (named.length === 0 ? ['system'] : named)),
    accept_eku: choices(['clientAuth', 'serverAuth'], ['clientAuth', 'serverAuth']),
    allow: choices(['sha1', 'rsa1024'], []),
    crl: list(),
    crl_policy: z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined || text === '' || text === 'if-available') return 'if-available' as const
        if (text === 'require') return 'require' as const
        context.addIssue({
          code: 'custom',
          message: `"${printable(text)}" is unknown|write if-available or require`,
        })
        return z.NEVER
      }),
    max_certificates: count(DEFAULT_LIMITS.certificates, 1, 1000),
    max_bytes: count(DEFAULT_LIMITS.bytes, 10_000, 100_000_000),
    max_intermediates: count(DEFAULT_LIMITS.intermediates, 0, 100),
    max_signatures: count(DEFAULT_LIMITS.signatures, 1, 10_000),
    max_names: count(DEFAULT_LIMITS.names, 1, 1_000_000),
    max_name_comparisons: count(DEFAULT_LIMITS.nameComparisons, 1, 100_000_000),
  }),
  relay: z.object({
    accept_inbound: flag(true),
    respect_relaying: flag(false),
    require_domain_proof: flag(false),
    postmaster: z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined || text === '') return null
        const [local = '', domain = '', ...rest] = text.split('@')
        const name = normalizeDomain(domain)
        if (rest.length === 0 && /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}$/i.test(local) && name !== null) {
          return `${local}@${name}`
        }
        context.addIssue({
          code: 'custom',
          message: `"${printable(text)}" is no mail address|write e.g. postmaster@contoso.com`,
        })
        return z.NEVER
      }),
  }),
  domains: z.object({
    resolver: nameServer(),
  }),
  replies: z.object({
    tenant_attribution: line('TenantAttribution; Relay Access Denied'),
    attr36: line('Relay Access Denied ATTR36. For more details please refer to:'),
    help_url: line('https://support.microsoft.com/kb/3169958'),
  }),
  outbound: z.object({
    smart_host: endpoint(25),
    ca: list().transform((named) => (named.length === 0 ? ['system'] : named)),
    resolver: nameServer(),
    max_connections: count(200, 1, 10_000),
    max_connections_per_destination: count(20, 1, 1_000),
    messages_per_connection: count(100, 1, 100_000),
    idle: duration('5s', '0s', '5m'),
    connect_timeout: duration('30s', '1s', '5m'),
    reply_timeout: duration('5m', '1s', '1h'),
  }),
  queue: z.object({
    retry_intervals: durations('1m, 2m, 5m, 10m, 15m, 30m, 1h', '1s', '1d'),
    lifetime: duration('2d', '1m', '30d'),
    report_lifetime: duration('1d', '1m', '30d'),
    delay_warning: duration('4h', '0s', '30d'),
    buffer_bytes: count(67_108_864, 0, 10_000_000_000),
  }),
  message: z.object({ max_received: count(50, 1, 500) }),
  connection: z.object({ lookup_rdns: flag(false) }),
  journal: z.object({
    max_bytes: count(1_073_741_824, 1_048_576, 1_000_000_000_000_000),
    max_days: count(30, 1, 36_500),
  }),
  shutdown: z.object({ drain: count(5, 0, 600), grace: count(10, 1, 3600) }),
  demonstration: z.object({ sink: endpoint() }),
})

export interface Settings {
  readonly directory: { readonly store: 'file' | 'redis' }
  readonly certificates: {
    readonly ca: readonly string[]
    readonly acceptEku: readonly Purpose[]
    readonly allow: readonly ('sha1' | 'rsa1024')[]
    readonly crl: readonly string[]
    readonly crlPolicy: RevocationPolicy
    readonly limits: Limits
  }
  readonly relay: {
    readonly acceptInbound: boolean
    readonly respectRelaying: boolean
    readonly requireDomainProof: boolean
    readonly postmaster: string | null
  }
  /** Whom `domain verify` believes about records in the DNS; null for the authoritative servers. */
  readonly domains: { readonly resolver: NameServer | null }
  readonly replies: { readonly tenantAttribution: string; readonly attr36: string; readonly helpUrl: string }
  readonly outbound: {
    readonly smartHost: Endpoint | null
    /** Whom the certificates of next hops must lead to: `system` or PEM files under config/. */
    readonly ca: readonly string[]
    /** Where next hops are looked up; null for the machine's own name servers. */
    readonly resolver: NameServer | null
    /** Of one process. */
    readonly maxConnections: number
    readonly maxConnectionsPerDestination: number
    readonly messagesPerConnection: number
    /** Milliseconds, as all that follow. */
    readonly idle: number
    readonly connectTimeout: number
    readonly replyTimeout: number
  }
  readonly queue: {
    /** The last one repeats. */
    readonly retryIntervals: readonly number[]
    readonly lifetime: number
    readonly reportLifetime: number
    /** 0 for none. */
    readonly delayWarning: number
    /** Of content that is kept in memory until it was tried once, in one process. */
    readonly bufferBytes: number
  }
  readonly message: { readonly maxReceived: number }
  readonly connection: { readonly lookupRdns: boolean }
  readonly journal: { readonly maxBytes: number; readonly maxDays: number }
  /** Seconds. */
  readonly shutdown: { readonly drain: number; readonly grace: number }
  readonly demonstration: { readonly sink: Endpoint | null }
}

export interface ReadSettings {
  readonly settings: Settings
  /** When one of them is an error the settings are the defaults, not to be used. */
  readonly problems: readonly Problem[]
}

const FILE = 'config/connectors.ini'

/**
 * @param instance the instance's folder
 * @returns its settings; all defaults when there is no connectors.ini
 */
export function readSettings(instance: string): ReadSettings {
  return settingsFrom(readIniFile(instance, FILE, SCHEMA))
}

/**
 * @param text the text of connectors.ini
 * @returns the settings and everything that is wrong with them
 */
export function parseSettings(text: string): ReadSettings {
  return settingsFrom(parseIniFile(text, FILE, SCHEMA))
}

function settingsFrom({ data, problems, ini }: ReadIniFile<z.infer<typeof SCHEMA>>): ReadSettings {
  const settings = toSettings(data)
  return { settings, problems: [...problems, ...longReplies(settings, ini), ...sinkOutside(settings, ini)] }
}

function problem(line: number, message: string, mend: string): Problem {
  return iniProblem(FILE, line, message, mend)
}

function longReplies({ replies }: Settings, ini: Ini): Problem[] {
  const lengths: readonly (readonly [key: string, length: number])[] = [
    ['tenant_attribution', replies.tenantAttribution.length],
    ['attr36', `${replies.attr36} ${replies.helpUrl}`.length],
  ]
  return lengths
    .filter(([, length]) => length > LONGEST_REPLY)
    .map(([key, length]) =>
      problem(
        ini.line('replies', key),
        `[replies] ${key} makes a reply of more than 512 octets`,
        `shorten it by ${length - LONGEST_REPLY} characters`,
      ),
    )
}

function sinkOutside({ demonstration: { sink } }: Settings, ini: Ini): Problem[] {
  if (sink === null || isLoopback(sink.host)) return []
  return [
    problem(
      ini.line('demonstration', 'sink'),
      `[demonstration] sink ${sink.host} is not on loopback`,
      'write e.g. 127.0.0.1:2526',
    ),
  ]
}

function toSettings(data: z.infer<typeof SCHEMA>): Settings {
  return {
    directory: data.directory,
    certificates: certificateSettings(data.certificates),
    relay: {
      acceptInbound: data.relay.accept_inbound,
      respectRelaying: data.relay.respect_relaying,
      requireDomainProof: data.relay.require_domain_proof,
      postmaster: data.relay.postmaster,
    },
    domains: data.domains,
    replies: {
      tenantAttribution: data.replies.tenant_attribution,
      attr36: data.replies.attr36,
      helpUrl: data.replies.help_url,
    },
    outbound: {
      smartHost: data.outbound.smart_host,
      ca: data.outbound.ca,
      resolver: data.outbound.resolver,
      maxConnections: data.outbound.max_connections,
      maxConnectionsPerDestination: data.outbound.max_connections_per_destination,
      messagesPerConnection: data.outbound.messages_per_connection,
      idle: data.outbound.idle,
      connectTimeout: data.outbound.connect_timeout,
      replyTimeout: data.outbound.reply_timeout,
    },
    queue: {
      retryIntervals: data.queue.retry_intervals,
      lifetime: data.queue.lifetime,
      reportLifetime: data.queue.report_lifetime,
      delayWarning: data.queue.delay_warning,
      bufferBytes: data.queue.buffer_bytes,
    },
    message: { maxReceived: data.message.max_received },
    connection: { lookupRdns: data.connection.lookup_rdns },
    journal: { maxBytes: data.journal.max_bytes, maxDays: data.journal.max_days },
    shutdown: data.shutdown,
    demonstration: data.demonstration,
  }
}

function certificateSettings(data: z.infer<typeof SCHEMA>['certificates']): Settings['certificates'] {
  return {
    ca: data.ca,
    acceptEku: data.accept_eku,
    allow: data.allow,
    crl: data.crl,
    crlPolicy: data.crl_policy,
    limits: {
      certificates: data.max_certificates,
      bytes: data.max_bytes,
      intermediates: data.max_intermediates,
      signatures: data.max_signatures,
      names: data.max_names,
      nameComparisons: data.max_name_comparisons,
    },
  }
}
