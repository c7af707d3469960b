/** docs/reference/commands.md, from the commands themselves. */

import type { Argument, Command, Option } from 'commander'
import type { KnownCommand } from '../cli/completion/tree.ts'
import { commandsOf, optionsOf, partsOfHelp, textAfterHelp } from '../cli/completion/tree.ts'
import { block, code, page, plainText, table } from './markdown.ts'

/** Of every command. */
const EXIT_CODES: readonly (readonly [exitCode: string, meaning: string])[] = [
  ['0', 'Done. A denial that was explained is done, too.'],
  [
    '1',
    'It could not be done, nothing was found, or what was checked has errors. The message says what it is, and what was changed, if anything.',
  ],
  ['2', 'Usage: the words of the command are off. Nothing was changed.'],
]

/**
 * @param root connectorctl
 * @returns the page
 */
export function commandsPage(root: Command): string {
  return page('Commands', [
    'What `connectorctl <command> --help` says. With `--json` a command prints nothing but JSON on its standard output; errors and questions go to the standard error output.',
    '## Exit codes',
    table(['Code', 'Meaning'], EXIT_CODES),
    ...commandsOf(root)
      .filter(({ path }) => path.length > 0)
      .flatMap((known) => command(known)),
  ])
}

function command({ path, command: it, subcommands }: KnownCommand): string[] {
  const name = ['connectorctl', ...path].join(' ')
  const { prose, examples } = partsOfHelp(textAfterHelp(it))
  return [
    `${path.length === 1 ? '##' : '###'} ${name}`,
    plainText(sentence(it.description())),
    block('text', [`${name} ${it.usage()}`]),
    ...(subcommands.length === 0 ? [] : [`Commands: ${subcommands.map((sub) => code(sub)).join(', ')}`]),
    ...argumentsOf(it.registeredArguments),
    ...optionsTable(optionsOf(it).filter(({ long }) => long !== '--help')),
    ...prose.map((text) => block('text', text.split('\n'))),
    ...(examples.length === 0 ? [] : ['Examples:', block('sh', examples)]),
  ]
}

function argumentsOf(given: readonly Argument[]): string[] {
  if (given.length === 0) return []
  const rows = given.map((argument) => [
    code(
      `${argument.required ? '<' : '['}${argument.name()}${argument.variadic ? '...' : ''}${argument.required ? '>' : ']'}`,
    ),
    meaning(argument.description, argument.argChoices, null),
  ])
  return [table(['Argument', 'Meaning'], rows)]
}

function optionsTable(options: readonly Option[]): string[] {
  if (options.length === 0) return []
  const rows = options.map((option) => [
    code(option.flags),
    `${option.mandatory ? '(required) ' : ''}${meaning(option.description, option.argChoices, defaultOf(option))}`,
  ])
  return [table(['Option', 'Meaning'], rows)]
}

/** As commander shows it: not for flags that are off, nor for what is not text. */
function defaultOf({ defaultValue }: Option): string | null {
  return typeof defaultValue === 'string' && defaultValue !== '' ? defaultValue : null
}

function meaning(text: string, choices: readonly string[] | undefined, otherwise: string | null): string {
  return [
    plainText(text),
    ...(choices === undefined ? [] : [`one of ${choices.map((choice) => code(choice)).join(', ')}`]),
    ...(otherwise === null ? [] : [`default ${code(otherwise)}`]),
  ]
    .filter((part) => part !== '')
    .join('; ')
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.?!]$/.test(first) ? first : `${first}.`
}
