/** The parts of a completion script that bash and zsh have in common: two `case` statements made from the commands. */

import type { Argument, Command, Option } from 'commander'
import type { Expected } from './expected.ts'
import { expectedOfArgument, expectedOfOption } from './expected.ts'
import type { KnownCommand } from './tree.ts'
import { commandsOf, optionsOf } from './tree.ts'

/**
 * The body of a function that is told one word. It works on variables of its caller: `at`, the command so far;
 * `expects`, what the next word must be; `many`, not empty when more than one such word may follow; `seen`, how many
 * arguments there were.
 * @param root connectorctl
 * @returns lines of a shell script
 */
export function stepCases(root: Command): string[] {
  const cases = commandsOf(root).flatMap((known) => [
    ...known.subcommands.map((name) => {
      const below = [...known.path, name].join(' ')
      return `${patternOf(known, name)}) at=${singleQuoted(below)} ;;`
    }),
    ...optionsOf(known.command)
      .filter(({ required, optional }) => required || optional)
      .map((option) => {
        const pattern = [option.short, option.long]
          .flatMap((flag) => (flag === undefined ? [] : patternOf(known, flag)))
          .join(' | ')
        const more = option.variadic ? ' many=1' : ''
        return `${pattern}) expects=${singleQuoted(token(expectedOfOption(known.path, option)))}${more} ;;`
      }),
  ])
  return [
    'case "$at|$1" in',
    ...cases.map((line) => `  ${line}`),
    '  *"|-"*) ;;',
    '  *) seen=$((seen + 1)) ;;',
    'esac',
  ]
}

/**
 * The body of a function that says what may follow the command in `at`: it sets `commands` and `options` as `write`
 * writes them, and `arguments` to what each argument must be, with `...` after the last when there may be more.
 * @param root connectorctl
 * @param write how the shell writes a list of words with what they mean
 * @returns lines of a shell script
 */
export function offerCases(root: Command, write: (words: readonly Word[]) => string): string[] {
  const cases = commandsOf(root).map((known) => {
    const { command, path } = known
    const commands = known.subcommands.flatMap((name) => {
      const sub = command.commands.find((one) => one.name() === name)
      return sub === undefined ? [] : [{ word: name, meaning: sub.description() }]
    })
    const options = optionsOf(command).flatMap((option) => wordsOf(option))
    const given = command.registeredArguments
    const parts = [
      `commands=${write(commands)}`,
      `options=${write(options)}`,
      `arguments=${singleQuoted(argumentsOf(path, given))}`,
    ]
    return `${singleQuoted(path.join(' '))}) ${parts.join(' ')} ;;`
  })
  return ['case $at in', ...cases.map((line) => `  ${line}`), 'esac']
}

export interface Word {
  readonly word: string
  readonly meaning: string
}

function wordsOf({ long, description }: Option): Word[] {
  return long === undefined ? [] : [{ word: long, meaning: description }]
}

function argumentsOf(path: readonly string[], given: readonly Argument[]): string {
  const tokens = given.map((argument) => token(expectedOfArgument(path, argument)))
  return [...tokens, ...(given.at(-1)?.variadic === true ? ['...'] : [])].join(' ')
}

function patternOf({ path }: KnownCommand, word: string): string {
  return singleQuoted(`${path.join(' ')}|${plain(word)}`)
}

/** How a script names what is expected, without spaces. */
function token(expected: Expected): string {
  switch (expected.kind) {
    case 'words':
      return `words:${expected.words.map((word) => plain(word)).join(',')}`
    case 'directory':
      return `directory:${expected.of}`
    case 'file':
    case 'folder':
    case 'anything':
      return expected.kind
  }
}

/**
 * @param name its name
 * @param body its lines
 * @returns a function of a shell
 */
export function shellFunction(name: string, body: readonly string[]): string {
  return [`${name}() {`, ...body.map((line) => `  ${line}`), '}'].join('\n')
}

/**
 * Words of the scripts are words of this program, and nothing that a shell would read as more than that.
 * @param word a word
 * @returns it
 * @throws when it is not plain
 */
export function plain(word: string): string {
  if (/^[\w.:@/+-]+$/.test(word)) return word
  throw new Error(`${JSON.stringify(word)} cannot be completed: it is more than a plain word`)
}

/**
 * @param text anything
 * @returns it as one word of a shell
 */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
