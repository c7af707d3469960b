/** Command lines in documents, taken apart as a shell would, without one. */

/**
 * @param line e.g. `source <(connectorctl completion bash)`, `connectorctl journal --from "" | jq .`
 * @returns the words after `connectorctl`, up to what ends its command; null when it is not called
 */
export function wordsOfConnectorctl(line: string): string[] | null {
  const called = /(?:^|[|;&(] *)connectorctl(?= |$)/.exec(line)
  if (called === null) return null
  const words: string[] = []
  let word: string | null = null
  let quote = ''
  for (const character of line.slice(called.index + called[0].length)) {
    if (quote === '' && word === null && character === '#') break
    if (quote === '' && /[|<>;&)]/.test(character)) break
    if (character === quote) quote = ''
    else if (quote === '' && (character === '"' || character === "'")) {
      quote = character
      word ??= ''
    } else if (quote === '' && character === ' ') {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + character
  }
  return word === null ? words : [...words, word]
}
