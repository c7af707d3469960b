/** `node bin/reference.js`: writes docs/reference/, or says whether it is current. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages } from './pages.ts'

/**
 * @param folder docs/reference
 * @returns a line for each page that is not what the program says now; none when all are current
 */
export function whatIsNotCurrent(folder: string): string[] {
  const pages = referencePages()
  const found = [...pages].flatMap(([name, wanted]) => {
    const path = join(folder, name)
    if (!existsSync(path)) return [`docs/reference/${name} is missing`]
    const line = firstDifference(readFileSync(path, 'utf8'), wanted)
    return line === null ? [] : [`docs/reference/${name} is not current, from line ${line} on`]
  })
  const left = strangers(folder, pages).map((name) => `docs/reference/${name} is of nothing any more`)
  return [...found, ...left]
}

/**
 * Writes every page, and removes what is none.
 * @param folder docs/reference
 * @returns the names of the pages
 */
export function writeReference(folder: string): string[] {
  const pages = referencePages()
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of pages) writeFileSync(join(folder, name), text)
  for (const name of strangers(folder, pages)) rmSync(join(folder, name))
  return [...pages.keys()]
}

function strangers(folder: string, pages: ReadonlyMap<string, string>): string[] {
  return existsSync(folder) ? readdirSync(folder).filter((name) => !pages.has(name)) : []
}

function firstDifference(text: string, wanted: string): number | null {
  if (text === wanted) return null
  const lines = text.split('\n')
  const differs = wanted.split('\n').findIndex((line, index) => line !== lines[index])
  return (differs === -1 ? lines.length - 1 : differs) + 1
}
