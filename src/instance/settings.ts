/** `config/connectors.ini`: every setting, its default, and what is wrong with it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { RevocationPolicy } from '../certificate/crl.ts'
import type { Limits } from '../certificate/limits.ts'
import { DEFAULT_LIMITS } from '../certificate/limits.ts'
import type { Purpose } from '../certificate/verifier.ts'
import type { Problem } from '../directory/model.ts'
import { REASONS } from '../policy/reasons.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { printable } from '../text/printable.ts'
import { didYouMean } from '../text/suggest.ts'
import type { Endpoint } from './endpoint.ts'
import { isLoopback, parseEndpoint } from './endpoint.ts'
import type { Ini } from './ini.ts'
import { readIni } from './ini.ts'

const flag = (fallback: boolean) =>
  z
    .string()
    .optional()
    .transform((text, context) => {
      if (text === undefined || text === '') return fallback
      if (/^(?:true|yes|on|1)$/i.test(text)) return true
      if (/^(?:false|no|off|0)$/i.test(text)) return false
      context.addIssue({
        code: 'custom',
        message: `must be true or false, not "${printable(text)}"|write true or false`,
      })
      return z.NEVER
    })

const count = (fallback: number, least: number, most: number) =>
  z
    .string()
    .optional()
    .transform((text, context) => {
      if (text === undefined || text === '') return fallback
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      if (value >= least && value <= most) return value
      context.addIssue({
        code: 'custom',
        message: `must be a whole number from ${least} to ${most}, not "${printable(text)}"|write e.g. ${fallback}`,
      })
      return z.NEVER
    })

const endpoint = (defaultPort?: number) =>
  z
    .string()
    .optional()
    .transform((text, context): Endpoint | null => {
      if (text === undefined || text === '') return null
      const parsed = parseEndpoint(text, defaultPort)
      if (parsed !== null) return parsed
      context.addIssue({
        code: 'custom',
        message: `"${printable(text)}" is no HOST:PORT|write e.g. 192.0.2.1:25, mail.contoso.com:25 or [2001:db8::1]:25`,
      })
      return z.NEVER
    })

const list = () =>
  z
    .string()
    .optional()
    .transform((text) =>
      (text ?? '')
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    )

const choices = <Choice extends string>(known: readonly Choice[], fallback: readonly Choice[]) =>
  list().transform((items, context): readonly Choice[] => {
    const chosen = items.flatMap(
      (item) => known.find((choice) => choice.toLowerCase() === item.toLowerCase()) ?? [],
    )
    if (chosen.length === items.length) return items.length === 0 ? fallback : chosen
    context.addIssue({
      code: 'custom',
      message: `holds "${printable(items.find((item) => !known.some((choice) => choice === item)) ?? '')}"|write one or more of ${known.join(', ')}`,
    })
    return z.NEVER
  })

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

const SCHEMA = z.object({
  directory: z.object({
    store: z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined || text === '' || text === 'file') return 'file' as const
        const mend = text === 'redis' ? 'the Redis store is not in this version: write file' : 'write file'
        context.addIssue({ code: 'custom', message: `"${printable(text)}" is no store|${mend}` })
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
  replies: z.object({
    tenant_attribution: line('TenantAttribution; Relay Access Denied'),
    attr36: line('Relay Access Denied ATTR36. For more details please refer to:'),
    help_url: line('https://support.microsoft.com/kb/3169958'),
  }),
  outbound: z.object({ smart_host: endpoint(25) }),
  message: z.object({ max_received: count(50, 1, 500) }),
  connection: z.object({ lookup_rdns: flag(false) }),
  journal: z.object({
    max_bytes: count(1_073_741_824, 1_048_576, 1_000_000_000_000_000),
    max_days: count(30, 1, 36_500),
  }),
  demonstration: z.object({ sink: endpoint() }),
})

export interface Settings {
  readonly directory: { readonly store: 'file' }
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
    readonly postmaster: string | null
  }
  readonly replies: { readonly tenantAttribution: string; readonly attr36: string; readonly helpUrl: string }
  readonly outbound: { readonly smartHost: Endpoint | null }
  readonly message: { readonly maxReceived: number }
  readonly connection: { readonly lookupRdns: boolean }
  readonly journal: { readonly maxBytes: number; readonly maxDays: number }
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
  try {
    return parseSettings(readFileSync(join(instance, FILE), 'utf8'))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const read = parseSettings('')
    if (code === 'ENOENT') return read
    return { ...read, problems: [problem(0, `cannot be read: ${code ?? message}`, 'let the server read it')] }
  }
}

/**
 * @param text the text of connectors.ini
 * @returns the settings and everything that is wrong with them
 */
export function parseSettings(text: string): ReadSettings {
  const ini = readIni(text)
  const problems = [
    ...ini.unreadable.map((shown) =>
      problem(0, `a line is no setting: ${printable(shown)}`, 'write key = value'),
    ),
    ...unknownNames(ini),
  ]
  const parsed = SCHEMA.safeParse(asText(ini))
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      const [section = '', key = ''] = path.map(String)
      const [what = message, mend = ''] = message.split('|')
      problems.push(problem(ini.line(section, key), `[${section}] ${key} ${what}`, mend))
    }
    return { settings: toSettings(SCHEMA.parse(asText(readIni('')))), problems }
  }
  const settings = toSettings(parsed.data)
  problems.push(...longReplies(settings, ini), ...sinkOutside(settings, ini))
  return { settings, problems }
}

function problem(lineNumber: number, message: string, mend: string): Problem {
  return { file: FILE, line: lineNumber, column: 1, severity: 'error', message, mend }
}

function asText(ini: Ini): Record<string, Record<string, string>> {
  return Object.fromEntries(
    Object.entries(SCHEMA.shape).map(([section, { shape }]) => [
      section,
      Object.fromEntries(
        Object.keys(shape).flatMap((key) => {
          const value = ini.text(section, key)
          return value === undefined ? [] : [[key, value.trim()]]
        }),
      ),
    ]),
  )
}

function unknownNames(ini: Ini): Problem[] {
  const known = new Map(Object.entries(SCHEMA.shape).map(([name, { shape }]) => [name, Object.keys(shape)]))
  return ini.sections().flatMap((section) => {
    const keys = known.get(section)
    if (keys === undefined) {
      if (section === 'main' && ini.keys('main').length === 0) return []
      const shown = section === 'main' ? 'settings before any section' : `section [${printable(section)}]`
      return [problem(ini.line(section), `unknown ${shown}`, meant(section, [...known.keys()]))]
    }
    return ini
      .keys(section)
      .filter((key) => !keys.includes(key))
      .map((key) =>
        problem(
          ini.line(section, key),
          `unknown setting "${printable(key)}" in [${section}]`,
          meant(key, keys),
        ),
      )
  })
}

function meant(word: string, known: readonly string[]): string {
  const suggestion = didYouMean(word, known)
  return suggestion === null ? `known are ${known.join(', ')}` : `did you mean ${suggestion}?`
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
      postmaster: data.relay.postmaster,
    },
    replies: {
      tenantAttribution: data.replies.tenant_attribution,
      attr36: data.replies.attr36,
      helpUrl: data.replies.help_url,
    },
    outbound: { smartHost: data.outbound.smart_host },
    message: { maxReceived: data.message.max_received },
    connection: { lookupRdns: data.connection.lookup_rdns },
    journal: { maxBytes: data.journal.max_bytes, maxDays: data.journal.max_days },
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
