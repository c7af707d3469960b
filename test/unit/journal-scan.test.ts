/** The journals of several nodes, read fast: nothing lost, nothing twice, and never "nothing" for what is not known. */

import assert from 'node:assert/strict'
import {
  appendFile,
  copyFile,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import type { JournalCoverage } from '../../src/journal/coverage.ts'
import { gapsOf, gapText } from '../../src/journal/coverage.ts'
import { parseRecord } from '../../src/journal/parse-record.ts'
import type { JournalRecord } from '../../src/journal/record.ts'
import type { JournalPeriod } from '../../src/journal/scan.ts'
import { scanJournal } from '../../src/journal/scan.ts'
import { openJournal } from '../../src/journal/writer.ts'
import { journalRecord } from '../support/journal-record.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const BEGIN = Date.UTC(2026, 10, 1)
const HOUR = 3_600_000
const DAY = 24 * HOUR

/** So many milliseconds after 1 November 2026. */
const at = (offset: number): string => new Date(BEGIN + offset).toISOString()

function record(id: string, time: string, more: Partial<JournalRecord> = {}): JournalRecord {
  return journalRecord(id, { time, ...more })
}

const line = (one: JournalRecord): string => `${JSON.stringify(one)}\n`

/** A file as the writer names it. */
function fileName(openedAt: number, pid: number, counter: number): string {
  return `${at(openedAt).replaceAll(/[-:]/g, '')}-${pid}-${counter}.jsonl`
}

/** A record each hour, named by the hour. */
function hours(from: number, to: number, prefix = ''): string {
  return Array.from({ length: to - from }, (_, index) =>
    line(record(`${prefix}${from + index}`, at((from + index) * HOUR))),
  ).join('')
}

async function folderWith(t: TestContext, files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const folder = await temporaryFolder(t)
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

async function read(directories: readonly string[], period: JournalPeriod = {}) {
  const damaged: string[] = []
  const scan = scanJournal(directories, period, (file) => damaged.push(file))
  const records: JournalRecord[] = []
  for await (const batch of scan.batches) records.push(...batch)
  assert.equal(scan.share(), 1)
  return { records, ids: records.map(({ id }) => id), damaged, coverage: scan.coverage() }
}

async function completeSince(directory: string): Promise<string | null> {
  const { coverage } = await read([directory])
  return coverage[0]?.completeSince ?? null
}

const SCHEMA = z.looseObject({
  time: z.iso.datetime({ precision: 3 }),
  id: z.string(),
  peer: z.looseObject({
    address: z.string(),
    helo: z.string(),
    tls: z.string().nullable(),
    certificate: z.looseObject({
      state: z.enum(['no-tls', 'no-certificate', 'not-verified', 'verified']),
      fingerprint: z.string().nullable(),
      names: z.array(z.string()),
      why: z.string().nullable(),
    }),
  }),
  organization: z.string().nullable(),
  connector: z.string().nullable(),
  via: z.enum(['certificate', 'address']).nullable(),
  sender: z.string(),
  recipient: z.string(),
  outcome: z.enum(['relay', 'deliver', 'deny', 'defer']),
  reason: z.string(),
  wouldBe: z.string().optional(),
  reply: z.string(),
  revision: z.string(),
})

describe('a line of the journal', () => {
  it('is a record exactly when the schema says so, whatever is wrong with one field', () => {
    const whole = record('1', at(0), { wouldBe: 'null-sender' })
    const paths = [
      ...Object.keys(whole).map((key) => [key]),
      ...Object.keys(whole.peer).map((key) => ['peer', key]),
      ...Object.keys(whole.peer.certificate).map((key) => ['peer', 'certificate', key]),
    ]
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('verified', 'relay', 'address', null, ['a'], ['a', 1], {}, [], 'no-tls', 'deferred'),
      fc.constantFrom('2026-02-28T23:59:59.999Z', '2026-02-29T00:00:00.000Z', '2028-02-29T00:00:00.000Z'),
      fc.constantFrom('2026-04-31T00:00:00.000Z', '2026-13-01T00:00:00.000Z', '2026-11-01T24:00:00.000Z'),
      fc.constantFrom('2026-11-01T00:00:00Z', '2026-11-01T00:00:60.000Z', '2026-11-01T00:00:00.000+01:00'),
      fc
        .date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') })
        .map((date) => date.toISOString()),
    )
    let taken = 0
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.boolean(), value, (path, remove, put) => {
        const changed = structuredClone(whole) as unknown as Record<string, unknown>
        const last = path.at(-1) ?? ''
        let parent = changed
        for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>
        if (remove) Reflect.deleteProperty(parent, last)
        else parent[last] = put
        const text = JSON.stringify(changed)
        const expected = SCHEMA.safeParse(JSON.parse(text)).success
        if (expected) taken += 1
        assert.deepEqual(parseRecord(text), expected ? JSON.parse(text) : null, text)
      }),
      { numRuns: 3000 },
    )
    assert.ok(taken > 100, `only ${taken} were records`)
    for (const text of ['', 'null', '[]', '7', '"x"', '{', '\u0000', `${JSON.stringify(whole)} x`])
      assert.equal(parseRecord(text), null, text)
  })
})

describe('the journals of several nodes', () => {
  it('lose no whole line between damaged, huge, empty and torn ones, wherever the pieces that are read end', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'a.jsonl')
    const good = fc.nat(400).map((length) => ({ good: true, length }))
    const bad = fc.constantFrom(
      Buffer.from(''),
      Buffer.from('\r'),
      Buffer.from('{"time":"2026-11-01T00:00:00.000Z"}'),
      Buffer.from('{"time":"'),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.alloc(200_000, 'x'),
      Buffer.alloc(262_143, '{'),
      Buffer.alloc(1_500_000, 'y'),
    )
    const lines = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: good },
        { weight: 1, arbitrary: bad.map((bytes) => ({ good: false, bytes })) },
      ),
      { maxLength: 60 },
    )
    await fc.assert(
      fc.asyncProperty(lines, fc.nat(600), fc.boolean(), async (parts, torn, crlf) => {
        const end = crlf ? '\r\n' : '\n'
        const expected: string[] = []
        let broken = 0
        const chunks = parts.map((part, index) => {
          if ('length' in part) {
            expected.push(String(index))
            const padding = 'ü'.repeat(part.length * 40)
            return Buffer.from(
              `${JSON.stringify(record(String(index), at(index), { sender: padding }))}${end}`,
            )
          }
          broken += 1
          return Buffer.concat([part.bytes, Buffer.from(end)])
        })
        const last = Buffer.from(JSON.stringify(record('torn', at(100))))
        await writeFile(path, Buffer.concat([...chunks, last.subarray(0, torn)]))
        if (torn >= last.length) expected.push('torn')
        const { coverage, damaged, ids } = await read([folder])
        assert.deepEqual(ids, expected)
        assert.equal(damaged.length, broken)
        assert.equal(coverage[0]?.damaged, broken)
        assert.equal(coverage[0].records, expected.length)
      }),
      { numRuns: 60 },
    )
  })

  it('keep little of a line that never ends', async (t) => {
    const folder = await folderWith(t, { 'a.jsonl': hours(0, 1), 'b.jsonl': hours(0, 1) })
    const endless = Buffer.alloc(1_000_000, 'z')
    for (let count = 0; count < 100; count += 1) await appendFile(join(folder, 'a.jsonl'), endless)
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const scan = scanJournal([folder], {}, () => assert.fail('it may still be written'))
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }, 1)
    let count = 0
    for await (const batch of scan.batches) count += batch.length
    clearInterval(timer)
    assert.equal(count, 2)
    assert.ok(most < 30_000_000, `${most} bytes`)
    await appendFile(join(folder, 'a.jsonl'), `\n${hours(1, 2)}`)
    const { damaged, ids } = await read([folder])
    assert.deepEqual(ids, ['0', '0', '1'])
    assert.equal(damaged.length, 1)
  })

  it('are read in the order of time, each file in its own order, also where a clock was set back', async (t) => {
    const folder = await temporaryFolder(t)
    const steps = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 8 }), async (files) => {
        for (const name of await readdir(folder)) await rm(join(folder, name))
        const all: JournalRecord[] = []
        for (const [worker, gaps] of files.entries()) {
          let time = 0
          const records = gaps.map((gap, index) => {
            time += gap
            return record(`${worker}.${index}`, at(time))
          })
          all.push(...records)
          await writeFile(join(folder, fileName(worker, worker, 1)), records.map(line).join(''))
        }
        const { ids } = await read([folder])
        // Node sorts stably: of records of the same time those of the first file come first.
        const sorted = all.toSorted((left, right) =>
          left.time < right.time ? -1 : Number(left.time > right.time),
        )
        assert.deepEqual(
          ids,
          sorted.map(({ id }) => id),
        )
      }),
      { numRuns: 60 },
    )
    const back = await folderWith(t, {
      'a.jsonl': [record('1', at(10)), record('2', at(5)), record('3', at(20))].map(line).join(''),
      'b.jsonl': [record('4', at(7)), record('5', at(15))].map(line).join(''),
    })
    assert.deepEqual((await read([back])).ids, ['4', '1', '2', '5', '3'])
    assert.deepEqual((await read([back], { since: new Date(BEGIN + 8) })).ids, ['1', '5', '3'])
    const set = await folderWith(t, { 'a.jsonl': line(record('1', at(10))) + line(record('2', at(5))) })
    assert.deepEqual((await read([set], { since: new Date(BEGIN + 8) })).ids, ['1'])
    const copy = await folderWith(t, { 'a.jsonl': await readFile(join(back, 'a.jsonl')) })
    assert.deepEqual((await read([back, copy])).ids, ['4', '1', '2', '5', '3'])
  })

  it('are read from the first moment of a period to before its last, in old files too', async (t) => {
    const folder = await folderWith(t, {
      [fileName(0, 1, 1)]: hours(0, 24),
      [fileName(DAY, 1, 2)]: hours(24, 48),
    })
    const ids = async (since: number, until: number): Promise<string[]> =>
      (await read([folder], { since: new Date(BEGIN + since * HOUR), until: new Date(BEGIN + until * HOUR) }))
        .ids
    assert.deepEqual(await ids(22, 26), ['22', '23', '24', '25'])
    assert.deepEqual(await ids(22.5, 23.5), ['23'])
    assert.deepEqual(await ids(60, 90), [])
    // A file that was last written before the period is passed over, but what it shows is known.
    const old = new Date(BEGIN + 24 * HOUR)
    await utimes(join(folder, fileName(0, 1, 1)), old, old)
    const { coverage, ids: found } = await read([folder], { since: new Date(BEGIN + 30 * HOUR) })
    assert.equal(found.length, 18)
    assert.deepEqual(
      [coverage[0]?.earliest, coverage[0]?.latest, coverage[0]?.completeSince],
      [at(0), at(47 * HOUR), at(0)],
    )
    // A wrong date of a file hides nothing.
    await utimes(join(folder, fileName(DAY, 1, 2)), old, old)
    assert.equal((await read([folder], { since: new Date(BEGIN + 30 * HOUR) })).ids.length, 18)
  })

  it('are counted once, whether a folder is named twice, linked to, or copied whole, in part or into one file', async (t) => {
    const parent = await temporaryFolder(t)
    const [own, copy, part, joined, other, link] = ['own', 'copy', 'part', 'joined', 'other', 'link'].map(
      (name) => join(parent, name),
    ) as [string, string, string, string, string, string]
    for (const folder of [own, copy, part, joined, other]) await mkdir(folder)
    await symlink(own, link)
    const twins = line(record('twin', at(5 * HOUR)))
    const names = [fileName(0, 1, 1), fileName(1, 2, 1), fileName(10 * HOUR, 1, 2)] as const
    await writeFile(join(own, names[0]), `${hours(0, 6)}${twins}${twins}${hours(6, 10)}`)
    await writeFile(join(own, names[1]), hours(0, 20, 'b'))
    await writeFile(join(own, names[2]), hours(10, 20))
    for (const name of names) await copyFile(join(own, name), join(copy, name))
    const whole = await readFile(join(own, names[0]))
    await writeFile(join(part, names[0]), whole.subarray(0, whole.length - 700))
    await writeFile(join(joined, 'all.jsonl'), Buffer.concat([whole, await readFile(join(own, names[2]))]))
    await writeFile(join(other, names[0]), hours(0, 20, 'c'))

    const alone = await read([own])
    assert.equal(alone.ids.length, 42)
    assert.equal(alone.ids.filter((id) => id === 'twin').length, 2)
    for (const again of [own, `${own}/`, join(own, '..', 'own'), link]) {
      const { coverage, ids } = await read([own, again])
      assert.deepEqual(ids, alone.ids)
      assert.equal(coverage.length, 1, again)
    }
    for (const [again, repeated] of [
      [copy, 42],
      [part, 10],
      [joined, 22],
    ] as const) {
      for (const [first, second] of [
        [own, again],
        [again, own],
      ] as const) {
        const { coverage, ids } = await read([first, second])
        assert.deepEqual(ids.toSorted(), alone.ids.toSorted(), again)
        assert.equal(
          coverage.reduce((sum, node) => sum + node.repeated, 0),
          repeated,
          again,
        )
      }
    }
    const both = await read([own, other, copy])
    assert.equal(both.ids.length, 62)
    assert.deepEqual(
      both.coverage.map(({ directory, files, records, repeated }) => [directory, files, records, repeated]),
      [
        [own, 3, 42, 0],
        [other, 1, 20, 0],
        [copy, 3, 0, 42],
      ],
    )
  })

  it('are counted once also where many were written in the same millisecond', async (t) => {
    const parent = await temporaryFolder(t)
    const ids = Array.from({ length: 2000 }, (_, index) => String(index))
    const text = ids.map((id) => line(record(id, at(0)))).join('')
    for (const name of ['a', 'b', 'c']) {
      await mkdir(join(parent, name))
      await writeFile(join(parent, name, 'x.jsonl'), text)
    }
    const found = await read(['a', 'b', 'c'].map((name) => join(parent, name)))
    assert.deepEqual(found.ids.toSorted(), ids.toSorted())
  })

  it('are read on when files vanish meanwhile, and what was in them is unknown from then on', async (t) => {
    const names = [fileName(0, 1, 1), fileName(DAY, 1, 2), fileName(2 * DAY, 1, 3)] as const
    const folder = await folderWith(t, {
      [names[0]]: Array.from({ length: 800 }, (_, index) => line(record(`a${index}`, at(index)))).join(''),
      [names[1]]: hours(24, 48),
      [names[2]]: hours(48, 50),
    })
    const scan = scanJournal([folder])
    const ids: string[] = []
    for await (const batch of scan.batches) {
      ids.push(...batch.map(({ id }) => id))
      await rm(join(folder, names[0]), { force: true })
      await rm(join(folder, names[1]), { force: true })
    }
    // What is open is read to its end.
    assert.equal(ids.length, 802)
    const [coverage] = scan.coverage()
    assert.equal(coverage?.completeSince, at(47 * HOUR))
    assert.equal(coverage.latest, at(49 * HOUR))
  })

  it('that cannot be read are an error, not an empty journal', async (t) => {
    const folder = await folderWith(t, { file: '' })
    await assert.rejects(read([join(folder, 'file')]), /ENOTDIR/)
    await mkdir(join(folder, 'a.jsonl'))
    await assert.rejects(read([folder]), /EISDIR/)
  })
})

describe('what a journal covers', () => {
  it('is nothing where there is no record', async (t) => {
    const folder = await folderWith(t, { 'a.jsonl': '', 'b.jsonl': 'damaged\n', 'c.txt': hours(0, 5) })
    const { coverage } = await read([folder, join(folder, 'missing')])
    const nothing = { bytes: 0, earliest: null, latest: null, completeSince: null, records: 0, repeated: 0 }
    assert.deepEqual(coverage, [
      { ...nothing, directory: folder, files: 2, bytes: 8, damaged: 1 },
      { ...nothing, directory: join(folder, 'missing'), files: 0, damaged: 0 },
    ])
  })

  it('begins with its earliest record as long as nothing was removed', async (t) => {
    const folder = await folderWith(t, {
      [fileName(0, 1, 1)]: hours(0, 5),
      [fileName(1, 2, 1)]: hours(3, 9),
      [fileName(9 * HOUR, 1, 2)]: hours(9, 30),
      // After a restart in a container the processes have the same numbers.
      [fileName(30 * HOUR, 1, 1)]: hours(30, 31),
    })
    const { coverage } = await read([folder], { since: new Date(BEGIN + 29 * HOUR) })
    assert.deepEqual(coverage, [
      {
        directory: folder,
        files: 4,
        bytes: coverage[0]?.bytes,
        earliest: at(0),
        latest: at(30 * HOUR),
        completeSince: at(0),
        records: 2,
        repeated: 0,
        damaged: 0,
      },
    ])
  })

  it('begins later where a process lacks a file: after the gap, and a day after the oldest file that is left', async (t) => {
    const folder = await folderWith(t, {
      [fileName(0, 1, 2)]: hours(0, 5),
      [fileName(2 * HOUR, 2, 1)]: hours(3, 9),
      [fileName(5 * HOUR, 1, 3)]: hours(5, 60),
    })
    assert.equal(await completeSince(folder), at(DAY))
    // Removed by hand from the middle: it was closed when the next one was opened.
    await writeFile(join(folder, fileName(50 * HOUR, 2, 3)), hours(50, 51))
    assert.equal(await completeSince(folder), at(50 * HOUR))
  })

  it('begins where the writer noted that it removed files, to the millisecond', async (t) => {
    const folder = await folderWith(t, { [fileName(0, 1, 2)]: hours(0, 50), removed: `${at(3 * HOUR)}\n` })
    assert.equal(await completeSince(folder), at(3 * HOUR))
    await writeFile(join(folder, 'removed'), at(-DAY))
    assert.equal(await completeSince(folder), at(0))
    await writeFile(join(folder, 'removed'), 'damaged')
    assert.equal(await completeSince(folder), at(DAY))
  })

  it('is never claimed for what a real writer has removed', async (t) => {
    const directory = await temporaryFolder(t)
    let now = BEGIN
    const journal = openJournal({
      directory,
      maxBytes: 1_048_576,
      maxDays: 30,
      log: (message) => assert.fail(message),
      now: () => now,
    })
    const padding = 'x'.repeat(900)
    for (let index = 0; index < 3000; index += 1) {
      now += 600_000
      journal.write(record(String(index), new Date(now).toISOString(), { sender: padding }))
      if (index % 50 === 0) await new Promise((done) => setImmediate(done))
    }
    journal.close()
    const { coverage, ids } = await read([directory])
    assert.ok(!ids.includes('0') && ids.at(-1) === '2999')
    const since = coverage[0]?.completeSince ?? ''
    const first = Number(ids[0])
    // Whatever was decided since then is there.
    assert.ok(since >= new Date(BEGIN + (first + 1) * 600_000).toISOString(), since)
  })

  it('begins after the last decision that could not be written, also where a full disk or a read-only one kept that from being noted', async (t) => {
    const directory = join(await temporaryFolder(t), 'journal')
    let now = BEGIN
    const complaints: string[] = []
    const journal = openJournal({
      directory,
      maxBytes: 1e9,
      maxDays: 30,
      log: (message) => complaints.push(message),
      now: () => now,
    })
    const write = (id: string): void => {
      journal.write(record(id, new Date(now).toISOString()))
      journal.close()
    }
    write('0')
    now += DAY
    // Root may write anywhere: a file stands where the folder was.
    await rename(directory, `${directory}.away`)
    await writeFile(directory, '')
    write('lost')
    await rm(directory)
    await rename(`${directory}.away`, directory)
    assert.equal(complaints.length, 1)
    assert.equal(await completeSince(directory), at(0))
    now += DAY
    write('2')
    assert.equal(await completeSince(directory), new Date(BEGIN + DAY + 1).toISOString())
    // It is noted once, and what comes later is whole.
    now += DAY
    write('3')
    assert.equal(await completeSince(directory), new Date(BEGIN + DAY + 1).toISOString())
  })

  it('begins after a decision that is too long to be kept', async (t) => {
    const directory = await temporaryFolder(t)
    const complaints: string[] = []
    const now = BEGIN + HOUR
    const journal = openJournal({
      directory,
      maxBytes: 1e9,
      maxDays: 30,
      log: (message) => complaints.push(message),
      now: () => now,
    })
    journal.write(record('0', at(0)))
    journal.write(record('long', at(HOUR), { sender: 'x'.repeat(70_000) }))
    journal.close()
    assert.match(complaints[0] ?? '', /1 decisions are not in it: one is longer than 65536 characters/)
    assert.equal(await completeSince(directory), new Date(now + 1).toISOString())
  })
})

describe('what is not covered', () => {
  const until = new Date(BEGIN + 10 * DAY)
  const since = new Date(BEGIN)
  const node = (more: Partial<JournalCoverage>): JournalCoverage => ({
    directory: 'own',
    files: 1,
    bytes: 1,
    earliest: at(0),
    latest: at(9 * DAY + 1),
    completeSince: at(0),
    records: 1,
    repeated: 0,
    damaged: 0,
    ...more,
  })
  const rows: readonly (readonly [what: string, Partial<JournalCoverage>, readonly (readonly string[])[]])[] =
    [
      ['all is covered', {}, []],
      ['a folder without a decision', { completeSince: null, latest: null }, [['nothing', '']]],
      ['a beginning that is gone', { completeSince: at(1) }, [['before', at(1)]]],
      ["the instance's own that is quiet", { latest: at(0) }, []],
      ['a copy of yesterday', { directory: 'copy' }, []],
      [
        'a copy that ends earlier',
        { directory: 'copy', latest: at(9 * DAY - 1) },
        [['after', at(9 * DAY - 1)]],
      ],
      ['damaged lines', { damaged: 2 }, [['damaged', '']]],
      [
        'all at once',
        { directory: 'copy', latest: at(5), completeSince: at(3), damaged: 1 },
        [
          ['before', at(3)],
          ['after', at(5)],
          ['damaged', ''],
        ],
      ],
    ]
  for (const [what, more, expected] of rows) {
    it(`is told of ${what}`, () => {
      const gaps = gapsOf([node(more)], 'own', since, until)
      assert.deepEqual(
        gaps.map(({ kind, time }) => [kind, time]),
        expected,
      )
      for (const gap of gaps) assert.match(gapText(gap), /^unknown/)
    })
  }
})
