/**
 * Debian's Exim 4 as the on-premises mail server: unpacked beside Postfix, which its package conflicts with, with a
 * configuration of its own, ended by its pid.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { atEnd, freePort } from './smarthost.ts'

/** .ci/run unpacks it there. */
export const EXIM = '/opt/connectors-exim/usr/sbin/exim4'

export interface Exim {
  readonly port: number
  /** Resolves with the first line of its log that matches, also one that was there before. */
  logged(pattern: RegExp): Promise<string>
}

export interface EximOptions {
  /** Lines for the three places of its configuration. */
  readonly main?: readonly string[]
  readonly routers: string
  readonly transports: string
}

/** Starts it in a folder, which gets its user, and waits until it takes connections. */
export async function startExim(t: TestContext, folder: string, options: EximOptions): Promise<Exim> {
  const { main = [], routers, transports } = options
  const [, uid, gid] = /^Debian-exim:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8')) ?? []
  const own = (path: string): Promise<void> => chown(path, Number(uid), Number(gid))
  await own(folder)
  const [spool, log] = [join(folder, 'spool'), join(folder, 'log')]
  for (const path of [spool, log]) {
    await mkdir(path)
    await own(path)
  }
  const port = await freePort()
  const config = join(folder, 'exim.conf')
  await writeFile(
    config,
    [
      `exim_path = ${EXIM}`,
      `spool_directory = ${spool}`,
      `log_file_path = ${join(log, '%slog')}`,
      `pid_file_path = ${join(folder, 'exim.pid')}`,
      'keep_environment =',
      'local_interfaces = 127.0.0.1',
      `daemon_smtp_ports = ${port}`,
      'acl_smtp_rcpt = accept',
      'acl_smtp_data = accept',
      'host_lookup =',
      'rfc1413_query_timeout = 0s',
      'tls_advertise_hosts =',
      // It gives up root for a configuration that Debian does not list, so deliveries cannot have it back.
      'deliver_drop_privilege',
      'never_users =',
      ...main,
      'begin routers',
      routers,
      'begin transports',
      transports,
      'begin retry',
      '* * F,1h,1s',
      '',
    ].join('\n'),
  )
  const child = spawn(EXIM, ['-C', config, '-bd', '-q1s', '-v'], { stdio: ['ignore', 'ignore', 'pipe'] })
  // Not until its pipes are closed: what it started may hold them a moment longer.
  const ended = once(child, 'exit')
  let text = ''
  const waiting = new Set<() => void>()
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    for (const look of waiting) look()
  })
  const logged = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        fail(`Exim did not log ${String(pattern)}`)
      }, 60_000)
      const fail = (why: string): void => {
        clearTimeout(timer)
        waiting.delete(look)
        reject(new Error(`${why}:\n${text}`))
      }
      const look = (): void => {
        const line = text.split('\n').find((entry) => pattern.test(entry))
        if (line === undefined) {
          if (child.exitCode !== null) fail(`Exim ended (${child.exitCode})`)
          return
        }
        clearTimeout(timer)
        waiting.delete(look)
        resolve(line)
      }
      waiting.add(look)
      child.once('exit', look)
      look()
    })
  atEnd(t, async () => {
    if (child.exitCode === null) child.kill('SIGTERM')
    await ended
  })
  await logged(/listening for SMTP/)
  return { port, logged }
}
