/** Checks of doctor whose facts no test can bring about: another Node, another clock, another Redis, a hanging disk. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkClock } from '../../src/doctor/clock.ts'
import { inTime, TooLate } from '../../src/doctor/deadline.ts'
import { checkDisks } from '../../src/doctor/disk.ts'
import { Findings, MOST_OF_A_KIND } from '../../src/doctor/finding.ts'
import { checkHost } from '../../src/doctor/host.ts'
import { checkPermissions } from '../../src/doctor/permissions.ts'
import type { RedisFacts, RedisServerFacts } from '../../src/doctor/redis-facts.ts'
import { checkRedisServer } from '../../src/doctor/redis.ts'
import { isToldElsewhere, settingFinding } from '../../src/doctor/settings.ts'
import { examineGroup } from '../../src/doctor/step.ts'

type Told = readonly (readonly [severity: string, code: string])[]

function told(check: (report: Findings['add']) => void): Told {
  const findings = new Findings()
  check((...finding) => {
    findings.add(...finding)
  })
  return findings.list().map(({ code, severity }) => [severity, code])
}

const MIB = 1024 * 1024

describe('doctor', () => {
  it('knows which Node is kept up', () => {
    const facts = { user: 'haraka', dataOwner: 1, uid: 0 }
    for (const [node, now, expected] of [
      ['20.20.2', '2026-04-01T00:00:00.000Z', []],
      ['20.20.2', '2026-11-25T00:00:00.000Z', [['info', 'node-end-of-life']]],
      ['22.1.0', '2026-11-25T00:00:00.000Z', []],
      ['99.1.0', '2099-11-25T00:00:00.000Z', []],
    ] as const) {
      assert.deepEqual(
        told((report) => {
          checkHost({ ...facts, node }, now, report)
        }),
        expected,
      )
    }
  })

  it('says that the smarthost stays root only where it does', () => {
    const facts = { node: '99.0.0', user: null, dataOwner: 0, uid: 0 }
    for (const [more, expected] of [
      [{}, [['warning', 'runs-as-root']]],
      [{ user: 'haraka' }, []],
      [{ dataOwner: 1000 }, []],
      [{ dataOwner: null }, []],
      [{ uid: 1000 }, []],
    ] as const) {
      assert.deepEqual(
        told((report) => {
          checkHost({ ...facts, ...more }, '2026-11-25T00:00:00.000Z', report)
        }),
        expected,
      )
    }
  })

  it('tells a Haraka that is too old from other settings', () => {
    const problem = {
      file: 'Haraka',
      line: 0,
      column: 0,
      severity: 'error',
      message: 'version 3.0.0',
      mend: '',
    } as const
    assert.deepEqual(settingFinding(problem), {
      severity: 'error',
      code: 'haraka-version',
      evidence: 'Haraka: version 3.0.0',
    })
  })

  it('leaves to its own checks what check says with less evidence', () => {
    const problem = { file: 'config/x', line: 0, column: 0, severity: 'warning', mend: '' } as const
    for (const message of ['expires in 3 days', 'expired 3 days ago: servers that verify it do not send'])
      assert.ok(isToldElsewhere({ ...problem, message }))
    assert.ok(!isToldElsewhere({ ...problem, message: 'does not belong to the key' }))
    assert.ok(isToldElsewhere({ ...problem, file: 'data/expiring', message: 'x' }))
  })

  it('measures room in bytes and in inodes, where there are any', () => {
    const disk = { folders: ['queue/'], bytes: 2048 * MIB, inodes: 1e6 }
    for (const [more, expected] of [
      [{}, []],
      [{ inodes: null }, []],
      [{ bytes: 1023 * MIB }, [['warning', 'disk-full']]],
      [{ bytes: 99 * MIB }, [['error', 'disk-full']]],
      [{ inodes: 9_999 }, [['warning', 'inodes-exhausted']]],
      [{ inodes: 999 }, [['error', 'inodes-exhausted']]],
    ] as const) {
      assert.deepEqual(
        told((report) => {
          checkDisks([{ ...disk, ...more }], report)
        }),
        expected,
      )
    }
  })

  it('allows clocks to differ as much as asking takes, and two seconds', () => {
    const now = Date.now()
    for (const [ahead, within, expected] of [
      [1_500, 0, []],
      [-2_500, 600, []],
      [2_500, 0, [['warning', 'clock-differs']]],
      [-70_000, 0, [['error', 'clock-differs']]],
    ] as const) {
      assert.deepEqual(
        told((report) => {
          checkClock({ redis: { ahead, within }, why: '', written: [] }, now, report)
        }),
        expected,
      )
    }
    const written = [{ what: 'the journal', time: now + 61_000 }]
    assert.deepEqual(
      told((report) => {
        checkClock({ redis: { ahead: 0, within: 0 }, why: '', written }, now, report)
      }),
      [['warning', 'time-in-the-future']],
    )
  })

  it('judges what a server that is not root may use', () => {
    const server = { user: 'haraka', uid: 100, gids: [200, 300] }
    const key = { path: 'key', kind: 'key', isFolder: false, needed: true } as const
    for (const [mode, uid, gid, expected] of [
      [0o600, 100, 200, []],
      [0o600, 0, 0, [['error', 'not-readable-by-server']]],
      [0o640, 0, 200, [['warning', 'key-readable-by-others']]],
      [0o640, 0, 300, [['warning', 'key-readable-by-others']]],
      [
        0o640,
        1000,
        200,
        [
          ['warning', 'key-readable-by-others'],
          ['warning', 'key-readable-by-others'],
        ],
      ],
      [0o644, 0, 0, [['error', 'key-readable-by-others']]],
    ] as const) {
      assert.deepEqual(
        told((report) => {
          checkPermissions({ paths: [{ ...key, mode, uid, gid }], server, owners: [100] }, report)
        }),
        expected,
      )
    }
  })

  it('knows which Redis loses its transactions without commands for the default user', () => {
    for (const [version, commands, keys, expected] of [
      ['redis_version:7.0.15', '+@all', '~*', []],
      ['redis_version:7.0.15', '-@all', '~*', [['error', 'redis-default-user-without-commands']]],
      ['redis_version:7.0.15', '+@all', '', [['error', 'redis-default-user-without-commands']]],
      ['redis_version:7.0.15', '-@all +@all', '~*', []],
      ['redis_version:7.0.15', '+@all -@all +ping', '~*', [['error', 'redis-default-user-without-commands']]],
      ['redis_version:7.0.15', '+@all -zadd', '~*', [['error', 'redis-default-user-without-commands']]],
      ['redis_version:7.0.15', '-@all +@write', '~*', []],
      ['redis_version:8.2.7', '-@all', '~*', [['warning', 'redis-default-user-without-commands']]],
      ['redis_version:8.4.4', '-@all', '~*', []],
      ['valkey_version:8.1.5', '-@all', '~*', [['warning', 'redis-default-user-without-commands']]],
    ] as const) {
      const [name = '', value = ''] = version.split(':')
      const info = new Map([
        [name, value],
        ['aof_enabled', '1'],
      ])
      assert.deepEqual(
        told((report) => {
          checkRedisServer(redisWith({ info, defaultUser: { flags: ['off'], commands, keys } }), report)
        }),
        expected,
        `${version} ${commands} ${keys}`,
      )
    }
  })

  it('takes an open Redis for an error once it is not on loopback', () => {
    const facts = { ...redisWith({}), open: 'PING was answered', onLoopback: false }
    assert.deepEqual(
      told((report) => {
        checkRedisServer(facts, report)
      }),
      [['error', 'redis-default-user-open']],
    )
  })

  it('tells the first of many, and how many more there are', () => {
    const findings = new Findings()
    for (let index = 0; index < 100_000; index += 1) findings.add('warning', 'queue-damaged', `${index}\n`)
    findings.add('error', 'queue-damaged', 'x'.repeat(10_000))
    const list = findings.list()
    assert.equal(list.length, MOST_OF_A_KIND + 2)
    assert.equal(list[0]?.severity, 'error')
    assert.equal(list[0]?.evidence.length, 700)
    assert.equal(list[1]?.evidence, String.raw`0\x0a`)
    assert.equal(list.at(-1)?.evidence, `${100_000 - MOST_OF_A_KIND} more of this kind`)
  })

  it('ends a check that hangs, and says which one (check-late)', async () => {
    const findings = new Findings()
    let ended = false
    const hanging = (signal: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          ended = true
          reject(new Error('too late to matter'))
        })
      })
    const { signal } = new AbortController()
    assert.equal(await examineGroup(findings, { group: 'redis', milliseconds: 1, signal }, hanging), null)
    assert.ok(ended)
    assert.deepEqual(
      findings.list().map(({ code, evidence, severity }) => [severity, code, evidence]),
      [['warning', 'check-late', 'redis: it took longer than 0.001 s']],
    )
    assert.deepEqual(findings.fine(), [])
  })

  it('makes a finding of a check that throws, and goes on', async () => {
    const findings = new Findings()
    const { signal } = new AbortController()
    const step = { group: 'disk', milliseconds: 1000, signal } as const
    assert.equal(await examineGroup(findings, step, () => Promise.reject(new Error('EIO\u001b'))), null)
    assert.equal(await examineGroup(findings, { ...step, group: 'queue' }, () => Promise.resolve(5)), 5)
    const [failed] = findings.list()
    assert.deepEqual([failed?.code, failed?.evidence], ['check-failed', String.raw`disk: EIO\x1b`])
    assert.deepEqual(findings.fine(), ['queue'])
  })

  it('gives up at once when its caller does', async () => {
    const outer = new AbortController()
    outer.abort()
    await assert.rejects(
      inTime(60_000, () => new Promise(() => undefined), outer.signal),
      TooLate,
    )
  })
})

function redisWith(server: Partial<RedisServerFacts>): RedisFacts {
  return {
    where: 'Redis',
    prefix: 'connectors',
    failure: null,
    onLoopback: true,
    header: { kind: 'found', revision: { epoch: 1, number: 1, id: 'a' }, organizations: 0 },
    seen: null,
    open: null,
    readerWrites: false,
    hasWriter: true,
    writerFailure: null,
    wantedReplicas: 0,
    servers: [{ where: 'Redis', info: new Map(), save: '', defaultUser: null, clock: null, ...server }],
    hidden: [],
  }
}
