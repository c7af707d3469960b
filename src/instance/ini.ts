/** Haraka's .ini files, read by Haraka's own parser: what is checked here is what Haraka reads. */

import parser from 'haraka-config/lib/readers/ini.js'

export type IniValue = string | number | boolean | readonly (string | number)[]

export interface Ini {
  /** The value of a key, or undefined; keys before any section are in `main`. */
  get(section: string, key: string): IniValue | undefined
  /** A value as text; a list is joined with commas. */
  text(section: string, key: string): string | undefined
  sections(): readonly string[]
  keys(section: string): readonly string[]
  /** Where a section or a key stands, from 1; 1 when it does not. */
  line(section: string, key?: string): number
  /** Where lines stand that Haraka passes over without using them; 0 where that is not known. */
  readonly unreadable: readonly number[]
}

/**
 * @param text the text of an .ini file
 * @returns what Haraka reads in it
 */
export function readIni(text: string): Ini {
  const unreadable: string[] = []
  const before = parser.logger
  parser.logger = (message) => {
    unreadable.push(message.replace(/^.*?config file '.*?':? ?/, ''))
  }
  let parsed: ReturnType<typeof parser.parseIni>
  try {
    parsed = parser.parseIni('', {}, text)
  } finally {
    parser.logger = before
  }
  const sections = new Map(
    Object.entries(parsed).map(([name, keys]) => [name, new Map(Object.entries(keys))]),
  )
  const all = text.split(/\r\n|\r|\n/)
  const lines = lineNumbers(all)
  const get: Ini['get'] = (section, key) => sections.get(section)?.get(key)
  return {
    get,
    text: (section, key) => {
      const value = get(section, key)
      return value === undefined ? undefined : String(value)
    },
    sections: () => [...sections.keys()],
    keys: (section) => [...(sections.get(section)?.keys() ?? [])],
    line: (section, key) => lines.get(place(section, key)) ?? 1,
    unreadable: unreadable.map((line) => all.indexOf(line) + 1),
  }
}

const SECTION = /^\s*\[\s*([^\]]*?)\s*\]\s*$/
const PARAMETER = /^\s*([\w@:._\-/[\]]+)\s*=\s*(.*?)\s*$/

function place(section: string, key = ''): string {
  return `${section}\n${key}`
}

function lineNumbers(all: readonly string[]): Map<string, number> {
  const lines = new Map<string, number>()
  let section = 'main'
  for (const [index, line] of all.entries()) {
    if (/^\s*[;#]/.test(line)) continue
    const heading = SECTION.exec(line)?.[1]
    if (heading !== undefined) {
      section = heading
      lines.set(place(section), index + 1)
      continue
    }
    const key = PARAMETER.exec(line)?.[1]
    if (key !== undefined) lines.set(place(section, key.replace('[]', '')), index + 1)
  }
  return lines
}

/**
 * Sets one value and leaves every comment where it is.
 * @param text the text of an .ini file
 * @param section the section; `main` stands before any heading, or under [main]
 * @param key a key that the text holds, set or commented out (`;key = …`)
 * @param value its new value
 * @returns the changed text
 * @throws when the text does not hold the key
 */
export function setIniValue(text: string, section: string, key: string, value: string): string {
  let current = 'main'
  let done = false
  const lines = text.split('\n').map((line) => {
    const heading = SECTION.exec(line)?.[1]
    if (heading !== undefined) current = heading
    const match = /^;?\s*([\w@:._\-/[\]]+)\s*=/.exec(line)
    if (done || current !== section || match?.[1] !== key) return line
    done = true
    return `${key} = ${value}`.trimEnd()
  })
  if (!done) throw new Error(`the template has no ${key} in [${section}]`)
  return lines.join('\n')
}
