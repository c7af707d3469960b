/** What connectorctl check says of a directory in Redis before anybody is hurt by it. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasPrograms } from '../support/programs.ts'
import { applied, file, makeNode } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import { connectorctl } from '../support/smarthost.ts'

describe('connectorctl check', () => {
  it("warns of a connector for Docker's bridge, of a Redis that forgets, and of one that is away", async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const check = async (): Promise<string> => {
      const { code, stdout, stderr } = await connectorctl('check', '--instance', node.folder)
      assert.equal(code, 0, stderr)
      return stdout
    }
    const organizations = (address: string): string => `organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - { name: Branch, connectorType: OnPremises, senderIPAddresses: ['${address}'] }
`
    await applied(node, await file(t, organizations('10.1.0.0/24')))
    assert.doesNotMatch(await check(), /Docker|maxmemory-policy/)
    await applied(node, await file(t, organizations('172.16.0.0/12')))
    assert.match(
      await check(),
      /connector contoso\/Branch is for 172\.\d+\.0\.1, the bridge of a Docker network: .*every client looks like it/,
    )
    await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    assert.match(
      await check(),
      /redis\.ini: warning: Redis has maxmemory-policy allkeys-lru: when it is full/,
    )
    await redis.stop()
    assert.match(
      await check(),
      /redis\.ini: warning: Redis at 127\.0\.0\.1:\d+ cannot be asked: .*ECONNREFUSED/,
    )
  })
})
