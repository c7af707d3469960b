/** `apply` and `export` on either store: the same words, the same result, and the old state or the new one. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { file } from '../support/redis-node.ts'
import { hasPrograms } from '../support/programs.ts'
import { connectorctl, makeInstance, ROOT, run } from '../support/smarthost.ts'
import type { Stored } from '../support/stores.ts'
import { onBothStores } from '../support/stores.ts'
import { CTRL_C, CTRL_D, SCRIPT, Terminal } from '../support/terminal.ts'

const BEFORE = `# Ours.
organizations:
  - name: contoso # the head office
    acceptedDomains:
      - domainName: contoso.com
        proof: { token: t, domain: contoso.com, provenAt: 2026-11-01T00:00:00.000Z }
    inboundConnectors:
      - name: Scanners # floors 1 to 3
        connectorType: OnPremises
        senderIPAddresses: [10.1.0.0/24]
  - name: adatum
    acceptedDomains:
      - domainName: adatum.com
`

const AFTER = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
        matchSubDomains: true
    inboundConnectors:
      - name: Scanners
        connectorType: OnPremises
        senderIPAddresses: [10.1.0.0/24, 10.2.0.0/24]
  - name: northwind
    acceptedDomains:
      - domainName: northwind.example
`

async function exported({ ctl }: Stored): Promise<string> {
  const { code, stderr, stdout } = await ctl('export')
  assert.equal(code, 0, stderr)
  return stdout
}

interface Told {
  readonly organizations: readonly { organization: string; kind: string; records: number }[]
  readonly applied: boolean
  readonly revision: string | null
}

describe('apply and export', () => {
  onBothStores('make the directory equal to a file and say what they did', BEFORE, async (t, stored) => {
    const path = await file(t, AFTER)
    const dry = await stored.ctl('apply', path, '--dry-run', '--json')
    const told = JSON.parse(dry.stdout) as Told
    assert.deepEqual([dry.code, told.applied, told.revision], [0, false, null])
    assert.deepEqual(
      told.organizations.map(({ kind, organization, records }) => `${kind} ${organization} ${records}`),
      ['changed contoso 2', 'added northwind 2'],
    )
    const refused = await stored.ctl('apply', path)
    assert.deepEqual([refused.code, /add --yes/.test(refused.stderr)], [1, true])
    const done = await stored.ctl('apply', path, '--yes')
    assert.match(
      done.stdout,
      /~ organization contoso\n {4}~ accepted-domain contoso\.com\n[\s\S]+applied: 2 org/,
    )
    const text = await exported(stored)
    assert.match(text, /matchSubDomains: true/)
    assert.match(text, /northwind\.example/)
    // Neither mentioned by the file, nor for it to take away.
    assert.match(text, /provenAt: 2026-11-01T00:00:00\.000Z/)
    assert.match(text, /adatum\.com/)
    assert.equal((await stored.ctl('apply', await file(t, text), '--yes')).stdout, 'nothing to change\n')
    const pruned = await stored.ctl('apply', path, '--yes', '--prune', '--json')
    assert.equal((JSON.parse(pruned.stdout) as Told).applied, true)
    assert.doesNotMatch(await exported(stored), /adatum/)
    if (stored.store === 'file') {
      assert.match(
        await readFile(stored.instance.path('organizations.yaml'), 'utf8'),
        /^# Ours\.\n[\s\S]*contoso # the head office\n[\s\S]*- name: Scanners # floors 1 to 3\n/,
      )
    }
  })

  onBothStores(
    'leave the old state or the new one when apply is killed at any moment',
    BEFORE,
    async (t, stored) => {
      const [old, fresh] = [await file(t, await exported(stored)), await file(t, AFTER)]
      await stored.ctl('apply', fresh, '--yes', '--prune')
      const after = await exported(stored)
      await stored.ctl('apply', old, '--yes', '--prune')
      const before = await exported(stored)
      assert.notEqual(before, after)
      const seen = new Set<string>()
      for (const milliseconds of process.env['PROOF'] === 'whole' ? [0, 2, 4, 8, 16, 32, 500] : [0, 8, 500]) {
        const words = ['apply', fresh, '--yes', '--prune', '--instance', stored.instance.folder]
        const child = spawn(process.execPath, [join(ROOT, 'bin', 'connectorctl.js'), ...words], {
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        const ended = once(child, 'close')
        // The plan is printed right before it is carried out.
        await once(child.stdout, 'data')
        await Promise.race([delay(milliseconds), ended])
        child.kill('SIGKILL')
        await ended
        const found = await exported(stored)
        assert.ok(found === before || found === after, found)
        seen.add(found)
        if (found !== before) await stored.ctl('apply', old, '--yes', '--prune')
      }
      assert.ok(seen.has(after))
      if (stored.store === 'file') {
        const folder = dirname(stored.instance.path('organizations.yaml'))
        assert.deepEqual(
          (await readdir(folder)).filter((name) => /\.lock|\.new|\.stale/.test(name)),
          [],
        )
      }
    },
  )

  onBothStores(
    'take no word of a file for who owns a domain, unless it is said to be a backup',
    BEFORE,
    async (t, stored) => {
      const lost =
        '{token: t, domain: contoso.com, provenAt: 2026-11-01T00:00:00.000Z, lostAt: 2026-11-02T00:00:00.000Z}'
      const claims = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
        proof: ${lost}
  - name: evil
    acceptedDomains:
      - domainName: gmail.example
        proof: {token: mine, domain: gmail.example, provenAt: 2026-11-01T00:00:00.000Z}
`
      const path = await file(t, claims)
      assert.equal((await stored.ctl('apply', path, '--yes')).code, 0)
      const ours = await exported(stored)
      assert.match(ours, /provenAt: 2026-11-01/)
      assert.doesNotMatch(ours, /lostAt|token: mine/)
      assert.equal((await stored.ctl('apply', path, '--yes', '--with-proofs')).code, 0)
      assert.match(await exported(stored), /lostAt: 2026-11-02[\s\S]+token: mine/)
    },
  )

  onBothStores('refuse what is registered elsewhere, and change nothing', BEFORE, async (t, stored) => {
    const before = await exported(stored)
    const path = await file(
      t,
      'organizations:\n  - name: thief\n    acceptedDomains: [{domainName: contoso.com}]\n',
    )
    const { code, stderr, stdout } = await stored.ctl('apply', path, '--yes', '--json')
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /contoso\.com is registered already, with "contoso"[\s\S]*nothing was changed/)
    assert.equal(await exported(stored), before)
  })
})

describe('apply on a terminal', () => {
  const answers: readonly (readonly [typed: string, code: number])[] = [
    ['y\r', 0],
    ['n\r', 1],
    ['\r', 1],
    [CTRL_C, 1],
    [CTRL_D, 1],
  ]
  for (const [typed, expected] of answers) {
    it(`asks, and ${JSON.stringify(typed)} ${expected === 0 ? 'does it' : 'changes nothing'}`, async (t) => {
      if (!hasPrograms(t, SCRIPT)) return
      const instance = await makeInstance(t, { organizations: BEFORE })
      const path = await file(t, AFTER)
      const terminal = Terminal.start(t, 'apply', path, '--instance', instance.folder)
      await terminal.shows(/Apply it\? \[y\/N\]/)
      terminal.press(typed)
      assert.equal(await terminal.end(), expected)
      const text = await readFile(instance.path('organizations.yaml'), 'utf8')
      assert.equal(text === BEFORE, expected === 1)
      if (expected === 1) assert.match(terminal.text, /connectorctl: nothing was changed/)
    })
  }
})

describe('a change of organizations.yaml that cannot be made', () => {
  it('is said in one line when the disk is full, and changes nothing', async (t) => {
    if (!hasPrograms(t, '/usr/bin/unshare')) return
    const instance = await makeInstance(t, { organizations: BEFORE })
    const many = Array.from({ length: 9_000 }, (_, index) => `      - domainName: d${index}.example\n`).join(
      '',
    )
    const path = await file(t, `organizations:\n  - name: contoso\n    acceptedDomains:\n${many}`)
    const script = [
      'set -e',
      'cp -a "$1/config" "$1/before"',
      'mount -t tmpfs -o size=192k tmpfs "$1/config"',
      'cp -a "$1"/before/*.ini "$1"/before/organizations.yaml "$1/config/"',
      'code=0; "$2" "$3" apply "$4" --yes --instance "$1" > /dev/null || code=$?',
      'ls "$1/config" | grep -v -e ini$ -e ^organizations.yaml$ || true',
      'cmp "$1/config/organizations.yaml" "$1/before/organizations.yaml" && echo same',
      'exit $code',
    ].join('\n')
    const program = join(ROOT, 'bin', 'connectorctl.js')
    const words = ['-m', 'bash', '-c', script, 'bash', instance.folder, process.execPath, program, path]
    const { code, stderr, stdout } = await run('/usr/bin/unshare', ...words)
    assert.equal(stdout, 'same\n', stderr)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /organizations\.yaml cannot be written: ENOSPC; nothing was changed; make room on the disk/,
    )
  })

  it('is said in one line to a user who may not write there', async (t) => {
    if (!hasPrograms(t, '/usr/bin/setpriv')) return
    const instance = await makeInstance(t, { organizations: BEFORE })
    const path = await file(t, AFTER)
    await run('chmod', '-R', 'a+rX', dirname(path), dirname(instance.folder))
    const as = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath]
    const words = [
      join(ROOT, 'bin', 'connectorctl.js'),
      'apply',
      path,
      '--yes',
      '--instance',
      instance.folder,
    ]
    const { code, stderr } = await run('/usr/bin/setpriv', ...as, ...words)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /organizations\.yaml cannot be written: EACCES; nothing was changed; see that this user can/,
    )
    assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), BEFORE)
  })

  it('is refused while the file has a mistake in it', async (t) => {
    const instance = await makeInstance(t, { organizations: BEFORE })
    const path = await file(t, 'organizations: []\n')
    await writeFile(instance.path('organizations.yaml'), BEFORE.replace('contoso.com', 'not a domain'))
    const { code, stderr } = await connectorctl(
      'apply',
      path,
      '--yes',
      '--prune',
      '--instance',
      instance.folder,
    )
    assert.equal(code, 1)
    assert.match(stderr, /organizations\.yaml:\d+:\d+: error:/)
  })
})
