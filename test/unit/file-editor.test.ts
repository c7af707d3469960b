/** Changes of organizations.yaml by commands: what the administrator wrote stays as it was written. */

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { organizationAsWritten, validateWritten } from '../../src/directory/as-written.ts'
import type { DirectoryEditor } from '../../src/directory/editor.ts'
import { StaleRevision } from '../../src/directory/editor.ts'
import { openFileEditor } from '../../src/directory/file/file-editor.ts'
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
    await writeFile(`${path}.lock`, '99999999 0123456789abcdef\n')
    await writeFile(`${path}.99999999.01234567.new`, 'organiz')
    await change(editor, 'adatum', (written) => {
      written['comment'] = 'bought'
    })
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
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
