/** The completion script for zsh: `source <(connectorctl completion zsh)`, or a file `_connectorctl` in fpath. */

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Word } from './tables.ts'
import { offerCases, plain, shellFunction, singleQuoted, stepCases } from './tables.ts'

/**
 * Words of the program itself are in the script, with what they mean; only names in the directory are asked for, by
 * the hidden command `connectorctl __complete`.
 * @param root connectorctl
 * @returns the script
 */
export function zshScript(root: Command): string {
  const functions = readFileSync(new URL('./functions.zsh', import.meta.url), 'utf8')
  return `#compdef connectorctl
# Completion of connectorctl for zsh. In ~/.zshrc:
#   source <(connectorctl completion zsh)

${shellFunction('_connectorctl_step', stepCases(root))}

${shellFunction('_connectorctl_offer', offerCases(root, listOf))}
${functions}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _connectorctl "$@"
else
  # Without compinit there is nothing that would complete.
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _connectorctl connectorctl
fi
`
}

/** As _describe takes them: `word:what it means`. */
function listOf(words: readonly Word[]): string {
  const described = words.map(({ word, meaning }) => {
    const shown = meaning.replaceAll('\\', String.raw`\\`).replaceAll(':', String.raw`\:`)
    return singleQuoted(`${plain(word)}:${shown}`)
  })
  return `(${described.join(' ')})`
}
