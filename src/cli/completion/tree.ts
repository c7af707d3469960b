/** The commands of connectorctl, walked: what there is, for completion, for the reference and for the tests of both. */

import type { Command, Option } from 'commander'

export interface KnownCommand {
  /** The words after `connectorctl`; none for the program itself. */
  readonly path: readonly string[]
  readonly command: Command
  /** Visible ones, without commander's own `help`. */
  readonly subcommands: readonly string[]
}

/**
 * @param root connectorctl
 * @returns it and each of its visible commands, a command before those under it, in the order of the help
 */
export function commandsOf(root: Command): readonly KnownCommand[] {
  return walk(root, [])
}

function walk(command: Command, path: readonly string[]): KnownCommand[] {
  const below = command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help')
  return [
    { path, command, subcommands: below.map((sub) => sub.name()) },
    ...below.flatMap((sub) => walk(sub, [...path, sub.name()])),
  ]
}

/**
 * @param command a command
 * @returns its visible options, --help among them
 */
export function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command)
}

/**
 * @param command a command
 * @returns what its --help prints after the list of options; '' when that is nothing
 */
export function textAfterHelp(command: Command): string {
  let text = ''
  command.configureOutput({
    ...command.configureOutput(),
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  return text.slice(command.helpInformation().length).trim()
}

export interface HelpParts {
  /** What stands before and after the examples. */
  readonly prose: readonly string[]
  /** The lines under "Examples:", without their indent. */
  readonly examples: readonly string[]
}

/**
 * @param after what stands after the options of a command's help; its examples are the indented lines under "Examples:"
 * @returns its parts
 */
export function partsOfHelp(after: string): HelpParts {
  const [before = '', rest = ''] = after.split(/^Examples?:\n/m)
  const lines = rest.split('\n')
  const end = lines.findIndex((line) => /^\S/.test(line))
  const examples = end === -1 ? lines : lines.slice(0, end)
  const behind = end === -1 ? '' : lines.slice(end).join('\n')
  return {
    prose: [before.trim(), behind.trim()].filter((text) => text !== ''),
    examples: outdented(examples.join('\n').trimEnd().split('\n')).filter((line) => line !== ''),
  }
}

function outdented(lines: readonly string[]): string[] {
  const least = Math.min(...lines.filter((line) => line !== '').map((line) => line.search(/\S/)))
  return lines.map((line) => line.slice(least).replace(/^\$ /, ''))
}

/**
 * @param examples the lines under "Examples:"
 * @returns the command lines among them, each on one line
 */
export function commandLinesIn(examples: readonly string[]): readonly string[] {
  return examples
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => /(?:^|[|;&(] *)connectorctl(?: |$)/.test(line))
}
