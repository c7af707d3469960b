/** docker-compose.yml and Dockerfile keep what deploy/README.md says of them. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parseSettings } from '../../src/instance/settings.ts'
import type { ComposeService } from '../support/compose.ts'
import { readCompose } from '../support/compose.ts'
import { ROOT, runWith, temporaryFolder } from '../support/smarthost.ts'

const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8')
const compose = await readCompose({})
const services = Object.entries(compose.services)

function mebibytes(limit: string): number {
  const [, size = '', unit = ''] = /^(\d+)([mg])b?$/i.exec(limit) ?? []
  return Number(size) * (unit.toLowerCase() === 'g' ? 1024 : 1)
}

function seconds(time: string): number {
  return Number(/^(\d+)s$/.exec(time)?.[1])
}

/** The stages of the Dockerfile by name: the lines of each. */
function stages(): Map<string, string> {
  const found = new Map<string, string>()
  for (const stage of read('Dockerfile').split(/^(?=FROM )/m)) {
    const name = /^FROM \S+ AS (\S+)/.exec(stage)?.[1]
    if (name !== undefined) found.set(name, stage)
  }
  return found
}

function addressesOf({ networks }: ComposeService): string[] {
  if (networks === undefined || Array.isArray(networks)) return []
  return Object.values(networks).map(({ ipv4_address: address }) => address)
}

describe('docker-compose.yml', () => {
  it('has HAProxy, two nodes, Redis with a replica, and three Sentinels', () => {
    assert.deepEqual(
      services.map(([name]) => name),
      [
        'haproxy',
        'node1',
        'node2',
        'redis1',
        'redis2',
        'sentinel1',
        'sentinel2',
        'sentinel3',
        'connectorctl',
      ],
    )
  })

  for (const [name, service] of services) {
    it(`runs ${name} without root, on a read-only root, without capabilities, with a limit of memory`, () => {
      assert.ok(service.read_only)
      assert.match(service.user, /^10\d{3}:10\d{3}$/)
      assert.deepEqual(service.cap_drop, ['ALL'])
      assert.deepEqual(service.cap_add, name === 'haproxy' ? ['NET_BIND_SERVICE'] : [])
      assert.equal(service.security_opt.includes('no-new-privileges:true'), name !== 'haproxy')
      assert.ok(mebibytes(service.mem_limit) >= 64)
    })

    it(`publishes no port of ${name}, which knows each file that it mounts`, () => {
      assert.deepEqual(service.ports, [])
      for (const mount of service.volumes) {
        const [from = '', , mode] = mount.split(':')
        if (from.startsWith('./deploy/run')) assert.equal(mode, 'ro')
        else if (from.startsWith('.')) {
          assert.ok(existsSync(join(ROOT, from)), from)
          assert.equal(mode, 'ro')
        } else assert.ok(from in compose.volumes, from)
      }
      for (const secret of service.secrets) assert.ok(secret in compose.secrets, secret)
      const [program = ''] = service.command
      if (program.startsWith('/opt/connectors/')) {
        assert.ok(statSync(join(ROOT, program.slice('/opt/connectors/'.length))).mode & 0o001, program)
      }
    })

    if (name === 'connectorctl') continue
    it(`has a health check for ${name} and starts it again when it dies`, () => {
      assert.equal(service.healthcheck?.test[0], 'CMD')
      assert.equal(service.restart, 'unless-stopped')
    })
  }

  it('has HAProxy on the network of the host, so that clients keep their addresses', () => {
    assert.equal(compose.services['haproxy']?.network_mode, 'host')
    for (const [name, { network_mode: mode }] of services)
      if (name !== 'haproxy') assert.equal(mode, undefined)
  })

  it('gives each node a queue and a journal of its own, and the writer to nobody but connectorctl', () => {
    const volumes = ['node1', 'node2'].flatMap((name) => compose.services[name]?.volumes ?? [])
    const own = volumes.filter((mount) => !mount.endsWith(':ro'))
    assert.equal(new Set(own.map((mount) => mount.split(':')[0])).size, 4)
    const writers = services.filter(([, { secrets }]) => secrets.includes('redis_writer'))
    assert.deepEqual(
      writers.map(([name]) => name),
      ['connectorctl'],
    )
  })

  it('gives a node longer to stop than it takes, and the health check notices before it stops', () => {
    const { drain, grace } = parseSettings(read('src', 'instance', 'template', 'connectors.ini')).settings
      .shutdown
    for (const name of ['node1', 'node2']) {
      assert.ok(seconds(compose.services[name]?.stop_grace_period ?? '') > drain + grace + 10)
    }
    const haproxy = read('deploy', 'haproxy', 'haproxy.cfg')
    const [, inter = '', fall = ''] =
      /check inter (\d+)s fall (\d+) .*\bcheck-send-proxy$/m.exec(haproxy) ?? []
    assert.ok(Number(inter) * (Number(fall) + 1) < drain)
    assert.match(haproxy, /^ {4}option smtpchk EHLO /m)
    assert.doesNotMatch(haproxy, /send-proxy-v2/)
  })

  it('gives HAProxy the addresses of the nodes, and the nodes no address twice', () => {
    const environment = compose.services['haproxy']?.environment ?? {}
    assert.ok(
      addressesOf(compose.services['node1'] as ComposeService).includes(environment['NODE1_ADDRESS'] ?? ''),
    )
    assert.ok(
      addressesOf(compose.services['node2'] as ComposeService).includes(environment['NODE2_ADDRESS'] ?? ''),
    )
    for (const name of read('deploy', 'haproxy', 'haproxy.cfg').matchAll(/\$\{(\w+)\}/g)) {
      assert.ok((name[1] ?? '') in environment, name[0])
    }
    const all = services.flatMap(([, service]) => addressesOf(service))
    assert.equal(new Set(all).size, all.length)
  })

  it('leaves Redis room to write its file anew', () => {
    const [, size = ''] = /^maxmemory (\S+)$/m.exec(read('deploy', 'redis', 'redis.conf')) ?? []
    for (const name of ['redis1', 'redis2']) {
      assert.ok(mebibytes(compose.services[name]?.mem_limit ?? '') >= 2 * mebibytes(size))
    }
    assert.match(read('deploy', 'redis', 'redis.conf'), /^maxmemory-policy noeviction$/m)
    assert.match(read('deploy', 'redis', 'redis.conf'), /^appendonly yes$/m)
  })
})

describe('Dockerfile', () => {
  it('pins its base images by digest, and has a stage for each image of docker-compose.yml', () => {
    const bases = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, base = '']) => base)
    for (const base of bases) assert.match(base, /^(?:node|debian):\S*bookworm\S*-slim@sha256:[0-9a-f]{64}$/)
    assert.ok(bases.length > 3)
    for (const [, { build }] of services) if (build !== undefined) assert.ok(stages().has(build.target))
  })

  it('installs what runs without the tools of development, Haraka among it', () => {
    assert.match(read('Dockerfile'), /^RUN npm ci --omit=dev$/m)
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { dev?: boolean }>
    }
    for (const name of ['Haraka', 'tsx', 'ioredis', 'yaml', 'zod']) {
      assert.ok(packages[`node_modules/${name}`] !== undefined, name)
      assert.notEqual(packages[`node_modules/${name}`]?.dev, true, name)
    }
  })

  it('ends each image with a user that is not root, as compose has it, and with tini', () => {
    for (const [name, { build, user, entrypoint }] of services) {
      const stage = stages().get(build?.target ?? '')
      if (stage === undefined) continue
      assert.match(stage, new RegExp(`^USER ${user}$`, 'm'), name)
      assert.match(stage, /^ENTRYPOINT \["tini", "--"\]$/m)
      assert.deepEqual(entrypoint.slice(0, 2), ['tini', '--'])
    }
  })

  it('copies what is there, and .dockerignore lets it through', () => {
    const let_through = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
    for (const [, from = ''] of read('Dockerfile').matchAll(/^COPY (?!--from)((?:\S+ )+)\S+$/gm)) {
      for (const path of from.trim().split(' ')) {
        assert.ok(existsSync(join(ROOT, path)), path)
        assert.ok(
          let_through.some((line) => path === line.slice(1) || path.startsWith(`${line.slice(1)}/`)),
          path,
        )
      }
    }
  })
})

describe('deploy/', () => {
  it('has the users of Redis as docs/directory.md gives them', () => {
    const documented = [...read('docs', 'directory.md').matchAll(/^ACL SETUSER (connectors-\S+) (.*)$/gm)]
    assert.equal(documented.length, 2)
    const users = read('deploy', 'redis', 'users.acl')
    for (const [, user = '', rules = ''] of documented) {
      const own = user === 'connectors-reader' ? '>READER' : '>WRITER'
      assert.ok(users.includes(`user ${user} ${rules.replace('>SECRET', own)}\n`), user)
    }
  })

  it('prepare says what is wrong with its flags, and leaves alone what is there', async (t) => {
    const prepare = join(ROOT, 'deploy', 'prepare')
    const folder = await temporaryFolder(t)
    const run = (...args: string[]) => runWith({ RUN: join(folder, 'run') }, prepare, ...args)
    for (const [args, said] of [
      [[], /--hostname must be a DNS name/],
      [['--hostname'], /usage: deploy\/prepare/],
      [['--hostname', 'a b'], /--hostname must be a DNS name/],
      [['--hostname', 'smtp.contoso.com', '--smart-host', 'a;b'], /--smart-host must be HOST:PORT/],
      [['--nonsense'], /usage: deploy\/prepare/],
    ] as const) {
      const { code, stderr } = await run(...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(stderr, said)
    }
    assert.ok(!existsSync(join(folder, 'run')))
    assert.equal((await run('--help')).code, 0)
    const first = await run('--hostname', 'smtp.contoso.com')
    assert.equal(first.code, 0, first.stderr)
    const secret = join(folder, 'run', 'secrets', 'reader')
    const before = readFileSync(secret, 'utf8')
    assert.match(before, /^[0-9a-f]{48}\n$/)
    const again = await run('--hostname', 'other.contoso.com')
    assert.equal(again.code, 0)
    assert.doesNotMatch(again.stdout, /made/)
    assert.equal(readFileSync(secret, 'utf8'), before)
    assert.equal(readFileSync(join(folder, 'run', 'config', 'me'), 'utf8'), 'smtp.contoso.com\n')
  })
})
