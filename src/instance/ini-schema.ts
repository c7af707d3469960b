/** Settings in .ini files: kinds of values, unknown names, and every problem with its line and how to mend it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Problem } from '../directory/model.ts'
import { parseDuration } from '../text/duration.ts'
import { printable } from '../text/printable.ts'
import { didYouMean } from '../text/suggest.ts'
import type { Endpoint } from './endpoint.ts'
import { parseEndpoint } from './endpoint.ts'
import type { Ini } from './ini.ts'
import { readIni } from './ini.ts'

/** Sections of keys: what a file may hold. A message of an issue is `what|how to mend it`. */
type Sections = z.ZodObject<
  Record<string, z.ZodObject<Record<string, z.ZodType<unknown, string | undefined>>>>
>

export interface ReadIniFile<Data> {
  /** When a problem is an error these are the defaults, not to be used. */
  readonly data: Data
  readonly problems: readonly Problem[]
  readonly ini: Ini
}

export const flag = (fallback: boolean) =>
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

export const count = (fallback: number, least: number, most: number) =>
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

/** A duration such as `90s`, `15m`, `4h` or `2d`, in milliseconds; `least` and `most` as they are typed. */
export const duration = (fallback: string, least: string, most: string) =>
  z
    .string()
    .optional()
    .transform((text, context) => {
      const value = parseDuration(text === undefined || text === '' ? fallback : text)
      if (value !== null && isWithin(value, least, most)) return value
      context.addIssue({
        code: 'custom',
        message: `must be a duration from ${least} to ${most}, not "${printable(text ?? '')}"|write e.g. ${fallback}`,
      })
      return z.NEVER
    })

/** Durations, separated by commas; at least one. */
export const durations = (fallback: string, least: string, most: string) =>
  z
    .string()
    .optional()
    .transform((text, context) => {
      const items = (text === undefined || text === '' ? fallback : text)
        .split(',')
        .map((item) => item.trim())
      const values = items.flatMap((item) => parseDuration(item) ?? [])
      if (values.length === items.length && values.every((value) => isWithin(value, least, most)))
        return values
      context.addIssue({
        code: 'custom',
        message: `must be durations from ${least} to ${most}, separated by commas, not "${printable(text ?? '')}"|write e.g. ${fallback}`,
      })
      return z.NEVER
    })

function isWithin(value: number, least: string, most: string): boolean {
  return value >= (parseDuration(least) ?? 0) && value <= (parseDuration(most) ?? 0)
}

export const endpoint = (defaultPort?: number) =>
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

export const list = () =>
  z
    .string()
    .optional()
    .transform((text) =>
      (text ?? '')
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    )

export const choices = <Choice extends string>(known: readonly Choice[], fallback: readonly Choice[]) =>
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

/** A text as it is, '' when it is not given. */
export const text = () =>
  z
    .string()
    .optional()
    .transform((given) => given ?? '')

/**
 * @param instance the instance's folder
 * @param file the file's name, e.g. `config/connectors.ini`
 * @param schema what it may hold
 * @returns what it says; all defaults when there is none
 */
export function readIniFile<Schema extends Sections>(
  instance: string,
  file: string,
  schema: Schema,
): ReadIniFile<z.output<Schema>> {
  try {
    return parseIniFile(readFileSync(join(instance, file), 'utf8'), file, schema)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const read = parseIniFile('', file, schema)
    if (code === 'ENOENT') return read
    const unreadable = iniProblem(file, 0, `cannot be read: ${code ?? message}`, 'let the server read it')
    return { ...read, problems: [unreadable] }
  }
}

/**
 * @param text the text of the file
 * @param file its name, as it shall stand in problems
 * @param schema what it may hold
 * @returns what it says and everything that is wrong with it
 */
export function parseIniFile<Schema extends Sections>(
  text: string,
  file: string,
  schema: Schema,
): ReadIniFile<z.output<Schema>> {
  const ini = readIni(text)
  const problems = [
    // Not the line itself: it may be a password.
    ...ini.unreadable.map((line) => iniProblem(file, line, 'this line is no setting', 'write key = value')),
    ...unknownNames(file, ini, schema),
  ]
  const parsed = schema.safeParse(asText(ini, schema))
  if (parsed.success) return { data: parsed.data, problems, ini }
  for (const { path, message } of parsed.error.issues) {
    const [section = '', key = ''] = path.map(String)
    const [what = message, mend = ''] = message.split('|')
    problems.push(iniProblem(file, ini.line(section, key), `[${section}] ${key} ${what}`, mend))
  }
  return { data: schema.parse(asText(readIni(''), schema)), problems, ini }
}

/** @returns an error in a settings file */
export function iniProblem(file: string, line: number, message: string, mend: string): Problem {
  return { file, line, column: 1, severity: 'error', message, mend }
}

function asText(ini: Ini, schema: Sections): Record<string, Record<string, string>> {
  return Object.fromEntries(
    Object.entries(schema.shape).map(([section, { shape }]) => [
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

function unknownNames(file: string, ini: Ini, schema: Sections): Problem[] {
  const known = new Map(Object.entries(schema.shape).map(([name, { shape }]) => [name, Object.keys(shape)]))
  return ini.sections().flatMap((section) => {
    const keys = known.get(section)
    if (keys === undefined) {
      if (section === 'main' && ini.keys('main').length === 0) return []
      const shown = section === 'main' ? 'settings before any section' : `section [${printable(section)}]`
      return [iniProblem(file, ini.line(section), `unknown ${shown}`, meant(section, [...known.keys()]))]
    }
    return ini
      .keys(section)
      .filter((key) => !keys.includes(key))
      .map((key) =>
        iniProblem(
          file,
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
