/** Proofs are looked at again: by the running smarthost, by timers of a fleet, and in great numbers. */

import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import type { Nsd } from '../support/nsd.ts'
import { NSD, startNsd } from '../support/nsd.ts'
import { hasPrograms } from '../support/programs.ts'
import { applied, ask, file, makeNode, until } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { Finished, Instance } from '../support/smarthost.ts'
import { connectorctl, makeInstance, startInstance } from '../support/smarthost.ts'
import { onBothStores } from '../support/stores.ts'
import { CTRL_C, SCRIPT, Terminal } from '../support/terminal.ts'

const PROVEN =
  "{ token: aaaaaaaaaaaaaaaaaaaaaaaaaa, domain: contoso.example, provenAt: '2026-01-01T00:00:00.000Z' }"

const TEXT = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.example
        proof: ${PROVEN}
    inboundConnectors:
      - name: Scanners
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.2]
`

const ZONES = { 'contoso.example': ['@ NS ns1', 'ns1 A 127.0.0.1'] }

const DOCS = new URL('../../docs/directory.md', import.meta.url)

/** As it would be with `domain require-proof on`, and the name server of the test. */
async function require(instance: Instance, nsd: Nsd): Promise<void> {
  const path = instance.path('connectors.ini')
  const text = await readFile(path, 'utf8')
  const settings = text
    .replace('require_domain_proof = false', 'require_domain_proof = true')
    .replace('\nresolver =\n', `\nresolver = ${nsd.address}:${nsd.port}\n`)
  assert.notEqual(settings, text)
  await writeFile(path, settings)
}

function ok({ code, stderr, stdout }: Finished): string {
  assert.equal(code, 0, stderr + stdout)
  return stdout
}

/** Each is some look-ups: the short run has fewer. */
const THOUSANDS = process.env['PROOF'] === 'short' ? 200 : 1000

describe('a running smarthost', () => {
  onBothStores('looks by itself at proofs that were never looked at', TEXT, async (t, { ctl, instance }) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, ZONES)
    assert.ok(!ok(await ctl('check')).includes('never looked at'), 'nothing is said where it is not required')
    await require(instance, nsd)
    assert.match(ok(await ctl('check')), /warning: proofs of domains were never looked at \(run connectorctl/)
    const smarthost = await startInstance(t, instance)
    await smarthost.printed(/contoso\.example of contoso: lost just now \(missing\); it counts until /)
    await smarthost.printed('proofs of domains were looked at: 1 lost just now\n')
    assert.match(await ask(smarthost, 'kate@contoso.example'), /^250 /)
    const said = ok(await ctl('check'))
    assert.match(said, /domains lost their proof \(1\)/)
    assert.ok(!said.includes('never looked at'))
    assert.equal(await smarthost.stop(), 0)
    // Less than a day later there is nothing to do, and nothing to say.
    assert.equal(ok(await ctl('domain', 'verify', '--all', '--if-older', '20h')), '')
  })

  it('that may not write the directory says so, and so does check', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, ZONES)
    const instance = await makeInstance(t, {
      organizations: TEXT,
      flags: ['--user', 'nobody', '--group', 'nogroup'],
    })
    await require(instance, nsd)
    for (const folder of [dirname(instance.folder), instance.folder, instance.path()])
      await chmod(folder, 0o755)
    const smarthost = await startInstance(t, instance)
    await smarthost.printed(
      /what was found of 1 domains \(lost: contoso\.example\) could not be written, .*organizations\.yaml.*EACCES.*run connectorctl domain verify --all as a user who may write/,
    )
    const at = ['--instance', instance.folder]
    assert.match(
      ok(await connectorctl('check', ...at)),
      /proofs of domains were looked at on .*, but what was found of 1 could not be written/,
    )
    assert.equal((await connectorctl('domain', 'verify', '--all', ...at)).code, 1)
    assert.match(ok(await connectorctl('check', ...at)), /domains lost their proof \(1\)/)
    await until(smarthost, 'kate@contoso.example', /^250 /, 1000)
  })
})

describe('a fleet', () => {
  it('makes the same tokens on each node, and looks once, with the users of docs/directory.md', async (t) => {
    if (!hasPrograms(t, NSD, REDIS_SERVER)) return
    const [redis, nsd] = [await startRedis(t), await startNsd(t, ZONES)]
    for (const [, line = ''] of (await readFile(DOCS, 'utf8')).matchAll(/^ACL SETUSER (.*)$/gm)) {
      await redis.client.call('ACL', 'SETUSER', ...line.replaceAll('SECRET', 'pass').split(' '))
    }
    await redis.client.call('ACL', 'SETUSER', 'default', 'resetpass', '-@all')
    const as = ['[opts]', 'username = connectors-reader', 'password = pass']
    const writing = [...as, '[writer]', 'username = connectors-writer', 'password = pass']
    const nodes = [await makeNode(t, redis, writing), await makeNode(t, redis, writing)] as const
    const [one, two] = nodes
    await applied(one, await file(t, TEXT.replace(/ +proof: .*\n/, '')))
    for (const node of nodes) await require(node, nsd)
    const on = (node: Instance, ...args: string[]) => connectorctl(...args, '--instance', node.folder)

    const asked = await Promise.all(nodes.map((node) => on(node, 'domain', 'verify', 'contoso.example')))
    const [first, second] = asked.map(({ stdout }) => /haraka-connectors-verification=\S+/.exec(stdout)?.[0])
    assert.ok(first !== undefined && first === second)

    await nsd.reload({
      'contoso.example': [...ZONES['contoso.example'], `_haraka-connectors-challenge TXT "${first}"`],
    })
    const looks = await Promise.all(
      nodes.map((node) => on(node, 'domain', 'verify', '--all', '--if-older', '20h')),
    )
    assert.equal(looks.map((look) => ok(look)).filter((said) => said !== '').length, 1)
    assert.match(ok(await on(two, 'directory', 'verify')), /^sound: /)

    // Exported, emptied and applied: the token is the same, and so is the proof.
    const exported = await file(t, ok(await on(one, 'export')))
    await applied(one, await file(t, 'organizations: []\n'), '--prune')
    await applied(two, exported, '--with-proofs')
    assert.match(ok(await on(two, 'domain', 'verify', 'contoso.example')), /is proven \(it was before\)/)

    // Who may only read is told where to do it, and the server goes on.
    await writeFile(two.path('redis.ini'), `[server]\nport = ${redis.port}\n${as.join('\n')}\n`)
    const refused = await on(two, 'domain', 'verify', '--all')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /Redis does not let this user write: NOPERM/)
    assert.match(ok(await on(two, 'check')), /the proofs of domains could not be read.*NOPERM.*\[writer\]/)
  })
})

describe('domain verify --all', () => {
  it('looks at very many domains, a bar on a terminal, and writes them at once', async (t) => {
    if (!hasPrograms(t, NSD, SCRIPT)) return
    const names = Array.from({ length: THOUSANDS }, (_, index) => `d${index}.contoso.example`)
    const text = `organizations:\n  - name: contoso\n    acceptedDomains:\n${names.map((name) => `      - domainName: ${name}\n`).join('')}`
    const instance = await makeInstance(t, { organizations: text })
    const nsd = await startNsd(t, ZONES)
    const at = ['--instance', instance.folder, '--resolver', `${nsd.address}:${nsd.port}`]
    const told = await Promise.all(
      names.slice(0, 2).map((name) => connectorctl('domain', 'verify', name, '--json', ...at)),
    )
    const records = told.map(({ stdout }) => {
      const { record } = JSON.parse(stdout) as { record: { name: string; value: string } }
      return `${record.name}. TXT "${record.value}"`
    })
    await nsd.reload({ 'contoso.example': [...ZONES['contoso.example'], ...records] })
    const terminal = Terminal.start(t, 'domain', 'verify', '--all', ...at)
    await terminal.shows(/Looking at proofs \[/)
    await terminal.shows(/proofs of domains were looked at: 2 newly proven, \d+8 not proven/)
    const { stdout } = await connectorctl('domain', 'verify', '--all', '--json', ...at)
    const { counts, lost } = JSON.parse(stdout) as { counts: Record<string, number>; lost: number }
    assert.deepEqual([counts['proven'], counts['unproven'], lost], [2, THOUSANDS - 2, 0])
  })

  it('is stopped by Ctrl-C while it waits, and changes nothing', async (t) => {
    if (!hasPrograms(t, NSD, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: TEXT.replace(/ +proof: .*\n/, '') })
    const nsd = await startNsd(t, ZONES)
    const at = ['--instance', instance.folder, '--resolver', `${nsd.address}:${nsd.port}`]
    const terminal = Terminal.start(t, 'domain', 'verify', 'contoso.example', '--wait', '5m', ...at)
    await terminal.shows(/waiting for it \.\.\./)
    await terminal.shows(/Waiting for the record \[\.+\] 0 %/)
    terminal.press(CTRL_C)
    await terminal.shows(/connectorctl: stopped; nothing was changed/)
    assert.equal(await terminal.end(), 1)
  })

  it('says what is wrong with its flags', async (t) => {
    const { folder } = await makeInstance(t, { organizations: TEXT })
    const cases: readonly (readonly [args: string[], why: RegExp])[] = [
      [[], /the name of the domain is missing; --all looks at all domains/],
      [['contoso.example', '--all'], /give a name or --all, not both/],
      [['--all', '--wait'], /--wait is for one domain/],
      [['contoso.example', '--if-older', '1h'], /--if-older goes with --all/],
      [['--all', '--if-older', 'soon'], /--if-older "soon" is no duration/],
      [['contoso.example', '--resolver', 'dns.example'], /--resolver "dns\.example" is no address/],
    ]
    for (const [args, why] of cases) {
      const { code, stderr, stdout } = await connectorctl('domain', 'verify', ...args, '--instance', folder)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, why)
    }
  })
})
