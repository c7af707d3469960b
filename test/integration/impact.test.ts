/** `connectorctl impact` on real instances: what it foretells is what the server then does. */

import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { JournalRecord } from '../../src/journal/record.ts'
import { impact, record, writeJournal } from '../support/impact.ts'
import { applied, file } from '../support/redis-node.ts'
import type { Instance, Smarthost } from '../support/smarthost.ts'
import { freePort, makeInstance, ROOT, run, startInstance, temporaryFolder } from '../support/smarthost.ts'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'
import type { Stored } from '../support/stores.ts'
import { onBothStores } from '../support/stores.ts'

const DAY = 86_400_000

/** In so many days, as an administrator writes it. */
const inDays = (days: number): string => new Date(Date.now() + days * DAY).toISOString()

const SCANNERS = '{ name: Scanners, connectorType: OnPremises, senderIPAddresses: [127.0.10.0/24] }'
const EXCHANGE = "{ name: Exchange, connectorType: OnPremises, tlsSenderCertificateName: '*.contoso.com' }"

/** contoso is in report-only mode, fabrikam is not. */
const organizations = (reportOnlyUntil: string | null, domains = 'contoso.com'): string => `
organizations:
  - name: contoso
    ${reportOnlyUntil === null ? '' : `reportOnlyUntil: '${reportOnlyUntil}'`}
    acceptedDomains: [${domains
      .split(' ')
      .map((name) => `{ domainName: ${name} }`)
      .join(', ')}]
    inboundConnectors: [${SCANNERS}, ${EXCHANGE}]
  - name: fabrikam
    acceptedDomains: [{ domainName: fabrikam.com }]
    inboundConnectors: [{ name: Fax, connectorType: OnPremises, senderIPAddresses: [127.0.20.0/24] }]
`

interface Sent {
  readonly address: string
  readonly from: string
  readonly to: string
  /** A certificate of the demonstration, over STARTTLS. */
  readonly certificate?: string
}

const TO = 'john@elsewhere.example'

const MAIL: readonly Sent[] = [
  { address: '127.0.10.1', from: 'scanner@contoso.com', to: TO },
  { address: '127.0.10.1', from: '', to: TO },
  { address: '127.0.10.2', from: '', to: TO },
  { address: '127.0.10.2', from: 'fax@tailspintoys.com', to: TO },
  { address: '127.0.10.2', from: 'fax@sales.contoso.com', to: TO },
  { address: '127.0.10.3', from: 'fax@tailspintoys.com', to: 'kate@contoso.com' },
  { address: '127.0.20.1', from: '', to: TO },
  { address: '127.0.20.1', from: 'fax@fabrikam.com', to: TO },
  { address: '127.0.30.1', from: 'x@contoso.com', to: TO },
  { address: '127.0.30.1', from: 'x@tailspintoys.com', to: 'kate@contoso.com' },
  { address: '127.0.10.1', from: '', to: TO, certificate: 'mail.contoso.com' },
]

/** @returns the reply to RCPT */
async function send(server: Smarthost, { address, certificate, from, to }: Sent): Promise<string> {
  const client = await SmtpClient.connect({
    port: server.smtp,
    localAddress: address,
    ...(certificate === undefined ? {} : { certificate: certificateFiles(server.path('demo'), certificate) }),
  })
  try {
    await client.greet(certificate !== undefined)
    return await client.envelope(from, to)
  } finally {
    client.close()
  }
}

const REPORT = z.object({
  period: z.object({ since: z.string(), until: z.string(), gaps: z.array(z.object({ kind: z.string() })) }),
  nodes: z.array(z.object({ directory: z.string(), records: z.number(), damaged: z.number() })),
  decisions: z.number(),
  changes: z.array(
    z.object({
      organization: z.string().nullable(),
      connector: z.string().nullable(),
      senderKind: z.string(),
      senderDomain: z.string(),
      from: z.string(),
      to: z.string(),
      lost: z.boolean(),
      reason: z.string(),
      messages: z.number(),
      perDay: z.number().nullable(),
      servers: z.array(z.object({ address: z.string(), messages: z.number() })),
      examples: z.array(z.object({ id: z.string(), sender: z.string() })),
      fix: z.object({ advice: z.string(), commands: z.array(z.string()) }),
    }),
  ),
  uncertain: z.array(z.unknown()),
  unchanged: z.number(),
  otherwiseThen: z.number(),
})

async function report(
  instance: Instance,
  ...flags: string[]
): Promise<{ readonly code: number | null; readonly found: z.infer<typeof REPORT> }> {
  const { code, stderr, stdout } = await impact('--json', '--instance', instance.folder, ...flags)
  assert.equal(stderr, '')
  return { code, found: REPORT.parse(JSON.parse(stdout)) }
}

/** A decision of an hour ago. */
function recent(more: Partial<JournalRecord>): JournalRecord {
  const peer = { ...record().peer, address: '127.0.10.1' }
  return record({ time: new Date(Date.now() - 3_600_000).toISOString(), peer, ...more })
}

/** `127.0.10.1 contoso.com`: servers and sender domains whose mail would be lost. */
function foretold({ changes }: z.infer<typeof REPORT>): string[] {
  return changes
    .filter(({ lost }) => lost)
    .flatMap(({ senderDomain, servers }) => servers.map(({ address }) => `${address} <${senderDomain}>`))
    .toSorted()
}

/** Decisions are written beside the reply. */
async function journalled(instance: Instance, count: number): Promise<void> {
  const end = Date.now() + 20_000
  for (;;) {
    const { stdout } = await impact('--json', '--instance', instance.folder)
    if (stdout !== '' && REPORT.parse(JSON.parse(stdout)).decisions >= count) return
    assert.ok(Date.now() < end, stdout)
  }
}

async function replaced({ instance, store }: Stored, t: TestContext, text: string): Promise<void> {
  if (store === 'file') await writeFile(instance.path('organizations.yaml'), text)
  else await applied(instance, await file(t, text))
}

/** The words of a command as a shell reads them, with this checkout's connectorctl. */
async function inShell(command: string, ...more: string[]): Promise<void> {
  const path = join(ROOT, 'bin', 'connectorctl.js')
  const { code, stderr } = await run(
    'bash',
    '-c',
    `connectorctl() { "${process.execPath}" "${path}" "$@"; }; ${[command, ...more].join(' ')}`,
  )
  assert.equal(code, 0, `${command}: ${stderr}`)
}

/** Until the server hears of the change. */
async function inForce(server: Smarthost, sent: Sent, reply: string): Promise<void> {
  const end = Date.now() + 20_000
  for (;;) {
    const said = await send(server, sent)
    if (said.startsWith(reply)) return
    assert.ok(Date.now() < end, `still ${said}`)
    await delay(20)
  }
}

/** Sends everything again: what was taken and is refused now, and that nothing else is otherwise. */
async function lostNow(server: Smarthost, before: ReadonlyMap<Sent, string>): Promise<string[]> {
  const lost: string[] = []
  for (const [sent, was] of before) {
    const is = await send(server, sent)
    const { address, from } = sent
    if (was.startsWith('250') && is.startsWith('550')) lost.push(`${address} <${from.split('@')[1] ?? ''}>`)
    else assert.equal(is.slice(0, 3), was.slice(0, 3), `${address} <${from}>`)
  }
  return lost.toSorted()
}

const NDR: Sent = { address: '127.0.10.1', from: '', to: TO }

describe('connectorctl impact', () => {
  onBothStores(
    'foretells whom the server refuses once report-only mode is off, and on which day',
    organizations(inDays(20)),
    async (t, stored) => {
      const server = await startInstance(t, stored.instance)
      const before = new Map<Sent, string>()
      for (const sent of MAIL) before.set(sent, await send(server, sent))
      await journalled(server, MAIL.length)

      const { code, found } = await report(server)
      assert.equal(code, 1)
      assert.deepEqual(foretold(found), [
        '127.0.10.1 <>',
        '127.0.10.2 <>',
        '127.0.10.2 <sales.contoso.com>',
        '127.0.10.2 <tailspintoys.com>',
      ])
      assert.equal(found.unchanged, MAIL.length - 4)
      assert.deepEqual([found.otherwiseThen, found.uncertain], [0, []])
      assert.deepEqual((await report(server, '--at', inDays(21))).found.changes, found.changes)
      const earlier = await report(server, '--at', inDays(19))
      assert.deepEqual([earlier.code, earlier.found.changes], [0, []])

      await replaced(stored, t, organizations(null))
      await inForce(server, NDR, '550')
      assert.deepEqual(await lostNow(server, before), foretold(found))
    },
  )

  onBothStores(
    'foretells what a file would do, and its commands mend it',
    organizations(inDays(20)),
    async (t, stored) => {
      const server = await startInstance(t, stored.instance)
      const before = new Map<Sent, string>()
      for (const sent of MAIL) before.set(sent, await send(server, sent))
      await journalled(server, MAIL.length)
      // fabrikam.com moves, and contoso is not in report-only mode any more.
      const proposed = await file(
        t,
        organizations(null, 'contoso.com fabrikam.com').replace(
          /acceptedDomains: \[\{ domainName: fabrikam.com \}\]/,
          '',
        ),
      )
      const { code, found } = await report(server, '--with', proposed)
      assert.equal(code, 1)
      assert.deepEqual(foretold(found), [
        '127.0.10.1 <>',
        '127.0.10.2 <>',
        '127.0.10.2 <sales.contoso.com>',
        '127.0.10.2 <tailspintoys.com>',
        '127.0.20.1 <fabrikam.com>',
      ])
      const own = await report(server, '--with', proposed, '--organization', 'Fabrikam')
      assert.deepEqual(foretold(own.found), ['127.0.20.1 <fabrikam.com>'])

      await applied(stored.instance, proposed)
      await inForce(server, NDR, '550')
      assert.deepEqual(await lostNow(server, before), foretold(found))

      const commands = found.changes.flatMap(({ fix, lost, senderDomain }) =>
        lost && senderDomain !== 'fabrikam.com' ? fix.commands : [],
      )
      assert.equal(new Set(commands).size, 2, commands.join('\n'))
      for (const command of new Set(commands)) {
        await inShell(command, ...(command.includes('domain add') ? ['--yes', '--no-dns'] : []))
      }
      // Non-delivery reports wait for the servers' certificates, the others are mended.
      for (const sent of MAIL) {
        if (sent.address !== '127.0.10.2' || sent.from === '') continue
        await inForce(server, sent, '250')
      }
    },
  )

  onBothStores(
    'says what it read, and never "nothing" for what is not known',
    organizations(null),
    async (t, stored) => {
      const { folder } = stored.instance
      const own = join(folder, 'data', 'journal')
      const none = await impact('--instance', folder)
      assert.equal(none.code, 1)
      assert.match(none.stderr, /there is no decision since .* in .*data\/journal: nothing can be told/)
      await writeJournal(own, [recent({})], ['{"damaged'])
      const other = await temporaryFolder(t)
      const { code, stdout } = await impact('--instance', folder, '--journal', other)
      assert.equal(code, 0, stdout)
      assert.match(stdout, /^1 decision since .*, replayed with report-only mode off\.$/m)
      assert.match(stdout, /^read: .*data\/journal, 1 decision, the last at .*, 1 damaged line passed over$/m)
      assert.ok(stdout.includes(`unknown: there is no decision in ${other}`))
      assert.match(stdout, /^unknown before .*data\/journal$/m)
      assert.match(stdout, /^Nothing would change\.$/m)
      const unknown = await impact('--instance', folder, '--organization', 'contso')
      assert.equal(unknown.code, 1)
      assert.match(unknown.stderr, /none of the 1 decisions since .* hangs on the organisation "contso"/)
    },
  )

  onBothStores(
    'changes nothing, and refuses a file that apply would refuse',
    organizations(null),
    async (t, stored) => {
      const { folder } = stored.instance
      await writeJournal(join(folder, 'data', 'journal'), [recent({})])
      const taking = await file(
        t,
        'organizations: [{ name: adatum, acceptedDomains: [{ domainName: contoso.com }] }]',
      )
      const taken = await impact('--instance', folder, '--with', taking)
      assert.equal(taken.code, 1)
      assert.match(
        taken.stderr,
        /contoso\.com is registered already, with "contoso".*\n.*apply would refuse it; nothing was replayed/,
      )
      const alone = await impact('--instance', folder, '--with', taking, '--prune')
      assert.equal(alone.code, 1)
      assert.match(alone.stdout, /WOULD BE REFUSED: mail from contoso\.com/)
      assert.match(
        alone.stdout,
        /the proposal takes these servers away from connector "Scanners" of "contoso"/,
      )
      const broken = await impact(
        '--instance',
        folder,
        '--with',
        await file(t, 'organizations: [{ nam: x }]'),
      )
      assert.equal(broken.code, 1)
      assert.match(broken.stderr, /:1:\d+: error: .*"nam"[\s\S]*nothing was replayed/)
      const { stdout } = await stored.ctl('export')
      assert.match(stdout, /contoso\.com/)
      assert.doesNotMatch(stdout, /adatum/)
    },
  )

  it('names what is wrong with its words', async (t) => {
    const { folder } = await makeInstance(t)
    const cases: readonly (readonly [args: readonly string[], code: number, said: RegExp])[] = [
      [['--since', 'yesterday'], 2, /--since "yesterday" is no time that has been/],
      [['--since', '2999-01-01'], 2, /no time that has been/],
      [['--at', '2020-01-01'], 2, /--at "2020-01-01" is no time to come/],
      [['--at', '2027-02-30'], 2, /no time to come/],
      [['--prune'], 2, /--prune says what becomes of organisations/],
      [['--bogus'], 2, /unknown option/],
      [['--journal', join(folder, 'gone')], 1, /gone is no folder/],
      [['--with', join(folder, 'gone.yaml')], 1, /gone\.yaml cannot be read: ENOENT/],
      [['--since', '\u001b[2J'], 2, /\\x1b\[2J/],
    ]
    for (const [args, code, said] of cases) {
      const finished = await impact('--instance', folder, ...args)
      assert.equal(finished.code, code, args.join(' '))
      assert.match(finished.stderr, said)
      assert.equal(finished.stdout, '')
    }
    assert.match((await impact('--instance', join(folder, 'none'))).stderr, /is no instance/)
  })

  it('says so when Redis cannot be asked', async (t) => {
    const { folder, path } = await makeInstance(t, {
      config: { 'connectors.ini': (text) => text.replace('store = file', 'store = redis') },
    })
    await writeFile(path('redis.ini'), `[server]\nport = ${await freePort()}\n`)
    await writeJournal(join(folder, 'data', 'journal'), [recent({})])
    const { code, stderr, stdout } = await impact('--instance', folder)
    assert.equal(code, 1)
    assert.match(stderr, /cannot be asked/)
    assert.equal(stdout, '')
  })

  it('names the journal that it may not read', async (t) => {
    const { folder } = await makeInstance(t)
    await mkdir(join(folder, 'data'), { recursive: true })
    await writeFile(join(folder, 'data', 'journal'), 'no folder')
    const { code, stderr } = await impact('--instance', folder)
    assert.equal(code, 1)
    assert.match(stderr, /the journal .*data\/journal cannot be read: ENOTDIR/)
  })
})
