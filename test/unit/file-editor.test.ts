/** Changes of organizations.yaml by commands: what the administrator wrote stays as it was written. */

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { organizationAsWritten, validateWritten } from '../../src/directory/as-written.ts'
import type { DirectoryEditor } from '../../src/directory/editor.ts'
import { StaleRevision } from '../../src/directory/editor.ts'
import { openFileEditor } from '../../src/directory/file/file-editor.ts'
import { holderHere } from '../../src/directory/file/holder.ts'
import type { Organization } from '../../src/directory/model.ts'
import { parseOrganizations } from '../../src/directory/schema.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const TEXT = `# Our organisations. Ask Kim before you change anything.
organizations:
  # The head office.
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com    # registered in 1999
        matchSubDomains: false     # not yet
      - {domainName: "fabrikam.com", pendingRemoval: true}
    inboundConnectors:
      # Scanners on every floor.
      - name: 'Branch scanners'
        connectorType: OnPremises
        senderIPAddresses:
          - 10.1.0.5/24   # floor 1
          - 10.2.0.0/24   # floor 2
        connectorSource: AdminUI
      - name: Exchange
        connectorType: OnPremises
        tlsSenderCertificateName: "*.contoso.com"


  - name: adatum   # acquired
    acceptedDomains: [ {domainName: adatum.com} ]
# The end.
`

async function editorOf(t: TestContext, text = TEXT): Promise<{ path: string; editor: DirectoryEditor }> {
  const folder = join(await temporaryFolder(t), 'config')
  await mkdir(folder)
  const path = join(folder, 'organizations.yaml')
  await writeFile(path, text, { mode: 0o640 })
  return { path, editor: await openFileEditor(path) }
}

type Written = Record<string, unknown> & {
  acceptedDomains: Record<string, unknown>[]
  inboundConnectors: Record<string, unknown>[]
}

/** Changes an organisation as a command does: what is written is changed, and read as the schema reads it. */
async function change(editor: DirectoryEditor, key: string, how: (written: Written) => void): Promise<void> {
  const stored = await editor.read(key)
  const written = structuredClone(
    stored === null
      ? { acceptedDomains: [], inboundConnectors: [] }
      : organizationAsWritten(stored.organization),
  ) as Written
  how(written)
  const { errors, organization } = validateWritten(written, 'the command', '/nowhere')
  assert.deepEqual(errors, [])
  await editor.replace([{ nameKey: key, after: organization, expected: stored?.revision ?? null }])
}

/** Lines that are not in both texts, the old ones with `-`. */
function differences(before: string, after: string): string[] {
  const [old, now] = [before.split('\n'), after.split('\n')]
  const left = [...now]
  const removed = old.filter((line) => {
    const index = left.indexOf(line)
    if (index >= 0) left.splice(index, 1)
    return index < 0
  })
  return [...removed.map((line) => `-${line}`), ...left.map((line) => `+${line}`)]
}

describe('organizations.yaml, changed by a command', () => {
  it('changes the line that is meant, keeps its comment, and leaves every other line alone', async (t) => {
    const { path, editor } = await editorOf(t)
    await change(editor, 'contoso', ({ acceptedDomains: [first] }) => {
      if (first !== undefined) first['matchSubDomains'] = true
    })
    assert.deepEqual(differences(TEXT, await readFile(path, 'utf8')), [
      '-        matchSubDomains: false     # not yet',
      '+        matchSubDomains: true # not yet',
    ])
  })

  it('adds a domain and a connector below the others', async (t) => {
    const { path, editor } = await editorOf(t)
    await change(editor, 'contoso', ({ acceptedDomains, inboundConnectors }) => {
      acceptedDomains.push({ domainName: 'tailspintoys.com' })
      inboundConnectors.push({
        name: 'Fax: "second" floor #2',
        connectorType: 'OnPremises',
        senderIPAddresses: ['10.9.0.0/24'],
      })
    })
    assert.deepEqual(differences(TEXT, await readFile(path, 'utf8')), [
      '+      - domainName: tailspintoys.com',
      `+      - name: 'Fax: "second" floor #2'`,
      '+        connectorType: OnPremises',
      '+        senderIPAddresses:',
      '+          - 10.9.0.0/24',
    ])
  })

  it('removes a record with its own lines only', async (t) => {
    const { path, editor } = await editorOf(t)
    await change(editor, 'contoso', ({ inboundConnectors }) => {
      inboundConnectors.pop()
    })
    assert.deepEqual(differences(TEXT, await readFile(path, 'utf8')), [
      '-      - name: Exchange',
      '-        connectorType: OnPremises',
      '-        tlsSenderCertificateName: "*.contoso.com"',
    ])
  })

  it('keeps the comments of addresses that stay, and how they are written', async (t) => {
    const { path, editor } = await editorOf(t)
    await change(editor, 'contoso', ({ inboundConnectors: [scanners] }) => {
      if (scanners !== undefined) scanners['senderIPAddresses'] = ['10.1.0.0/24', '10.3.0.0/24']
    })
    assert.deepEqual(differences(TEXT, await readFile(path, 'utf8')), [
      '-          - 10.2.0.0/24   # floor 2',
      '+          - 10.3.0.0/24',
    ])
  })

  it('adds an organisation, and removes one', async (t) => {
    const { path, editor } = await editorOf(t)
    await change(editor, 'northwind', (written) => {
      written['name'] = 'northwind'
      written.acceptedDomains.push({ domainName: 'northwind.example' })
    })
    const added = await readFile(path, 'utf8')
    assert.deepEqual(
      differences(TEXT, added).filter((line) => line.startsWith('-')),
      [],
    )
    assert.match(added, /- name: northwind\n/)
    const stored = await editor.read('adatum')
    await editor.replace([{ nameKey: 'adatum', after: null, expected: stored?.revision ?? null }])
    const removed = await readFile(path, 'utf8')
    assert.ok(!removed.includes('adatum'))
    assert.match(removed, /# Scanners on every floor\.[\s\S]+# The end\./)
  })

  it('begins a list that was written as []', async (t) => {
    const { path, editor } = await editorOf(t, 'organizations: [] # none yet\n')
    await change(editor, 'contoso', (written) => {
      written['name'] = 'contoso'
    })
    assert.match(await readFile(path, 'utf8'), /^organizations:\n {2}- name: contoso\n[^]*# none yet\n/)
  })

  it('keeps the line ends of Windows, a byte order mark, the mode, and a symbolic link', async (t) => {
    const { path, editor } = await editorOf(t, `\uFEFF${TEXT.replaceAll('\n', '\r\n')}`)
    const link = `${path}.link`
    await symlink(path, link)
    await change(await openFileEditor(link), 'adatum', (written) => {
      written['comment'] = 'bought'
    })
    const text = await readFile(path, 'utf8')
    assert.ok(text.startsWith('\uFEFF# Our'))
    assert.ok(!/[^\r]\n/.test(text))
    assert.equal((await editor.read('adatum'))?.organization.comment, 'bought')
    const { stat, lstat } = await import('node:fs/promises')
    assert.equal((await stat(path)).mode & 0o777, 0o640)
    assert.ok((await lstat(link)).isSymbolicLink())
  })

  it('refuses a change over one that was made by hand after it was looked at', async (t) => {
    const { path, editor } = await editorOf(t)
    const stored = await editor.read('contoso')
    const byHand = TEXT.replace('registered in 1999', 'registered in 1998').replace(
      'matchSubDomains: false',
      'matchSubDomains: true',
    )
    await writeFile(path, byHand)
    await assert.rejects(
      editor.replace([{ nameKey: 'contoso', after: null, expected: stored?.revision ?? null }]),
      StaleRevision,
    )
    assert.equal(await readFile(path, 'utf8'), byHand)
  })

  it('takes over what was changed by hand elsewhere in the file', async (t) => {
    const { path, editor } = await editorOf(t)
    const stored = await editor.read('adatum')
    await writeFile(path, TEXT.replace('Ask Kim', 'Ask Kate'))
    await editor.replace([{ nameKey: 'adatum', after: null, expected: stored?.revision ?? null }])
    assert.match(await readFile(path, 'utf8'), /Ask Kate/)
  })

  it('refuses what the file would not be valid with, and changes nothing', async (t) => {
    const { path, editor } = await editorOf(t)
    await assert.rejects(
      change(editor, 'adatum', ({ acceptedDomains }) => {
        acceptedDomains.push({ domainName: 'contoso.com' })
      }),
      /contoso\.com is registered already/,
    )
    assert.equal(await readFile(path, 'utf8'), TEXT)
  })

  it('refuses to change a record that an alias shares with another', async (t) => {
    const text = `organizations:
  - name: one
    inboundConnectors: &shared
      - {name: A, connectorType: OnPremises, senderIPAddresses: [10.0.0.1]}
  - name: two
    inboundConnectors: *shared
`
    const { path, editor } = await editorOf(t, text)
    await assert.rejects(
      change(editor, 'one', ({ inboundConnectors: [first] }) => {
        if (first !== undefined) first['comment'] = 'x'
      }),
      /edit it by hand/,
    )
    assert.equal(await readFile(path, 'utf8'), text)
  })

  it('loses nothing when twenty commands change it at once', async (t) => {
    const { path } = await editorOf(t)
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const editor = await openFileEditor(path)
        for (;;) {
          try {
            await change(editor, 'contoso', ({ acceptedDomains }) => {
              acceptedDomains.push({ domainName: `d${index}.example` })
            })
            return
          } catch (error) {
            if (!(error instanceof StaleRevision)) throw error
          }
        }
      }),
    )
    const { organizations } = parseOrganizations(await readFile(path, 'utf8'), 'f', () => ({ wrong: '' }))
    assert.equal(organizations[0]?.acceptedDomains.length, 22)
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
  })

  it('clears up after a command that was killed while it wrote', async (t) => {
    const { path, editor } = await editorOf(t)
    // No process has this pid: Linux counts to 4,194,304.
    const holder = holderHere().replace(/^\d+/, '99999999')
    await writeFile(`${path}.lock`, `${holder} 0123456789abcdef here\n`)
    await writeFile(`${path}.${holder}.01234567.new`, 'organiz')
    await change(editor, 'adatum', (written) => {
      written['comment'] = 'bought'
    })
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
  })

  it(
    'looks domains up in a large file as often as there are organisations',
    { timeout: 120_000 },
    async (t) => {
      const many = Array.from({ length: 20_000 }, (_, index) => `      - domainName: d${index}.example\n`)
      const text = `organizations:\n  - name: contoso\n    acceptedDomains:\n${many.join('')}`
      const { path, editor } = await editorOf(t, text)
      await utimes(path, 1_700_000_000, 1_700_000_000)
      // An index of all domains, or the file, each time would be 800,000,000 records.
      for (let index = 0; index < 20_000; index++) {
        const name = `d${index}.example`
        assert.deepEqual([...(await editor.domains([name, `x${name}`])).keys()], [name])
        assert.equal((await editor.read('contoso'))?.organization.acceptedDomains.length, 20_000)
      }
    },
  )

  it('sees each change by hand, whatever the time of the file', async (t) => {
    const { path, editor } = await editorOf(t)
    for (const year of ['1998', '1997', '1996']) {
      await writeFile(path, TEXT.replace('domainName: contoso.com ', `domainName: contoso${year}.com`))
      await utimes(path, 1_700_000_000, 1_700_000_000)
      assert.deepEqual([...(await editor.domains([`contoso${year}.com`])).keys()], [`contoso${year}.com`])
    }
  })

  it('says what was wanted after any change of any organisation', async (t) => {
    const name = fc.constantFrom('contoso', 'adatum', 'Northwind')
    const domains = (of: string) =>
      fc.uniqueArray(
        fc.record(
          {
            domainName: fc.constantFrom('a', 'b', 'c').map((label) => `${label}.${of.toLowerCase()}.example`),
            matchSubDomains: fc.boolean(),
            pendingRemoval: fc.boolean(),
          },
          { requiredKeys: ['domainName'] },
        ),
        { selector: ({ domainName }) => domainName, maxLength: 3 },
      )
    const connectors = fc.uniqueArray(
      fc.record(
        {
          name: fc.constantFrom('One', 'Two: #2', '"three"', "it's"),
          connectorType: fc.constant('OnPremises'),
          senderIPAddresses: fc.uniqueArray(fc.constantFrom('10.1.0.0/24', '2001:db8::/48', '10.3.0.1/32'), {
            minLength: 1,
          }),
          enabled: fc.boolean(),
          comment: fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => text.trim() !== ''),
        },
        { requiredKeys: ['name', 'connectorType', 'senderIPAddresses'] },
      ),
      { selector: (item) => item.name, maxLength: 3 },
    )
    const organization = name.chain((of) =>
      fc.record({ name: fc.constant(of), acceptedDomains: domains(of), inboundConnectors: connectors }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(organization, { minLength: 1, maxLength: 4 }), async (wanted) => {
        const { path, editor } = await editorOf(t)
        const last = new Map<string, Organization | null>()
        for (const written of wanted) {
          const key = written.name.toLowerCase()
          const stored = await editor.read(key)
          const { organization: after, errors } = validateWritten(written, 'x', '/nowhere')
          assert.deepEqual(errors, [], stringify(written))
          await editor.replace([{ nameKey: key, after, expected: stored?.revision ?? null }])
          last.set(key, after)
        }
        for (const [key, after] of last) {
          const read = (await editor.read(key))?.organization
          const sorted = (of: Organization | null | undefined) => ({
            name: of?.name,
            domains: of?.acceptedDomains.toSorted((l, r) => (l.domainName < r.domainName ? -1 : 1)),
            connectors: of?.inboundConnectors.toSorted((l, r) => (l.name < r.name ? -1 : 1)),
          })
          assert.deepEqual(sorted(read), sorted(after))
        }
        assert.match(await readFile(path, 'utf8'), /Ask Kim[\s\S]*# The end\./)
      }),
      { numRuns: 60 },
    )
  })
})

/** A file with a comment in every place where one may stand, or in some; each names the record that it belongs to. */
interface Sample {
  readonly text: string
  readonly owned: readonly OwnedLine[]
  readonly organizations: readonly SampleOrganization[]
}

interface OwnedLine {
  readonly line: string
  /** The path of the record that it belongs to. */
  readonly owner: string
}

interface SampleOrganization {
  readonly name: string
  readonly domains: readonly string[]
  readonly connectors: readonly string[]
}

type Generate = fc.GeneratorValue

/** The records of a sample, written line by line: `depth` is in spaces, `owner` the path of a record. */
class SampleText {
  readonly owned: OwnedLine[] = [{ line: '# of the file', owner: 'file' }]
  readonly #generate: Generate
  #comments = 0

  constructor(generate: Generate) {
    this.#generate = generate
  }

  add(depth: number, line: string, owner: string): void {
    const chance = () => this.#generate(fc.integer, { min: 0, max: 3 }) === 3
    const comment = () => `# ${owner}: ${++this.#comments}`
    if (chance()) this.owned.push({ line: '', owner })
    const own = ' '.repeat(depth)
    for (let above = 0; above < 2; above++) {
      if (chance()) this.owned.push({ line: `${own}${comment()}`, owner })
    }
    this.owned.push({ line: `${own}${line}${chance() ? `  ${comment()}` : ''}`, owner })
  }
}

function sampleOf(generate: Generate): Sample {
  const text = new SampleText(generate)
  const count = () => generate(fc.integer, { min: 0, max: 3 })
  const [step, dash] = [generate(fc.constantFrom, 2, 4), generate(fc.constantFrom, 0, 2, 4)]
  const organizations: SampleOrganization[] = []
  text.add(0, 'organizations:', 'file')
  for (let o = count(); o >= 0; o--) {
    const owner = `o${o}`
    const inside = dash + 2
    text.add(dash, `- name: ${owner}`, owner)
    if (generate(fc.boolean)) text.add(inside, `comment: 'of ${owner}'`, owner)
    const domains = Array.from({ length: count() }, (_, d) => `d${d}.${owner}.example`)
    if (domains.length > 0) text.add(inside, 'acceptedDomains:', owner)
    for (const domain of domains) {
      text.add(inside + dash, `- domainName: ${domain}`, `${owner}/${domain}`)
      if (generate(fc.boolean)) text.add(inside + dash + 2, 'matchSubDomains: false', `${owner}/${domain}`)
    }
    const connectors = Array.from({ length: count() }, (_, c) => `c${c}`)
    if (connectors.length > 0) text.add(inside, 'inboundConnectors:', owner)
    for (const connector of connectors) {
      const of = `${owner}/${connector}`
      const at = inside + dash + step
      text.add(inside + dash, `-${' '.repeat(step - 1)}name: ${connector}`, of)
      text.add(at, 'connectorType: OnPremises', of)
      text.add(at, 'senderIPAddresses:', of)
      const addresses = count() + 1
      for (let a = 0; a < addresses; a++) text.add(at + dash, `- 10.${a}.0.0/24`, `${of}/10.${a}.0.0/24`)
      if (generate(fc.boolean)) text.add(at, 'enabled: true', of)
    }
    organizations.push({ name: owner, domains, connectors })
  }
  text.owned.push({ line: '# of the file, at its end', owner: 'file' }, { line: '', owner: 'file' })
  return { text: text.owned.map(({ line }) => line).join('\n'), owned: text.owned, organizations }
}

/** A change, the record that it removes if it does, and which lines may go or be written anew. */
interface SampleChange {
  readonly what: string
  readonly key: string
  readonly how: ((written: Written) => void) | null
  readonly removes: string | null
  readonly lines: RegExp
}

const NOTHING = /^$/

function changeIn({ organizations }: Sample, generate: Generate): SampleChange {
  const { connectors, domains, name: key } = generate(fc.constantFrom, ...organizations)
  const [domain, connector] = [
    generate(fc.constantFrom, ...domains, null),
    generate(fc.constantFrom, ...connectors, null),
  ]
  const of = (written: Written) => written.inboundConnectors.find(({ name }) => name === connector) ?? {}
  const changes: SampleChange[] = [
    {
      what: 'remove organisation',
      key,
      how: null,
      removes: key,
      lines: organizations.length > 1 ? NOTHING : /^organizations:/,
    },
    {
      what: 'add domain',
      key,
      how: ({ acceptedDomains }) => acceptedDomains.push({ domainName: 'new.example' }),
      removes: null,
      lines: NOTHING,
    },
  ]
  if (domain !== null) {
    changes.push(
      {
        what: `remove ${domain}`,
        key,
        how: (written) => {
          written.acceptedDomains = written.acceptedDomains.filter(({ domainName }) => domainName !== domain)
        },
        removes: `${key}/${domain}`,
        lines: domains.length > 1 ? NOTHING : /^ *acceptedDomains:/,
      },
      {
        what: `set ${domain}`,
        key,
        how: ({ acceptedDomains }) => {
          for (const one of acceptedDomains) if (one['domainName'] === domain) one['matchSubDomains'] = true
        },
        removes: null,
        lines: /^ *matchSubDomains:/,
      },
    )
  }
  if (connector !== null) {
    changes.push(
      {
        what: `remove ${connector}`,
        key,
        how: (written) => {
          written.inboundConnectors = written.inboundConnectors.filter(({ name }) => name !== connector)
        },
        removes: `${key}/${connector}`,
        lines: connectors.length > 1 ? NOTHING : /^ *inboundConnectors:/,
      },
      {
        what: `add an address to ${connector}`,
        key,
        how: (written) => {
          const list = of(written)
          list['senderIPAddresses'] = [...(list['senderIPAddresses'] as string[]), '10.9.0.0/24']
        },
        removes: null,
        lines: NOTHING,
      },
      {
        what: `first address of ${connector}`,
        key,
        how: (written) => {
          const [, ...rest] = of(written)['senderIPAddresses'] as string[]
          of(written)['senderIPAddresses'] = rest.length === 0 ? ['10.9.0.0/24'] : rest
        },
        removes: `${key}/${connector}/10.0.0.0/24`,
        lines: NOTHING,
      },
    )
  }
  return generate(fc.constantFrom, ...changes)
}

describe('the layout of organizations.yaml, after a command', () => {
  it('is the same where a comment stands behind a key', async (t) => {
    const text = TEXT.replace('  acceptedDomains:\n', '  acceptedDomains: # as in the tenant\n').replace(
      'senderIPAddresses:',
      'senderIPAddresses:   # see the plan of the floors',
    )
    const { path, editor } = await editorOf(t, text)
    await change(editor, 'contoso', ({ acceptedDomains }) => {
      acceptedDomains.push({ domainName: 'tailspintoys.com' })
    })
    assert.deepEqual(differences(text, await readFile(path, 'utf8')), [
      '+      - domainName: tailspintoys.com',
    ])
  })

  it('loses the comment of a first record with it, and keeps those of its neighbour and of the list', async (t) => {
    const text = `organizations: # ours
  # Bought in 2019.
  - name: contoso
    acceptedDomains:
      # Those that we own.

      # The first one.
      - domainName: contoso.com
        # Not yet.
        matchSubDomains: false
      # The second one.
      - domainName: fabrikam.com
  # Ours from the beginning.
  - name: adatum
`
    const { path, editor } = await editorOf(t, text)
    await change(editor, 'contoso', ({ acceptedDomains }) => {
      acceptedDomains.shift()
    })
    assert.deepEqual(differences(text, await readFile(path, 'utf8')), [
      '-      # The first one.',
      '-      - domainName: contoso.com',
      '-        # Not yet.',
      '-        matchSubDomains: false',
    ])
    const stored = await editor.read('contoso')
    await editor.replace([{ nameKey: 'contoso', after: null, expected: stored?.revision ?? null }])
    assert.equal(
      await readFile(path, 'utf8'),
      'organizations: # ours\n  # Ours from the beginning.\n  - name: adatum\n',
    )
  })

  it('keeps the comment of the record below one that is removed, below a comment at its end', async (t) => {
    const text = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
        matchSubDomains: true
        # At its end.
      # The second one.
      - domainName: fabrikam.com
        # At the end of the list.
    # The servers.
    inboundConnectors: []
    # At the end of contoso.
  # The other one.
  - name: adatum
`
    const { path, editor } = await editorOf(t, text)
    await change(editor, 'contoso', ({ acceptedDomains }) => {
      acceptedDomains.shift()
    })
    assert.deepEqual(differences(text, await readFile(path, 'utf8')), [
      '-      - domainName: contoso.com',
      '-        matchSubDomains: true',
      '-        # At its end.',
    ])
    const stored = await editor.read('contoso')
    await editor.replace([{ nameKey: 'contoso', after: null, expected: stored?.revision ?? null }])
    assert.equal(await readFile(path, 'utf8'), 'organizations:\n  # The other one.\n  - name: adatum\n')
  })

  it('is the same in a file that is indented in another way', async (t) => {
    const text = `organizations:
    -   name: contoso
        acceptedDomains:
        - domainName: contoso.com
        - domainName: fabrikam.com
        inboundConnectors: []
    -   name: adatum
`
    const { path, editor } = await editorOf(t, text)
    await change(editor, 'contoso', ({ acceptedDomains }) => {
      acceptedDomains.push({ domainName: 'tailspintoys.com', matchSubDomains: true })
    })
    assert.deepEqual(differences(text, await readFile(path, 'utf8')), [
      '+        - domainName: tailspintoys.com',
      '+          matchSubDomains: true',
    ])
  })

  it('keeps the comments of a list whose last record is removed', async (t) => {
    const text = 'organizations: # ours\n\n  - name: contoso\n  # no more\n# The end.\n'
    const { path, editor } = await editorOf(t, text)
    const stored = await editor.read('contoso')
    await editor.replace([{ nameKey: 'contoso', after: null, expected: stored?.revision ?? null }])
    assert.match(await readFile(path, 'utf8'), /^# ours\n+# no more\norganizations: \[\]\n+# The end\.\n$/)
  })

  it('does not matter for the time that a change takes: thousands of empty lines and comments', async (t) => {
    const lines = Array.from({ length: 3_000 }, (_, index) => (index % 3 === 0 ? '  # a\n' : '  \n'))
    const text = `organizations:\n${lines.join('')}  - name: contoso\n  - name: adatum\n`
    const { path, editor } = await editorOf(t, text)
    const stored = await editor.read('adatum')
    await editor.replace([{ nameKey: 'adatum', after: null, expected: stored?.revision ?? null }])
    assert.deepEqual(differences(text, await readFile(path, 'utf8')), ['-  - name: adatum'])
  })

  it('has every comment of the records that stay, and other lines only where that was meant', async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (generate) => {
        const sample = sampleOf(generate)
        const { how, key, lines, removes } = changeIn(sample, generate)
        const { path, editor } = await editorOf(t, sample.text)
        const stored = await editor.read(key)
        if (how === null) {
          await editor.replace([{ nameKey: key, after: null, expected: stored?.revision ?? null }])
        } else await change(editor, key, how)
        const after = await readFile(path, 'utf8')
        const stays = sample.owned.filter(
          ({ owner }) => removes === null || (owner !== removes && !owner.startsWith(`${removes}/`)),
        )
        const commentsOf = (text: string) => (text.match(/#.*/g) ?? []).toSorted()
        assert.deepEqual(commentsOf(after), commentsOf(stays.map(({ line }) => line).join('\n')), after)
        const meant = stays.filter(({ line }) => line !== '' && !lines.test(line))
        const gone = differences(meant.map(({ line }) => line).join('\n'), after)
        assert.deepEqual(
          gone.filter((line) => line.startsWith('-')),
          [],
          after,
        )
      }),
      { numRuns: 200, endOnFailure: true },
    )
  })
})
