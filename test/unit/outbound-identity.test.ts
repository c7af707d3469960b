/** What this server shows a next hop of itself. Real files. */

import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openIdentities } from '../../src/instance/outbound-identity.ts'
import { temporaryFolder } from '../support/smarthost.ts'

describe('a password that could not be read once', () => {
  it('is read again, though its file has not changed: mail does not wait for its end', async (t) => {
    const instance = await temporaryFolder(t)
    await fs.mkdir(join(instance, 'config'))
    await fs.writeFile(join(instance, 'config', 'password'), 'secret\n')
    let now = 0
    const identityOf = openIdentities(instance, () => now)
    const connector = {
      name: 'Out',
      tlsCertificateFile: null,
      tlsKeyFile: null,
      userName: 'kate',
      passwordFile: 'password',
    }
    const failing = t.mock.method(fs, 'readFile', () =>
      Promise.reject(Object.assign(new Error('too many open files'), { code: 'EMFILE' })),
    )
    syncBuiltinESMExports()
    try {
      const failed = await identityOf(connector)
      assert.ok('failure' in failed)
      assert.match(failed.failure.text, /EMFILE/)
    } finally {
      failing.mock.restore()
      syncBuiltinESMExports()
    }
    now += 1000
    const found = await identityOf(connector)
    assert.ok('credentials' in found)
    assert.deepEqual(found.credentials, { user: 'kate', password: 'secret' })
  })
})

describe('a file that several connectors name', () => {
  it('holds the mail of each back in its own name', async (t) => {
    const instance = await temporaryFolder(t)
    const identityOf = openIdentities(instance, () => 0)
    const files = { tlsCertificateFile: null, tlsKeyFile: null, userName: 'kate', passwordFile: 'missing' }
    for (const name of ['One', 'Two']) {
      const found = await identityOf({ name, ...files })
      assert.ok('failure' in found)
      assert.match(found.failure.text, new RegExp(`^outbound connector ${name}: missing under config/`))
    }
  })
})
