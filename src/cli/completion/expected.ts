/** What may stand in a place of the command line: a file, one of a few words, the name of something in the directory or the queue. */

import type { Argument, Option } from 'commander'
import type { Purpose } from '../../certificate/verifier.ts'
import { EVENTS } from '../../journal/record.ts'
import type { ConnectorType, DomainType, Outcome, TlsSettings } from '../../policy/types.ts'
import type { GroupBy } from '../queue/groups.ts'

/** What the directory is asked for, and the queue. */
export const LOOKED_UP = [
  'organization',
  'domain',
  'connector',
  'outbound-connector',
  'message',
  'destination',
] as const

export type LookedUp = (typeof LOOKED_UP)[number]

export type Expected =
  | { readonly kind: 'file' | 'folder' | 'anything' }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'directory'; readonly of: LookedUp }

/** Words of options that check their value themselves. */
const WORDS = new Map<string, readonly string[]>([
  ['--outcome', ['relay', 'deliver', 'deny', 'defer'] satisfies Outcome[]],
  ['--by', ['destination', 'organization', 'sender'] satisfies GroupBy[]],
  ['--event', EVENTS],
  ['--accept-eku', ['clientAuth', 'serverAuth'] satisfies Purpose[]],
  ['--connector-type', ['OnPremises', 'Partner'] satisfies ConnectorType[]],
  ['--tls-settings', ['EncryptionOnly', 'CertificateValidation', 'DomainValidation'] satisfies TlsSettings[]],
  ['--domain-type', ['Authoritative', 'InternalRelay'] satisfies DomainType[]],
])

const FILES = new Set(['file', 'files', 'state', 'export', 'yaml'])
const FOLDERS = new Set(['dir', 'folder'])

/** Options that name something in the directory or the queue, whatever stands for their value in the help. */
const OPTIONS = new Map<string, LookedUp>([
  ['--organization', 'organization'],
  ['--domain', 'domain'],
  ['--domain-name', 'domain'],
  ['--connector', 'connector'],
  ['--inbound-connector', 'connector'],
  ['--outbound-connector', 'outbound-connector'],
  ['--destination', 'destination'],
])

/** Commands whose arguments name what they are called for. */
const COMMANDS = new Map<string, LookedUp>([
  ['organization', 'organization'],
  ['domain', 'domain'],
  ['inbound-connector', 'connector'],
  ['outbound-connector', 'outbound-connector'],
  ['validate-outbound', 'outbound-connector'],
  ['queue', 'message'],
  ['trace', 'message'],
])

/** What is added, or is a new name, is not there yet. */
const NEW = new Set(['add', 'rename'])

/**
 * @param path the command's words
 * @param option one of its options that takes a value
 * @returns what the value may be
 */
export function expectedOfOption(path: readonly string[], option: Option): Expected {
  const of = OPTIONS.get(option.long ?? '')
  if (of !== undefined && !(of === COMMANDS.get(path[0] ?? '') && isNew(path)))
    return { kind: 'directory', of }
  return expectedOf(option.argChoices ?? WORDS.get(option.long ?? ''), placeholderOf(option.flags))
}

/**
 * @param path the command's words
 * @param argument one of its arguments
 * @returns what it may be
 */
export function expectedOfArgument(path: readonly string[], argument: Argument): Expected {
  const expected = expectedOf(argument.argChoices, argument.name())
  const of = COMMANDS.get(path[0] ?? '')
  if (expected.kind !== 'anything' || of === undefined || isNew(path)) return expected
  return { kind: 'directory', of }
}

function isNew(path: readonly string[]): boolean {
  return path.some((word) => NEW.has(word))
}

/** `--to <address>`: address. */
function placeholderOf(flags: string): string {
  return /[<[]([^>\].]+)/.exec(flags)?.[1] ?? ''
}

function expectedOf(choices: readonly string[] | undefined, placeholder: string): Expected {
  // `--enabled <true|false>`
  const words = choices ?? (/^\w+(?:\|\w+)+$/.test(placeholder) ? placeholder.split('|') : undefined)
  if (words !== undefined) return { kind: 'words', words }
  if (FILES.has(placeholder)) return { kind: 'file' }
  if (FOLDERS.has(placeholder)) return { kind: 'folder' }
  const of = LOOKED_UP.find((known) => known === placeholder)
  return of === undefined ? { kind: 'anything' } : { kind: 'directory', of }
}
