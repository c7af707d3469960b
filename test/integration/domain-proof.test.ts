/** A domain is proven by its zone, at a real name server, and a running smarthost heeds it, on both stores. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { Nsd } from '../support/nsd.ts'
import { NSD, startNsd } from '../support/nsd.ts'
import { hasPrograms } from '../support/programs.ts'
import { applied, ask, file, makeNode, until } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { Finished } from '../support/smarthost.ts'
import { connectorctl, makeInstance, ROOT, startInstance } from '../support/smarthost.ts'
import type { Stored } from '../support/stores.ts'
import { onBothStores, onEitherStore } from '../support/stores.ts'

const TEXT = `# Whom we relay for.
organizations:
  - name: contoso # the parent
    acceptedDomains:
      - domainName: contoso.example # since 1999
      - domainName: mail.contoso.example
    inboundConnectors:
      - name: Scanners
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.2]
  - name: Fabrikam
    acceptedDomains:
      - domainName: fabrikam.example
    inboundConnectors:
      - name: Servers
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.3]
# The end.
`

const SENDER = 'kate@contoso.example'
const NOT_PROVEN = /^550 5\.7\.64 .*\[sender-domain-not-proven /

const ZONES = ['contoso.example', 'fabrikam.example'] as const

/** A zone with these records, and the other one without any. */
function zones(records: Partial<Record<(typeof ZONES)[number], readonly string[]>> = {}) {
  return Object.fromEntries(
    ZONES.map((name) => [name, ['@ NS ns1', 'ns1 A 127.0.0.1', ...(records[name] ?? [])]]),
  )
}

interface World extends Stored {
  readonly nsd: Nsd
  /** Runs `domain verify` against the name server of the test. */
  readonly verify: (...args: string[]) => Promise<Finished>
}

/** With a name server; the short run takes one store after the other, but for the whole life of a proof. */
function withDns(
  behaviour: string,
  text: string,
  body: (t: TestContext, world: World) => Promise<void>,
): void {
  const on = behaviour.includes('is refused until its record is in the DNS') ? onBothStores : onEitherStore
  on(behaviour, text, async (t, stored) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, zones())
    const resolver = `${nsd.address}:${nsd.port}`
    const verify: World['verify'] = (...args) =>
      stored.ctl('domain', 'verify', ...args, '--resolver', resolver)
    await body(t, { ...stored, nsd, verify })
  })
}

function ok({ code, stderr, stdout }: Finished): string {
  assert.equal(code, 0, stderr + stdout)
  return stdout
}

function failed({ code, stderr, stdout }: Finished, why: RegExp): void {
  assert.equal(code, 1, stderr + stdout)
  assert.match(stderr, why)
}

interface Verified {
  readonly proven: boolean
  readonly state: string
  readonly counts: boolean
  readonly changed: boolean
  readonly record: { readonly name: string; readonly type: string; readonly value: string }
  readonly domain: { readonly proof: Record<string, string | null> | null; readonly organization: string }
}

async function verified(world: World, ...args: string[]): Promise<Verified> {
  const { stdout } = await world.verify(...args, '--json')
  return JSON.parse(stdout) as Verified
}

/** The line of a zone that proves a domain for an organisation. */
async function recordFor(world: World, name: string, ...args: string[]): Promise<string> {
  const { record } = await verified(world, name, ...args)
  assert.equal(record.type, 'TXT')
  assert.equal(record.name, `_haraka-connectors-challenge.${name}`)
  return `${record.name}. TXT "${record.value}"`
}

async function proofOf({ ctl }: Stored, name: string): Promise<Record<string, string | null> | null> {
  const shown = JSON.parse(ok(await ctl('domain', 'show', name, '--json'))) as Verified['domain']
  return shown.proof
}

/** Writes what only time would bring: the file by hand, Redis by applying what was exported. */
async function rewrite(t: TestContext, { ctl, instance, store }: Stored, change: (text: string) => string) {
  const before =
    store === 'file' ? await readFile(instance.path('organizations.yaml'), 'utf8') : ok(await ctl('export'))
  const after = change(before)
  assert.notEqual(after, before)
  if (store === 'file') await writeFile(instance.path('organizations.yaml'), after)
  else await applied(instance, await file(t, after), '--with-proofs')
}

const PAST = '2026-01-01T00:00:00.000Z'

describe('a domain that has to be proven', () => {
  withDns(
    'is refused until its record is in the DNS, and lost 14 days after it went',
    TEXT,
    async (t, world) => {
      const { ctl, instance, nsd, verify } = world
      const smarthost = await startInstance(t, instance)
      await until(smarthost, SENDER, /^250 /, 5000)

      const on = ok(await ctl('domain', 'require-proof', 'on', '--yes'))
      assert.match(
        on,
        /3 of 3 domains are not proven, and will stop counting:\n {2}contoso:\n {4}contoso\.example: on /i,
      )
      const grace = await proofOf(world, 'contoso.example')
      assert.ok(Date.parse(grace?.['countsUntil'] ?? '') > Date.now() + 13 * 86_400_000)
      assert.match(await ask(smarthost, SENDER), /^250 /)
      assert.match(
        ok(await ctl('check')),
        /require_domain_proof is true, and domains are not proven \(3\): contoso\.example of contoso, counts until /,
      )

      // What 14 days would bring.
      const days = /countsUntil: "?[\dT:.Z-]+"?/g
      await rewrite(t, world, (text) => text.replaceAll(days, `countsUntil: ${PAST}`))
      await until(smarthost, SENDER, NOT_PROVEN, 1000)
      assert.match(ok(await ctl('check')), /domains are not proven and count for nothing \(3\): /)

      const missing = await verify('contoso.example')
      failed(missing, /^$/)
      assert.match(
        missing.stdout,
        /^contoso\.example of contoso is not proven: .*\n(.*\n)*the DNS record that proves it:\n {2}name {3}_haraka-connectors-challenge\.contoso\.example\n {2}type {3}TXT\n {2}value {2}haraka-connectors-verification=[a-z2-7]{26}\nwhat to do: .*\nuntil then it counts for nothing/,
      )
      const record = await recordFor(world, 'contoso.example')
      await nsd.reload(zones({ 'contoso.example': [record] }))
      assert.match(
        ok(await verify('contoso.example')),
        /^contoso\.example of contoso is proven: .*\nin force within a second \(revision \S+\)\n$/,
      )
      await until(smarthost, SENDER, /^250 /, 1000)
      assert.match(ok(await verify('contoso.example')), /is proven \(it was before\): [^\n]*\n$/)

      // DNS away: nothing changes.
      const proof = await proofOf(world, 'contoso.example')
      await nsd.stop()
      const away = await verify('--all')
      assert.match(away.stdout, /contoso\.example of contoso: could not be asked about/)
      assert.deepEqual(await proofOf(world, 'contoso.example'), proof)

      await nsd.reload(zones())
      const lost = await verify('--all')
      failed(lost, /^$/)
      assert.match(lost.stdout, /contoso\.example of contoso: lost just now \(missing\); it counts until /)
      assert.match(await ask(smarthost, SENDER), /^250 /)
      assert.match(
        ok(await ctl('check')),
        /domains lost their proof \(1\): contoso\.example of contoso \(since /,
      )
      const since = await proofOf(world, 'contoso.example')
      failed(await verify('--all'), /^$/)
      assert.deepEqual(await proofOf(world, 'contoso.example'), since, 'the days begin once')

      await rewrite(t, world, (text) => text.replaceAll(days, `countsUntil: ${PAST}`))
      await until(smarthost, SENDER, NOT_PROVEN, 1000)
      assert.match(ok(await ctl('check')), /lost their proof, and do not count any more \(1\): contoso/)

      await nsd.reload(zones({ 'contoso.example': [record] }))
      assert.match(ok(await verify('--all')), /contoso\.example of contoso: found again\n/)
      await until(smarthost, SENDER, /^250 /, 1000)

      ok(await ctl('domain', 'require-proof', 'off'))
      await until(smarthost, 'bill@mail.contoso.example', /^250 /, 1000)
    },
  )

  withDns('is proven by the one above it that its organisation has', TEXT, async (_t, world) => {
    const { nsd, verify } = world
    const record = await recordFor(world, 'contoso.example')
    await nsd.reload(zones({ 'contoso.example': [record] }))
    assert.match(
      ok(await verify('mail.contoso.example')),
      /^mail\.contoso\.example of contoso is proven, by contoso\.example above it, /,
    )
    const proof = await proofOf(world, 'mail.contoso.example')
    assert.equal(proof?.['domain'], 'contoso.example')
    assert.ok(record.includes(proof['token'] ?? '-'))
    // Not of another organisation.
    const { proven } = await verified(world, 'fabrikam.example')
    assert.equal(proven, false)
  })

  withDns('is waited for with --wait', TEXT, async (_t, world) => {
    const { nsd, verify } = world
    const record = await recordFor(world, 'contoso.example')
    const waiting = verify('contoso.example', '--wait', '1m')
    await nsd.reload(zones({ 'contoso.example': [record] }))
    assert.match(ok(await waiting), /contoso\.example of contoso is proven/)
    const late = await verify('fabrikam.example', '--wait', '1s')
    failed(
      late,
      /fabrikam\.example has no such record .*\n.*TXT {2}"haraka-connectors-verification=.*"\nwaiting/,
    )
  })

  withDns('keeps its proof when its organisation gets another name', TEXT, async (_t, world) => {
    const { ctl, nsd, verify } = world
    await nsd.reload(zones({ 'contoso.example': [await recordFor(world, 'contoso.example')] }))
    ok(await verify('contoso.example'))
    ok(await ctl('organization', 'set', 'contoso', '--name', 'Contoso AG'))
    assert.match(
      ok(await verify('--all')),
      /looked at: 2 not proven, 1 proven before, and still\n|1 proven before/,
    )
    assert.equal((await proofOf(world, 'contoso.example'))?.['lostAt'], null)
  })

  withDns('keeps the comments around it, and two administrators lose nothing', TEXT, async (_t, world) => {
    const { instance, nsd, store, verify } = world
    const records = [
      await recordFor(world, 'contoso.example'),
      await recordFor(world, 'mail.contoso.example'),
    ]
    await nsd.reload(
      zones({ 'contoso.example': records, 'fabrikam.example': [await recordFor(world, 'fabrikam.example')] }),
    )
    const names = ['contoso.example', 'mail.contoso.example', 'fabrikam.example']
    for (const done of await Promise.all(names.map((name) => verify(name)))) ok(done)
    for (const name of names) assert.notEqual((await proofOf(world, name))?.['provenAt'] ?? null, null)
    if (store !== 'file') return
    const text = await readFile(instance.path('organizations.yaml'), 'utf8')
    const kept = text.replaceAll(/^ {8}proof:\n(?: {10}.*\n)*/gm, '')
    assert.equal(kept, TEXT)
  })
})

describe('a domain that nobody has proven', () => {
  withDns('goes to the organisation that proves it, a proven one never', TEXT, async (t, world) => {
    const { ctl, instance, nsd, verify } = world
    const smarthost = await startInstance(t, instance)
    const claim = ['contoso.example', '--organization', 'fabrikam']
    failed(
      await verify(...claim),
      /registered with contoso, and proof of domains is not required here: nothing was/,
    )
    ok(await ctl('domain', 'require-proof', 'on', '--yes'))

    const hint = await ctl(
      'domain',
      'add',
      'contoso.example',
      '--organization',
      'Fabrikam',
      '--no-dns',
      '--yes',
    )
    failed(hint, /registered already.*connectorctl domain verify contoso\.example --organization Fabrikam\n/)
    const record = await recordFor(world, ...(claim as [string, string, string]))
    const own = await recordFor(world, 'contoso.example')
    assert.notEqual(record, own)
    assert.equal((await verified(world, ...claim)).proven, false)

    await nsd.reload(zones({ 'contoso.example': [record] }))
    const asked = await verify(...claim)
    failed(
      asked,
      /nothing was changed: contoso\.example is proven; there is no terminal to ask on: add --yes/,
    )
    assert.match(
      asked.stdout,
      /to register it, this is taken away:\n {2}contoso\.example from contoso, who has not proven it, though it would count until .*\n {2}mail\.contoso\.example from contoso/,
    )
    assert.equal((await proofOf(world, 'contoso.example'))?.['provenAt'] ?? null, null)

    ok(await verify(...claim, '--yes'))
    const shown = JSON.parse(
      ok(await ctl('domain', 'show', 'contoso.example', '--json')),
    ) as Verified['domain']
    assert.equal(shown.organization, 'Fabrikam')
    failed(await ctl('domain', 'show', 'mail.contoso.example'), /is no accepted domain/)
    await until(smarthost, SENDER, /^550 5\.7\.64 /, 1000)

    // The first owner comes back: what is proven stays.
    await nsd.reload(zones({ 'contoso.example': [own] }))
    failed(
      await verify('contoso.example', '--organization', 'contoso', '--yes'),
      /contoso\.example belongs to Fabrikam, who has proven it since /,
    )
    failed(await verify('--all'), /^$/)
    failed(
      await verify('contoso.example', '--organization', 'contoso', '--yes'),
      /who has proven it; its record is gone, but it counts until /,
    )
    failed(
      await verify('mail.contoso.example', '--organization', 'contoso', '--yes'),
      /contoso\.example belongs to Fabrikam, who has proven it; its record is gone/,
    )
    await rewrite(t, world, (text) => text.replaceAll(/countsUntil: "?[\dT:.Z-]+"?/g, `countsUntil: ${PAST}`))
    ok(await verify('contoso.example', '--organization', 'contoso', '--yes'))
    await until(smarthost, SENDER, /^250 /, 1000)
  })

  withDns('does not take a proven sub-domain along', TEXT, async (_t, world) => {
    const { ctl, nsd, verify } = world
    ok(await ctl('domain', 'require-proof', 'on', '--yes'))
    const records = [
      await recordFor(world, 'mail.contoso.example'),
      await recordFor(world, 'contoso.example', '--organization', 'Fabrikam'),
    ]
    await nsd.reload(zones({ 'contoso.example': records }))
    ok(await verify('mail.contoso.example'))
    const taken = ok(await verify('contoso.example', '--organization', 'Fabrikam', '--yes'))
    assert.match(taken, /mail\.contoso\.example below it is proven by others, and stays theirs/)
    assert.match(ok(await ctl('domain', 'show', 'mail.contoso.example')), /mail\.contoso\.example.*contoso/)
    assert.match(
      ok(await ctl('domain', 'show', 'contoso.example')),
      /delegatedSubDomains: +mail\.contoso\.example/,
    )
  })

  withDns('above a domain is taken away with it', TEXT, async (_t, world) => {
    const { ctl, nsd, verify } = world
    ok(await ctl('domain', 'require-proof', 'on', '--yes'))
    const claim = ['eu.contoso.example', '--organization', 'Fabrikam'] as const
    const refused = await ctl(
      'domain',
      'add',
      'eu.contoso.example',
      '--organization',
      'Fabrikam',
      '--no-dns',
      '--yes',
    )
    failed(
      refused,
      /nobody has proven contoso\.example: .* domain verify eu\.contoso\.example --organization Fabrikam/,
    )
    await nsd.reload(zones({ 'contoso.example': [await recordFor(world, ...claim)] }))
    assert.match(ok(await verify(...claim, '--yes')), / {2}contoso\.example from contoso/)
    failed(await ctl('domain', 'show', 'contoso.example'), /is no accepted domain/)
    // What is not in its way stays.
    ok(await ctl('domain', 'show', 'mail.contoso.example'))
    failed(
      await verify('new.example', '--organization', 'Fabrikam', '--yes'),
      /nothing is in the way: connectorctl domain add new\.example --organization "Fabrikam" registers it/,
    )
  })
})

describe('require-proof', () => {
  withDns('keeps the file as it is, and is content when nothing is to change', TEXT, async (_t, world) => {
    const { ctl, instance } = world
    const before = await readFile(instance.path('connectors.ini'), 'utf8')
    assert.match(
      ok(await ctl('domain', 'require-proof', 'off')),
      /nothing to change: .* not required here already/,
    )
    failed(await ctl('domain', 'require-proof', 'on'), /nothing was changed: there is no terminal/)
    assert.equal(await readFile(instance.path('connectors.ini'), 'utf8'), before)

    const on = JSON.parse(ok(await ctl('domain', 'require-proof', 'on', '--yes', '--json'))) as {
      changed: boolean
      unproven: { domain: string; countsUntil: string }[]
    }
    assert.equal(on.changed, true)
    assert.equal(on.unproven.length, 3)
    assert.equal(
      await readFile(instance.path('connectors.ini'), 'utf8'),
      before.replace('require_domain_proof = false', 'require_domain_proof = true'),
    )
    assert.match(
      ok(await ctl('domain', 'require-proof', 'on')),
      /nothing to change: proof of domains is required/,
    )
    const days = await proofOf(world, 'contoso.example')

    // Whoever is registered now counts once he is proven; off and on gives nobody new days.
    ok(await ctl('domain', 'add', 'new.example', '--organization', 'contoso', '--no-dns', '--yes'))
    assert.equal(await proofOf(world, 'new.example'), null)
    ok(await ctl('domain', 'require-proof', 'off'))
    ok(await ctl('domain', 'require-proof', 'on', '--yes'))
    assert.deepEqual(await proofOf(world, 'contoso.example'), days)
  })

  it('gives nobody new days on the next node of a fleet', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const [one, two] = [await makeNode(t, redis), await makeNode(t, redis)]
    const on = (folder: string) =>
      connectorctl('domain', 'require-proof', 'on', '--yes', '--instance', folder)
    await applied(one, await file(t, TEXT))
    assert.match(
      ok(await on(one.folder)),
      /that is a setting of this node: on every other node of the fleet run connectorctl domain require-proof on, too/,
    )
    await applied(one, await file(t, TEXT.replace('mail.contoso', 'new.contoso')))
    assert.match(
      ok(await on(two.folder)),
      / {4}new\.contoso\.example: at once\n(.*\n)*another node requires proof since .*: the 14 days were given then\n/,
    )
  })

  it('leaves each setting and each day whole when it is killed', async (t) => {
    const instance = await makeInstance(t, { organizations: TEXT })
    const [settings, directory] = [instance.path('connectors.ini'), instance.path('organizations.yaml')]
    const before = await readFile(settings, 'utf8')
    const seen = (pattern: RegExp) => () => readdirSync(instance.path()).some((name) => pattern.test(name))
    const says = (path: string, text: string) => () => readFileSync(path, 'utf8').includes(text)
    // Each is a moment of a change that is under way.
    const moments = [
      seen(/^organizations\.yaml\.lock$/),
      seen(/^organizations\.yaml\..*\.new$/),
      says(directory, 'countsUntil'),
      seen(/^connectors\.ini\.lock$/),
      seen(/^connectors\.ini\..*\.new$/),
      says(settings, 'require_domain_proof = true'),
    ]
    const ends = new Set<string>()
    for (const [index, isNow] of [...moments, ...moments].entries()) {
      await writeFile(settings, before)
      await writeFile(directory, TEXT)
      const args = ['domain', 'require-proof', 'on', '--yes', '--instance', instance.folder]
      const child = spawn(process.execPath, [join(ROOT, 'bin', 'connectorctl.js'), ...args], {
        stdio: 'ignore',
      })
      const closed = once(child, 'close')
      while (child.exitCode === null && !isNow()) await new Promise((resolve) => setImmediate(resolve))
      child.kill('SIGKILL')
      await closed
      const text = await readFile(settings, 'utf8')
      const isOn = text.includes('require_domain_proof = true')
      assert.equal(text.replace('require_domain_proof = true', 'require_domain_proof = false'), before)
      const days = (await readFile(directory, 'utf8')).match(/countsUntil/g)?.length ?? 0
      assert.ok(days === 0 || days === 3, `${days} of 3 domains have days (${index})`)
      // Proof is required only where the days are there.
      if (isOn) assert.equal(days, 3)
      ends.add(`${isOn ? 'on' : 'off'}, ${days} with days`)
    }
    t.diagnostic([...ends].join('; '))
    // What a killed command left holds nobody up.
    await writeFile(settings, before)
    ok(await connectorctl('domain', 'require-proof', 'on', '--yes', '--instance', instance.folder))
    assert.deepEqual(
      readdirSync(instance.path()).filter((name) => /\.(?:lock|new)$/.test(name)),
      [],
    )
  })
})
