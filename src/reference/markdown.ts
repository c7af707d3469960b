/** Markdown as the reference writes it. Prettier leaves alone what stands between its two comments. */

/**
 * @param title the heading of the page
 * @param body Markdown, blocks parted by empty lines
 * @returns the page
 */
export function page(title: string, body: readonly string[]): string {
  return [
    `# ${title}`,
    '<!-- Made by `node bin/reference.js` from the program itself: change that, not this. -->',
    '<!-- prettier-ignore-start -->',
    ...body,
    '<!-- prettier-ignore-end -->\n',
  ].join('\n\n')
}

/**
 * @param head the cells of the first line
 * @param rows the others, as Markdown
 * @returns a table
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), line(head.map(() => '---')), ...rows.map((row) => line(row))].join('\n')
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
}

/**
 * @param text plain text
 * @returns it with what Markdown would read as more than that escaped; what stands in backquotes stays code
 */
export function plainText(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.startsWith('`') && part.length > 1
        ? part
        : part.replaceAll(/[\\<*]|(?<!\w)_|_(?!\w)/g, String.raw`\$&`),
    )
    .join('')
}

/**
 * @param text anything without a backquote
 * @returns it as code
 */
export function code(text: string): string {
  return text === '' ? '(empty)' : `\`${text}\``
}

/**
 * @param language what it is written in
 * @param lines the lines
 * @returns a block of code
 */
export function block(language: string, lines: readonly string[]): string {
  return [`\`\`\`${language}`, ...lines, '```'].join('\n')
}

/**
 * @param text Markdown
 * @returns its headings of the second level
 */
export function headingsIn(text: string): string[] {
  return [...text.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading)
}

/**
 * @param heading a heading
 * @returns its anchor, as GitHub makes it
 */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}
