/**
 * Whose a comment is. The YAML library gives what stands below a list to the list's last record, and what stands above
 * the first record to the list; a record that is removed would take its neighbour's comment along, or leave its own.
 */

import type { CST, Document } from 'yaml'
import { Composer, Parser } from 'yaml'

/**
 * @param text YAML, with \n
 * @returns its document; a comment belongs to what stands below it and begins no deeper, and the lines right above a list's
 *   first item belong to that item
 */
export function parseWithComments(text: string): Document.Parsed {
  const tokens = [...new Parser().parse(text)]
  for (const token of tokens) if (token.type === 'document' && isBlock(token.value)) giveToOwners(token.value)
  const composer = new Composer({ stringKeys: true, resolveKnownTags: false })
  const [document] = composer.compose(tokens, true, text.length)
  if (document === undefined) throw new Error('a text without a YAML document')
  return document
}

type Block = CST.BlockMap | CST.BlockSequence
type Item = Block['items'][number]

function isBlock(token: CST.Token | null | undefined): token is Block {
  return token?.type === 'block-map' || token?.type === 'block-seq'
}

function giveToOwners(block: Block): void {
  // What falls out of an item becomes the next one's; a last one that is nothing but comments is there already.
  for (let index = 0; index < block.items.length; index++) {
    const item = block.items[index]
    const value = item?.value
    if (item === undefined || !isBlock(value)) continue
    if (value.type === 'block-seq') takeFirstComment(item, value)
    giveToOwners(value)
    const fallen = takeFallen(value)
    if (fallen.length === 0) continue
    const next = block.items[index + 1]
    if (next === undefined) (block.items as Item[]).push({ start: fallen })
    else next.start = [...fallen, ...next.start]
  }
}

/** Takes the comments after a block's last item that begin left of the block, and what follows them. */
function takeFallen(block: Block): CST.SourceToken[] {
  const last = block.items.at(-1)
  if (last === undefined || last.value != null || last.sep !== undefined || !isWithoutContent(last.start))
    return []
  const first = last.start.findIndex(({ indent, type }) => type === 'comment' && indent < block.indent)
  if (first < 0) return []
  const before = last.start[first - 1]
  const fallen = last.start.splice(before?.type === 'space' ? first - 1 : first)
  if (last.start.length === 0) block.items.pop()
  return fallen
}

function isWithoutContent(tokens: readonly CST.SourceToken[]): boolean {
  return tokens.every(({ type }) => type === 'comment' || type === 'newline' || type === 'space')
}

/** Gives a list's first item the comment lines that stand right above it; one behind the key stays the list's. */
function takeFirstComment({ sep = [] }: Item, list: CST.BlockSequence): void {
  const types = sep.map(({ type }) => type)
  let from = types.length
  let at = types.at(-1) === 'space' ? from - 1 : from
  while (types[at - 1] === 'newline' && types[at - 2] === 'comment') {
    at -= types[at - 3] === 'space' ? 3 : 2
    // Behind the key there is no line end before it.
    if (types[at - 1] === 'newline') from = at
  }
  const [first] = list.items
  if (first !== undefined) first.start = [...sep.splice(from), ...first.start]
}
