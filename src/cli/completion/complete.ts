/** `connectorctl __complete`: what the scripts ask for when a name in the directory is completed. */

import type { CliContext } from '../context.ts'
import { quoteForBash, unquoteTyped } from './bash-quoting.ts'
import type { LookedUp } from './expected.ts'
import { LOOKED_UP } from './expected.ts'
import { findNames } from './names.ts'

/** Somebody waits with a finger on the keyboard. */
const PATIENCE_MILLISECONDS = 2500

/**
 * Writes what the word may become, each ended by NUL: names as they are for zsh, quoted for bash. It never fails: what
 * goes wrong completes nothing.
 * @param shell `bash`, which passes words as they were typed, or `zsh`, which took the quotes off
 * @param of what is looked for
 * @param kind `argument`, or `option` for an option's value
 * @param words what bash's readline will replace; the words before the one that is completed; that word
 * @param context where to write
 */
export async function complete(
  shell: string,
  of: string,
  kind: string,
  words: readonly string[],
  { stdout }: Pick<CliContext, 'stdout'>,
): Promise<void> {
  const known = LOOKED_UP.find((one) => one === of)
  const [tail = '', ...typed] = words
  const current = typed.pop() ?? ''
  if (known === undefined) return
  const names = shell === 'bash' ? await forBash(known, typed, current, tail) : await forZsh(known, typed)
  for (const name of names) {
    // An argument that begins like an option would be taken for one: --yes is the name of nobody's connector.
    if (kind === 'argument' && name.startsWith('-')) continue
    if (name !== '' && !name.includes('\0')) stdout.write(`${name}\0`)
  }
}

function forZsh(of: LookedUp, typed: readonly string[]): Promise<readonly string[]> {
  return inTime({ of, words: typed, beginning: '' })
}

async function forBash(
  of: LookedUp,
  typed: readonly string[],
  current: string,
  tail: string,
): Promise<readonly string[]> {
  const words = typed.map((word) => unquoteTyped(word).value)
  const { value: beginning } = unquoteTyped(current)
  // Of `Branch:\ sc` readline replaces what stands after the colon.
  const kept = unquoteTyped(current.endsWith(tail) ? current.slice(0, current.length - tail.length) : '')
  const names = await inTime({ of, words, beginning })
  // Readline closes the quote only where the name does not look as if it had ended in one.
  return names.map((name) => `${quoteForBash(name.slice(kept.value.length), kept.open)}${kept.open}`)
}

async function inTime(asked: Parameters<typeof findNames>[0]): Promise<readonly string[]> {
  const found = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  const timeIsUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MILLISECONDS)
  })
  await Promise.race([findNames(asked, found).catch(() => undefined), timeIsUp])
  clearTimeout(timer)
  return [...found]
}
