/** docs/reference/settings.md, from the comments of the shipped files and from what reads them. */

import { readFileSync } from 'node:fs'
import { HARAKA_SETTINGS } from './haraka-settings.ts'
import type { TemplateGroup, TemplateSetting } from './ini-template.ts'
import { readTemplate } from './ini-template.ts'
import type { Reader } from './kinds.ts'
import { kindOf, readConnectorsIni, readRedisIni } from './kinds.ts'
import { code, page, plainText } from './markdown.ts'

/** Files whose settings are read here. */
const OURS: readonly (readonly [file: string, reader: Reader])[] = [
  ['connectors.ini', readConnectorsIni],
  ['redis.ini', readRedisIni],
]

/** Haraka's, shipped with values for a smarthost. */
const HARAKAS = ['smtp.ini', 'tls.ini', 'connection.ini', 'log.ini', 'headers.ini']

/** @returns the page */
export function settingsPage(): string {
  return page('Settings', [
    'Settings stand in `.ini` files under `config/`, one `key = value` a line, comments on lines of their own that begin with `;`. `connectorctl check` says what is wrong with them.',
    ...OURS.flatMap(([file, reader]) => ours(file, reader)),
    '## Files of Haraka',
    "These are read by Haraka; what is listed is what is shipped, and why. Haraka's documentation tells what else there is. Start the smarthost again after a change.",
    ...HARAKAS.flatMap((file) => harakas(file)),
  ])
}

/**
 * @param file its name
 * @returns the text of a shipped file
 */
export function templateText(file: string): string {
  return readFileSync(new URL(`../instance/template/${file}`, import.meta.url), 'utf8')
}

function ours(file: string, reader: Reader): string[] {
  const { introduction, groups } = readTemplate(templateText(file), 'all')
  const atStart = sectionsReadAtStart(introduction)
  return [
    `## ${file}`,
    plainText(introduction),
    ...bySection(groups).flatMap(([section, inside]) => [
      `### ${file}: [${section}]`,
      atStart === 'all' || atStart.includes(section) ? 'Read at start.' : 'Changes count within a second.',
      inside
        .map((group) =>
          item(group, ({ key, value }) => `${kindOf(reader, section, key)}, default ${code(value)}`),
        )
        .join('\n'),
    ]),
  ]
}

/** The introduction says it, in words that are kept. */
function sectionsReadAtStart(introduction: string): readonly string[] | 'all' {
  const but = /Changes count within a second, but for (.*), which are read at start/.exec(introduction)?.[1]
  if (but !== undefined) return [...but.matchAll(/\[(\w+)\]/g)].map(([, section = '']) => section)
  if (introduction.includes('Read at start')) return 'all'
  throw new Error('a shipped file does not say when it is read')
}

function harakas(file: string): string[] {
  const { introduction, groups } = readTemplate(templateText(file), 'first')
  return [
    `### ${file}`,
    ...(introduction === '' ? [] : [plainText(introduction)]),
    ...bySection(groups.flatMap((group) => explained(file, group))).map(([section, inside]) => {
      const items = inside.map((group) =>
        item(group, ({ value, off }) => (off ? 'not set' : `shipped as ${code(value)}`)),
      )
      return [...(section === 'main' ? [] : [`In \`[${section}]\`:\n`]), ...items].join('\n')
    }),
  ]
}

/** Settings without a comment have their text in a list. */
function explained(file: string, group: TemplateGroup): TemplateGroup[] {
  if (group.comment !== '') return [group]
  return group.settings.map((setting) => {
    const name = `${file} [${setting.section}] ${setting.key}`
    const comment = HARAKA_SETTINGS.get(name)
    if (comment !== undefined) return { section: group.section, comment, settings: [setting] }
    throw new Error(
      `${name} has neither a comment in the shipped file nor a text in src/reference/haraka-settings.ts`,
    )
  })
}

function bySection(groups: readonly TemplateGroup[]): [section: string, groups: TemplateGroup[]][] {
  const sections = new Map<string, TemplateGroup[]>()
  for (const group of groups) sections.set(group.section, [...(sections.get(group.section) ?? []), group])
  return [...sections]
}

function item({ settings, comment }: TemplateGroup, describe: (setting: TemplateSetting) => string): string {
  const names = settings.map((setting) => `**\`${setting.key}\`** (${describe(setting)})`).join(', ')
  return `- ${names}${comment === '' ? '' : `: ${plainText(comment)}`}`
}
