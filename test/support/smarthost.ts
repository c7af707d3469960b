/** A real smarthost for a test: an instance of its own in a temporary folder, on free loopback ports, ended by its pid. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'node:test'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const CONNECTORCTL = join(ROOT, 'bin', 'connectorctl.js')

/** Longer than any start on a busy machine; nothing waits for it but a failure. */
const START_MILLISECONDS = 60_000

/** Below the range that the system takes ports of outgoing connections from: it gives none of these away meanwhile. */
const [LOWEST_PORT, HIGHEST_PORT] = [12_000, 32_000]

/** @returns a TCP port of loopback that is free now */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => {
        resolve(false)
      })
      server.listen(port, host, () => {
        resolve(true)
      })
    })
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error('no port is free')
}

const ENDINGS = new WeakMap<TestContext, (() => unknown)[]>()

/**
 * Tidies up after a test, the newest first: a server ends before its folder goes. node's own hooks run the oldest
 * first, and stop at the first that fails.
 */
export function atEnd(t: TestContext, tidy: () => unknown): void {
  const known = ENDINGS.get(t)
  if (known !== undefined) {
    known.push(tidy)
    return
  }
  const endings = [tidy]
  ENDINGS.set(t, endings)
  t.after(async () => {
    for (const ending of endings.toReversed()) await ending()
  })
}

/** @returns a temporary folder that is gone after the test */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'connectors-'))
  atEnd(t, () => rm(folder, { recursive: true, force: true }))
  return folder
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs connectorctl to its end. */
export function connectorctl(...args: string[]): Promise<Finished> {
  return run(process.execPath, CONNECTORCTL, ...args)
}

/** Runs a program to its end. */
export function run(program: string, ...args: string[]): Promise<Finished> {
  return runWith({}, program, ...args)
}

/** Runs a program to its end, with more in its environment. */
export async function runWith(
  environment: Readonly<Record<string, string>>,
  program: string,
  ...args: string[]
): Promise<Finished> {
  const env = { ...process.env, ...environment }
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await once(child, 'close')
  return { code: child.exitCode, stdout, stderr }
}

export interface InstanceOptions {
  /** More flags of `connectorctl init`. */
  readonly flags?: readonly string[]
  /** `--demo` when not said otherwise. */
  readonly demo?: boolean
  /** Replaces config/organizations.yaml. */
  readonly organizations?: string
  /** Changes a file of config/ before the start, by its name. */
  readonly config?: Readonly<Record<string, (text: string) => string>>
  /** More files of config/, by their names. */
  readonly files?: Readonly<Record<string, string>>
  /** Where outgoing mail goes; the instance's own sink when not given. */
  readonly smartHost?: number
  readonly host?: string
  readonly smtp?: number
  readonly smtps?: number
}

export interface Instance {
  readonly folder: string
  readonly host: string
  readonly smtp: number
  readonly smtps: number
  readonly sink: number
  /** A file under config/. */
  readonly path: (...names: string[]) => string
}

/** What stands for the ports in a mould. */
const PORTS = { smtp: '64901', smtps: '64902', sink: '64903', smartHost: '64904' } as const

/** Instances that were made by `connectorctl init` once in this process: their keys take seconds, a copy does not. */
const moulds = new Map<string, Promise<string>>()
const mouldFolders: string[] = []

process.once('exit', () => {
  for (const folder of mouldFolders) rmSync(folder, { recursive: true, force: true })
})

function mouldOf({ demo, flags = [], host = '127.0.0.1', smartHost }: InstanceOptions): Promise<string> {
  const words = [
    '--smtp',
    `${host}:${PORTS.smtp}`,
    '--smtps',
    `${host}:${PORTS.smtps}`,
    '--hostname',
    'smarthost.test',
    ...(demo === false ? [] : ['--demo', '--sink', `127.0.0.1:${PORTS.sink}`]),
    ...(smartHost === undefined ? [] : ['--smart-host', `127.0.0.1:${PORTS.smartHost}`]),
    ...flags,
  ]
  const key = JSON.stringify(words)
  const made = moulds.get(key) ?? makeMould(words)
  moulds.set(key, made)
  return made
}

async function makeMould(words: readonly string[]): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'connectors-mould-'))
  mouldFolders.push(parent)
  const folder = join(parent, 'instance')
  const { code, stderr } = await connectorctl('init', folder, ...words)
  if (code !== 0) throw new Error(`init failed: ${stderr}`)
  return folder
}

/** Makes an instance, not started yet. */
export async function makeInstance(t: TestContext, options: InstanceOptions = {}): Promise<Instance> {
  const parent = await temporaryFolder(t)
  const folder = join(parent, 'instance')
  const host = options.host ?? '127.0.0.1'
  const smtp = options.smtp ?? (await freePort(host))
  const smtps = options.smtps ?? (await freePort(host))
  const sink = await freePort()
  await cp(await mouldOf(options), folder, { recursive: true, preserveTimestamps: true })
  const path = (...names: string[]): string => join(folder, 'config', ...names)
  for (const name of ['smtp.ini', 'connectors.ini']) {
    const text = await readFile(path(name), 'utf8')
    await writeFile(
      path(name),
      text
        .replaceAll(PORTS.smtp, String(smtp))
        .replaceAll(PORTS.smtps, String(smtps))
        .replaceAll(PORTS.sink, String(sink))
        .replaceAll(PORTS.smartHost, String(options.smartHost ?? 0)),
    )
  }
  if (options.organizations !== undefined) await writeFile(path('organizations.yaml'), options.organizations)
  for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(path(name), text)
  for (const [name, change] of Object.entries(options.config ?? {})) {
    await writeFile(path(name), change(await readFile(path(name), 'utf8')))
  }
  return { folder, host, smtp, smtps, sink, path }
}

export interface Smarthost extends Instance {
  readonly process: ChildProcess
  /** Everything it printed so far: its log. */
  output(): string
  /** Resolves when the output holds the text or matches the pattern; rejects when the process ends before. */
  printed(pattern: string | RegExp): Promise<string>
  /** SIGTERM (or another signal), and its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface StartOptions {
  /** KiB that one file may have: beyond it writing fails, as on a full disk. */
  readonly largestFile?: number
}

/** Starts an instance and waits until it listens. */
export async function startInstance(
  t: TestContext,
  instance: Instance,
  { largestFile }: StartOptions = {},
): Promise<Smarthost> {
  const command = [process.execPath, CONNECTORCTL, 'start', '--instance', instance.folder]
  const limited = ['bash', '-c', `ulimit -f ${largestFile ?? 0}; exec "$@"`, 'bash', ...command]
  const [program = '', ...args] = largestFile === undefined ? command : limited
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const waiting = new Set<() => void>()
  const collect = (chunk: Buffer): void => {
    text += chunk.toString()
    for (const check of waiting) check()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = once(child, 'close')
  ended.then(
    () => {
      for (const check of waiting) check()
    },
    () => undefined,
  )

  const printed = (pattern: string | RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        fail(`not printed in time: ${String(pattern)}`)
      }, START_MILLISECONDS)
      const fail = (why: string): void => {
        clearTimeout(timer)
        waiting.delete(check)
        reject(new Error(`${why}\n${text}`))
      }
      const check = (): void => {
        const match =
          typeof pattern === 'string' ? (text.includes(pattern) ? pattern : null) : pattern.exec(text)?.[0]
        if (match !== null && match !== undefined) {
          clearTimeout(timer)
          waiting.delete(check)
          resolve(match)
        } else if (child.exitCode !== null || child.signalCode !== null) {
          fail(
            `the smarthost ended (${child.exitCode ?? child.signalCode ?? ''}) before it printed ${String(pattern)}`,
          )
        }
      }
      waiting.add(check)
      check()
    })

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await ended
    }
    return child.exitCode
  }
  atEnd(t, () => stop('SIGKILL'))
  await printed('the smarthost is up')
  return { ...instance, process: child, output: () => text, printed, stop }
}

/** Makes an instance and starts it. */
export async function startSmarthost(t: TestContext, options: InstanceOptions = {}): Promise<Smarthost> {
  return startInstance(t, await makeInstance(t, options))
}
