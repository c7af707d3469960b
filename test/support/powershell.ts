/**
 * As much of PowerShell's grammar as tells what a script runs: comments, both kinds of strings with what is expanded in
 * them, groups, statements. Typographic quotes count as their plain forms, as they do there.
 */

export type Token =
  /** `text` is what the string says; `inside` what is run for it. */
  | { readonly kind: 'string'; readonly text: string; readonly inside: readonly Token[] }
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'group'; readonly open: string; readonly inside: readonly Token[] }
  /** The end of a statement, or of a command of a pipeline. */
  | { readonly kind: 'end' }

const SINGLE = "'\u2018\u2019\u201a\u201b"
const DOUBLE = '"\u201c\u201d\u201e'
const CLOSING = new Map([
  ['(', ')'],
  ['{', '}'],
  ['[', ']'],
])

/**
 * @param script a script
 * @returns its tokens
 * @throws when a string or a group is not closed, or something is closed that was not open
 */
export function tokenize(script: string): Token[] {
  const reader = new Reader(script)
  const tokens = reader.until('')
  return tokens
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Reads up to the closing bracket, or to the end. */
  until(closing: string): Token[] {
    const tokens: Token[] = []
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at)
      if (character === closing) {
        this.#at += 1
        return tokens
      }
      const token = this.#next(character)
      if (token !== null) tokens.push(token)
    }
    if (closing !== '') throw new Error(`a ${closing} is missing`)
    return tokens
  }

  #next(character: string): Token | null {
    if (character === '`' || /[ \t\r]/.test(character)) {
      // A line that ends in a grave accent goes on in the next one.
      this.#at += character === '`' ? 2 : 1
      return null
    }
    if (character === '#') return this.#comment()
    if (/[\n|;]/.test(character)) {
      this.#at += 1
      return { kind: 'end' }
    }
    if (SINGLE.includes(character)) return this.#single()
    if (DOUBLE.includes(character)) return this.#double()
    const close = CLOSING.get(character)
    if (close !== undefined) {
      this.#at += 1
      return { kind: 'group', open: character, inside: this.until(close) }
    }
    if (/[)}\]]/.test(character)) throw new Error(`${character} closes nothing`)
    return this.#word()
  }

  #comment(): null {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end === -1 ? this.#text.length : end
    return null
  }

  #word(): Token {
    const [text = ''] = /^[^\s|;(){}[\]'"`\u2018-\u201e]+/.exec(this.#text.slice(this.#at)) ?? []
    this.#at += Math.max(1, text.length)
    return { kind: 'word', text }
  }

  #single(): Token {
    let text = ''
    this.#at += 1
    for (;;) {
      const character = this.#text.charAt(this.#at)
      if (character === '') throw new Error('a string is not closed')
      this.#at += 1
      if (SINGLE.includes(character)) {
        if (!SINGLE.includes(this.#text.charAt(this.#at)) || this.#at >= this.#text.length) break
        this.#at += 1
      }
      text += character
    }
    return { kind: 'string', text, inside: [] }
  }

  #double(): Token {
    let text = ''
    const inside: Token[] = []
    this.#at += 1
    for (;;) {
      const character = this.#text.charAt(this.#at)
      if (character === '') throw new Error('a string is not closed')
      this.#at += 1
      if (character === '`') {
        text += this.#text.charAt(this.#at)
        this.#at += 1
      } else if (character === '$' && this.#text.charAt(this.#at) === '(') {
        this.#at += 1
        inside.push({ kind: 'group', open: '(', inside: this.until(')') })
      } else if (DOUBLE.includes(character)) {
        if (!DOUBLE.includes(this.#text.charAt(this.#at)) || this.#at >= this.#text.length) break
        this.#at += 1
        text += character
      } else text += character
    }
    return { kind: 'string', text, inside }
  }
}

export interface Invocation {
  readonly cmdlet: string
  readonly parameters: readonly string[]
}

/**
 * @param tokens what tokenize returned
 * @returns every cmdlet that is named, in order, with the parameters that it is given
 */
export function invocationsIn(tokens: readonly Token[]): Invocation[] {
  const found: Invocation[] = []
  let current: string[] | null = null
  for (const token of tokens) {
    if (token.kind === 'end') current = null
    else if (token.kind !== 'word') found.push(...invocationsIn(token.inside))
    else if (current === null && /^[A-Z][A-Za-z]*-[A-Z][A-Za-z]+$/.test(token.text)) {
      current = []
      found.push({ cmdlet: token.text, parameters: current })
    } else if (current !== null && /^-[A-Za-z]/.test(token.text)) {
      current.push(token.text.slice(1).replace(/:.*$/, ''))
    }
  }
  return found
}

/**
 * @param tokens one expression: a string, or a sum of strings and `[char]0x…` in parentheses
 * @returns what it says, or null when it is anything else
 */
export function valueOf(tokens: readonly Token[]): string | null {
  const [first] = tokens
  if (tokens.length === 1 && first?.kind === 'group' && first.open === '(') return sumOf(first.inside)
  return tokens.length === 1 ? sumOf(tokens) : null
}

function sumOf(tokens: readonly Token[]): string | null {
  let text = ''
  let expected: 'part' | 'code' | 'plus' = 'part'
  for (const [index, token] of tokens.entries()) {
    if (expected === 'part' && token.kind === 'string' && token.inside.length === 0) {
      text += token.text
      expected = 'plus'
    } else if (expected === 'part' && index > 0 && isChar(token)) expected = 'code'
    else if (expected === 'code' && token.kind === 'word' && /^0x[0-9A-F]{4}$/.test(token.text)) {
      text += String.fromCharCode(Number(token.text))
      expected = 'plus'
    } else if (expected === 'plus' && token.kind === 'word' && token.text === '+') expected = 'part'
    else return null
  }
  return expected === 'plus' ? text : null
}

function isChar(token: Token): boolean {
  if (token.kind !== 'group' || token.open !== '[') return false
  const [name] = token.inside
  return token.inside.length === 1 && name?.kind === 'word' && name.text === 'char'
}

/**
 * @param tokens what tokenize returned
 * @param variable a name with its `$`
 * @returns the expression that it is given first
 */
export function assignedTo(tokens: readonly Token[], variable: string): readonly Token[] {
  const start = tokens.findIndex((token, index) => isWord(token, variable) && isWord(tokens[index + 1], '='))
  const rest = start === -1 ? [] : tokens.slice(start + 2)
  const end = rest.findIndex(({ kind }) => kind === 'end')
  return end === -1 ? rest : rest.slice(0, end)
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.text === text
}
