/**
 * What may be written for a setting, asked of the program that reads it: it is given what cannot be meant, and its
 * complaint says what can. So the reference never says more than the reader takes.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Problem } from '../directory/model.ts'
import { readRedisSettings } from '../instance/redis-settings.ts'
import { parseSettings } from '../instance/settings.ts'

export interface Read {
  readonly value: unknown
  readonly problems: readonly Problem[]
}

/** Reads the text of a settings file. */
export type Reader = (text: string) => Read

/** connectors.ini. */
export function readConnectorsIni(text: string): Read {
  const { settings, problems } = parseSettings(text)
  return { value: settings, problems }
}

/** redis.ini, in a folder of its own, without the environment of this process. */
export function readRedisIni(text: string): Read {
  const folder = mkdtempSync(join(tmpdir(), 'connectors-reference-'))
  try {
    mkdirSync(join(folder, 'config'))
    writeFileSync(join(folder, 'config', 'redis.ini'), text)
    const { redis, problems } = readRedisSettings(folder, {})
    return { value: redis, problems }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What a complaint says about what may be written, the first that fits. */
const COMPLAINTS: readonly (readonly [pattern: RegExp, kind: string])[] = [
  [/must be true or false/, 'true or false'],
  [/must be a whole number from (\d+) to (\d+)/, 'a whole number from $1 to $2'],
  [/is no list of HOST:PORT/, 'a list of HOST:PORT'],
  [/is no HOST:PORT/, 'HOST:PORT'],
  [/is no mail address/, 'a mail address'],
  [/is no address of a name server/, 'ADDR or ADDR:PORT'],
  [/which is missing/, 'a file'],
  [/cannot be part of a key.*use (.*)$/, '$1'],
  [/write one or more of (.*)$/, 'one or more of $1'],
  [/write ([\w-]+) or ([\w-]+)$/, '$1 or $2'],
]

const NONSENSE = 'no such thing'

/**
 * @param reader who reads the file
 * @param section a section
 * @param key a setting in it
 * @returns what may be written there, in words
 */
export function kindOf(reader: Reader, section: string, key: string): string {
  // Files of TLS are only looked at where TLS is used.
  const on = key !== 'enabled' && knownSettings(reader, section).includes('enabled') ? 'enabled = true\n' : ''
  const told = (value: string): Read => reader(`[${section}]\n${on}${key} = ${value}\n`)
  for (const { message, mend } of told(NONSENSE).problems) {
    for (const [pattern, kind] of COMPLAINTS) {
      const found = pattern.exec(`${message}: ${mend}`)
      if (found !== null)
        return kind.replaceAll(/\$(\d)/g, (_all, group: string) => found[Number(group)] ?? '')
    }
  }
  return JSON.stringify(told('first, second').value).includes('"first","second"') ? 'a list' : 'a text'
}

/**
 * @param reader who reads the file
 * @param section a section
 * @returns the settings that the reader knows in it
 */
export function knownSettings(reader: Reader, section: string): readonly string[] {
  for (const { mend } of reader(`[${section}]\n${NONSENSE.replaceAll(' ', '_')} = x\n`).problems) {
    const known = /^known are (.*)$/.exec(mend)?.[1]
    if (known !== undefined) return known.split(', ')
  }
  return []
}
