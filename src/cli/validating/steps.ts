/** What `validate-outbound` tries, and how each of it ended. */

import { printable } from '../../text/printable.ts'

export interface Step {
  /** What it was tried with: `smtp.contoso.com`, `smtp.contoso.com:25 (192.0.2.1)`, a recipient; '' for the connector itself. */
  readonly with: string
  readonly what:
    | 'identity'
    | 'route'
    | 'resolve'
    | 'connect'
    | 'EHLO'
    | 'STARTTLS'
    | 'certificate'
    | 'policy'
    | 'AUTH'
    | 'message'
  readonly result: 'ok' | 'warning' | 'failed'
  /** What was seen; one line, not safe to print. */
  readonly detail: string
  /** How to mend it; '' where nothing has to be. */
  readonly mend: string
}

/** One step of what is tried with one thing. */
export type StepOf = (what: Step['what'], result: Step['result'], detail: string, mend?: string) => Step

/**
 * @param name what it is tried with
 * @returns what makes the steps of it
 */
export function stepsWith(name: string): StepOf {
  return (what, result, detail, mend = '') => ({ with: name, what, result, detail, mend })
}

const WORDS = { ok: 'ok', warning: 'look', failed: 'FAILED' } as const

/**
 * @param step a step
 * @returns it for people, with how to mend it in a line of its own; safe to print
 */
export function stepLines({ detail, mend, result, what, with: name }: Step): string[] {
  const where = name === '' ? '' : `${printable(name, 200)}: `
  const line = `${WORDS[result].padEnd(6)}  ${what.padEnd(11)}  ${where}${printable(detail, 1000)}`
  return mend === '' ? [line] : [line, `${' '.repeat(21)}${printable(mend, 1000)}`]
}
