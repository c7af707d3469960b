/** Passwords of Redis, wherever they are written: no log, no command and no error shows one, refused or taken. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { openRedisDirectory } from '../../src/directory/redis/redis-store.ts'
import { DirectoryWriter } from '../../src/directory/redis/writer.ts'
import { readRedisSettings } from '../../src/instance/redis-settings.ts'
import { hasPrograms } from '../support/programs.ts'
import { applied, ask, file, makeNode, until } from '../support/redis-node.ts'
import type { RedisServer } from '../support/redis.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { Instance } from '../support/smarthost.ts'
import { atEnd, connectorctl, startInstance } from '../support/smarthost.ts'

const SECRET = 'correct-horse-battery'
const VARIABLE = 'CONNECTORS_REDIS_PASSWORD'

const CONTOSO = `organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - name: Datacentre
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.2]
`

const PLACES = ['redis.ini', 'password_file', 'the environment'] as const

/** Writes the password there, and nowhere else. */
async function writeSecret(
  { path }: Instance,
  { port }: RedisServer,
  place: (typeof PLACES)[number],
): Promise<void> {
  const line = {
    'redis.ini': `password = ${SECRET}`,
    password_file: 'password_file = secret.txt',
    'the environment': '',
  }[place]
  const lines = [
    '[server]',
    `port = ${port}`,
    '[opts]',
    'username = node',
    line,
    '[redis]',
    'command_timeout = 5000',
  ]
  await writeFile(path('redis.ini'), `${lines.join('\n')}\n`)
  await writeFile(path('secret.txt'), place === 'password_file' ? `${SECRET}\n` : '')
  if (place === 'the environment') process.env[VARIABLE] = SECRET
  else delete process.env[VARIABLE]
}

/** Everything that a command says. */
async function said(command: string, instance: Instance): Promise<string> {
  const { stdout, stderr } = await connectorctl(command, '--instance', instance.folder)
  return stdout + stderr
}

/** Everything that a program made of the parts is told. */
async function thrown(instance: Instance): Promise<string> {
  const { redis } = readRedisSettings(instance.folder)
  const told: unknown[] = []
  const log = (message: string): void => void told.push(message)
  const directory = await openRedisDirectory({
    connection: redis.reader,
    prefix: redis.prefix,
    cache: redis.cache,
    seen: { read: () => null, write: () => undefined },
    log: { info: log, warn: log, error: log },
  })
  told.push((await directory.ask({ presentedNames: [], address: null, domains: ['a.example'] })).connectors)
  await directory.close()
  const options = { connection: redis.writer, prefix: redis.prefix, replicas: 0, command: 'test', seen: null }
  const writer = await DirectoryWriter.open(options).catch((error: unknown) => error)
  if (writer instanceof DirectoryWriter) writer.close()
  else told.push(writer)
  return told.map((item) => inspect(item, { depth: null, showHidden: true })).join('\n')
}

describe('the password of Redis', () => {
  it('is shown by no command, error and log, wherever it is written, refused or taken', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const demands = (password: string) =>
      redis.client.call('ACL', 'SETUSER', 'node', 'on', '~*', '+@all', 'resetpass', `>${password}`)
    const instance = await makeNode(t, redis)
    atEnd(t, () => {
      delete process.env[VARIABLE]
    })
    for (const place of PLACES) {
      await writeSecret(instance, redis, place)
      await demands('another')
      for (const text of [await said('check', instance), await thrown(instance)]) {
        assert.match(text, /WRONGPASS/, `${place}: ${text}`)
        assert.ok(!text.includes(SECRET), text)
      }
      await demands(SECRET)
      const text = await thrown(instance)
      assert.match(text, /holds no directory/, `${place}: ${text}`)
      assert.ok(!text.includes(SECRET), text)
    }

    await demands('another')
    const exporting = await said('export', instance)
    assert.match(exporting, /WRONGPASS/)
    assert.ok(!exporting.includes(SECRET), exporting)
    await writeFile(instance.path('log.ini'), '[main]\nlevel=debug\n')
    const node = await startInstance(t, instance)
    await node.printed(/cannot be asked: WRONGPASS/)
    assert.match(await ask(node, 'kate@contoso.com'), /^451/)
    // A password that works from now on needs no restart.
    await demands(SECRET)
    await applied(instance, await file(t, CONTOSO))
    await until(node, 'kate@contoso.com', /^250/, 3000)
    await node.stop()
    assert.match(node.output(), /\[DEBUG\]/)
    assert.ok(!node.output().includes(SECRET), node.output())
  })
})
