/** One setting of `config/connectors.ini` changed by a command: everything else in the file stays as it is. */

import { join } from 'node:path'
import { changeFile } from '../directory/file/locked-file.ts'
import { parseSettings } from './settings.ts'

const FILE = 'config/connectors.ini'

const HEADING = /^\s*\[\s*([^\]]*?)\s*\]\s*$/
const PARAMETER = /^(\s*([\w@:._\-/[\]]+)\s*=\s*)(.*?)(\s*)$/

/**
 * @param text the text of an .ini file
 * @param section a section
 * @param key a setting in it
 * @param value what it shall be
 * @returns the text with it; a setting, or a section, that is not there is added
 */
export function withSetting(text: string, section: string, key: string, value: string): string {
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = text.split(/\r?\n/)
  let current = 'main'
  let heading = -1
  let isSet = false
  const changed = lines.map((line, index) => {
    const named = HEADING.exec(line)?.[1]
    if (named !== undefined) {
      current = named
      if (named === section && heading < 0) heading = index
      return line
    }
    if (current !== section || /^\s*[;#]/.test(line)) return line
    const [, before = '', name, , after = ''] = PARAMETER.exec(line) ?? []
    if (name !== key) return line
    // Of several the last counts: all of them shall say the same.
    isSet = true
    return `${before.trimEnd()} ${value}${after}`
  })
  if (isSet) return changed.join(end)
  if (heading >= 0) return changed.toSpliced(heading + 1, 0, `${key} = ${value}`).join(end)
  const apart = text === '' ? [] : text.endsWith('\n') ? [''] : ['', '']
  return `${text}${[...apart, `[${section}]`, `${key} = ${value}`, ''].join(end)}`
}

/**
 * Sets whether proof of domains is required. The file is written as a whole or not at all, and keeps its mode and owner.
 * @param instance the instance's folder
 * @param required what it shall be
 * @throws with one line when the file cannot be read or written, or would say something else than is wanted; nothing was
 *   changed then
 */
export async function setRequireDomainProof(instance: string, required: boolean): Promise<void> {
  try {
    await changeFile(join(instance, FILE), (bytes) => {
      const before = bytes.toString('utf8')
      const after = withSetting(before, 'relay', 'require_domain_proof', String(required))
      requireOnly(before, after, required)
      return after === before ? null : Buffer.from(after)
    })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    const mend = MENDS.get(code) ?? 'see that this user can write the file and its folder'
    throw new Error(`${FILE} cannot be written: ${code}; the setting was not changed; ${mend}`, {
      cause: error,
    })
  }
}

const MENDS = new Map([
  ['ENOENT', 'where there is none, copy src/instance/template/connectors.ini there; else try again'],
  ['ENOSPC', 'make room on the disk'],
  ['EROFS', 'the file system is read-only: change [relay] require_domain_proof where the file is made'],
  ['EBUSY', 'it is mounted as a single file: mount its folder instead, or change it where it is made'],
])

function requireOnly(before: string, after: string, required: boolean): void {
  const old = parseSettings(before)
  const { problems, settings } = parseSettings(after)
  const wanted = { ...old.settings, relay: { ...old.settings.relay, requireDomainProof: required } }
  const [problem] = problems
  if (problem === undefined && JSON.stringify(settings) === JSON.stringify(wanted)) return
  const why = problem?.message ?? 'its layout is not understood'
  throw new Error(
    `${FILE} cannot be changed by a command (${why}); nothing was changed: set [relay] require_domain_proof = ${String(required)} by hand`,
  )
}
