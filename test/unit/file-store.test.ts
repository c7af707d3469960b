/** config/organizations.yaml while the server runs: a good save counts, a bad one changes nothing. */

import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { Directory } from '../../src/directory/directory.ts'
import { DirectoryFileError, openFileDirectory } from '../../src/directory/file-store.ts'
import { findDomain } from '../../src/relaying/gather.ts'
import { NOW } from '../support/policy-world.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const text = (domain: string): string =>
  `organizations:\n  - name: contoso\n    acceptedDomains:\n      - domainName: ${domain}\n`

interface Opened {
  readonly path: string
  readonly directory: Directory
  readonly logged: string[]
  /** Resolves with the next line of the log that holds the text. */
  said(what: string): Promise<string>
  accepts(domain: string): Promise<boolean>
}

async function open(t: TestContext, content: string): Promise<Opened> {
  const path = join(await temporaryFolder(t), 'organizations.yaml')
  await writeFile(path, content)
  const logged: string[] = []
  const events = new EventEmitter()
  const log = (message: string): void => {
    logged.push(message)
    events.emit('line', message)
  }
  const directory = await openFileDirectory({
    path,
    log: { info: log, warn: log, error: log },
    pollMilliseconds: 10,
  })
  // The watch does not keep a process alive; waiting for it does.
  const alive = setInterval(() => undefined, 1000)
  t.after(async () => {
    clearInterval(alive)
    await directory.close()
  })
  return {
    path,
    directory,
    logged,
    said: async (what) => {
      for (;;) {
        const [line] = (await once(events, 'line')) as [string]
        if (line.includes(what)) return line
      }
    },
    accepts: async (domain) => {
      const fact = await findDomain(directory, domain, TERMS)
      return !('unknown' in fact) && fact.acceptedDomain !== null
    },
  }
}

const TERMS = { now: NOW, requireDomainProof: false }

describe('organizations.yaml', () => {
  it('counts when it is saved, in place or by another file in its place as editors do', async (t) => {
    const store = await open(t, text('a.example'))
    assert.ok(await store.accepts('a.example'))
    const first = store.directory.summary().revision

    let said = store.said('is in force: 1 organisations, 1 accepted domains')
    await writeFile(store.path, text('b.example'))
    await said
    assert.deepEqual([await store.accepts('a.example'), await store.accepts('b.example')], [false, true])
    assert.notEqual(store.directory.summary().revision, first)

    said = store.said('is in force')
    await writeFile(`${store.path}.new`, text('c.example'))
    await rename(`${store.path}.new`, store.path)
    await said
    assert.ok(await store.accepts('c.example'))
  })

  it('stays as it was when a bad one is saved, which is reported once, with every error', async (t) => {
    const store = await open(t, text('a.example'))
    let said = store.said('cannot be used')
    await writeFile(store.path, `${text('a.example')}      - domainName: com\n      - domainName: "*"\n`)
    const line = await said
    assert.match(line, /stays in force: .*:5:21: error: .*single label.*; .*:6:21: error:/)
    assert.ok(await store.accepts('a.example'))
    said = store.said('is in force')
    await writeFile(store.path, text('b.example'))
    await said
    assert.ok(await store.accepts('b.example'))
    assert.equal(store.logged.filter((entry) => entry.includes('cannot be used')).length, 1)
  })

  it('stays as it was when the file goes away, and when it comes back unchanged', async (t) => {
    const store = await open(t, text('a.example'))
    let said = store.said('missing')
    await rm(store.path)
    await said
    assert.ok(await store.accepts('a.example'))
    said = store.said('is again what is in force')
    await writeFile(store.path, text('a.example'))
    await said
  })

  it('that changes between reading and watching is not missed', async (t) => {
    const path = join(await temporaryFolder(t), 'organizations.yaml')
    await writeFile(path, text('a.example'))
    const changed = new EventEmitter()
    const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const opening = openFileDirectory({
      path,
      log: silent,
      pollMilliseconds: 10,
      onChange: (summary) => changed.emit('change', summary),
    })
    const directory = await opening
    const alive = setInterval(() => undefined, 1000)
    const seen = once(changed, 'change')
    await writeFile(path, text('b.example'))
    await seen
    clearInterval(alive)
    await directory.close()
    // Closed, it goes on answering with what it had.
    assert.ok(!('unknown' in (await findDomain(directory, 'b.example', TERMS))))
  })

  it('that is missing, no UTF-8 or bad is refused when the server starts', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'organizations.yaml')
    const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
    await assert.rejects(
      openFileDirectory({ path, log: silent }),
      /the file is missing \(write one with "organizations: \[\]"/,
    )
    await writeFile(path, Buffer.from([0x6f, 0xff, 0xfe]))
    await assert.rejects(openFileDirectory({ path, log: silent }), /no UTF-8 text \(save it as UTF-8\)/)
    await writeFile(path, 'organizations: 7\n')
    await assert.rejects(
      openFileDirectory({
        path,
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      }),
      (error: unknown) => error instanceof DirectoryFileError && error.problems.length === 1,
    )
  })
})
