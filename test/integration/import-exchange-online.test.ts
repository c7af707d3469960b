/** `connectorctl import exchange-online` as a person types it, on both stores. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { hasPrograms } from '../support/programs.ts'
import { makeNode } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { Finished, Instance } from '../support/smarthost.ts'
import { connectorctl, makeInstance, ROOT, temporaryFolder } from '../support/smarthost.ts'

const EXPORTS = join(ROOT, 'test', 'unit', 'exchange-online')

const ADMIN_CENTER = ['connectors', 'domains'].map((name) =>
  join(EXPORTS, 'admin-center-7', `${name}.json.txt`),
)

const BEFORE = `# Ours. Changes go through the change board.
organizations:
  - name: fabrikam        # bought in 2019
    acceptedDomains:
      - domainName: fabrikam.com
    inboundConnectors:
      - name: Scanners by IP
        connectorType: OnPremises
        senderIPAddresses: [10.77.0.0/16]
`

interface Store {
  readonly instance: Instance
  /** What `apply` would take. */
  content(): Promise<string>
}

const STORES: readonly (readonly [name: string, make: (t: TestContext) => Promise<Store | null>])[] = [
  [
    'the file',
    async (t) => {
      const instance = await makeInstance(t, { organizations: BEFORE })
      return { instance, content: () => readFile(instance.path('organizations.yaml'), 'utf8') }
    },
  ],
  [
    'Redis',
    async (t) => {
      if (!hasPrograms(t, REDIS_SERVER)) return null
      const instance = await makeNode(t, await startRedis(t))
      const file = join(await temporaryFolder(t), 'before.yaml')
      await writeFile(file, BEFORE)
      const { code, stderr } = await connectorctl('apply', file, '--yes', '--instance', instance.folder)
      assert.equal(code, 0, stderr)
      const content = async (): Promise<string> =>
        (await connectorctl('export', '--instance', instance.folder)).stdout
      return { instance, content }
    },
  ],
]

interface Told {
  readonly organization: string
  readonly created: boolean
  readonly items: readonly {
    readonly kind: string
    readonly name: string
    readonly action: string
    readonly reason?: string
    readonly changes: readonly unknown[]
    readonly warnings: readonly string[]
    readonly notes: readonly string[]
  }[]
  readonly warnings: readonly string[]
  readonly ignored: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly applied: boolean
  readonly revision: string | null
}

const importing = ({ instance }: Store, ...args: string[]): Promise<Finished> =>
  connectorctl('import', 'exchange-online', '--instance', instance.folder, ...args)

async function importingJson(store: Store, ...args: string[]): Promise<Told> {
  const { code, stdout, stderr } = await importing(store, '--json', ...args)
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  return JSON.parse(stdout) as Told
}

async function file(t: TestContext, content: unknown): Promise<string> {
  const path = join(await temporaryFolder(t), 'export.json')
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

for (const [name, make] of STORES) {
  describe(`an import into ${name}`, () => {
    it('shows what becomes of each record, and changes nothing until it is told to', async (t) => {
      const store = await make(t)
      if (store === null) return
      const before = await store.content()
      const { code, stdout, stderr } = await importing(
        store,
        ...ADMIN_CENTER,
        '--organization',
        'contoso',
        '--dry-run',
      )
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^organisation contoso, which is new$/m)
      assert.match(stdout, /^KIND {15}NAME {16}BECOMES {2}WHY$/m)
      assert.match(stdout, /^accepted-domain {4}contoso\.com {9}added$/m)
      assert.match(stdout, /^inbound-connector {2}ContosoBank {9}added$/m)
      assert.match(
        stdout,
        /^warning: inbound-connector "Scanners by IP": 198\.51\.100\.24\/29, 203\.0\.113\.7 are public addresses/m,
      )
      assert.match(
        stdout,
        /^warning: inbound-connector "ContosoBank": not enforced here yet: RequireTls, RestrictDomainsToIPAddresses$/m,
      )
      assert.match(
        stdout,
        /^ignored, as nothing comes of it here: inbound-connector: .*ConnectorSource \(2\)/m,
      )
      assert.match(stdout, /^Plan: 4 added, 0 changed, 0 same, 0 aside$/m)
      // Nobody is there to be asked.
      const asked = await importing(store, ...ADMIN_CENTER, '--organization', 'contoso')
      assert.equal(asked.code, 1)
      assert.match(
        asked.stderr,
        /^connectorctl: nothing was changed: there is no terminal to ask on; add --yes\n$/,
      )
      assert.equal(await store.content(), before)
    })

    it('is made at once, and again is no change; what was there stays, comments and all', async (t) => {
      const store = await make(t)
      if (store === null) return
      const before = await store.content()
      const flags = [
        '--organization',
        'contoso',
        '--yes',
        '--map-address',
        '203.0.113.7=10.1.2.0/24,fd00:1::/64',
      ]
      const first = await importingJson(store, ...ADMIN_CENTER, ...flags)
      assert.deepEqual([first.organization, first.created, first.applied], ['contoso', true, true])
      assert.notEqual(first.revision, null)
      assert.deepEqual(
        first.items.map(({ kind, name: called, action }) => `${kind} ${called} ${action}`),
        [
          'accepted-domain branch.contoso.com added',
          'accepted-domain contoso.com added',
          'inbound-connector ContosoBank added',
          'inbound-connector Scanners by IP added',
        ],
      )
      assert.deepEqual(Object.keys(first), [
        'organization',
        'created',
        'items',
        'warnings',
        'ignored',
        'applied',
        'revision',
      ])
      assert.equal(first.ignored['inbound-connector']?.['ConnectorSource'], 2)
      const content = await store.content()
      assert.ok(
        content.includes('10.1.2.0/24') &&
          content.includes('fd00:1::/64') &&
          !content.includes('203.0.113.7'),
      )
      // The other organisation's text, line by line: the file keeps its comments and its flow.
      for (const line of before.trimEnd().split('\n')) assert.ok(content.includes(line), line)

      const second = await importingJson(store, ...ADMIN_CENTER, ...flags)
      assert.deepEqual(
        second.items.map(({ action }) => action),
        ['same', 'same', 'same', 'same'],
      )
      assert.deepEqual([second.created, second.applied, second.revision], [false, false, null])
      assert.equal(await store.content(), content)

      const mapped = await importing(store, ...ADMIN_CENTER, '--organization', 'CONTOSO', '--yes')
      assert.equal(mapped.code, 0, mapped.stderr)
      assert.match(mapped.stdout, /changed {2}senderIPAddresses: .*10\.1\.2\.0\/24.* -> .*203\.0\.113\.7\/32/)
      assert.match(mapped.stdout, /^imported into contoso, revision \S+$/m)
      assert.match(await store.content(), /name: contoso/)
    })

    it('leaves to others what is theirs, and takes the rest', async (t) => {
      const store = await make(t)
      if (store === null) return
      const path = await file(t, [
        { DomainName: 'mail.fabrikam.com', DomainType: 'Authoritative' },
        { DomainName: 'fabrikam.com', DomainType: 'Authoritative' },
        { DomainName: 'adatum.com', DomainType: 'Authoritative' },
      ])
      const { items, applied } = await importingJson(store, path, '--organization', 'adatum', '--yes')
      assert.equal(applied, true)
      assert.deepEqual(
        items.map(({ name: called, action, reason }) => [called, action, reason?.slice(0, 28)]),
        [
          ['adatum.com', 'added', undefined],
          ['fabrikam.com', 'aside', 'it is registered here with "'],
          ['mail.fabrikam.com', 'aside', 'it is below fabrikam.com, wh'],
        ],
      )
    })

    it('that is refused changes nothing, in one line', async (t) => {
      const store = await make(t)
      if (store === null) return
      const before = await store.content()
      const bad = await file(t, '<!doctype html><title>\u001b[31mSign in</title>')
      const above = await file(t, [
        { DomainName: 'com', DomainType: 'Authoritative' },
        { DomainName: 'x.example' },
      ])
      const rows: readonly (readonly [args: string[], code: number, expected: RegExp])[] = [
        [
          [bad, ...ADMIN_CENTER, '--organization', 'contoso', '--yes'],
          1,
          /export\.json is an HTML page \(.*\); nothing was changed$/,
        ],
        [
          [...ADMIN_CENTER, '/none.json', '--organization', 'contoso', '--yes'],
          1,
          /\/none\.json cannot be read: ENOENT; nothing was changed$/,
        ],
        [
          [above, '--organization', ' x', '--yes'],
          1,
          /--organization is refused: the name " x" of an organisation begins or ends with a space/,
        ],
        [
          [...ADMIN_CENTER, '--organization', 'contoso', '--yes', '--map-address', '203.0.113.8=10.0.0.1'],
          1,
          /--map-address 203\.0\.113\.8: no connector in the export has exactly that/,
        ],
        [
          [...ADMIN_CENTER, '--organization', 'contoso', '--map-address', '203.0.113.8'],
          2,
          /--map-address "203\.0\.113\.8" is no pair FROM=TO/,
        ],
        [[...ADMIN_CENTER, '--organization', 'contoso', '--json'], 2, /--json needs --yes or --dry-run/],
        [[...ADMIN_CENTER], 2, /required option '--organization <name>' not specified/],
        [['--organization', 'contoso'], 2, /missing required argument 'file'/],
      ]
      // What is wrong with the words is wrong before any store is asked.
      for (const [args, code, expected] of rows.filter((row) => row[1] === 1 || name === 'the file')) {
        const finished = await importing(store, ...args)
        assert.equal(finished.code, code, finished.stderr)
        assert.match(finished.stderr.trimEnd(), expected)
        assert.equal(finished.stderr.trimEnd().split('\n').length, 1, finished.stderr)
        assert.equal(finished.stdout, '')
      }
      assert.equal(await store.content(), before)
    })

    it('prints nothing of a hostile export that a terminal would obey', async (t) => {
      const store = await make(t)
      if (store === null) return
      const hostile = ['inbound', 'domains'].map((which) => join(EXPORTS, 'injection', `${which}.json.txt`))
      const flags = [...hostile, '--organization', 'contoso']
      for (const more of [['--dry-run'], ['--dry-run', '--json'], ['--yes'], ['--yes', '--json']]) {
        const { code, stdout, stderr } = await importing(store, ...flags, ...more)
        assert.equal(code, 0, stderr)
        assert.doesNotMatch(stdout + stderr, /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u)
        if (more.includes('--json')) {
          const { items } = JSON.parse(stdout) as Told
          assert.ok(items.some(({ name: called }) => called === 'invoice\u202egpj.exe'))
        }
      }
      const shown = await connectorctl('check', '--instance', store.instance.folder)
      assert.equal(shown.code, 0, shown.stderr)
      assert.match(await store.content(), /=cmd\|' \/C calc'!A0/)
    })

    it('that is killed leaves the old directory or the new one, and the next import works', async (t) => {
      const store = await make(t)
      if (store === null) return
      const connectors = Array.from({ length: 300 }, (_, index) => ({
        Name: `Server ${index}`,
        Enabled: true,
        ConnectorType: 'OnPremises',
        TlsSenderCertificateName: null,
        SenderIPAddresses: [`10.5.${Math.floor(index / 250)}.${(index % 250) + 1}`],
      }))
      const path = await file(t, [{ DomainName: 'contoso.com', DomainType: 'Authoritative' }, ...connectors])
      const args = [
        'import',
        'exchange-online',
        path,
        '--organization',
        'contoso',
        '--yes',
        '--instance',
        store.instance.folder,
      ]
      const before = await store.content()
      for (const milliseconds of [0, 5, 15, 30, 60]) {
        const child = spawn(process.execPath, [join(ROOT, 'bin', 'connectorctl.js'), ...args], {
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        const closed = once(child, 'close')
        // The plan is printed, the write begins.
        await once(child.stdout, 'data')
        child.stdout.resume()
        await delay(milliseconds)
        child.kill('SIGKILL')
        await closed
        const after = await store.content()
        if (after !== before) assert.equal(after.match(/name: Server \d+$/gm)?.length, 300)
      }
      const { code, stderr } = await connectorctl(...args)
      assert.equal(code, 0, stderr)
      assert.equal((await store.content()).match(/name: Server \d+$/gm)?.length, 300)
    })

    it('of two at once loses nothing: each is there, or was refused and says so', async (t) => {
      const store = await make(t)
      if (store === null) return
      const paths = await Promise.all(
        ['one', 'two'].map((which) =>
          file(t, [{ DomainName: `${which}.example`, DomainType: 'Authoritative' }]),
        ),
      )
      const same = await Promise.all(
        paths.map((path) => importing(store, path, '--organization', 'adatum', '--yes')),
      )
      const content = await store.content()
      for (const [index, { code, stderr }] of same.entries()) {
        assert.equal(content.includes(`${index === 0 ? 'one' : 'two'}.example`), code === 0, stderr)
        if (code !== 0) assert.match(stderr, /^connectorctl: .+\n$/)
      }
      assert.ok(same.some(({ code }) => code === 0))
    })
  })
}
