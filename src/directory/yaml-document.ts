/** YAML text to a tree of nodes, in a way that no text can hang, kill or surprise the process. */

import type { CST, Document, Node, YAMLError } from 'yaml'
import { Composer, isAlias, isNode, Parser, visit } from 'yaml'
import type { LineCounter } from 'yaml'
import { printable } from '../text/printable.ts'

/** More text than any directory that belongs into a file. */
const MOST_CHARACTERS = 64 * 1024 * 1024

/** A sensible file has 7 levels. yaml's composer recurses: at some thousands Node.js itself aborts. */
const MOST_LEVELS = 50

/** What is wrong with the text as YAML, and where. */
export interface SyntaxProblem {
  readonly offset: number
  readonly message: string
  readonly mend: string
}

export interface YamlDocument {
  /** null when the text is empty, or no YAML. */
  readonly root: Node | null
  readonly problems: readonly SyntaxProblem[]
  /** What each alias stands for. */
  readonly targets: ReadonlyMap<Node, Node>
}

/**
 * @param text the text of a file
 * @param lines filled with the line starts
 * @returns its one document, or everything that is wrong with it as YAML
 */
export function readYaml(text: string, lines: LineCounter): YamlDocument {
  if (text.length > MOST_CHARACTERS) {
    return failed({
      offset: 0,
      message: 'the file is too large',
      mend: 'keep a directory of this size in Redis',
    })
  }
  if (text.includes('\0')) {
    return failed({ offset: 0, message: 'the file is no UTF-8 text', mend: 'save it as UTF-8' })
  }
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  const tooDeep = findDeepNesting(tokens)
  if (tooDeep !== null) return failed(tooDeep)
  const composer = new Composer({
    prettyErrors: false,
    strict: true,
    stringKeys: true,
    uniqueKeys: false,
    resolveKnownTags: false,
    logLevel: 'silent',
  })
  const [document, second] = [...composer.compose(tokens, true, text.length)]
  if (document === undefined) return { root: null, problems: [], targets: new Map() }
  const problems = [...document.errors, ...document.warnings].map((error) => describeSyntax(error, text))
  if (second !== undefined) {
    problems.push({
      offset: second.contents?.range[0] ?? second.range[0],
      message: 'the file holds more than one YAML document',
      mend: 'keep one, and remove the lines "---" and "..."',
    })
  }
  if (problems.length > 0) return { root: null, problems, targets: new Map() }
  return { root: document.contents, problems, targets: findTargets(document) }
}

function failed(problem: SyntaxProblem): YamlDocument {
  return { root: null, problems: [problem], targets: new Map() }
}

/** Walks the tokens without recursion. */
function findDeepNesting(tokens: readonly CST.Token[]): SyntaxProblem | null {
  const open: { token: CST.Token; level: number }[] = tokens.map((token) => ({ token, level: 0 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, level } = next
    if (level > MOST_LEVELS) {
      return {
        offset: token.offset,
        message: `the file is nested more than ${MOST_LEVELS} levels deep`,
        mend: 'a directory needs seven levels: look for brackets or dashes too many',
      }
    }
    for (const child of childrenOf(token)) open.push({ token: child, level: level + 1 })
  }
  return null
}

function childrenOf(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value]
  if (!('items' in token)) return []
  return token.items.flatMap(({ key, value }) => [key ?? [], value ?? []].flat())
}

/** An alias stands for the last anchor of its name before it. */
function findTargets(document: Document): Map<Node, Node> {
  const targets = new Map<Node, Node>()
  const anchors = new Map<string, Node>()
  visit(document, (_key, node) => {
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target !== undefined) targets.set(node, target)
    } else if (isNode(node) && 'anchor' in node && typeof node.anchor === 'string') {
      anchors.set(node.anchor, node)
    }
  })
  return targets
}

function describeSyntax({ code, message, pos: [offset] }: YAMLError, text: string): SyntaxProblem {
  const rest = text.slice(offset, offset + 80).split(/[\r\n]/, 1)[0] ?? ''
  const mend = MENDS.get(code)
  return {
    offset,
    message: `this is not valid YAML: ${printable(message)}`,
    mend: mend === undefined ? 'see https://yaml.org/spec/1.2.2/' : mend(printable(rest.trim(), 60)),
  }
}

const MENDS = new Map<YAMLError['code'], (rest: string) => string>([
  ['BAD_ALIAS', () => 'put a value that begins with * or & in quotes: "*"'],
  ['TAB_AS_INDENT', () => 'indent with spaces'],
  ['BAD_SCALAR_START', (rest) => `put the value in quotes: "${rest}"`],
  ['BLOCK_AS_IMPLICIT_KEY', () => 'mend the indentation, or put a value that holds ": " in quotes'],
  ['BAD_INDENT', () => 'mend the indentation, or close the bracket'],
  ['MISSING_CHAR', () => 'close the quote or the bracket, or add the ":" after the key'],
  ['BAD_DQ_ESCAPE', () => 'use single quotes for a value that holds a backslash'],
  ['NON_STRING_KEY', () => 'a key is a text'],
  ['TAG_RESOLVE_FAILED', () => 'remove the tag, or put a value that begins with ! in quotes'],
])
