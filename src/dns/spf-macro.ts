/** Macros in SPF records (RFC 7208 section 7). Those of explanations (`%{c}`, `%{r}`, `%{t}`) are not: exp is not read. */

import { addressBytes } from '../text/ip-address.ts'
import { reverseName } from './host-records.ts'

/** What macros are replaced with. */
export interface MacroValues {
  /** `local@domain`; text from outside. */
  readonly sender: string
  /** The domain whose record is read. */
  readonly domain: string
  /** The address that is asked about, canonical. */
  readonly address: string
  /** The name of EHLO. */
  readonly helo: string
}

const MACRO = /%(?:\{([slodipvh])(\d{0,3})(r?)([-.+,/_=]*)\}|([%_-]))/gi
/** Visible ASCII in which every % begins a macro. */
const MACRO_STRING = /^(?:%(?:\{[slodipvh]\d{0,3}r?[-.+,/_=]*\}|[%_-])|[!-$&-~])+$/i
const ENDS_IN_MACRO = /%(?:\{[^{}]*\}|[%_-])$/
const LDH_LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i
const ZERO_LABELS = /%\{[a-z]0+r?[^{}\d]*\}/i

const LITERALS = new Map([
  ['%', '%'],
  ['_', ' '],
  ['-', '%20'],
])

/** RFC 7208 section 7.3: labels are taken away on the left until the name fits. */
const MOST_CHARACTERS = 253

/** @returns whether a text of an SPF record is one of macros, as a modifier has it */
export function isMacroString(text: string): boolean {
  return text === '' || (MACRO_STRING.test(text) && !ZERO_LABELS.test(text))
}

/** @returns whether a text of an SPF record names a domain, perhaps with macros */
export function isDomainSpec(text: string): boolean {
  return isMacroString(text) && (ENDS_IN_MACRO.test(text) || endsInTopLabel(text))
}

/** A dot, and a label that is no number. */
function endsInTopLabel(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  const dot = name.lastIndexOf('.')
  const label = name.slice(dot + 1)
  return dot !== -1 && LDH_LABEL.test(label) && !/^\d+$/.test(label)
}

/**
 * @param spec a domain-spec (RFC 7208 section 7.1)
 * @param values what its macros stand for
 * @returns the domain that it names, perhaps none that exists
 */
export function expandDomain(spec: string, values: MacroValues): string {
  const expanded = spec.replace(
    MACRO,
    (_, letter: string | undefined, digits: string, reverse: string, delimiters: string, literal: string) =>
      letter === undefined
        ? (LITERALS.get(literal) ?? '')
        : transformed(letter, valueOf(letter.toLowerCase(), values), { digits, reverse, delimiters }),
  )
  let name = expanded.endsWith('.') ? expanded.slice(0, -1) : expanded
  while (name.length > MOST_CHARACTERS && name.includes('.')) name = name.slice(name.indexOf('.') + 1)
  return name
}

function valueOf(letter: string, { address, domain, helo, sender }: MacroValues): string {
  const at = sender.lastIndexOf('@')
  switch (letter) {
    case 's':
      return sender
    case 'l':
      return sender.slice(0, at)
    case 'o':
      return sender.slice(at + 1)
    case 'd':
      return domain
    case 'i':
      return address.includes(':') ? nibblesOf(address) : address
    case 'v':
      return address.includes(':') ? 'ip6' : 'in-addr'
    case 'h':
      return helo
    default:
      // %{p}: what section 7.3 gives where the name is not looked up, which section 7.2 asks for.
      return 'unknown'
  }
}

function nibblesOf(address: string): string {
  return reverseName(address).split('.').slice(0, 32).toReversed().join('.')
}

interface Transformer {
  readonly digits: string
  readonly reverse: string
  readonly delimiters: string
}

function transformed(letter: string, value: string, { digits, reverse, delimiters }: Transformer): string {
  const separators = delimiters === '' ? '.' : delimiters.replaceAll('-', '\\-')
  let parts = value.split(new RegExp(`[${separators}]`))
  if (reverse !== '') parts = parts.toReversed()
  if (digits !== '') parts = parts.slice(-Number(digits))
  const text = parts.join('.')
  return letter === letter.toLowerCase() ? text : percentEncoded(text)
}

/** RFC 3986 section 2.3: all but unreserved characters. */
function percentEncoded(text: string): string {
  const octets = [...Buffer.from(text, 'utf8')].map((octet) => String.fromCharCode(octet))
  const encoded = octets.map((character) =>
    /[A-Za-z0-9._~-]/.test(character)
      ? character
      : `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
  return encoded.join('')
}

/** @returns whether an address is of IPv6 */
export function isIpv6(address: string): boolean {
  return addressBytes(address)?.length === 16
}
