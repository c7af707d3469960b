/** The reference and the help say what the program does, all of it, and their examples are ones that it takes. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import type { Command } from 'commander'
import {
  commandLinesIn,
  commandsOf,
  optionsOf,
  partsOfHelp,
  textAfterHelp,
} from '../../src/cli/completion/tree.ts'
import { program } from '../../src/cli/main.ts'
import {
  CONNECTOR_TEXTS,
  DOMAIN_TEXTS,
  IDLE_CONNECTOR_TEXTS,
  IDLE_DOMAIN_TEXTS,
  ORGANIZATION_TEXTS,
} from '../../src/directory/properties.ts'
import { IDLE_OUTBOUND_TEXTS, OUTBOUND_TEXTS } from '../../src/directory/properties-outbound.ts'
import { parseOrganizations } from '../../src/directory/schema.ts'
import { DELAYS, REPLIES } from '../../src/haraka/replies.ts'
import { REASONS } from '../../src/policy/reasons.ts'
import { readTemplate } from '../../src/reference/ini-template.ts'
import type { Reader } from '../../src/reference/kinds.ts'
import { kindOf, knownSettings, readConnectorsIni, readRedisIni } from '../../src/reference/kinds.ts'
import { whatIsNotCurrent, writeReference } from '../../src/reference/main.ts'
import { anchorOf, plainText } from '../../src/reference/markdown.ts'
import { referencePages } from '../../src/reference/pages.ts'
import { templateText } from '../../src/reference/settings.ts'
import { messageOf } from '../../src/text/message-of.ts'
import { wordsOfConnectorctl } from '../support/command-line.ts'
import { ROOT, temporaryFolder } from '../support/smarthost.ts'

const REFERENCE = join(ROOT, 'docs', 'reference')

function connectorctl(): Promise<Command> {
  const nowhere = new PassThrough()
  return program({ stdout: nowhere, stderr: nowhere, signal: new AbortController().signal })
}

const COMMANDS = commandsOf(await connectorctl())

function headingsOf(text: string): Set<string> {
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading)))
}

describe('the reference', () => {
  it('is current: node bin/reference.js writes it anew', () => {
    assert.deepEqual(whatIsNotCurrent(REFERENCE), [])
  })

  it('says what is not current, and where, and is current once it is written', async (t) => {
    const folder = join(await temporaryFolder(t), 'reference')
    assert.match(whatIsNotCurrent(folder).join('\n'), /^docs\/reference\/README\.md is missing\n/)
    writeReference(folder)
    assert.deepEqual(whatIsNotCurrent(folder), [])
    const path = join(folder, 'reasons.md')
    writeFileSync(path, readFileSync(path, 'utf8').replace('## Outcome: deny', '## Outcome: refuse'))
    rmSync(join(folder, 'settings.md'))
    cpSync(path, join(folder, 'old.md'))
    const found = whatIsNotCurrent(folder)
    assert.equal(found.length, 3)
    assert.match(found[0] ?? '', /settings\.md is missing/)
    assert.match(found[1] ?? '', /reasons\.md is not current, from line \d+ on/)
    assert.match(found[2] ?? '', /old\.md is of nothing any more/)
    writeReference(folder)
    assert.deepEqual(whatIsNotCurrent(folder), [])
  })

  it('is checked by a command that ends with 1 when it is not current', () => {
    const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'bin', 'reference.js'), '--check'], {
      encoding: 'utf8',
    })
    const current = whatIsNotCurrent(REFERENCE).length === 0
    assert.equal(status, current ? 0 : 1, stdout)
    assert.match(stdout, current ? /is current/ : /write it anew with: node bin\/reference\.js/)
  })

  it('has links that lead somewhere, also inside a page', () => {
    const pages = referencePages()
    const anchors = new Map([...pages].map(([name, text]) => [name, headingsOf(text)]))
    for (const [name, text] of pages) {
      for (const [, file = '', anchor] of text.matchAll(/\]\(([\w./-]+)(?:#([^)]*))?\)/g)) {
        if (file.startsWith('../') && !anchors.has(file)) {
          const other = readFileSync(join(ROOT, 'docs', 'reference', file), 'utf8')
          anchors.set(file, headingsOf(other))
        }
        assert.ok(anchors.has(file), `${name}: ${file}`)
        if (anchor !== undefined) assert.ok(anchors.get(file)?.has(anchor), `${name}: ${file}#${anchor}`)
      }
    }
  })

  it('has every reason with its reply and its advice, and every command with its options', () => {
    const pages = referencePages()
    const reasons = pages.get('reasons.md') ?? ''
    for (const { code, sentence, advice } of REASONS) {
      assert.ok(reasons.includes(`### ${code}\n\n${plainText(sentence)}`), code)
      if (advice !== '') assert.ok(reasons.includes(plainText(advice)), code)
    }
    const commands = pages.get('commands.md') ?? ''
    for (const { path, command } of COMMANDS.filter((known) => known.path.length > 0)) {
      assert.match(commands, new RegExp(`^##+ connectorctl ${path.join(' ')}$`, 'm'))
      for (const { flags } of optionsOf(command)) {
        if (!flags.includes('--help'))
          assert.ok(commands.includes(`| \`${flags.replaceAll('|', String.raw`\|`)}\` |`), flags)
      }
    }
  })

  it('keeps code as it is, and nothing in a text becomes markup', () => {
    assert.equal(
      plainText('to <postmaster>, `a*b`, *all*, a_b _c_'),
      String.raw`to \<postmaster>, ${'`a*b`'}, \*all\*, a_b \_c\_`,
    )
  })
})

describe('the page of settings', () => {
  const files: readonly (readonly [file: string, reader: Reader])[] = [
    ['connectors.ini', readConnectorsIni],
    ['redis.ini', readRedisIni],
  ]

  it('has every setting that is read, with the default that counts', () => {
    for (const [file, reader] of files) {
      const settings = readTemplate(templateText(file), 'all').groups.flatMap((group) => group.settings)
      for (const section of new Set(settings.map((setting) => setting.section))) {
        const listed = settings.filter((setting) => setting.section === section).map(({ key }) => key)
        assert.deepEqual(
          listed.toSorted(),
          [...knownSettings(reader, section)].toSorted(),
          `${file} [${section}]`,
        )
      }
      assert.deepEqual(reader(templateText(file)), { ...reader(''), problems: [] }, file)
    }
  })

  it('says what may be written, as the reader has it', () => {
    const rows: readonly (readonly [reader: Reader, section: string, key: string, kind: string])[] = [
      [readConnectorsIni, 'relay', 'accept_inbound', 'true or false'],
      [readConnectorsIni, 'relay', 'postmaster', 'a mail address'],
      [readConnectorsIni, 'directory', 'store', 'file or redis'],
      [readConnectorsIni, 'certificates', 'crl', 'a list'],
      [readConnectorsIni, 'certificates', 'allow', 'one or more of sha1, rsa1024'],
      [readConnectorsIni, 'certificates', 'crl_policy', 'if-available or require'],
      [readConnectorsIni, 'message', 'max_received', 'a whole number from 1 to 500'],
      [readConnectorsIni, 'outbound', 'smart_host', 'HOST:PORT'],
      [readConnectorsIni, 'replies', 'attr36', 'a text'],
      [readRedisIni, 'sentinel', 'hosts', 'a list of HOST:PORT'],
      [readRedisIni, 'opts', 'password_file', 'a file'],
      [readRedisIni, 'tls', 'ca', 'a file'],
      [readRedisIni, 'redis', 'prefix', 'letters, digits, "-", "_", "." and ":"'],
    ]
    for (const [reader, section, key, kind] of rows) assert.equal(kindOf(reader, section, key), kind, key)
  })
})

describe('the page of properties', () => {
  it('has every property that is read, and none that is not', () => {
    const problems = (text: string): string =>
      parseOrganizations(text, 'file', () => ({ wrong: 'is missing' }))
        .errors.map(({ message }) => message)
        .join('\n')
    const inside = (where: string, key: string): string =>
      ({
        organization: `organizations: [{ name: x, ${key}: }]`,
        domain: `organizations: [{ name: x, acceptedDomains: [{ ${key}: }] }]`,
        connector: `organizations: [{ name: x, inboundConnectors: [{ ${key}: }] }]`,
        outbound: `organizations: [{ name: x, outboundConnectors: [{ ${key}: }] }]`,
      })[where] ?? ''
    const lists = {
      organization: [ORGANIZATION_TEXTS],
      domain: [DOMAIN_TEXTS, IDLE_DOMAIN_TEXTS],
      connector: [CONNECTOR_TEXTS, IDLE_CONNECTOR_TEXTS],
      outbound: [OUTBOUND_TEXTS, IDLE_OUTBOUND_TEXTS],
    }
    for (const [where, texts] of Object.entries(lists)) {
      assert.match(problems(inside(where, 'nonsense')), /unknown key "nonsense"/)
      for (const key of texts.flatMap((text) => Object.keys(text))) {
        assert.doesNotMatch(problems(inside(where, key)), /unknown key/, key)
      }
    }
    const unknown = parseOrganizations('organizations: [{ qqqqqqqq: 1 }]', 'file', () => ({
      wrong: '',
    })).errors
    const known = unknown
      .map(({ mend }) => /^known are (.*)$/.exec(mend)?.[1])
      .find((names) => names !== undefined)
    assert.deepEqual(known?.split(', ').toSorted(), Object.keys(ORGANIZATION_TEXTS).toSorted())
  })
})

describe('the list of SMTP replies', () => {
  const sources = ['src/haraka', 'src/relaying', 'plugins'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && name !== 'replies.ts')
      .map((name) => readFileSync(join(ROOT, folder, name), 'utf8')),
  )
  const source = sources.join('\n')
  const constants = new Map(
    [...source.matchAll(/^const ([A-Z_]+) = '([^']*)'$/gm)].map(([, name = '', text = '']) => [name, text]),
  )
  const textOf = (expression: string): string =>
    constants.get(expression) ?? expression.slice(1, -1).replaceAll(/\$\{\w+\}/g, '<n>')

  it('has every reply that is written in the code', () => {
    const made = [
      ...[
        ...source.matchAll(/DSN\.create\(\s*(\d+),\s*([A-Z_]+|'[^']*'|`[^`]*`),\s*(\d+),\s*(\d+)\s*,?\s*\)/g),
      ].map(
        ([, code = '', text = '', subject = '', detail = '']) =>
          `${code} ${code.charAt(0)}.${subject}.${detail} ${textOf(text)}`,
      ),
      ...[...source.matchAll(/refused\(\s*(\d+),\s*'([\d.]+)',\s*([A-Z_]+|'[^']*'|`[^`]*`)\s*,?\s*\)/g)].map(
        ([, code = '', status = '', text = '']) => `${code} ${status} ${textOf(text)}`,
      ),
      ...[...source.matchAll(/message: '(2\.\d\.\d+) ([^']*)'/g)].map(
        ([, status = '', text = '']) => `250 ${status} ${text}`,
      ),
    ]
    const listed = new Set(REPLIES.map(({ code, status, text }) => `${code} ${status} ${text}`))
    for (const reply of made) assert.ok(listed.has(reply), `not in src/haraka/replies.ts: ${reply}`)
    assert.deepEqual(
      [...listed].filter((reply) => !made.includes(reply)),
      [],
    )
    // Each literal answer was looked at: there are no others than those above and the rule's own.
    assert.equal(
      [...source.matchAll(/DSN\.create\(\s*\d/g)].length +
        [...source.matchAll(/[^\w.]refused\(\s*\d/g)].length +
        1,
      made.length,
    )
  })

  it('has what deliveries are put off with', () => {
    const delivery = [
      join(ROOT, 'src', 'instance', 'outbound-identity.ts'),
      ...readdirSync(join(ROOT, 'src', 'outbound'), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(ROOT, 'src', 'outbound', name)),
    ]
    const code = delivery.map((path) => readFileSync(path, 'utf8')).join('\n')
    for (const { status, text } of DELAYS) {
      assert.ok(code.includes(`'${status}'`), status)
      for (const part of text.split(/<\w+>/)) assert.ok(code.includes(part), text)
    }
  })
})

describe('the help', () => {
  it('is taken apart: what stands before and after the examples, examples over several lines', () => {
    const text =
      'Before.\n\nExamples:\n  $ connectorctl start \\\n      --instance x | less\n    (a remark)\n\n  connectorctl check\n\nAfter.\nMore.'
    const { prose, examples } = partsOfHelp(text)
    assert.deepEqual(prose, ['Before.', 'After.\nMore.'])
    assert.deepEqual(examples, [
      'connectorctl start \\',
      '    --instance x | less',
      '  (a remark)',
      'connectorctl check',
    ])
    assert.deepEqual(commandLinesIn(examples), [
      'connectorctl start --instance x | less',
      'connectorctl check',
    ])
    assert.deepEqual(partsOfHelp('').examples, [])
  })

  const leaves = COMMANDS.filter(({ path, subcommands }) => path.length > 0 && subcommands.length === 0)

  for (const { path, command } of leaves) {
    it(`of ${path.join(' ')} has examples that it takes`, async () => {
      const examples = commandLinesIn(partsOfHelp(textAfterHelp(command)).examples)
      assert.ok(examples.length > 0, 'its help has no "Examples:" with a line that calls connectorctl')
      const taken = await Promise.all(examples.map((example) => takenBy(example)))
      assert.ok(taken.includes(path.join(' ')), `none of its examples calls it: ${examples.join('; ')}`)
    })
  }

  it('would not pass with an example that no command takes', async () => {
    for (const wrong of [
      'connectorctl jurnal --follow',
      'connectorctl journal --folow',
      'connectorctl certificate verify',
      'connectorctl directory',
      'connectorctl start now',
      'connectorctl completion fish',
      'connectorctl journal --since',
    ]) {
      await assert.rejects(takenBy(wrong), new RegExp(wrong.split(' ')[1] ?? ''), wrong)
    }
  })
})

/** Parses a command line, running nothing; returns the words of the command that would run. */
async function takenBy(line: string): Promise<string> {
  const words = wordsOfConnectorctl(line)
  assert.ok(words !== null, line)
  const root = await connectorctl()
  let ran: string | null = null
  for (const { path, command, subcommands } of commandsOf(root)) {
    command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined }).exitOverride()
    if (subcommands.length === 0) {
      command.action(() => {
        ran = path.join(' ')
      })
    }
  }
  try {
    await root.parseAsync(words, { from: 'user' })
  } catch (error) {
    throw new Error(`"${line}" is not taken: ${messageOf(error)}`, { cause: error })
  }
  assert.ok(ran !== null, `"${line}" runs nothing`)
  return ran
}
