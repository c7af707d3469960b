/** What the size of the directory in Redis costs: to fill it, to decide from it, and to relay with it. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Ran } from './program.ts'
import { runConnectorctl } from './program.ts'
import type { BenchRedis } from './redis-server.ts'
import { startBenchRedis } from './redis-server.ts'
import type { Size } from './scale-data.ts'
import { writeOrganizations } from './scale-data.ts'
import type { Sized } from './scale-decisions.ts'
import { measureDecisions, quantiles } from './scale-decisions.ts'
import { compareSizes } from './scale-messages.ts'

interface Plan {
  readonly domains: readonly number[]
  readonly connectors: number
  readonly organizations: number
  readonly passes: number
  readonly decisions: number
  readonly rounds: number
  readonly scale: number
  readonly asked: number
}

const WHOLE: Plan = {
  domains: [1_000, 100_000, 1_000_000],
  connectors: 100_000,
  organizations: 10_000,
  passes: 10,
  decisions: 1_000,
  rounds: 10,
  scale: 1,
  asked: 200_000,
}

const SHORT: Plan = {
  domains: [100, 1_000, 5_000],
  connectors: 500,
  organizations: 100,
  passes: 1,
  decisions: 100,
  rounds: 1,
  scale: 0.03,
  asked: 500,
}

/**
 * @param short whether to look only whether it works
 * @param say where to write
 */
export async function measureScale(short: boolean, say: (line: string) => void): Promise<void> {
  const plan = short ? SHORT : WHOLE
  const folder = mkdtempSync(join(tmpdir(), 'connectors-scale-'))
  const template = join(folder, 'template')
  const sizes: Sized[] = []
  try {
    await runConnectorctl(['init', template])
    for (const domains of plan.domains) {
      const size: Size = { domains, connectors: plan.connectors, organizations: plan.organizations }
      const redis = await startBenchRedis(join(folder, `redis${domains}`))
      sizes.push({ size, redis })
      await measureCommands(join(folder, String(domains)), size, redis, say)
    }
    say('')
    say(`decisions (MAIL and RCPT, ${plan.passes} x ${plan.decisions} different ones, one after the other):`)
    const decisions = await measureDecisions(sizes, plan.passes, plan.decisions)
    for (const [index, { cold, warm, warmCpu, coldCommands, warmCommands }] of decisions.entries()) {
      say(`  ${titleOf(sizes[index]?.size)}:`)
      say(`    cold, in milliseconds: ${quantiles(cold, 1000, 2)}; Redis commands: ${coldCommands}`)
      const microseconds = `${quantiles(warm, 1, 1)}, CPU ${warmCpu.toFixed(1)}`
      say(`    warm, in microseconds: ${microseconds}; Redis commands: ${warmCommands}`)
    }
    say('')
    const [smallest, largest] = [sizes[0], sizes.at(-1)]
    if (smallest === undefined || largest === undefined) return
    const { rounds, scale, asked } = plan
    await compareSizes(smallest, largest, { folder, rounds, scale, asked }, say)
  } finally {
    for (const { redis } of sizes) await redis.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function titleOf(size: Size | undefined): string {
  return `${size?.domains.toLocaleString('en') ?? ''} domains`
}

/** What an administrator does with it. */
async function measureCommands(
  folder: string,
  size: Size,
  redis: BenchRedis,
  say: (line: string) => void,
): Promise<void> {
  mkdirSync(folder)
  const instance = join(folder, 'instance')
  const file = join(folder, 'organizations.yaml')
  await writeOrganizations(file, size)
  cpSync(join(dirname(folder), 'template'), instance, { recursive: true })
  const ini = join(instance, 'config', 'connectors.ini')
  writeFileSync(ini, readFileSync(ini, 'utf8').replace('store = file', 'store = redis'))
  writeFileSync(join(instance, 'config', 'redis.ini'), `[server]\nport = ${redis.port}\n`)

  say(
    `${titleOf(size)}, ${size.connectors.toLocaleString('en')} connectors, ${size.organizations.toLocaleString('en')} organisations:`,
  )
  const run = async (what: string, args: readonly string[], output?: string): Promise<Ran> => {
    await redis.reset()
    const ran = await runConnectorctl([...args, '--instance', instance], output)
    const blocked = (await redis.slowest()).toFixed(0)
    say(
      `  ${what}: ${ran.seconds.toFixed(1)} s, ${ran.peak.toFixed(0)} MiB; slowest Redis command ${blocked} ms`,
    )
    return ran
  }
  await run('apply', ['apply', file, '--yes'])
  const { all, key } = await redis.memory('{connectors}:audit')
  const again = await run('apply again', ['apply', file, '--yes'])
  say(`    it said: ${again.stdout.trim()}`)
  await run('export', ['export'], join(folder, 'exported.yaml'))
  const verified = await run('directory verify', ['directory', 'verify'])
  say(`    it said: ${verified.stdout.trim().replace(/, revision.*/, '')}`)
  say(`  Redis: ${mebibytes(all)} MiB, of which the audit stream takes ${mebibytes(key)}`)
  rmSync(folder, { recursive: true })
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0)
}
