/**
 * `explain` and the live server agree: random directories, random servers and random envelopes, in real SMTP dialogues
 * over plain text, STARTTLS and implicit TLS. What the server answered and journalled is what `explain` says of the same
 * question. The seed is printed, CONNECTORS_SEED repeats it; PROOF=whole asks 10,000 cases.
 */

import assert from 'node:assert/strict'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { TrustSets } from '../../src/certificate/trust-sets.ts'
import { parseCertificate } from '../../src/certificate/parse.ts'
import { pinOf } from '../../src/certificate/pin.ts'
import { settingsOf, trustOf, withDirectory } from '../../src/cli/instance.ts'
import type { Directory } from '../../src/directory/directory.ts'
import type { Settings } from '../../src/instance/settings.ts'
import type { JournalRecord } from '../../src/journal/record.ts'
import { scanJournal } from '../../src/journal/scan.ts'
import type { Decision } from '../../src/policy/decide.ts'
import type { ReasonCode } from '../../src/policy/reasons.ts'
import { REASONS } from '../../src/policy/reasons.ts'
import { formatReply, replyFor } from '../../src/policy/replies.ts'
import { recipientOf, senderOf } from '../../src/relaying/envelope.ts'
import { parseEnvelopeAddress } from '../../src/relaying/parse-address.ts'
import type { DescribedPeer } from '../../src/relaying/simulate.ts'
import { givenPeer, presentingPeer, simulate } from '../../src/relaying/simulate.ts'
import { Authority } from '../support/authority.ts'
import { hasPrograms } from '../support/programs.ts'
import type { Dialogue } from '../support/random-cases.ts'
import { GRANTED, randomDialogue } from '../support/random-cases.ts'
import { filesFor, randomDirectory } from '../support/random-directory.ts'
import type { RandomPeer } from '../support/random-peers.ts'
import { makeIdentities } from '../support/random-peers.ts'
import { Random } from '../support/random.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import { applied } from '../support/redis-node.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { connectorctl, makeInstance, startInstance } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const WHOLE = process.env['PROOF'] === 'whole'
const SEED = Number(process.env['CONNECTORS_SEED'] ?? (WHOLE ? Date.now() % 1_000_000 : 1))

/** Connections at once. */
const CLIENTS = 4

/** How often `connectorctl explain` itself is run for each directory; a process takes as long as a hundred cases. */
const PROCESSES = 1

/**
 * What no dialogue reaches: a directory that is away is tested elsewhere, our own faults are none that are known, and on
 * loopback no mail leads back.
 */
const UNREACHABLE: readonly ReasonCode[] = ['directory-unavailable', 'internal-error', 'route-leads-back']

const authority = new Authority()
after(() => {
  authority.close()
})
const identities = makeIdentities(authority)
const trusted = {
  privateCa: identities.privateCa.pem,
  pin: pinOf(parseCertificate(identities.pinned.der)),
}

/** Settings under which other reasons come up; the reply says which are in force. */
const PROFILES: readonly Readonly<Record<string, string>>[] = [
  {},
  { accept_inbound: 'false', postmaster: '' },
  { require_domain_proof: 'true' },
  { smart_host: '' },
  { require_domain_proof: 'true' },
  { respect_relaying: 'true' },
  { require_domain_proof: 'true' },
  { require_domain_proof: 'true', respect_relaying: 'true', accept_inbound: 'false' },
]

/** As SMTP AUTH would, before MAIL. */
const GRANTING_PLUGIN = `exports.hook_ehlo = function (next, connection, name) {
  if (name.startsWith('${GRANTED}')) connection.relaying = true
  next()
}
`

function settingsText(text: string, round: number): string {
  const profile = PROFILES[round % PROFILES.length] ?? {}
  const values = { ca: 'trusted-ca.pem', tenant_attribution: `Round ${round}`, ...profile }
  return Object.entries(values).reduce(
    (changed, [key, value]) => changed.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = ${value}`),
    text,
  )
}

/** One case: what was asked, and what the server said. */
interface Case {
  readonly dialogue: Dialogue
  readonly from: string
  readonly to: string
  readonly reply: string
}

/** Everything that was seen, over all directories. */
class Tally {
  cases = 0
  connections = 0
  processes = 0
  readonly #counts = new Map<string, number>()

  count({ outcome, reason }: Pick<Decision, 'outcome' | 'reason'>): void {
    this.cases += 1
    const key = `${outcome} ${reason}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  report(t: TestContext, store: string): void {
    t.diagnostic(
      `${store}, seed ${SEED}: ${this.cases} cases over ${this.connections} connections agree, ${this.processes} of them with connectorctl explain`,
    )
    for (const [key, count] of [...this.#counts].toSorted(([left], [right]) => left.localeCompare(right)))
      t.diagnostic(`  ${key}: ${count}`)
  }

  missing(): string[] {
    return REASONS.filter(
      ({ code, outcome }) => !UNREACHABLE.includes(code) && !this.#counts.has(`${outcome} ${code}`),
    ).map(({ code }) => code)
  }
}

/** The server, and the settings and directories that it gets one after the other. */
class Trial {
  readonly #t: TestContext
  readonly #server: Smarthost
  readonly #template: string
  readonly tally = new Tally()

  constructor(t: TestContext, server: Smarthost, template: string) {
    this.#t = t
    this.#server = server
    this.#template = template
  }

  /** Puts another directory and other settings in force, and asks so many cases at least under them. */
  async round(round: number, least: number, put: (text: string) => Promise<void>): Promise<void> {
    const random = new Random(SEED * 1000 + round)
    const marker = `round${round}.marker.example`
    const directory = randomDirectory(random, trusted, marker)
    await replaceFile(this.#server.path('connectors.ini'), settingsText(this.#template, round))
    await put(directory.text)
    await this.#inForce(round, marker)
    const dialogues: Dialogue[] = []
    let planned = 0
    while (planned < least) {
      const dialogue = randomDialogue(random, identities, directory, round * 10_000 + dialogues.length)
      dialogues.push(dialogue)
      planned += dialogue.mails.reduce((sum, { to }) => sum + to.length, 0)
    }
    const cases = await this.#hold(dialogues)
    this.tally.connections += dialogues.length
    await this.#compare(round, cases)
  }

  /** A stranger asks until the new texts are heard, and the new directory is known. */
  async #inForce(round: number, marker: string): Promise<void> {
    const client = await SmtpClient.connect({ port: this.#server.smtp, localAddress: '127.99.99.99' })
    await client.ehlo('marker.test')
    await client.command('MAIL FROM:<>')
    const end = Date.now() + 10_000
    for (;;) {
      const stranger = await client.command('RCPT TO:<marker@marker.tailspintoys.com>')
      const known = await client.command(`RCPT TO:<marker@${marker}>`)
      if (stranger.includes(` Round ${round} [`) && !known.includes('[no-tls ')) break
      assert.ok(Date.now() < end, `not in force: ${stranger} ${known}`)
      await delay(20)
    }
    await client.quit()
  }

  async #hold(dialogues: readonly Dialogue[]): Promise<Case[]> {
    const left = [...dialogues.entries()]
    const held: Case[][] = []
    const client = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        held[next[0]] = await hold(this.#server, next[1])
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    return held.flat()
  }

  async #compare(round: number, cases: readonly Case[]): Promise<void> {
    const { folder } = this.#server
    const settings = settingsOf(folder)
    const trust = trustOf(folder, settings)
    const journalled = await journalOf(folder, cases)
    const decisions: Decision[] = []
    await withDirectory(folder, settings, async (directory) => {
      const { revision } = directory.summary()
      for (const [index, one] of cases.entries()) {
        const decision = await explained(directory, settings, trust, one)
        const what = () => `seed ${SEED}, round ${round}: ${told(one)}`
        const id = /\[\S+ ([0-9A-F-]{36}\.\d+)\]$/.exec(one.reply)?.[1] ?? 'none'
        assert.equal(one.reply, formatReply(replyFor(decision, settings.replies, id)), what())
        const record = journalled.get(one.dialogue.helo)?.shift()
        assert.deepEqual(seen(record), seenIn(decision, one, revision), what())
        this.tally.count(decision)
        decisions[index] = decision
      }
    })
    assert.deepEqual([...journalled.values()].flat(), [], 'nothing else was journalled')
    await this.#runExplain(round, settings, cases, decisions)
  }

  /** Of those that a person could ask `connectorctl explain`: it cannot be told of another plugin's grant. */
  async #runExplain(
    round: number,
    settings: Settings,
    cases: readonly Case[],
    decisions: readonly Decision[],
  ): Promise<void> {
    const random = new Random(SEED * 1000 + round + 500)
    const possible = [...cases.entries()].filter(
      ([, { dialogue }]) => !settings.relay.respectRelaying || !dialogue.peer.granted,
    )
    await Promise.all(
      random.some(possible, PROCESSES).map(async ([index, one]) => {
        const { code, stderr, stdout } = await connectorctl(...(await this.#flagsFor(one, index)))
        assert.equal(code, 0, `${told(one)}: ${stderr}`)
        const { reply, ...rest } = JSON.parse(stdout) as Record<string, unknown>
        assert.equal(reply, one.reply.replace(/ [0-9A-F-]{36}\.\d+\]$/, ' simulated]'), told(one))
        const { outcome, reason, organization, connector } = decisions[index] ?? {}
        assert.deepEqual(
          [rest['outcome'], rest['reason'], rest['organization'], rest['connector']],
          [outcome, reason, organization, connector],
          told(one),
        )
        this.tally.processes += 1
      }),
    )
  }

  async #flagsFor({ dialogue, from, to }: Case, index: number): Promise<string[]> {
    const { address, identity, way } = dialogue.peer
    const flags = ['explain', '--json', '--instance', this.#server.folder]
    flags.push(`--from=${from}`, `--to=${to}`, '--ip', address)
    if (way === 'plain text') flags.push('--no-tls')
    if (identity === null) return flags
    const path = join(this.#server.folder, `presented-${index}.pem`)
    await writeFile(path, identity.presented.map(({ pem }) => pem).join(''))
    return [...flags, '--certificate', path]
  }

  async end(store: string): Promise<void> {
    this.tally.report(this.#t, store)
    assert.equal(await this.#server.stop(), 0)
  }
}

/** Says it all, and hears a reply to each RCPT. */
async function hold(server: Smarthost, dialogue: Dialogue): Promise<Case[]> {
  const { address, identity, way } = dialogue.peer
  const [own] = identity?.presented ?? []
  const client = await SmtpClient.connect({
    port: way === 'implicit TLS' ? server.smtps : server.smtp,
    localAddress: address,
    implicitTls: way === 'implicit TLS',
    ...(own === undefined
      ? {}
      : {
          certificate: {
            cert: identity?.presented.map(({ pem }) => pem).join('') ?? '',
            key: readFileSync(own.keyFile, 'utf8'),
          },
        }),
  })
  const cases: Case[] = []
  await client.ehlo(dialogue.helo)
  if (way === 'STARTTLS') {
    await client.starttls()
    await client.ehlo(dialogue.helo)
  }
  for (const { from, to: recipients } of dialogue.mails) {
    assert.match(await client.command(`MAIL FROM:<${from}>`), /^250 /, from)
    for (const to of recipients) {
      cases.push({ dialogue, from, to, reply: await client.command(`RCPT TO:<${to}>`) })
    }
    assert.match(await client.command('RSET'), /^250 /)
  }
  await client.quit()
  return cases
}

/** The very way of `connectorctl explain`. */
async function explained(
  directory: Directory,
  settings: Settings,
  trust: TrustSets,
  { dialogue, from, to }: Case,
): Promise<Decision> {
  const { decision } = await simulate(directory, settings, {
    peer: described(dialogue.peer, trust),
    sender: senderOf(parseEnvelopeAddress(from)),
    recipient: recipientOf(parseEnvelopeAddress(to)),
    relayingRespected: settings.relay.respectRelaying && dialogue.peer.granted,
  })
  return decision
}

function described({ address, identity, way }: RandomPeer, trust: TrustSets): DescribedPeer {
  if (way === 'plain text') return givenPeer(address, { state: 'no-tls' })
  if (identity === null) return givenPeer(address, { state: 'no-certificate' })
  return presentingPeer(
    address,
    identity.presented.map(({ der }) => der),
    trust,
  )
}

/** What the server journalled of these cases, by the name in EHLO, in the order in which it was asked. */
async function journalOf(folder: string, cases: readonly Case[]): Promise<Map<string, JournalRecord[]>> {
  const end = Date.now() + 10_000
  for (;;) {
    const byHelo = new Map(cases.map(({ dialogue }): [string, JournalRecord[]] => [dialogue.helo, []]))
    let found = 0
    for await (const records of scanJournal([join(folder, 'data', 'journal')]).batches) {
      for (const record of records) found += byHelo.get(record.peer.helo)?.push(record) === undefined ? 0 : 1
    }
    // It is written beside the reply.
    if (found >= cases.length || Date.now() > end) return byHelo
    await delay(20)
  }
}

/** What a record says beside its time and its id. */
function seen(record: JournalRecord | undefined): unknown {
  if (record === undefined) return 'no record'
  const {
    connector,
    organization,
    outcome,
    peer,
    reason,
    recipient,
    reply,
    revision,
    sender,
    via,
    wouldBe = null,
  } = record
  return [
    outcome,
    reason,
    wouldBe,
    organization,
    connector,
    via,
    sender,
    recipient,
    peer.address,
    reply,
    revision,
  ]
}

function seenIn(decision: Decision, { dialogue, from, reply, to }: Case, revision: string): unknown {
  const { connector, organization, outcome, reason, via, wouldBe } = decision
  const sender = senderOf(parseEnvelopeAddress(from)).address
  const recipient = recipientOf(parseEnvelopeAddress(to)).address
  const { address } = dialogue.peer
  return [outcome, reason, wouldBe, organization, connector, via, sender, recipient, address, reply, revision]
}

function told({ dialogue: { peer }, from, reply, to }: Case): string {
  const { address, granted, identity, way } = peer
  const certificate = identity === null ? 'no certificate' : `certificate ${identity.what}`
  return `<${from}> to <${to}> from ${address}, ${way}, ${certificate}${granted ? ', granted' : ''}: ${reply}`
}

/** At once: a watcher never sees half of it. */
async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}

async function startTrial(
  t: TestContext,
  config: Readonly<Record<string, (text: string) => string>> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<{ readonly trial: Trial; readonly server: Smarthost }> {
  const instance = await makeInstance(t, {
    organizations: 'organizations: []\n',
    files: { 'trusted-ca.pem': identities.trustedCa.pem, ...filesFor(trusted), ...files },
    config: {
      plugins: (text) => text.replace('\ninbound_connector\n', '\ngranting\n\ninbound_connector\n'),
      ...config,
    },
  })
  await mkdir(join(instance.folder, 'plugins'), { recursive: true })
  await writeFile(join(instance.folder, 'plugins', 'granting.js'), GRANTING_PLUGIN)
  const template = await readFile(instance.path('connectors.ini'), 'utf8')
  const server = await startInstance(t, instance)
  return { server, trial: new Trial(t, server, template) }
}

describe('explain and the live server agree', () => {
  it(
    'on random cases, whatever is in config/organizations.yaml and connectors.ini',
    { timeout: 1_800_000 },
    async (t) => {
      const { server, trial } = await startTrial(t)
      const [rounds, cases] = WHOLE ? [40, 215] : [8, 110]
      // Chance may leave out a rare reason: it gets some more directories, then that is a fault.
      for (
        let round = 0;
        round < rounds || (round < 4 * rounds && trial.tally.missing().length > 0);
        round += 1
      ) {
        await trial.round(round, cases, (text) => replaceFile(server.path('organizations.yaml'), text))
      }
      await trial.end('config/organizations.yaml')
      assert.ok(trial.tally.cases >= rounds * cases)
      assert.deepEqual(trial.tally.missing(), [], 'reasons that no case reached')
    },
  )

  it('on random cases with the directory in Redis', { timeout: 1_800_000 }, async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const { server, trial } = await startTrial(
      t,
      { 'connectors.ini': (text) => text.replace('store = file', 'store = redis') },
      { 'redis.ini': `[server]\nport = ${redis.port}\n` },
    )
    const [rounds, cases] = WHOLE ? [8, 190] : [2, 110]
    for (let round = 0; round < rounds; round += 1) {
      await trial.round(round, cases, async (text) => {
        const path = server.path('proposed.yaml')
        await writeFile(path, text)
        await applied(server, path, '--prune')
      })
    }
    await trial.end('Redis')
    assert.ok(trial.tally.cases >= rounds * cases)
  })
})
