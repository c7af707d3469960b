/** Properties of a record as flags: the Exchange cmdlets' parameters in kebab case. */

import type { Command } from 'commander'
import { Option } from 'commander'
import { MOST_REPORT_ONLY_DAYS } from '../../directory/schema-report-only.ts'
import { printable } from '../../text/printable.ts'
import { UsageError } from '../errors.ts'

/** What commander makes of the flags; its keys are those of the options that were declared. */
export type Options = Readonly<Record<string, unknown>>

/** One property that can be given by a flag. */
export interface PropertyFlag {
  /** As in organizations.yaml. */
  readonly property: string
  readonly kind: 'text' | 'choice' | 'boolean' | 'list' | 'files'
  readonly description: string
  readonly choices?: readonly string[]
  /** Only when a record is changed, and the record's name: the flag is another one's when it is made. */
  readonly setOnly?: boolean
  /** Of a list that can be added to and taken from: an entry in the form in which it is kept. */
  readonly canonical?: (text: string) => string
  /** Taken so that scripts for the cmdlets run; nothing comes of it. */
  readonly idle?: boolean
}

/** The properties that were given; null takes a property away. */
export type Given = ReadonlyMap<string, unknown>

const IDLE_GROUP = 'Taken, since the cmdlet has them, but nothing comes of them here:'

/**
 * @param property a property in camelCase
 * @returns it as a flag, e.g. `--sender-ip-addresses`
 */
export function flagOf(property: string): string {
  return `--${property.replaceAll(/IPs\b|[A-Z]+(?![a-z])|[A-Z]/g, (part) => `-${part.toLowerCase()}`)}`
}

/**
 * @param command gets an option for each property
 * @param flags the properties
 * @param forSet whether the command changes a record that is there
 */
export function addPropertyOptions(command: Command, flags: readonly PropertyFlag[], forSet: boolean): void {
  for (const flag of flags) {
    if (flag.setOnly === true && !forSet) continue
    command.addOption(optionOf(flagOf(flag.property), flag))
    if (!forSet || flag.canonical === undefined) continue
    const name = flagOf(flag.property).slice(2)
    command.addOption(listOption(`--add-${name} <list>`, `add to ${flag.property}`))
    command.addOption(listOption(`--remove-${name} <list>`, `take from ${flag.property}`))
  }
}

function optionOf(name: string, { kind, description, idle }: PropertyFlag): Option {
  const option =
    kind === 'list' || kind === 'files' ? listOption : (text: string, told: string) => new Option(text, told)
  const value = { text: '<text>', choice: '<type>', boolean: '<true|false>', list: '<list>', files: '<file>' }
  const made = option(`${name} ${value[kind]}`, description)
  return idle === true ? made.helpGroup(IDLE_GROUP) : made
}

function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string, before: unknown) => [
    ...textsOf(before),
    text,
  ])
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** Report-only mode, of an organisation or a connector. */
export function addReportOnlyOptions(command: Command, forSet: boolean): void {
  command.option(
    '--report-only [date]',
    `relay what would be denied, and only report it, until that day (without one: ${MOST_REPORT_ONLY_DAYS} days from now)`,
  )
  if (forSet) command.option('--no-report-only', 'end report-only mode now')
}

/**
 * @param options what commander made of the flags
 * @param flags the properties that there are
 * @returns those that were given, idle ones as well
 * @throws UsageError when a value is none of the flag's
 */
export function readProperties(options: Options, flags: readonly PropertyFlag[]): Map<string, unknown> {
  const given = new Map<string, unknown>()
  for (const flag of flags) {
    const value = options[new Option(`${flagOf(flag.property)} <x>`).attributeName()]
    if (value === undefined) continue
    given.set(flag.property, flag.kind === 'files' ? textsOf(value) : valueOf(flag, value))
  }
  const until = reportOnlyOf(options)
  if (until !== undefined) given.set('reportOnlyUntil', until)
  return given
}

function valueOf(flag: PropertyFlag, value: unknown): unknown {
  if (flag.kind === 'list') return listOf(textsOf(value))
  const text = String(value)
  if (flag.kind === 'boolean') return booleanOf(flagOf(flag.property), text)
  if (text === '') return null
  const choice = flag.choices?.find((one) => one.toLowerCase() === text.toLowerCase())
  return choice ?? text
}

/**
 * @param texts what was typed, with commas between entries
 * @returns the entries
 */
export function listOf(texts: readonly string[]): string[] {
  return texts
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '')
}

function booleanOf(flag: string, text: string): boolean {
  const [, word] = /^\$?(true|false)$/i.exec(text) ?? []
  if (word !== undefined) return word.toLowerCase() === 'true'
  throw new UsageError(`${flag} "${printable(text, 80)}" is neither true nor false`)
}

function reportOnlyOf({ reportOnly }: Options): string | null | undefined {
  if (reportOnly === undefined) return undefined
  if (reportOnly === false) return null
  return typeof reportOnly === 'string' ? reportOnly : reportOnlyFromNow()
}

/** @returns the last day on which report-only mode may end, e.g. `2027-02-23` */
export function reportOnlyFromNow(): string {
  return new Date(Date.now() + MOST_REPORT_ONLY_DAYS * 86_400_000).toISOString().slice(0, 10)
}

/** What shall be added to a list of a record, and taken from it. */
export interface ListChange {
  readonly flag: PropertyFlag
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/**
 * @param options what commander made of the flags
 * @param flags the properties that there are
 * @returns the lists that shall be added to or taken from
 * @throws UsageError when such a list is given as a whole, too
 */
export function readListChanges(options: Options, flags: readonly PropertyFlag[]): ListChange[] {
  return flags.flatMap((flag) => {
    if (flag.canonical === undefined) return []
    const name = flagOf(flag.property)
    const part = (verb: string): string[] =>
      listOf(textsOf(options[new Option(`--${verb}-${name.slice(2)} <x>`).attributeName()]))
    const [add, remove] = [part('add'), part('remove')]
    if (add.length + remove.length === 0) return []
    if (options[new Option(`${name} <x>`).attributeName()] !== undefined) {
      throw new UsageError(
        `${name} gives the whole list: leave out --add-${name.slice(2)} and --remove-${name.slice(2)}`,
      )
    }
    return [{ flag, add, remove }]
  })
}
