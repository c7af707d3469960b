/** `explain` says what would let a mail through, and what it says is true: its commands are run, and it is asked again. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { Finished, Instance } from '../support/smarthost.ts'
import { connectorctl, makeInstance, ROOT, run, temporaryFolder } from '../support/smarthost.ts'

const ORGANIZATIONS = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
      - domainName: leaving.example
        pendingRemoval: true
      - domainName: quiet.example
        sendingFromDomainDisabled: true
    inboundConnectors:
      - name: Branch scanners
        connectorType: OnPremises
        senderIPAddresses: [10.1.0.0/24]
      - name: "It's off; $(touch /tmp/explained)"
        connectorType: OnPremises
        senderIPAddresses: [10.2.0.0/24]
        enabled: false
  - name: adatum
    acceptedDomains:
      - domainName: adatum.com
    inboundConnectors:
      - name: Hybrid wizard
        connectorType: OnPremises
        tlsSenderCertificateName: mail.adatum.com
      - name: Bank
        connectorType: Partner
        senderDomains: ['*']
        tlsSenderCertificateName: '*.bank.example'
`

interface Explained {
  readonly outcome: string
  readonly reason: string
  readonly remedies: readonly {
    readonly changes: readonly string[]
    readonly commands: readonly string[]
    readonly outcome: string
    readonly reason: string
  }[]
}

const CASES: readonly (readonly [what: string, question: readonly string[], first: RegExp])[] = [
  [
    'the trap of the KB',
    ['--from', '', '--certificate-name', 'mail.adatum.com'],
    /^change the certificate name of connector "Hybrid wizard" to \*\.adatum\.com$/,
  ],
  [
    'a sub-domain',
    ['--from', 'a@sales.contoso.com', '--ip', '10.1.0.9'],
    /^let contoso\.com cover its sub-domains$/,
  ],
  [
    'a foreign sender',
    ['--from', 'a@fabrikam.com', '--ip', '10.1.0.9'],
    /^let the server present a certificate for a name under contoso\.com/,
  ],
  ['a domain that leaves', ['--from', 'a@leaving.example', '--ip', '10.1.0.9'], /^keep leaving\.example/],
  [
    'a domain that may not send',
    ['--from', 'a@quiet.example', '--ip', '10.1.0.9'],
    /^allow sending from quiet/,
  ],
  ['a connector that is off', ['--from', 'a@contoso.com', '--ip', '10.2.0.9'], /^enable connector "It's off/],
  [
    'an unknown address',
    ['--from', 'a@contoso.com', '--ip', '192.0.2.7'],
    /^add a connector of contoso for the address/,
  ],
  [
    'an unknown name',
    ['--from', '', '--certificate-name', 'smtp.contoso.com'],
    /^add a connector of contoso for \*\.contoso\.com/,
  ],
]

async function explain(folder: string, question: readonly string[]): Promise<Explained> {
  const { code, stderr, stdout } = await connectorctl(
    'explain',
    ...question,
    '--to',
    'bob@example.net',
    '--json',
    '--instance',
    folder,
  )
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Explained
}

/** As an administrator pastes it into a shell. */
function inShell(command: string): Promise<Finished> {
  const program = `connectorctl() { '${process.execPath}' '${join(ROOT, 'bin', 'connectorctl.js')}' "$@"; }`
  return run('bash', '-c', `${program}\n${command}`)
}

async function withInstance(t: TestContext): Promise<Instance> {
  return makeInstance(t, { demo: false, organizations: ORGANIZATIONS, smartHost: 2525 })
}

describe('what explain says would let a mail through', () => {
  for (const [what, question, first] of CASES) {
    it(`is true of ${what}: each of its commands makes it so`, async (t) => {
      const { folder } = await withInstance(t)
      const { outcome, remedies } = await explain(folder, question)
      assert.equal(outcome, 'deny')
      assert.match(remedies[0]?.changes[0] ?? 'none', first)
      const made = remedies.filter(({ changes, commands }) => commands.length === changes.length)
      assert.ok(made.length > 0)
      const copies = await temporaryFolder(t)
      // The first; the whole proof tries the one that is least like it, too.
      const tried = process.env['PROOF'] === 'short' ? [made[0]] : [made[0], made.at(-1)]
      for (const [index, remedy] of tried.entries()) {
        const copy = join(copies, String(index))
        await cp(folder, copy, { recursive: true })
        for (const command of remedy?.commands ?? []) {
          const onCopy = command.replaceAll(folder, copy)
          assert.notEqual(onCopy, command)
          // It asks whether a domain is really ours.
          const agreed = onCopy.includes(' domain add ') ? `${onCopy} --yes --no-dns` : onCopy
          const { code, stderr } = await inShell(agreed)
          assert.equal(code, 0, `${command}\n${stderr}`)
        }
        const after = await explain(copy, question)
        assert.deepEqual(
          [after.outcome, after.reason],
          [remedy?.outcome, remedy?.reason],
          remedy?.commands.join('\n'),
        )
      }
      await assert.rejects(readFile('/tmp/explained'), { code: 'ENOENT' })
    })
  }

  it('is no advice to take a domain that is not, or of a stranger: registering it would open the relay', async (t) => {
    const { folder } = await withInstance(t)
    const stranger = await explain(folder, ['--from', 'bob@gmail.example', '--ip', '203.0.113.9'])
    assert.equal(stranger.outcome, 'deny')
    const commands = stranger.remedies.flatMap(({ commands: some }) => some)
    assert.deepEqual(
      commands.filter((command) => command.includes('domain add')),
      [],
    )
    // Below a domain of another organisation, that would refuse it.
    const below = await explain(folder, ['--from', 'a@sales.adatum.com', '--ip', '10.1.0.9'])
    assert.deepEqual(
      below.remedies
        .flatMap(({ commands: some }) => some)
        .filter((command) => command.includes('domain add')),
      [],
    )
    for (const command of (
      await explain(folder, ['--from', 'a@fabrikam.com', '--ip', '10.1.0.9'])
    ).remedies.flatMap(({ commands: some }) => some)) {
      assert.doesNotMatch(command, /--yes/)
    }
  })

  it('is nothing for a mail that is relayed', async (t) => {
    const { folder } = await withInstance(t)
    const { outcome, remedies } = await explain(folder, ['--from', 'a@contoso.com', '--ip', '10.1.0.9'])
    assert.deepEqual([outcome, remedies], ['relay', []])
  })
})

describe('explain --session', () => {
  const RECORD = {
    time: '2026-11-20T10:00:00.000Z',
    id: '4F2A6D1E-0C3B.1',
    peer: {
      address: '10.1.0.9',
      helo: 'scanner',
      tls: null,
      certificate: { state: 'no-tls', fingerprint: null, names: [], why: null },
    },
    organization: 'contoso',
    connector: 'Branch scanners',
    via: 'address',
    sender: '',
    recipient: 'bob@example.net',
    outcome: 'deny',
    reason: 'null-sender',
    reply: '550 5.7.64 ...',
    revision: 'abc',
  }

  it('explains an entry of the journal as it would be decided now, and says what it was', async (t) => {
    const { folder } = await withInstance(t)
    const path = join(folder, 'entry.json')
    await writeFile(
      path,
      `${JSON.stringify(RECORD)}\n${JSON.stringify({ ...RECORD, sender: 'a@contoso.com' })}\n`,
    )
    const { code, stdout } = await connectorctl('explain', '--session', path, '--instance', folder)
    assert.equal(code, 0)
    assert.match(
      stdout,
      /On 2026-11-20T10:00:00\.000Z it was DENIED \(null-sender, directory revision abc\)\./,
    )
    assert.match(stdout, /It would be the same now:[\s\S]+now it is otherwise:[\s\S]+RELAYED/)
  })

  it('reads it from a pipe', async (t) => {
    const { folder } = await withInstance(t)
    const child = spawn(
      process.execPath,
      [join(ROOT, 'bin', 'connectorctl.js'), 'explain', '--session', '-', '--json', '--instance', folder],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.stdin.end(JSON.stringify(RECORD, null, 2))
    await once(child, 'close')
    assert.equal(child.exitCode, 0)
    assert.equal((JSON.parse(text) as { recorded: { reason: string } }).recorded.reason, 'null-sender')
  })

  it('refuses what is no entry, and flags that say something else', async (t) => {
    const { folder } = await withInstance(t)
    const path = join(folder, 'entry.json')
    await writeFile(path, '{"time": "now"}')
    const bad = await connectorctl('explain', '--session', path, '--instance', folder)
    assert.deepEqual([bad.code, bad.stdout], [1, ''])
    assert.match(
      bad.stderr,
      /holds no entry of a journal: write one with connectorctl journal --id ID --json/,
    )
    const both = await connectorctl(
      'explain',
      '--session',
      path,
      '--from',
      'a@b.example',
      '--instance',
      folder,
    )
    assert.equal(both.code, 2)
    const neither = await connectorctl('explain', '--instance', folder)
    assert.equal(neither.code, 2)
  })
})

describe('explain --diff', () => {
  it('says what would become of the same message under a proposed directory, and which steps read otherwise', async (t) => {
    const { folder } = await withInstance(t)
    const proposed = join(folder, 'proposed.yaml')
    const heal = ORGANIZATIONS.replace('mail.adatum.com', "'*.adatum.com'")
    await writeFile(proposed, `organizations:\n${heal.slice(heal.indexOf('  - name: adatum'))}`)
    const question = ['--from', '', '--to', 'bob@example.net', '--certificate-name', 'mail.adatum.com']
    const { code, stdout } = await connectorctl(
      'explain',
      ...question,
      '--diff',
      proposed,
      '--instance',
      folder,
    )
    assert.equal(code, 0)
    assert.match(
      stdout,
      /would be DENIED\.[\s\S]+Under the proposed directory it would be RELAYED to the Internet/,
    )
    assert.match(
      stdout,
      / {2}then: \+ \(b\) certificate domain is accepted: .*\*\.adatum\.com stands for adatum\.com/,
    )
    const json = await connectorctl(
      'explain',
      ...question,
      '--diff',
      proposed,
      '--json',
      '--instance',
      folder,
    )
    const { outcome, proposed: then } = JSON.parse(json.stdout) as Explained & { proposed: Explained }
    assert.deepEqual([outcome, then.outcome, then.reason], ['deny', 'relay', 'certificate-domain-accepted'])
  })

  it('refuses a file that apply would refuse', async (t) => {
    const { folder } = await withInstance(t)
    const proposed = join(folder, 'proposed.yaml')
    await writeFile(
      proposed,
      'organizations:\n  - name: new\n    acceptedDomains: [{domainName: contoso.com}]\n',
    )
    const question = ['--from', '', '--to', 'bob@example.net', '--diff', proposed, '--instance', folder]
    const { code, stderr, stdout } = await connectorctl('explain', ...question)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /contoso\.com is registered already, with "contoso"/)
  })
})
