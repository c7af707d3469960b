/** The comments of the shipped .ini files, with the settings that each of them is about. */

export interface TemplateSetting {
  readonly section: string
  readonly key: string
  readonly value: string
  /** It stands there commented out. */
  readonly off: boolean
}

/** Settings in a row that one comment is about. */
export interface TemplateGroup {
  readonly section: string
  readonly comment: string
  readonly settings: readonly TemplateSetting[]
}

export interface Template {
  /** A comment that is about no setting: it stands before an empty line. */
  readonly introduction: string
  readonly groups: readonly TemplateGroup[]
}

const SETTING = /^(;?)([\w[\]]+)\s*=\s*(.*)$/

/**
 * @param text a shipped .ini file
 * @param reach what a comment is about: all settings up to the next comment or empty line, or the first of them alone
 *   (with those that are commented out beside it)
 * @returns its comments and its settings, in their order
 */
export function readTemplate(text: string, reach: 'all' | 'first'): Template {
  const introduction: string[] = []
  const groups: { section: string; comment: string; settings: TemplateSetting[] }[] = []
  let section = 'main'
  let comment: string[] = []
  let begin = true
  for (const line of text.split('\n')) {
    const setting = settingIn(line, section)
    if (setting !== null) {
      const before = begin || comment.length > 0 ? undefined : groups.at(-1)
      if (before !== undefined && (reach === 'all' || before.comment === '' || setting.off)) {
        before.settings.push(setting)
      } else groups.push({ section, comment: comment.join(' '), settings: [setting] })
    } else if (line.startsWith(';')) {
      comment.push(line.replace(/^;\s*/, ''))
      continue
    } else {
      introduction.push(...comment)
      section = sectionIn(line) ?? section
    }
    comment = []
    begin = setting === null
  }
  return { introduction: introduction.join(' '), groups }
}

function settingIn(line: string, section: string): TemplateSetting | null {
  const found = SETTING.exec(line)
  if (found === null) return null
  const [, off = '', key = '', value = ''] = found
  return { section, key, value, off: off !== '' }
}

function sectionIn(line: string): string | undefined {
  return /^\[(\w+)\]$/.exec(line)?.[1]
}
