/** config/redis.ini: its defaults, where secrets may be, and one clear message for everything that is wrong. */

import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { formatProblem } from '../../src/directory/model.ts'
import { describeConnection } from '../../src/directory/redis/client.ts'
import type { ReadRedisSettings } from '../../src/instance/redis-settings.ts'
import { readRedisSettings } from '../../src/instance/redis-settings.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const TEMPLATE = new URL('../../src/instance/template/redis.ini', import.meta.url)

async function read(
  t: TestContext,
  text: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<ReadRedisSettings & { readonly said: string }> {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'config'))
  await writeFile(join(folder, 'config', 'redis.ini'), text)
  await writeFile(join(folder, 'config', 'secret.txt'), 'from a file\nsecond line\n')
  await writeFile(join(folder, 'config', 'empty.txt'), '')
  const settings = readRedisSettings(folder, environment)
  return { ...settings, said: settings.problems.map((problem) => formatProblem(problem)).join('\n') }
}

describe('redis.ini', () => {
  it('as it is shipped says what the defaults are', async (t) => {
    const shipped = await read(t, await readFile(TEMPLATE, 'utf8'))
    assert.equal(shipped.said, '')
    assert.deepEqual(shipped.redis, (await read(t, '')).redis)
    assert.equal(describeConnection(shipped.redis.reader), 'Redis at 127.0.0.1:6379')
  })

  it('takes a password from the environment before a file, and from a file before itself', async (t) => {
    const text = '[opts]\nusername = node\npassword = written\npassword_file = secret.txt'
    assert.equal((await read(t, text)).redis.reader.password, 'from a file')
    const given = await read(t, text, { CONNECTORS_REDIS_PASSWORD: 'given' })
    assert.equal(given.redis.reader.password, 'given')
    assert.equal(given.redis.writer.username, 'node')
    const mounted = { CONNECTORS_REDIS_PASSWORD_FILE: 'secret.txt' }
    assert.equal((await read(t, '[opts]\npassword = written', mounted)).redis.reader.password, 'from a file')
    const absent = await read(t, '[opts]\npassword = written', { CONNECTORS_REDIS_PASSWORD_FILE: 'absent' })
    assert.match(absent.said, /\[opts\] CONNECTORS_REDIS_PASSWORD_FILE names absent, which is missing/)
    const two = await read(t, `${text}\n[writer]\nusername = admin\npassword = other`)
    assert.deepEqual([two.redis.writer.username, two.redis.writer.password], ['admin', 'other'])
    assert.equal(two.redis.reader.username, 'node')
  })

  it('names Sentinels and clusters', async (t) => {
    const sentinel = await read(t, '[sentinel]\nhosts = redis1:26379, [2001:db8::1]:26379\nmaster = mail')
    assert.equal(
      describeConnection(sentinel.redis.reader),
      'Redis mail of the Sentinels redis1:26379, [2001:db8::1]:26379',
    )
    const cluster = await read(t, '[cluster]\nhosts = 192.0.2.1:7000,192.0.2.2:7000')
    assert.equal(describeConnection(cluster.redis.reader), 'Redis cluster at 192.0.2.1:7000, 192.0.2.2:7000')
  })

  const wrong: readonly (readonly [text: string, said: RegExp])[] = [
    ['[server]\nport = 70000', /redis\.ini:2:.*port must be a whole number/],
    ['[server]\nhots = a', /unknown setting "hots".*did you mean host\?/],
    ['[sentinel]\nhosts = a:1', /\[sentinel\] master is missing/],
    ['[sentinel]\nhosts = \nmaster = mail', /hosts is empty, though a master is named/],
    ['[sentinel]\nhosts = a:1\nmaster = m\n[cluster]\nhosts = b:1', /exclude each other/],
    ['[sentinel]\nhosts = nothing\nmaster = m', /"nothing" is no list of HOST:PORT/],
    ['[cluster]\nhosts = a:1\n[opts]\ndatabase = 2', /database must be 0 in a cluster/],
    ['[opts]\npassword_file = absent.txt', /password_file names absent\.txt, which is missing/],
    ['[opts]\npassword_file = empty.txt', /first line is empty/],
    ['[tls]\nenabled = true\nca = absent.pem', /\[tls\] ca names absent\.pem/],
    ['[tls]\nenabled = true\nca = secret.txt', /\[tls\] ca names secret\.txt, which holds no certificate/],
    ['[tls]\nenabled = true\ncert = secret.txt', /\[tls\] key is missing/],
    ['[redis]\nprefix = a{b}', /cannot be part of a key/],
    ['[opts]\npassword from a file', /redis\.ini:2:1: error: this line is no setting/],
    ['[opts]\npasswrod = from a file', /unknown setting "passwrod".*did you mean password\?/],
  ]
  for (const [text, said] of wrong) {
    it(`says what is wrong with ${JSON.stringify(text)}`, async (t) => {
      const result = await read(t, text)
      assert.match(result.said, said)
      assert.ok(!result.said.includes('from a file'), 'no secret is shown')
    })
  }
})
