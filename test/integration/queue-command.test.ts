/** connectorctl queue and trace over two living processes (real sockets) and the folder of a dead one. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { registerQueue } from '../../src/cli/commands/queue.ts'
import { registerTrace } from '../../src/cli/commands/trace.ts'
import type { DeliveryRecord } from '../../src/journal/record.ts'
import { openJournal } from '../../src/journal/writer.ts'
import { newOwnerName } from '../../src/outbound/control/socket.ts'
import { NEVER } from '../../src/outbound/delivery/outcome.ts'
import { encodeMessage } from '../../src/outbound/spool/format.ts'
import { messageName } from '../../src/outbound/spool/names.ts'
import type { ActionDone, QueueEntry } from '../../src/outbound/types.ts'
import { deliveryRecord } from '../support/delivery-record.ts'
import { journalRecord } from '../support/journal-record.ts'
import { runCommand } from '../support/one-command.ts'
import { hasPrograms } from '../support/programs.ts'
import { queued, recipient, waiting } from '../support/queued.ts'
import type { QueueWorld } from '../support/queue-world.ts'
import { deadOwner, emptyQueue, livingOwner, ownerWith, strangeOwner } from '../support/queue-world.ts'
import { startTestSink } from '../support/sink.ts'
import { connectorctl, freePort, ROOT, runWith, startInstance, startSmarthost } from '../support/smarthost.ts'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'
import { SCRIPT, Terminal } from '../support/terminal.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Ids as Haraka makes them: of a message by its number in these tests. */
function idOf(number: number): string {
  return `2E0958EC-88EB-44B6-8F19-A0E9C38B458${number}.1`
}

const HOSTILE = 'Subject: \u001b]0;owned\u0007\u202e Offer\r\nX-Long: \u001b[2J\r\n\r\nThe text\r\n'

const LATE = {
  at: Date.now() - MINUTE,
  code: 451,
  status: '4.7.1',
  text: '4.7.1 Greylisted \u001b[31m, come back',
  remote: { host: 'mx.fabrikam.com', address: '192.0.2.25', port: 25 },
}

interface World extends QueueWorld {
  readonly one: Awaited<ReturnType<typeof livingOwner>>
  readonly dead: string
}

/** 1 and 3 in one process, 2 and 4 in another, 5 and 6 in the folder of a dead one; 1 is the oldest. */
async function makeWorld(t: TestContext): Promise<World> {
  const world = await emptyQueue(t)
  const at = (age: number) => ({ receivedAt: Date.now() - age })
  const woodgrove = { organization: 'Woodgrove', sender: 'kai@woodgrove.example' }
  const one = await livingOwner(t, world, [
    queued(
      idOf(1),
      { ...at(50 * HOUR) },
      { recipients: [waiting({ attempts: 9, said: LATE, nextAttempt: Date.now() + HOUR })] },
    ),
    queued(idOf(3), { ...at(3 * HOUR), ...woodgrove }),
  ])
  await livingOwner(t, world, [
    queued(
      idOf(2),
      { ...at(5 * HOUR), organization: null, mayBounce: false, sender: 'x@stranger.example' },
      { hold: { at: Date.now() - HOUR, reason: 'could not be delivered', by: null } },
    ),
    queued(idOf(4), { ...at(10 * MINUTE), sender: '', recipients: [recipient('a@tailspintoys.com')] }),
  ])
  const content = 'Subject: x\r\n\r\nx\r\n'
  const dead = await deadOwner(world, [
    [
      queued(idOf(5), {
        ...at(4 * MINUTE),
        ...woodgrove,
        recipients: [recipient('a@tailspintoys.com'), recipient('b@fabrikam.com')],
      }),
      content,
    ],
    [queued(idOf(6), at(2 * MINUTE)), HOSTILE],
  ])
  return { ...world, one, dead }
}

const queue = ({ folder }: QueueWorld, verb: string, ...args: string[]) =>
  runCommand(registerQueue, 'queue', verb, '--instance', folder, ...args)

function linesIn<T>(stdout: string): T[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

/** The numbers of the messages that a list shows. */
async function numbers(world: QueueWorld, ...args: string[]): Promise<string> {
  const { stdout } = await queue(world, 'list', '--json', ...args)
  return linesIn<QueueEntry>(stdout)
    .map(({ envelope }) => envelope.id.at(-3))
    .join('')
}

async function journalOf({ folder }: QueueWorld): Promise<DeliveryRecord[]> {
  const journal = join(folder, 'data', 'journal')
  const names = await readdir(journal).catch(() => [])
  const texts = await Promise.all(names.map((name) => readFile(join(journal, name), 'utf8')))
  return texts.flatMap((text) => linesIn<DeliveryRecord>(text)).filter(({ event }) => event !== undefined)
}

describe('connectorctl queue list', () => {
  it('shows what living and dead processes have, the oldest first, each with why it waits', async (t) => {
    const world = await makeWorld(t)
    const { code, stdout, stderr } = await connectorctl('queue', 'list', '--instance', world.folder)
    assert.deepEqual([code, stderr], [0, ''])
    const ids = stdout.split('\n').flatMap((line) => /^2E0958EC\S+/.exec(line)?.[0] ?? [])
    assert.deepEqual(ids, [1, 2, 3, 4, 5, 6].map(idOf))
    assert.match(stdout, /^2E0\S+1\.1 +2d +1\.2K {2}<kate@contoso\.com>\n {2}waiting, next in 60m: <john@/m)
    assert.match(stdout, /^ {4}mx\.fabrikam\.com: 451 4\.7\.1 Greylisted \\x1b\[31m, come back$/m)
    assert.match(stdout, /^ {2}held \(could not be delivered\): <john@fabrikam\.com>$/m)
    assert.match(stdout, /^ {2}waiting, due now: <a@tailspintoys\.com> and 1 more$/m)
    assert.match(stdout, /^6 messages, the oldest 2d, 1 held\n$/m)
  })

  it('cuts lines at the width of the terminal, and nowhere else', async (t) => {
    const world = await makeWorld(t)
    const text = `mailbox unavailable ${'x'.repeat(150)} the end`
    const said = { at: Date.now(), code: 450, status: '4.2.1', text, remote: null }
    await deadOwner(world, [
      [queued(idOf(7), {}, { recipients: [waiting({ said })] }), 'Subject: x\r\n\r\nx\r\n'],
    ])
    assert.match((await queue(world, 'list', idOf(7))).stdout, /x the end\n/)
    const onTerminal: typeof registerQueue = (program, context) => {
      registerQueue(program, { ...context, stdout: Object.assign(context.stdout, { columns: 80 }) })
    }
    const shown = await runCommand(onTerminal, 'queue', 'list', idOf(7), '--instance', world.folder)
    assert.doesNotMatch(shown.stdout, /the end/)
    assert.match(shown.stdout, /^.{79}…$/m)
  })

  it('finds by organisation, destination, sender, age, hold and id, all of which must hold', async (t) => {
    const world = await makeWorld(t)
    const rows: readonly (readonly [flags: readonly string[], expected: string])[] = [
      [[], '123456'],
      [['--organization', 'CONTOSO'], '146'],
      [['--organization', 'woodgrove'], '35'],
      [['--destination', 'Fabrikam.com'], '12356'],
      [['--destination', 'tailspintoys.com'], '45'],
      [['--sender', 'kai@woodgrove.example'], '35'],
      [['--sender', 'stranger.example'], '2'],
      [['--sender', '<>'], '4'],
      [['--older-than', '1h'], '123'],
      [['--older-than', '2d'], '1'],
      [['--held'], '2'],
      [['--organization', 'woodgrove', '--destination', 'tailspintoys.com'], '5'],
      [[idOf(6), `[no-tls ${idOf(1)}]`], '16'],
      [[idOf(6), '--organization', 'woodgrove'], ''],
    ]
    for (const [flags, expected] of rows)
      assert.equal(await numbers(world, ...flags), expected, flags.join(' '))
  })

  it('counts by destination, organisation and sender', async (t) => {
    const world = await makeWorld(t)
    const { stdout } = await queue(world, 'list', '--by', 'destination')
    assert.match(stdout, /^DESTINATION +MESSAGES +HELD +OLDEST +NEXT +LAST REPLY$/m)
    assert.match(stdout, /^fabrikam\.com +5 +1 +2d +now +mx\.fabrikam\.com: 451 4\.7\.1 Greylisted \\x1b/m)
    assert.match(stdout, /^tailspintoys\.com +2 +0 +10m +now$/m)
    assert.match(stdout, /^6 messages, the oldest 2d, 1 held$/m)
    const bySender = await queue(world, 'list', '--by', 'sender', '--json')
    const counts = linesIn<{ name: string; messages: number }>(bySender.stdout)
    assert.deepEqual(
      new Map(counts.map(({ messages, name }) => [name, messages])),
      new Map([
        ['', 1],
        ['contoso.com', 2],
        ['stranger.example', 1],
        ['woodgrove.example', 2],
      ]),
    )
    const byOrganization = await queue(world, 'list', '--by', 'organization')
    assert.match(byOrganization.stdout, /^Woodgrove +2 +0 +3h/m)
    assert.match(byOrganization.stdout, /^- +1 +1 +5h +-$/m)
  })

  it('shows so many as are asked for, and counts the others', async (t) => {
    const world = await makeWorld(t)
    const { stdout } = await queue(world, 'list', '--limit', '2')
    assert.equal(stdout.match(/^2E0958EC/gm)?.length, 2)
    assert.match(stdout, /\.\.\. and 4 more: --all shows them\n6 messages, /)
  })

  it('says that nothing is there: exit code 1 where something was asked for, 0 for an empty queue', async (t) => {
    const world = await makeWorld(t)
    const nothing = await queue(world, 'list', '--organization', 'fabrikam')
    assert.equal(nothing.code, 1)
    assert.equal(nothing.stdout, 'no messages\n')
    assert.match(nothing.stderr, /there is no such message in \S+\/queue$/m)
    const json = await queue(world, 'list', '--json', '--destination', 'nowhere.example')
    assert.deepEqual([json.code, json.stdout], [1, ''])
    const empty = await queue(await emptyQueue(t), 'list')
    assert.deepEqual(empty, { code: 0, stdout: 'no messages\n', stderr: '' })
  })

  it('streams 20,000 messages within little memory, from a process and from a folder', async (t) => {
    const world = await emptyQueue(t)
    const count = { folder: 10_000, process: 10_000 }
    const long = `${'x'.repeat(60)}@fabrikam.com`
    const many = (index: number) =>
      queued(`2E0958EC-0000-0000-0000-${String(index).padStart(12, '0')}.1`, {
        receivedAt: Date.now() - HOUR - 20_000 + index,
        recipients: Array.from({ length: 20 }, () => recipient(long)),
      })
    const owner = newOwnerName()
    await ownerWith(t, world.queue, owner, {
      async *list() {
        for (let index = 0; index < count.process; index += 1) {
          yield await Promise.resolve({ ...many(index), owner, active: false })
        }
      },
      show: () => Promise.resolve(null),
      act: () => Promise.resolve([]),
    })
    const dead = join(world.queue, await deadOwner(world, [[queued(idOf(1)), 'x\r\n']]))
    for (let index = count.process; index < count.process + count.folder; index += 1) {
      const { envelope } = many(index)
      const path = join(dead, messageName(envelope.receivedAt, envelope.id))
      writeFileSync(path, Buffer.concat(encodeMessage(envelope, Buffer.from('x\r\n'))))
    }
    const args = ['queue', 'list', '--instance', world.folder, '--json']
    const { code, stdout, stderr } = await runWith(
      // A twentieth of what all of them take.
      { NODE_OPTIONS: '--max-old-space-size=80' },
      process.execPath,
      join(ROOT, 'bin', 'connectorctl.js'),
      ...args,
    )
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(stdout.match(/"envelope":\{"id"/g)?.length, count.process + count.folder + 1)
  })
})

describe('connectorctl queue show', () => {
  it("tells each recipient and the header, and nothing of a sender's is obeyed by the terminal", async (t) => {
    const world = await makeWorld(t)
    const late = await queue(world, 'show', idOf(1))
    assert.equal(late.code, 0)
    assert.match(late.stdout, /^ {2}sender: {5}<kate@contoso\.com>$/m)
    assert.match(late.stdout, /^ {2}<john@fabrikam\.com>: waiting, tried 9 times, next at \S+Z \(in 60m\)$/m)
    assert.match(late.stdout, /^ {2}\| Subject: Offer$/m)
    const hostile = await connectorctl('queue', 'show', idOf(6), '--instance', world.folder)
    assert.deepEqual([hostile.code, hostile.stderr], [0, ''])
    assert.match(hostile.stdout, /^ {2}\| Subject: \\x1b\]0;owned\\x07\\u202e Offer$/m)
    assert.match(hostile.stdout, /^ {2}\| X-Long: \\x1b\[2J$/m)
    assert.doesNotMatch(hostile.stdout, /The text/)
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(hostile.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    const json = await queue(world, 'show', idOf(6), '--json')
    const [shown] = linesIn<QueueEntry & { header: string }>(json.stdout)
    assert.deepEqual([shown?.envelope.id, shown?.owner], [idOf(6), world.dead])
    assert.match(shown?.header ?? '', /^Subject: .*Offer\r\nX-Long/)
  })

  it('tells a recipient that nobody may be told of, while others are still tried', async (t) => {
    const world = await emptyQueue(t)
    const recipients = [recipient('a@fabrikam.com'), recipient('b@tailspintoys.com')]
    const state = {
      recipients: [waiting({ attempts: 2, nextAttempt: NEVER }), waiting({ nextAttempt: Date.now() + HOUR })],
    }
    await livingOwner(t, world, [queued(idOf(1), { mayBounce: false, recipients }, state)])
    const { stdout } = await queue(world, 'show', idOf(1))
    assert.match(stdout, /^ {2}<a@fabrikam\.com>: kept until it is released, tried 2 times$/m)
    assert.match(stdout, /^ {2}<b@tailspintoys\.com>: waiting, not tried yet, next at /m)
    assert.match(
      (await queue(world, 'list')).stdout,
      /^ {2}waiting, next in 60m: <a@fabrikam\.com> and 1 more$/m,
    )
    const groups = await queue(world, 'list', '--by', 'destination')
    assert.match(groups.stdout, /^fabrikam\.com +1 +0 +\w+ +-$/m)
  })

  it('says where to look for what is not there any more', async (t) => {
    const { code, stdout, stderr } = await queue(await makeWorld(t), 'show', idOf(9))
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^connectorctl: \S+9\.1 is not in the queue; connectorctl trace \S+9\.1 tells/)
  })
})

describe('acting on the queue', () => {
  it('holds, tries and releases in all processes, and in the folder of a dead one, with who did it', async (t) => {
    const world = await makeWorld(t)
    const held = await connectorctl('queue', 'hold', '--all', '--yes', '--instance', world.folder)
    assert.deepEqual(
      [held.code, held.stderr.split('\n').at(-2)],
      [0, 'left as it is: 1 message that is held'],
    )
    assert.equal(held.stdout.match(/: held$/gm)?.length, 5)
    assert.equal(await numbers(world, '--held'), '123456')
    const lines = await journalOf(world)
    assert.deepEqual(
      lines.map(({ event, id }) => `${event} ${id}`).toSorted((a, b) => a.localeCompare(b)),
      [`held ${idOf(5)}`, `held ${idOf(6)}`],
    )
    assert.ok(lines.every(({ by }) => by !== null && by !== ''))
    assert.deepEqual(world.one.journal.length, 2)
    const tried = await queue(world, 'retry', idOf(6))
    assert.deepEqual([tried.code, tried.stdout], [1, `${idOf(6)}: not done: it is held: release it first\n`])
    const already = await queue(world, 'hold', idOf(2), '--held')
    assert.deepEqual(
      [already.code, already.stdout],
      [1, `${idOf(2)}: not done: it is held already: could not be delivered\n`],
    )
    const released = await queue(world, 'release', '--held', '--yes', '--json')
    assert.equal(released.code, 0)
    assert.deepEqual(
      linesIn<ActionDone>(released.stdout).map(({ done, id, why }) => [id, done, why]),
      [1, 2, 3, 4, 5, 6].map((number) => [idOf(number), true, 'released, and tried now']),
    )
    const one = await queue(world, 'retry', idOf(1), idOf(9))
    assert.equal(one.code, 1)
    assert.equal(one.stdout, `${idOf(9)}: not done: it is not in the queue\n${idOf(1)}: tried now\n`)
    assert.match((await queue(world, 'show', idOf(1))).stdout, /tried 9 times, due now$/m)
  })

  it('retries all that waits without a word about each held one, and releases what is held only', async (t) => {
    const world = await makeWorld(t)
    const tried = await queue(world, 'retry', '--all', '--yes')
    assert.equal(tried.code, 0, tried.stdout)
    assert.equal(tried.stdout.match(/: tried now$/gm)?.length, 5)
    assert.equal(tried.stderr, 'left as it is: 1 message that is held (connectorctl queue release)\n')
    const stranger = ['--sender', 'stranger.example', '--yes']
    const nothing = await queue(world, 'retry', ...stranger)
    assert.deepEqual([nothing.code, nothing.stdout], [1, ''])
    assert.match(nothing.stderr, /^left as it is: 1 message [^]*\nconnectorctl: nothing was changed\n$/)
    const released = await queue(world, 'release', '--all', '--yes')
    assert.deepEqual([released.code, released.stdout], [0, `${idOf(2)}: released, and tried now\n`])
    assert.equal(released.stderr, 'left as it is: 5 messages that are not held\n')
  })

  it('bounces what may be bounced, with a report in the queue; backscatter is refused whoever asks', async (t) => {
    const world = await makeWorld(t)
    const { code, stdout } = await queue(world, 'bounce', idOf(2), idOf(4), idOf(6), '--yes')
    assert.equal(code, 1)
    assert.match(stdout, /^\S+2\.1: not done: its sender was not attributed, and may be somebody else/m)
    assert.match(stdout, /^\S+4\.1: not done: it has the null sender, who cannot be told/m)
    assert.match(stdout, /^\S+6\.1: bounced$/m)
    const left = linesIn<QueueEntry>((await queue(world, 'list', '--json')).stdout)
    const report = left.find(({ envelope }) => envelope.reportOn === idOf(6))
    assert.deepEqual(
      report?.envelope.recipients.map(({ address }) => address),
      ['kate@contoso.com'],
    )
    assert.equal(
      left.some(({ envelope }) => envelope.id === idOf(6)),
      false,
    )
    const [line] = (await journalOf(world)).filter(({ event }) => event === 'bounced')
    assert.deepEqual([line?.id, line?.related], [idOf(6), report?.envelope.id])
    const shown = await queue(world, 'show', report?.envelope.id ?? '')
    assert.match(shown.stdout, /^ {2}\| Content-Type: multipart\/report; report-type=delivery-status/m)
    const again = await queue(world, 'bounce', report?.envelope.id ?? '', '--yes')
    assert.match(again.stdout, /not done: it is a report itself/)
  })

  it('drops nothing without consent: without a terminal it is refused', async (t) => {
    const world = await makeWorld(t)
    const { code, stdout, stderr } = await connectorctl('queue', 'drop', idOf(5), '--instance', world.folder)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^2E0958EC\S+5\.1 [^]*1 message, [^]*nothing was changed: there is no terminal/)
    assert.equal(await numbers(world), '123456')
    const dropped = await queue(world, 'drop', '--destination', 'tailspintoys.com', '--yes')
    assert.equal(dropped.code, 0)
    assert.equal(dropped.stdout, `${idOf(4)}: dropped\n${idOf(5)}: dropped\n`)
    assert.equal(await numbers(world), '1236')
  })

  it('asks at a terminal, showing what it is about, and takes nothing but yes', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const world = await makeWorld(t)
    const begin = ['queue', 'drop', '--organization', 'woodgrove', '--instance', world.folder]
    const no = Terminal.start(t, ...begin)
    await no.answer(/5\.1[^]*2 messages, the oldest 3h[^]*drop these 2 messages for ever[^]*\[y\/N\] /, '')
    await no.shows(/nothing was changed/)
    assert.equal(await no.end(), 1)
    const yes = Terminal.start(t, ...begin)
    await yes.answer(/\[y\/N\] /, 'y')
    await yes.shows(/5\.1: dropped/)
    assert.equal(await yes.end(), 0)
    assert.equal(await numbers(world), '1246')
  })

  it('says that nothing matches', async (t) => {
    const { code, stdout, stderr } = await queue(
      await makeWorld(t),
      'drop',
      '--sender',
      'nobody@x.example',
      '--yes',
    )
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^connectorctl: nothing was changed: there is no such message in \S+\/queue$/m)
  })

  it('does not begin on what it could not account for: settings that are broken', async (t) => {
    const world = await makeWorld(t)
    await writeFile(join(world.folder, 'config', 'connectors.ini'), '[journal]\nmax_days = many\n')
    assert.equal(await numbers(world), '123456')
    await assert.rejects(connectorctlThrows(world), /connectors\.ini:2.*max_days/)
    assert.equal(await numbers(world), '123456')
  })
})

async function connectorctlThrows({ folder }: QueueWorld): Promise<never> {
  const { code, stdout, stderr } = await connectorctl('queue', 'drop', idOf(6), '--yes', '--instance', folder)
  assert.equal(code, 1)
  throw new Error(stdout + stderr)
}

describe('a process that does not answer', { concurrency: true }, () => {
  it('is named after 15 seconds, and what the others have is shown: exit code 1', async (t) => {
    const world = await makeWorld(t)
    let questions = 0
    const owner = await strangeOwner(t, world, (socket) => socket.once('data', () => (questions += 1)))
    const [listed, traced, dropped] = await Promise.all([
      connectorctl('queue', 'list', '--json', '--instance', world.folder),
      connectorctl('trace', idOf(1), '--instance', world.folder),
      connectorctl('queue', 'drop', idOf(6), '--yes', '--instance', world.folder),
    ])
    const silent = new RegExp(
      `the process of ${owner} \\(pid \\d+\\) has said nothing for 15 seconds: it hangs[^]*what it has is not in this answer`,
    )
    assert.equal(listed.code, 1)
    assert.equal(linesIn(listed.stdout).length >= 5, true)
    assert.match(listed.stderr, silent)
    assert.equal(traced.code, 1)
    assert.match(traced.stdout, /in the queue:/)
    assert.match(traced.stderr, /has said nothing/)
    assert.equal(dropped.code, 1)
    assert.match(dropped.stdout, /6\.1: dropped/)
    assert.match(dropped.stderr, silent)
    assert.equal(questions, 3, 'no command waits twice')
  })

  it('or answers garbage, is named at once', async (t) => {
    const rows: readonly (readonly [answer: string, said: RegExp])[] = [
      ['HTTP/1.1 400 Bad Request\r\n\r\n', /could not be asked: a line is no JSON/],
      ['{"entry":{"owner":1}}\n', /answers in a way that is not known here/],
      ['{"error":"\\u001b[2Jfull"}\n', /: \\x1b\[2Jfull/],
      ['{"busy":true}\n{"ent', /ended while it was asked: try again/],
      ['', /ended while it was asked: try again/],
    ]
    for (const [answer, said] of rows) {
      const world = await makeWorld(t)
      await strangeOwner(t, world, (socket) => {
        socket.end(answer)
      })
      const { code, stdout, stderr } = await queue(world, 'list', '--json')
      assert.equal(code, 1, answer)
      assert.equal(linesIn(stdout).length, 6, answer)
      assert.match(stderr, said)
      assert.match(stderr, /what it has is not in this answer\n$/)
    }
  })
})

describe('a queue command', () => {
  it('says in one line what is wrong with it: exit code 1 without an instance, 2 for wrong words', async (t) => {
    const world = await emptyQueue(t)
    const missing = await connectorctl('queue', 'list', '--instance', join(world.folder, 'missing'))
    assert.deepEqual([missing.code, missing.stdout], [1, ''])
    assert.match(missing.stderr, /^connectorctl: \S+missing is no instance: [^\n]*\n$/)
    const rows: readonly (readonly [args: readonly string[], said: RegExp])[] = [
      [['list', '--older-than', 'yesterday'], /--older-than "yesterday" is no duration: give 90s/],
      [['list', '--destination', 'a b'], /--destination "a b" is no domain/],
      [['list', '--by', 'colour'], /--by "colour" is none of destination, organization, sender/],
      [['list', '--limit', '-1'], /--limit "-1" is no number/],
      [['list', '../../etc/passwd'], /"\.\.\/\.\.\/etc\/passwd" is no id of a message/],
      [['list', '--colour'], /unknown option '--colour'/],
      [['show'], /missing required argument 'id'/],
      [['drop'], /say which messages to drop: ids, a filter such as --destination, or --all/],
      [['drop', '--all', '--held'], /--all is for all messages: give no ids and no filter/],
      [['erase', idOf(1)], /unknown command/],
    ]
    for (const [args, said] of rows) {
      const [verb = '', ...more] = args
      const { code, stdout, stderr } = await queue(world, verb, ...more)
      assert.deepEqual([code, stdout], [2, ''], args.join(' '))
      assert.match(stderr, said)
    }
    const traced = await runCommand(registerTrace, 'trace', 'a;b', '--instance', world.folder)
    assert.equal(traced.code, 2)
    assert.match(traced.stderr, /"a;b" is no id of a message/)
  })
})

describe('connectorctl trace', () => {
  it("tells a message's whole life: decision, attempts, what an administrator did, the queue and its bounce", async (t) => {
    const world = await makeWorld(t)
    const journal = openJournal({
      directory: join(world.folder, 'data', 'journal'),
      maxBytes: 100_000_000,
      maxDays: 36_500,
      log: (message) => assert.fail(message),
    })
    const time = (ago: number) => ({ time: new Date(Date.now() - ago).toISOString() })
    const to = { sender: 'kate@contoso.com', recipient: 'john@fabrikam.com' }
    journal.write(journalRecord(idOf(6), { ...time(3 * MINUTE), ...to }))
    journal.write(journalRecord(idOf(7), time(3 * MINUTE)))
    const deferred = {
      ...to,
      recipients: [to.recipient],
      event: 'deferred' as const,
      reply: '451 \u001b[2Jx',
    }
    const { recipient: _, ...delivery } = deferred
    journal.write(deliveryRecord(idOf(6), { ...time(MINUTE), ...delivery, age: MINUTE }))
    journal.close()
    await queue(world, 'hold', idOf(6))
    const { code, stdout, stderr } = await connectorctl('trace', idOf(6), '--instance', world.folder)
    assert.deepEqual([code, stderr], [0, ''])
    const events = [...stdout.matchAll(/^ {2}\d{4}-\S+Z (\w+) /gm)].map(([, event]) => event)
    assert.deepEqual(events, ['relay', 'queued', 'deferred', 'held'])
    assert.match(
      stdout,
      /deferred {3}<john@fabrikam\.com>: mx\.tailspintoys\.com \[192\.0\.2\.25\]:25, TLSv1\.3/,
    )
    assert.match(stdout, /451 \\x1b\[2Jx/)
    assert.match(stdout, /held {7}<john@fabrikam\.com>: by administrator; by \S+/)
    assert.match(stdout, /^ {2}in the queue:\n {4}2E0958EC\S+6\.1: /m)
    assert.doesNotMatch(stdout, /7\.1/)
    await queue(world, 'bounce', idOf(6), '--yes')
    const after = await runCommand(registerTrace, 'trace', `(${idOf(6)})`, '--instance', world.folder)
    assert.match(
      after.stdout,
      /bounced {4}<john@fabrikam\.com>: [^]*; see \S+\n {2}not in the queue any more\n/,
    )
    assert.match(after.stdout, /^\S+, a report on 2E0958EC\S+6\.1\n {2}\S+Z queued [^]*in the queue:/m)
    const json = await runCommand(registerTrace, 'trace', idOf(6), '--json', '--instance', world.folder)
    const { messages } = JSON.parse(json.stdout) as { messages: { reportOn: string | null }[] }
    assert.deepEqual(
      messages.map(({ reportOn }) => reportOn),
      [null, idOf(6)],
    )
  })

  it('says of what it knows nothing: exit code 1', async (t) => {
    const world = await makeWorld(t)
    const { code, stdout, stderr } = await runCommand(
      registerTrace,
      'trace',
      idOf(9),
      '--instance',
      world.folder,
    )
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /nothing is known of \S+9\.1: the journal holds nothing; name the other nodes'/)
  })
})

describe('completion of what is in the queue', () => {
  it('completes ids of messages and destinations, and is not held up by a process that hangs', async (t) => {
    const world = await makeWorld(t)
    const complete = async (of: string, kind: string, ...words: string[]) => {
      const { code, stderr, stdout } = await connectorctl('__complete', 'zsh', of, kind, '--', '', ...words)
      assert.deepEqual([code, stderr], [0, ''])
      return stdout.split('\0').slice(0, -1)
    }
    const words = ['connectorctl', 'queue', 'show', '--instance', world.folder, '']
    assert.deepEqual(await complete('message', 'argument', ...words), [1, 2, 3, 4, 5, 6].map(idOf))
    assert.deepEqual(await complete('destination', 'option', ...words), ['fabrikam.com', 'tailspintoys.com'])
    await strangeOwner(t, world, () => undefined)
    const began = Date.now()
    await complete('message', 'argument', ...words)
    assert.ok(
      Date.now() - began < 14_000,
      'a process is given 15 seconds where somebody waits for the answer',
    )
  })

  it('is what bash and zsh ask for', async () => {
    const { stdout } = await connectorctl('completion', 'bash')
    for (const of of ['message', 'destination']) assert.match(stdout, new RegExp(`\\b${of}\\b`))
  })
})

describe('the queue of a running server', () => {
  it('is seen, acted on and traced by the id of its reply, with workers, and after a kill', async (t) => {
    const port = await freePort()
    const server = await startSmarthost(t, { smartHost: port, flags: ['--workers', '2'] })
    const ids: string[] = []
    for (const subject of ['one', 'two', 'three']) {
      const client = await SmtpClient.connect({
        port: server.smtp,
        certificate: certificateFiles(server.path('demo'), 'mail.contoso.com'),
      })
      await client.greet(true)
      await client.envelope('kate@contoso.com', 'john@fabrikam.com')
      const reply = await client.message(`Subject: ${subject}\r\n\r\n${subject}\r\n`)
      client.close()
      ids.push(/\(([\w-]+\.\d+)\)/.exec(reply)?.[1] ?? assert.fail(reply))
    }
    const [one = '', two = '', three = ''] = ids
    await server.printed(/ECONNREFUSED/)
    const world = { folder: server.folder, queue: join(server.folder, 'queue') }
    const refused = await queue(world, 'hold', one, two)
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    assert.match(refused.stderr, /hold these 2 messages|there is no terminal to ask on/)
    const sure = await untilDone(() => queue(world, 'hold', one, two, '--yes'))
    assert.match(sure, new RegExp(`^${one}: (?:held|not done: it is held already)`, 'm'))
    assert.equal(linesIn((await queue(world, 'list', '--held', '--json')).stdout).length, 2)
    const shown = await queue(world, 'show', one)
    assert.match(shown.stdout, /^ {2}\| Received: from /m)
    assert.match(shown.stdout, /^ {2}held: {7}since \S+ by /m)
    const listed = await queue(world, 'list', '--by', 'destination')
    assert.match(listed.stdout, /^fabrikam\.com +3 +2 /m)
    const traced = await runCommand(registerTrace, 'trace', three, '--instance', server.folder)
    const events = [...traced.stdout.matchAll(/^ {2}\d{4}-\S+Z (\w+) /gm)].map(([, event]) => event)
    assert.deepEqual(events.slice(0, 3), ['relay', 'queued', 'deferred'], traced.stdout)
    await server.stop('SIGKILL')
    const after = await queue(world, 'list')
    assert.match(after.stdout, /^3 messages, .*2 held$/m)
    const bounced = await queue(world, 'bounce', two, '--yes')
    assert.equal(bounced.stdout, `${two}: bounced\n`)
    const dropped = await queue(world, 'drop', one, '--yes')
    assert.equal(dropped.stdout, `${one}: dropped\n`)

    const sink = await startTestSink(t, port)
    await startInstance(t, server)
    await sink.message(({ message }) => message.toString().includes('\r\n\r\nthree\r\n'))
    const report = await sink.message(({ message }) =>
      message.toString().includes('report-type=delivery-status'),
    )
    assert.match(report.message.toString(), /returned by the administrator of this server/)
    const life = await runCommand(registerTrace, 'trace', two, '--instance', server.folder)
    assert.match(life.stdout, /relay[^]*queued[^]*held[^]*bounced[^]*a report on/)
    assert.equal(sink.arrived.length, 2)
  })
})

/** What is being delivered at that moment is not touched. */
async function untilDone(act: () => Promise<{ readonly stdout: string }>): Promise<string> {
  for (;;) {
    const { stdout } = await act()
    if (!stdout.includes('being delivered')) return stdout
  }
}
