/** The demonstration's own server: a real instance in a temporary folder, ended and removed afterwards. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { initInstance } from '../instance/init.ts'

/** Longer than a start on a busy machine takes; nobody waits that long unless something is wrong. */
const PATIENCE_MILLISECONDS = 30_000

const CONNECTORCTL = fileURLToPath(new URL('../../bin/connectorctl.js', import.meta.url))

export class DemoServer {
  readonly folder: string
  readonly port: number
  readonly #child: ChildProcess
  readonly #listeners = new Set<() => void>()
  #text = ''
  #read = 0

  private constructor(folder: string, port: number, child: ChildProcess) {
    this.folder = folder
    this.port = port
    this.#child = child
    const collect = (chunk: Buffer): void => {
      this.#text += chunk.toString('utf8')
      for (const listener of this.#listeners) listener()
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    child.once('exit', () => {
      for (const listener of this.#listeners) listener()
    })
  }

  /**
   * @returns a server that listens
   * @throws with what it printed when it does not come up
   */
  static async start(): Promise<DemoServer> {
    const parent = await mkdtemp(join(tmpdir(), 'connectors-demo-'))
    try {
      const folder = join(parent, 'instance')
      const [smtp, sink] = await freePorts(2)
      if (smtp === undefined || sink === undefined) throw new Error('there is no free port')
      await initInstance(folder, {
        smtp: { host: '127.0.0.1', port: smtp },
        smtps: null,
        smartHost: null,
        workers: 0,
        hostname: 'smarthost.demonstration.invalid',
        user: null,
        group: null,
        demo: true,
        sink: { host: '127.0.0.1', port: sink },
      })
      const child = spawn(process.execPath, [CONNECTORCTL, 'start', '--instance', folder], {
        stdio: ['ignore', 'pipe', 'pipe'],
        // Ctrl-C is for the demonstration, which then stops its server.
        detached: true,
      })
      const server = new DemoServer(folder, smtp, child)
      await server.printed(/the smarthost is up/)
      return server
    } catch (error) {
      await rm(parent, { recursive: true, force: true })
      throw error
    }
  }

  /**
   * @param pattern what the server prints, after what was waited for before
   * @returns the match
   * @throws when it ends, or does not print that in time
   */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer)
        this.#listeners.delete(look)
        settle()
      }
      const fail = (why: string): void => {
        finish(() => {
          reject(new Error(`the demonstration's server ${why}:\n${this.#text}`))
        })
      }
      const look = (): void => {
        const match = pattern.exec(this.#text.slice(this.#read))
        if (match !== null) {
          this.#read += match.index + match[0].length
          finish(() => {
            resolve(match)
          })
        } else if (this.#child.exitCode !== null || this.#child.signalCode !== null) fail('ended')
      }
      const timer = setTimeout(() => {
        fail('did not answer in time')
      }, PATIENCE_MILLISECONDS)
      this.#listeners.add(look)
      look()
    })
  }

  /**
   * What an administrator does with an editor.
   * @param before a piece of config/organizations.yaml
   * @param after what stands there instead
   */
  async edit(before: string, after: string): Promise<void> {
    const path = join(this.folder, 'config', 'organizations.yaml')
    const text = await readFile(path, 'utf8')
    if (!text.includes(before)) throw new Error(`there is no ${before} in ${path}`)
    await writeFile(path, text.replace(before, after))
    await this.printed(/organizations\.yaml is in force/)
  }

  /** Stops the server and removes its folder. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM')
      await once(this.#child, 'exit')
    }
    await rm(join(this.folder, '..'), { recursive: true, force: true })
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.flatMap((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? [address.port] : []
  })
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}
