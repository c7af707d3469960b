/** Decisions and deliveries in the same files: each is counted for itself, and a message's life is both. */

import assert from 'node:assert/strict'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { gapsOf } from '../../src/journal/coverage.ts'
import type { LineKind } from '../../src/journal/line-kind.ts'
import { ALL_LINES, DECISIONS, DELIVERIES } from '../../src/journal/line-kind.ts'
import { parseLine, parseRecord } from '../../src/journal/parse-record.ts'
import type { JournalFilter } from '../../src/journal/reader.ts'
import { followLines, readLines } from '../../src/journal/reader.ts'
import type { JournalLine } from '../../src/journal/record.ts'
import { EVENTS, isDelivery } from '../../src/journal/record.ts'
import { scanJournal, scanLines } from '../../src/journal/scan.ts'
import { traceMessage } from '../../src/journal/trace.ts'
import { openJournal } from '../../src/journal/writer.ts'
import { deliveryRecord } from '../support/delivery-record.ts'
import { journalRecord } from '../support/journal-record.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const at = (second: number): string => new Date(Date.UTC(2026, 10, 24, 2, 0, second)).toISOString()
const text = (lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('')
const PERIOD = { since: new Date(at(0)), until: new Date(at(3600)) }
const WATCH = { signal: new AbortController().signal, progress: () => undefined }

async function all<Line extends JournalLine>(
  kind: LineKind<Line>,
  directories: readonly string[],
): Promise<{ lines: Line[]; damaged: number }> {
  const scan = scanLines(kind, directories)
  const lines: Line[] = []
  for await (const batch of scan.batches) lines.push(...batch)
  return { lines, damaged: scan.coverage().reduce((sum, node) => sum + node.damaged, 0) }
}

const MIXED = [
  deliveryRecord('0', { time: at(0) }),
  journalRecord('1', { time: at(1) }),
  deliveryRecord('1', { time: at(2), event: 'deferred', nextAttempt: at(62) }),
  journalRecord('2', { time: at(3), organization: null }),
  deliveryRecord('1', { time: at(4), recipients: ['a@b.test', 'kate@tailspintoys.com'] }),
]

describe('deliveries in the journal', () => {
  it('are written beside decisions, and each kind is read without the other, none as damaged', async (t) => {
    const directory = await temporaryFolder(t)
    const journal = openJournal({ directory, maxBytes: 1e9, maxDays: 30, log: assert.fail })
    for (const line of MIXED) journal.write(line)
    journal.close()
    assert.deepEqual(await all(ALL_LINES, [directory]), { lines: MIXED, damaged: 0 })
    const decisions = MIXED.filter((line) => !isDelivery(line))
    const deliveries = MIXED.filter((line) => isDelivery(line))
    assert.deepEqual(await all(DECISIONS, [directory]), { lines: decisions, damaged: 0 })
    assert.deepEqual(await all(DELIVERIES, [directory]), { lines: deliveries, damaged: 0 })
  })

  it('begin so that they are passed over unparsed, in whatever order they were put together', async (t) => {
    const directory = await temporaryFolder(t)
    const { event, id, time, ...rest } = deliveryRecord('1')
    const journal = openJournal({ directory, maxBytes: 1e9, maxDays: 30, log: assert.fail })
    journal.write({ ...rest, event, id, time })
    journal.close()
    const [file = ''] = await readdir(directory)
    const line = await readFile(join(directory, file))
    assert.ok(line.toString().startsWith(`{"time":"${time}","id":"1","event":"delivered"`))
    assert.ok(DECISIONS.passesOver(line, 0, line.length - 1))
    assert.ok(!DELIVERIES.passesOver(line, 0, line.length - 1))
    const decision = Buffer.from(JSON.stringify(journalRecord('1')))
    assert.ok(DELIVERIES.passesOver(decision, 0, decision.length))
    assert.ok(!DECISIONS.passesOver(decision, 0, decision.length))
  })

  it('of other hands than ours are read as well, and what is damaged is told', async (t) => {
    const directory = await temporaryFolder(t)
    const { event, ...rest } = deliveryRecord('2')
    const lines = [
      JSON.stringify({ more: true, ...rest, event }),
      JSON.stringify({ ...rest, event: 'vanished' }),
      JSON.stringify(deliveryRecord('3')).slice(0, -20),
      JSON.stringify({ ...journalRecord('4'), event: 'of a newer version' }),
    ]
    await writeFile(join(directory, 'a.jsonl'), `${lines.join('\n')}\n`)
    const deliveries = await all(DELIVERIES, [directory])
    assert.deepEqual([deliveries.lines.map(({ id }) => id), deliveries.damaged], [['2'], 2])
    const decisions = await all(DECISIONS, [directory])
    assert.deepEqual(
      decisions.lines.map(({ id }) => id),
      ['4'],
    )
  })

  it('are parsed for any value of any field only where it is of the right kind', () => {
    for (const event of EVENTS)
      assert.deepEqual(parseLine(JSON.stringify(deliveryRecord('1', { event })))?.id, '1')
    const bare = deliveryRecord('1', {
      route: null,
      remote: null,
      tls: null,
      nextAttempt: at(1),
      by: 'root',
      related: 'x',
    })
    assert.deepEqual(parseLine(JSON.stringify(bare)), bare)
    assert.equal(parseRecord(JSON.stringify(bare)), null, 'it is no decision')
    const wrong = [undefined, true, -1, {}, [1], 'x'.repeat(3)]
    for (const name of Object.keys(bare).filter(
      (key) => !['id', 'sender', 'reply', 'status'].includes(key),
    )) {
      for (const value of wrong) {
        const isRight = ['organization', 'by', 'related'].includes(name) && typeof value === 'string'
        if (!isRight)
          assert.equal(
            parseLine(JSON.stringify({ ...bare, [name]: value })),
            null,
            `${name} ${JSON.stringify(value)}`,
          )
      }
    }
    fc.assert(
      fc.property(fc.json(), (json) => {
        assert.equal(parseLine(json), null)
      }),
    )
  })

  it('do not change what decisions cover, and show that a journal goes on', async (t) => {
    const directory = await temporaryFolder(t)
    await writeFile(join(directory, 'a.jsonl'), text(MIXED))
    const scan = scanJournal([directory], PERIOD)
    for await (const _ of scan.batches);
    const [node] = scan.coverage()
    assert.deepEqual(
      [node?.records, node?.damaged, node?.earliest, node?.latest, node?.completeSince],
      [2, 0, at(0), at(4), at(0)],
    )
    assert.deepEqual(gapsOf(scan.coverage(), directory, PERIOD.since, PERIOD.until), [])
  })

  it('that several folders hold are told once', async (t) => {
    const [own, copy] = [await temporaryFolder(t), await temporaryFolder(t)]
    const twice = [...MIXED, deliveryRecord('1', { time: at(4), recipients: ['a@b.test'] })]
    for (const folder of [own, copy]) await writeFile(join(folder, 'a.jsonl'), text(twice))
    assert.deepEqual((await all(ALL_LINES, [own, copy])).lines, twice)
  })

  it('are filtered by id, related report, organisation, recipient and event', async (t) => {
    const directory = await temporaryFolder(t)
    const lines = [
      ...MIXED,
      deliveryRecord('r', { time: at(5), event: 'bounced', related: '1', organization: null }),
    ]
    await writeFile(join(directory, 'a.jsonl'), text(lines))
    const found = async (filter: JournalFilter): Promise<string[]> => {
      const times: string[] = []
      for await (const { time } of readLines(ALL_LINES, [directory], filter)) times.push(time)
      return times.map((time) => String(Number(time.slice(17, 19))))
    }
    assert.deepEqual(await found({ id: '1' }), ['1', '2', '4', '5'])
    assert.deepEqual(await found({ organization: 'CONTOSO' }), ['0', '1', '2', '4'])
    assert.deepEqual(await found({ to: 'b.test' }), ['4'])
    assert.deepEqual(await found({ to: 'tailspintoys.com', events: ['deferred'] }), ['1', '2', '3'])
    assert.deepEqual(await found({ outcome: 'deny' }), ['0', '2', '4', '5'])
  })

  it('are followed', async (t) => {
    const directory = await temporaryFolder(t)
    await writeFile(join(directory, 'a.jsonl'), text(MIXED))
    const stop = new AbortController()
    const seen: string[] = []
    for await (const { event } of followLines(DELIVERIES, directory, { id: '1' }, stop.signal)) {
      seen.push(event)
      if (seen.length === 2) {
        await writeFile(
          join(directory, 'b.jsonl'),
          text([journalRecord('1'), deliveryRecord('1', { event: 'dropped' })]),
        )
      }
      if (seen.length === 3) stop.abort()
    }
    assert.deepEqual(seen, ['deferred', 'delivered', 'dropped'])
  })

  it('tell a life with its decisions and its reports, over several nodes, without the rest', async (t) => {
    const [one, two] = [await temporaryFolder(t), await temporaryFolder(t)]
    const other = Array.from({ length: 3_000 }, (_, index) =>
      journalRecord(`other.${index}`, { time: at(index % 50) }),
    )
    const life = [
      journalRecord('AB.1', { time: at(1) }),
      deliveryRecord('AB.1', { time: at(2), event: 'deferred' }),
      deliveryRecord('AB.1', { time: at(3), event: 'bounced', related: 'REPORT' }),
      deliveryRecord('REPORT', { time: at(4), event: 'deferred', sender: '' }),
      deliveryRecord('REPORT', { time: at(5), sender: '', related: 'AB.1' }),
    ]
    await writeFile(join(one, 'a.jsonl'), text([...other, ...life.slice(0, 2), ...other]))
    await writeFile(
      join(two, 'a.jsonl'),
      text([...other, ...life.slice(2), journalRecord('AB.12', { time: at(6) })]),
    )
    const asked = (wanted: string, needle: string) =>
      traceMessage([one, two], (id) => id === wanted, needle, WATCH)
    assert.deepEqual((await asked('AB.1', 'AB')).lines, life)
    assert.deepEqual((await asked('REPORT', 'REPORT')).lines, life, 'by the id of its bounce')
    assert.deepEqual((await asked('nothing', 'nothing')).lines, [])
  })
})
