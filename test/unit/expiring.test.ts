/** Certificates that expire soon are said once a day, whatever the number of workers. */

import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { ExpiringCertificate } from '../../src/journal/expiring.ts'
import { describeExpiring, openExpiring, readExpiring } from '../../src/journal/expiring.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const DAY = 86_400_000
const NOW = Date.parse('2026-11-24T02:00:00Z')

const certificate: ExpiringCertificate = {
  fingerprint: 'AB:CD',
  names: ['mail.contoso.com'],
  notAfter: NOW + 16.5 * DAY,
  address: '192.0.2.1',
  organization: 'contoso',
  connector: 'Exchange',
}

describe('a certificate that expires soon', () => {
  it('is told once a day by all workers together, and read by check', async (t) => {
    const folder = join(await temporaryFolder(t), 'expiring')
    let now = NOW
    const said: string[] = []
    const workers = [0, 1].map(() =>
      openExpiring(
        folder,
        (line) => said.push(line),
        () => now,
      ),
    )
    for (const worker of [...workers, ...workers]) worker.note(certificate)
    assert.deepEqual(said, [
      'the certificate of mail.contoso.com (192.0.2.1, connector "Exchange" of contoso) expires on 2026-12-10, in 16 days',
    ])
    now += DAY
    for (const worker of workers) worker.note(certificate)
    assert.equal(said.length, 2)
    assert.deepEqual(
      readExpiring(folder, now).map(({ fingerprint }) => fingerprint),
      ['AB:CD'],
    )
    // It was not seen for a month.
    assert.deepEqual(readExpiring(folder, now + 40 * DAY), [])
    now += 40 * DAY
    workers[0]?.note({ ...certificate, fingerprint: 'EF', notAfter: now + DAY })
    assert.deepEqual(await readdir(folder), ['ef.json'])
  })

  it('is not told when it is valid for more than 30 days', async (t) => {
    const folder = join(await temporaryFolder(t), 'expiring')
    const said: string[] = []
    const worker = openExpiring(
      folder,
      (line) => said.push(line),
      () => NOW,
    )
    worker.note({ ...certificate, notAfter: NOW + 31 * DAY })
    assert.deepEqual(said, [])
    assert.deepEqual(readExpiring(folder, NOW), [])
  })

  it('is told without control characters, and a damaged note does no harm', async (t) => {
    const folder = join(await temporaryFolder(t), 'expiring')
    await mkdir(folder)
    await writeFile(join(folder, 'x.json'), '{"fingerprint":')
    assert.deepEqual(readExpiring(folder, NOW), [])
    assert.doesNotMatch(describeExpiring({ ...certificate, names: ['a\u001b[31m'] }, NOW), /\u001b/)
    assert.match(describeExpiring({ ...certificate, notAfter: NOW - 1 }, NOW), / expired on 2026-11-24$/)
  })

  it("is nobody's reason to refuse mail when it cannot be noted: the log says it once", async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'file'), '')
    await chmod(folder, 0o700)
    const said: string[] = []
    const worker = openExpiring(
      join(folder, 'file'),
      (line) => said.push(line),
      () => NOW,
    )
    worker.note(certificate)
    worker.note({ ...certificate, fingerprint: 'EF' })
    assert.equal(said.length, 1)
    assert.match(said[0] ?? '', /cannot be noted/)
  })
})
