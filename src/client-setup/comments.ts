/** The comments above a script: for whom it is, and what the directory makes of it. */

import { commentText } from './quoting.ts'
import type { ClientSetup } from './setup.ts'

/**
 * @param setup what the script is for
 * @returns lines of comment, in ASCII, the same for each of the three servers
 */
export function headerLines({ notes, organization, port, smartHost }: ClientSetup): string[] {
  return [
    `# Organisation "${commentText(organization)}", smarthost ${smartHost}, port ${port}.`,
    ...(notes.length === 0 ? [] : ['#', '# What the smarthost makes of it:']),
    ...notes.flatMap(({ severity, text, commands }) => [
      ...wrapped(severity === 'warning' ? `WARNING: ${text}` : text),
      // Each in a line of its own, to be copied.
      ...commands.map((command) => `#     ${command}`),
    ]),
  ]
}

const WIDTH = 112

/** A word that is longer than a line stays in one piece, so that commands can be copied. */
function wrapped(text: string): string[] {
  const lines: string[] = []
  let line = '# -'
  for (const word of commentText(text).split(' ')) {
    if (line.length + word.length >= WIDTH && line.length > 4) {
      lines.push(line)
      line = '#  '
    }
    line += ` ${word}`
  }
  // A backslash at the end of a line would reach into the next one.
  return [...lines, line].map((one) => (one.endsWith('\\') ? `${one} ` : one))
}
