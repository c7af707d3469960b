/** The completion script for bash: `source <(connectorctl completion bash)`. */

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Word } from './tables.ts'
import { offerCases, plain, shellFunction, singleQuoted, stepCases } from './tables.ts'

/**
 * Words of the program itself are in the script; only names in the directory are asked for, by the hidden command
 * `connectorctl __complete`. It needs nothing of the package bash-completion.
 * @param root connectorctl
 * @returns the script, for bash 4.0 or newer
 */
export function bashScript(root: Command): string {
  const functions = readFileSync(new URL('./functions.bash', import.meta.url), 'utf8')
  return `# Completion of connectorctl for bash. In ~/.bashrc:
#   source <(connectorctl completion bash)

${shellFunction('_connectorctl_step', stepCases(root))}

${shellFunction('_connectorctl_offer', offerCases(root, listOf))}
${functions}
complete -F _connectorctl connectorctl
`
}

function listOf(words: readonly Word[]): string {
  return singleQuoted(words.map(({ word }) => plain(word)).join(' '))
}
