/**
 * Runs Haraka in this process. Haraka reads its folder from the environment while its modules load, so it is only
 * required here, after the folder is set. Loaded by `require`, as its plugins are: both then share one copy of every
 * module.
 */

import cluster from 'node:cluster'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readHarakaConfig } from '../instance/haraka-config.ts'
import { readSettings } from '../instance/settings.ts'
import type { StopTimes } from './lifecycle.ts'
import { stopGracefully } from './lifecycle.ts'
import { gatherOutput } from './log-output.ts'
import type { ServerModule } from './types.ts'

/** What a worker may take beyond its times before it is killed: to write what it has begun to write. */
const WORKER_PATIENCE = 10_000

interface WorkerMessage {
  readonly connectors: 'ready' | 'stop' | 'cannot-listen'
  readonly why?: string
}

export interface HostEvents {
  /** Called once, when every process listens. */
  readonly ready: () => void
  /** Called when it cannot go on; the process ends with exit code 1 afterwards. */
  readonly failed: (why: string) => void
  /** Called once, when everything has stopped; the process ends with exit code 0 afterwards. */
  readonly stopped: () => void
}

/**
 * Starts Haraka in the folder and stays until a signal ends it.
 * @param instance the Haraka folder (config/, queue/, data/)
 * @param workerEntry the script that workers run, in cluster mode
 * @param events told of the start and the end
 */
export function runHaraka(instance: string, workerEntry: string, events: HostEvents): void {
  const server = loadHaraka(instance)
  if (cluster.isPrimary) cluster.setupPrimary({ exec: workerEntry, args: [], silent: false })
  const workers = Number(server.cfg.main.nodes === 'cpus' ? 1 : (server.cfg.main.nodes ?? 0))

  if (workers === 0) announceSingle(server, events)
  else announceCluster(server, events)
  endOnUnhandledErrors(events.failed)
  startHaraka()

  onStopSignal(() => {
    const times = stopTimes(instance)
    const stopped = workers === 0 ? stopGracefully(server, times) : stopWorkers(times)
    void stopped.then(() => {
      events.stopped()
      process.exit(0)
    })
  })
}

/** A worker of cluster mode: the script that `workerEntry` names calls this. */
export function runWorker(instance: string): void {
  const server = loadHaraka(instance)
  const respond = server.init_child_respond.bind(server)
  server.init_child_respond = (code, message) => {
    if (isFine(code)) tell({ connectors: 'ready' })
    else tell({ connectors: 'cannot-listen', why: String(message) })
    return respond(code, message)
  }
  endOnUnhandledErrors((why) => {
    tell({ connectors: 'cannot-listen', why })
  })
  startHaraka()

  const stop = (): void => {
    void stopGracefully(server, stopTimes(instance)).then(() => process.exit(0))
  }
  // Ctrl-C reaches every process of the terminal; the master says when to stop.
  process.removeAllListeners('SIGINT')
  process.on('SIGINT', () => undefined)
  process.once('SIGTERM', stop)
  process.on('message', (message) => {
    if (isWorkerMessage(message) && message.connectors === 'stop') stop()
  })
}

/** Read when it is needed: what stands in the file now is what the operator wants. */
function stopTimes(instance: string): StopTimes {
  const { drain, grace } = readSettings(instance).settings.shutdown
  const told = readHarakaConfig(instance).proxies.length > 0
  return { drainMilliseconds: told ? drain * 1000 : 0, graceMilliseconds: grace * 1000 }
}

function tell(message: WorkerMessage): void {
  process.send?.(message)
}

function loadHaraka(instance: string): ServerModule {
  gatherOutput(process.stdout)
  process.env['HARAKA'] = instance
  const require = createRequire(import.meta.url)
  findBundledPlugins(require('Haraka/plugins.js') as PluginsModule)
  return require('Haraka/server.js') as ServerModule
}

interface PluginsModule {
  readonly Plugin: {
    readonly prototype: {
      _get_plugin_path(this: { name: string; plugin_path?: string; hasPackageJson: boolean }): void
    }
  }
}

/** An instance names our plugins; they stand here, not in its folder. What it has of its own comes first. */
function findBundledPlugins({ Plugin: { prototype } }: PluginsModule): void {
  const find = prototype._get_plugin_path
  const folder = fileURLToPath(new URL('../../plugins/', import.meta.url))
  prototype._get_plugin_path = function () {
    find.call(this)
    const path = join(folder, this.name.replace(/^connectors\/plugins\//, ''), 'package.json')
    if (this.plugin_path !== undefined || !existsSync(path)) return
    this.plugin_path = path
    this.hasPackageJson = true
  }
}

function startHaraka(): void {
  createRequire(import.meta.url)('Haraka/haraka.js')
}

function announceSingle(server: ServerModule, events: HostEvents): void {
  const respond = server.init_master_respond.bind(server)
  server.init_master_respond = (code, message) => {
    if (isFine(code)) events.ready()
    else events.failed(String(message))
    return respond(code, message)
  }
}

function announceCluster(server: ServerModule, events: HostEvents): void {
  const ready = new Set<number>()
  let announced = false
  cluster.on('message', (worker, message: unknown) => {
    if (!isWorkerMessage(message)) return
    if (message.connectors === 'cannot-listen' && !announced) {
      events.failed(message.why ?? '')
      process.exit(1)
    }
    if (message.connectors === 'ready') ready.add(worker.id)
    if (announced || ready.size < Object.keys(cluster.workers ?? {}).length) return
    announced = true
    events.ready()
  })
  const respond = server.init_master_respond.bind(server)
  server.init_master_respond = (code, message) => {
    if (!isFine(code)) events.failed(String(message))
    return respond(code, message)
  }
}

/** haraka-constants: cont and ok; a hook that nobody registered answers with nothing. */
function isFine(code: number | undefined): boolean {
  return code === undefined || code === 900 || code === 906
}

/** Haraka awaits nobody when it binds its ports, so a port in use comes up here. */
function endOnUnhandledErrors(failed: (why: string) => void): void {
  process.on('unhandledRejection', (reason) => {
    const error = reason instanceof Error ? reason : new Error(String(reason))
    const { code, syscall, address, port } = error as NodeJS.ErrnoException & {
      address?: string
      port?: number
    }
    if (syscall === 'listen' || syscall === 'bind') {
      failed(`cannot listen on ${address ?? '?'}:${port ?? '?'}: ${code ?? error.message}`)
    } else failed(error.stack ?? error.message)
    // Let the message out before the end, also over the channel to the master.
    setImmediate(() => process.exit(1))
  })
}

function onStopSignal(stop: () => void): void {
  process.removeAllListeners('SIGINT')
  process.removeAllListeners('SIGTERM')
  let asked = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // Who asks twice does not want to wait: what is queued is on disk.
      if (asked) process.exit(0)
      asked = true
      stop()
    })
  }
}

async function stopWorkers({ drainMilliseconds, graceMilliseconds }: StopTimes): Promise<void> {
  cluster.removeAllListeners('exit')
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
  const ended = workers.map(
    (worker) =>
      new Promise<void>((resolve) => {
        if (worker.isDead()) resolve()
        const patience = drainMilliseconds + graceMilliseconds + WORKER_PATIENCE
        const killer = setTimeout(() => worker.process.kill('SIGKILL'), patience)
        worker.once('exit', () => {
          clearTimeout(killer)
          resolve()
        })
      }),
  )
  for (const worker of workers) {
    if (worker.isConnected()) worker.send({ connectors: 'stop' } satisfies WorkerMessage)
  }
  await Promise.all(ended)
}

function isWorkerMessage(message: unknown): message is WorkerMessage {
  return typeof message === 'object' && message !== null && 'connectors' in message
}
