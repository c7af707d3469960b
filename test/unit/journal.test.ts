/** The journal: bounded on disk, whole lines only, read across all processes in the order of time. */

import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { appendFile, mkdir, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { JournalFilter } from '../../src/journal/reader.ts'
import { followJournal, readJournal } from '../../src/journal/reader.ts'
import type { JournalRecord } from '../../src/journal/record.ts'
import { openJournal } from '../../src/journal/writer.ts'
import { journalRecord as record } from '../support/journal-record.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const DAY = 86_400_000

async function idsOf(directory: string, filter: JournalFilter = {}): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of readJournal(directory, filter)) ids.push(id)
  return ids
}

const fail = (message: string): never => assert.fail(message)

describe('the journal', () => {
  it('is found again, whatever hostile text a record holds', async (t) => {
    const directory = join(await temporaryFolder(t), 'journal')
    const journal = openJournal({ directory, maxBytes: 1e9, maxDays: 30, log: fail })
    const hostile = record('A.1', {
      sender: '"\n\u2028\u0000{}"@contoso.com',
      peer: { ...record('').peer, helo: '\r\n\u001b[31m' },
    })
    journal.write(hostile)
    journal.write(record('A.2'))
    journal.close()
    const found: JournalRecord[] = []
    for await (const one of readJournal(directory, { id: 'A.1' })) found.push(one)
    assert.deepEqual(found, [hostile])
    assert.equal((await stat(directory)).mode & 0o777, 0o700)
    for (const name of await readdir(directory)) {
      assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600)
    }
  })

  it('of several processes is read in the order of time', async (t) => {
    const directory = await temporaryFolder(t)
    const at = (second: number): string => new Date(Date.UTC(2026, 10, 24, 2, 0, second)).toISOString()
    for (const worker of [0, 1, 2]) {
      const lines = [0, 1, 2, 3].map((step) => {
        const second = step * 3 + worker
        return `${JSON.stringify(record(String(second), { time: at(second) }))}\n`
      })
      await writeFile(join(directory, `20261124T020000.000Z-${worker}-1.jsonl`), lines.join(''))
    }
    assert.deepEqual(
      await idsOf(directory),
      Array.from({ length: 12 }, (_, index) => String(index)),
    )
  })

  it('is filtered by address, domain, outcome, time and id', async (t) => {
    const directory = await temporaryFolder(t)
    const records = [
      record('1'),
      record('2', { sender: '', outcome: 'deny', reason: 'null-sender' }),
      record('3', { sender: 'KATE@fabrikam.com', recipient: 'john@contoso.com', outcome: 'deliver' }),
      record('4', { time: '2026-11-24T03:00:00.000Z', sender: 'x@notcontoso.com' }),
    ]
    await writeFile(join(directory, 'a.jsonl'), records.map((one) => `${JSON.stringify(one)}\n`).join(''))
    assert.deepEqual(await idsOf(directory, { from: 'contoso.com' }), ['1'])
    assert.deepEqual(await idsOf(directory, { from: '' }), ['2'])
    assert.deepEqual(await idsOf(directory, { from: '<kate@FABRIKAM.com>' }), ['3'])
    assert.deepEqual(await idsOf(directory, { to: '@contoso.com' }), ['3'])
    assert.deepEqual(await idsOf(directory, { outcome: 'deny' }), ['2'])
    assert.deepEqual(await idsOf(directory, { since: new Date('2026-11-24T02:30:00Z') }), ['4'])
    assert.deepEqual(await idsOf(directory, { id: '4', from: 'contoso.com' }), [])
    assert.deepEqual(await idsOf(join(directory, 'missing')), [])
  })

  it('passes over damaged lines and says how many, but for one that is still being written', async (t) => {
    const directory = await temporaryFolder(t)
    const whole = JSON.stringify(record('1'))
    await writeFile(
      join(directory, 'a.jsonl'),
      `${whole}\nnot json\n{"time":1}\n${whole}\n${whole.slice(0, 40)}`,
    )
    let damaged = 0
    let count = 0
    for await (const _ of readJournal(directory, {}, () => (damaged += 1))) count += 1
    assert.deepEqual([count, damaged], [2, 2])
  })

  it('never takes more than its bound, the oldest go first, and files that are too old go as well', async (t) => {
    const directory = await temporaryFolder(t)
    const old = join(directory, '20200101T000000.000Z-1-1.jsonl')
    await writeFile(old, `${JSON.stringify(record('old'))}\n`)
    const past = new Date(Date.now() - 40 * DAY)
    await utimes(old, past, past)
    const maxBytes = 1_048_576
    const journal = openJournal({ directory, maxBytes, maxDays: 30, log: fail })
    const padding = 'x'.repeat(900)
    for (let index = 0; index < 3000; index += 1) journal.write(record(String(index), { sender: padding }))
    journal.close()
    const files = (await readdir(directory)).filter((name) => name.endsWith('.jsonl'))
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(directory, name))).size))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    assert.ok(total <= maxBytes, `${total} bytes`)
    assert.ok(total > maxBytes / 2, 'not much less is kept either')
    assert.ok(!files.includes('20200101T000000.000Z-1-1.jsonl'))
    const ids = await idsOf(directory)
    assert.equal(ids.at(-1), '2999')
    assert.ok(!ids.includes('0'))
    for (const name of files) assert.ok((await readFile(join(directory, name), 'utf8')).endsWith('}\n'))
  })

  it('that cannot be written stops no mail: it is said once a minute, and goes on when it can', async (t) => {
    const folder = await temporaryFolder(t)
    const directory = join(folder, 'journal')
    await writeFile(directory, 'a file where the folder should be')
    const complaints: string[] = []
    let now = Date.now()
    const journal = openJournal({
      directory,
      maxBytes: 1e9,
      maxDays: 30,
      log: (message) => complaints.push(message),
      now: () => now,
    })
    for (const id of ['1', '2', '3']) {
      journal.write(record(id))
      journal.close()
    }
    assert.equal(complaints.length, 1)
    assert.match(complaints[0] ?? '', /cannot be written, 1 decisions are not in it: .*; mail goes on/)
    await rm(directory)
    now += 120_000
    journal.write(record('4'))
    journal.close()
    assert.deepEqual(await idsOf(directory), ['4'])
  })

  it('whose file was taken away goes on in another', async (t) => {
    const directory = await temporaryFolder(t)
    let now = Date.now()
    const journal = openJournal({ directory, maxBytes: 1e9, maxDays: 30, log: fail, now: () => now })
    const written = async (id: string): Promise<void> => {
      journal.write(record(id))
      await new Promise((done) => setImmediate(done))
    }
    await written('1')
    for (const name of await readdir(directory)) await rm(join(directory, name))
    now += 61_000
    await written('2')
    journal.close()
    assert.deepEqual(await idsOf(directory), ['2'])
  })

  it('is followed: what is there, then what comes, also in new files, until it is stopped', async (t) => {
    const directory = join(await temporaryFolder(t), 'journal')
    await mkdir(directory)
    await writeFile(join(directory, 'a.jsonl'), `${JSON.stringify(record('1'))}\n`)
    const stop = new AbortController()
    const seen = new EventEmitter()
    const ids: string[] = []
    const following = (async () => {
      for await (const { id } of followJournal(directory, {}, stop.signal)) {
        ids.push(id)
        seen.emit(id)
      }
    })()
    const line = (id: string): string => `${JSON.stringify(record(id))}\n`
    await once(seen, '1')
    // Half a line is not shown before the other half is there.
    const [second, third] = [once(seen, '2'), once(seen, '3')]
    await appendFile(join(directory, 'a.jsonl'), line('2').slice(0, 50))
    await writeFile(join(directory, 'b.jsonl'), line('3'))
    await third
    assert.deepEqual(ids, ['1', '3'])
    await appendFile(join(directory, 'a.jsonl'), line('2').slice(50))
    await second
    stop.abort()
    await following
    assert.deepEqual(ids, ['1', '3', '2'])
  })
})
