/** docs/reference/: all of its pages. */

import { PassThrough } from 'node:stream'
import { program } from '../cli/main.ts'
import { commandsPage } from './commands.ts'
import { anchorOf, headingsIn, page } from './markdown.ts'
import { propertiesPage } from './properties.ts'
import { reasonsPage } from './reasons.ts'
import { repliesPage } from './replies.ts'
import { settingsPage } from './settings.ts'

interface Page {
  readonly file: string
  readonly title: string
  /** For the table of contents. */
  readonly about: string
  readonly text: string
}

/**
 * @returns the text of each page by its file's name
 * @throws when something that must be documented is not
 */
export function referencePages(): ReadonlyMap<string, string> {
  const pages: readonly Page[] = [
    {
      file: 'commands.md',
      title: 'Commands',
      about: '`connectorctl`: each command, its options, examples, and the exit codes.',
      text: commandsPage(TREE),
    },
    {
      file: 'settings.md',
      title: 'Settings',
      about: 'The `.ini` files: each setting, what may be written, its default, what it is for.',
      text: settingsPage(),
    },
    {
      file: 'properties.md',
      title: 'Properties',
      about:
        'Organisations, accepted domains and inbound connectors, and the cmdlet parameters behind their names.',
      text: propertiesPage(),
    },
    {
      file: 'reasons.md',
      title: 'Reasons',
      about: 'Why mail was relayed, delivered, denied or deferred, and what to do about it.',
      text: reasonsPage(),
    },
    { file: 'replies.md', title: 'SMTP replies', about: 'What the other server hears.', text: repliesPage() },
  ]
  return new Map([['README.md', contents(pages)], ...pages.map(({ file, text }) => [file, text] as const)])
}

/** The commands as they are; nothing is run, so nothing is written. */
const NOWHERE = new PassThrough()
const TREE = await program({ stdout: NOWHERE, stderr: NOWHERE, signal: new AbortController().signal })

function contents(pages: readonly Page[]): string {
  return page('Reference', [
    'Made from the program itself; `node bin/reference.js --check` says whether it is current.',
    ...pages.flatMap(({ file, title, about, text }) => [
      `## [${title}](${file})`,
      about,
      headingsIn(text)
        .map((heading) => `- [${heading}](${file}#${anchorOf(heading)})`)
        .join('\n'),
    ]),
  ])
}
