/**
 * Runs the services of docker-compose.yml without a Docker engine: each in a sandbox (bubblewrap) with a read-only root,
 * the user, capabilities, mounts, secrets, environment and command that the file names, on addresses of loopback. What is
 * inside an image stands where the Dockerfile puts it.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { atEnd, ROOT } from './smarthost.ts'

const SERVICE = z.object({
  image: z.string(),
  build: z.object({ context: z.string(), target: z.string() }).optional(),
  user: z.string(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  cap_add: z.array(z.string()).default([]),
  security_opt: z.array(z.string()),
  restart: z.string(),
  mem_limit: z.string(),
  network_mode: z.string().optional(),
  networks: z
    .union([z.array(z.string()), z.record(z.string(), z.object({ ipv4_address: z.string() }))])
    .optional(),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  secrets: z.array(z.string()).default([]),
  tmpfs: z.array(z.string()).default([]),
  working_dir: z.string().optional(),
  entrypoint: z.array(z.string()).default(['tini', '--']),
  command: z.array(z.string()),
  stop_signal: z.string().default('SIGTERM'),
  stop_grace_period: z.string().default('10s'),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  profiles: z.array(z.string()).default([]),
  ports: z.array(z.unknown()).default([]),
})

const FILE = z.object({
  services: z.record(z.string(), SERVICE),
  networks: z.record(
    z.string(),
    z.object({
      internal: z.boolean().default(false),
      ipam: z.object({ config: z.array(z.object({ subnet: z.string() })) }),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
})

export type ComposeFile = z.output<typeof FILE>
export type ComposeService = z.output<typeof SERVICE>

const BUBBLEWRAP = '/usr/bin/bwrap'

/** Programs that a sandbox needs. */
export const SANDBOX_PROGRAMS = [BUBBLEWRAP, '/usr/bin/setpriv', '/usr/bin/tini']

/**
 * @param environment what `${NAME:-default}` stands for
 * @returns docker-compose.yml as it is with it
 */
export async function readCompose(environment: Readonly<Record<string, string>>): Promise<ComposeFile> {
  const text = await readFile(join(ROOT, 'docker-compose.yml'), 'utf8')
  // Compose fills in what was parsed, not the text.
  const filled = (value: string): string =>
    value.replaceAll(/\$\{([A-Z0-9_]+):-([^}]*)\}/g, (_all, name: string, fallback: string) => {
      return environment[name] ?? fallback
    })
  const parsed: unknown = parse(text, { merge: true })
  return FILE.parse(
    JSON.parse(JSON.stringify(parsed), (_key, value: unknown) =>
      typeof value === 'string' ? filled(value) : value,
    ),
  )
}

export interface Running {
  readonly process: ChildProcess
  /** What it printed so far. */
  output(): string
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>
  /** Sends a signal to the service, past its sandbox. */
  kill(signal: NodeJS.Signals): void
}

export interface ComposeOptions {
  readonly environment: Readonly<Record<string, string>>
  /** Where named volumes are kept. */
  readonly folder: string
  /** Other places for what is mounted, by service and path inside: `node1:/srv/smarthost/config`. */
  readonly mounts: Readonly<Record<string, string>>
}

/** A project under way. */
export class Compose {
  readonly file: ComposeFile
  readonly #options: ComposeOptions
  readonly #running = new Map<string, Running>()

  private constructor(file: ComposeFile, options: ComposeOptions) {
    this.file = file
    this.#options = options
  }

  /** Reads the file; everything that is started ends with the test. */
  static async open(t: TestContext, options: ComposeOptions): Promise<Compose> {
    const compose = new Compose(await readCompose(options.environment), options)
    atEnd(t, async () => {
      for (const running of compose.#running.values()) {
        running.kill('SIGKILL')
        await running.ended
      }
    })
    return compose
  }

  /** Starts what is not in a profile, in the order of depends_on, each once those before it are well. */
  async up(): Promise<void> {
    const started = new Map<string, Promise<void>>()
    const start = (name: string): Promise<void> => {
      const before = started.get(name)
      if (before !== undefined) return before
      const { depends_on: needed } = this.#service(name)
      const now = Promise.all(Object.keys(needed).map(start)).then(async () => {
        await this.start(name)
        await this.healthy(name)
      })
      started.set(name, now)
      return now
    }
    const names = Object.entries(this.file.services).filter(([, { profiles }]) => profiles.length === 0)
    await Promise.all(names.map(([name]) => start(name)))
  }

  /** Starts one service, with the volumes that it had before. */
  async start(name: string): Promise<Running> {
    const { entrypoint, command } = this.#service(name)
    const running = await this.#sandbox(name, [...entrypoint, ...command])
    this.#running.set(name, running)
    return running
  }

  /** As `docker compose stop`: its stop signal, and its exit code. */
  async stop(name: string, signal?: NodeJS.Signals): Promise<number | null> {
    const running = this.running(name)
    running.kill(signal ?? (this.#service(name).stop_signal as NodeJS.Signals))
    return running.ended
  }

  running(name: string): Running {
    const running = this.#running.get(name)
    if (running === undefined) throw new Error(`${name} was not started`)
    return running
  }

  /** Waits until the service's own health check says that it is well. */
  async healthy(name: string): Promise<void> {
    const test = this.#service(name).healthcheck?.test ?? []
    const [kind, ...command] = test
    if (kind !== 'CMD') throw new Error(`${name} has no health check`)
    const end = Date.now() + 60_000
    for (;;) {
      const { code, output } = await this.#ran(name, command)
      if (code === 0) return
      const why = `${output}\n${this.running(name).output()}`
      if (Date.now() > end) throw new Error(`${name} does not get well: ${why}`)
      await delay(50)
    }
  }

  /** As `docker compose run --rm SERVICE ARGS`. */
  async run(
    name: string,
    ...args: string[]
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    return this.#ran(name, [...this.#service(name).entrypoint, ...args])
  }

  /** As `docker compose exec SERVICE COMMAND`, in a sandbox of its own with the same mounts. */
  async exec(
    name: string,
    ...command: string[]
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    return this.#ran(name, command)
  }

  async #ran(name: string, command: readonly string[]): Promise<{ code: number | null; output: string }> {
    const running = await this.#sandbox(name, command)
    const code = await running.ended
    return { code, output: running.output() }
  }

  #service(name: string): ComposeService {
    const service = this.file.services[name]
    if (service === undefined) throw new Error(`there is no service ${name}`)
    return service
  }

  async #sandbox(name: string, command: readonly string[]): Promise<Running> {
    const service = this.#service(name)
    const args = [
      ...SYSTEM,
      ...(await this.#mounts(name, service)),
      ...Object.entries(service.environment).flatMap(([key, value]) => ['--setenv', key, value]),
      '--chdir',
      service.working_dir ?? '/',
      '--',
      ...asUser(service),
      ...command,
    ]
    const child = spawn(BUBBLEWRAP, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
    let text = ''
    const collect = (chunk: Buffer): void => {
      text += chunk.toString()
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const ended = once(child, 'close').then(() => child.exitCode)
    const inside = await pidOf(child)
    return {
      process: child,
      output: () => text,
      ended,
      kill: (signal) => {
        if (inside === null || child.exitCode !== null) return
        try {
          process.kill(inside, signal)
        } catch {
          // It has ended meanwhile.
        }
      },
    }
  }

  async #mounts(name: string, service: ComposeService): Promise<string[]> {
    const uid = Number(service.user.split(':')[0])
    const args: string[] = []
    for (const place of service.tmpfs) args.push('--perms', '1777', '--tmpfs', place.split(':')[0] ?? '')
    for (const mount of service.volumes) {
      const [from = '', to = '', mode] = mount.split(':')
      args.push(mode === 'ro' ? '--ro-bind' : '--bind', await this.#source(name, from, to, uid), to)
    }
    for (const secret of service.secrets) {
      const path = this.file.secrets[secret]?.file ?? ''
      args.push('--ro-bind', isAbsolute(path) ? path : join(ROOT, path), `/run/secrets/${secret}`)
    }
    return args
  }

  /** The folder behind a mount; a named volume begins with the owner that the image gives it. */
  async #source(name: string, from: string, to: string, uid: number): Promise<string> {
    const other = this.#options.mounts[`${name}:${to}`]
    if (other !== undefined) return other
    if (from.startsWith('.')) return join(ROOT, from)
    if (isAbsolute(from)) return from
    const folder = join(this.#options.folder, from)
    if ((await mkdir(folder, { recursive: true })) !== undefined) await chown(folder, uid, uid)
    return folder
  }
}

/** What every image has, the image's own files where the Dockerfile puts them, and nothing that can be written. */
const SYSTEM = [
  '--die-with-parent --unshare-pid --as-pid-1 --info-fd 3 --clearenv',
  '--setenv PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  '--ro-bind /usr /usr --ro-bind /etc /etc --proc /proc --dev /dev',
  '--symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64',
  // Others than root must get through them.
  ...['/opt', '/srv', '/srv/smarthost', '/run', '/run/secrets'].map((path) => `--perms 0755 --dir ${path}`),
]
  .flatMap((line) => line.split(' '))
  .concat('--ro-bind', ROOT, '/opt/connectors')

/** The capabilities of a file cannot be had without an image: they are given to the process instead. */
function asUser({ user, cap_add: added, security_opt: options }: ComposeService): string[] {
  const [uid = '', gid = ''] = user.split(':')
  const capabilities = added.map((name) => `+${name.toLowerCase()}`).join(',')
  const only = ['-all', ...(capabilities === '' ? [] : [capabilities])].join(',')
  return [
    `setpriv --reuid ${uid} --regid ${gid} --clear-groups --inh-caps ${only} --bounding-set ${only}`,
    ...(capabilities === '' ? [] : [`--ambient-caps ${capabilities}`]),
    ...(options.includes('no-new-privileges:true') ? ['--no-new-privs'] : []),
  ].flatMap((line) => line.split(' '))
}

/** bubblewrap tells on a pipe which process it has put into the sandbox; it is read to its end, or bubblewrap would die. */
async function pidOf(child: ChildProcess): Promise<number | null> {
  let text = ''
  for await (const chunk of child.stdio[3] as Readable) text += String(chunk)
  const pid = /"child-pid": (\d+)/.exec(text)?.[1]
  return pid === undefined ? null : Number(pid)
}
