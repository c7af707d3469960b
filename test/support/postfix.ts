/** Debian's Postfix as the on-premises mail server: an instance of its own, ended by its pid. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { atEnd, freePort, temporaryFolder } from './smarthost.ts'

export interface Postfix {
  readonly port: number
  /** Resolves with the first line of its log that matches, also one that was there before. */
  logged(pattern: RegExp): Promise<string>
}

export interface PostfixOptions {
  /** main.cf lines beside those that make the instance. */
  readonly main: readonly string[]
}

const SERVICES = `
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

/** Starts it and waits until it takes connections. */
export async function startPostfix(t: TestContext, { main }: PostfixOptions): Promise<Postfix> {
  const folder = await temporaryFolder(t)
  // Its daemons run as postfix and have to get in.
  await chmod(folder, 0o755)
  const [conf, queue, data] = ['conf', 'queue', 'data'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const path of [conf, queue, data]) await mkdir(path, { mode: 0o755 })
  const user = /^postfix:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'))
  await chown(data, Number(user?.[1]), Number(user?.[2]))
  const port = await freePort()
  await writeFile(
    join(conf, 'main.cf'),
    [
      'compatibility_level = 3.6',
      `queue_directory = ${queue}`,
      `data_directory = ${data}`,
      'command_directory = /usr/sbin',
      'daemon_directory = /usr/lib/postfix/sbin',
      'mail_owner = postfix',
      'setgid_group = postdrop',
      'inet_interfaces = 127.0.0.1',
      'inet_protocols = ipv4',
      'maillog_file = /dev/stdout',
      'alias_maps =',
      'alias_database =',
      'mynetworks = 127.0.0.0/8',
      'biff = no',
      ...main,
      '',
    ].join('\n'),
  )
  await writeFile(join(conf, 'master.cf'), `127.0.0.1:${port} inet n - n - - smtpd${SERVICES}`)
  // Node's pipes are sockets, and those cannot be opened as /dev/stdout: bash makes a pipe of the kernel's.
  const child = spawn(
    'bash',
    ['-c', 'exec 3> >(cat); exec /usr/sbin/postfix -c "$1" start-fg >&3 2>&3', 'bash', conf],
    // Postfix signals its whole process group when it ends.
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  )
  let text = ''
  const listeners = new Set<() => void>()
  const collect = (chunk: Buffer): void => {
    text += chunk.toString()
    for (const listener of listeners) listener()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = once(child, 'exit')
  const logged = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        listeners.delete(look)
        reject(new Error(`Postfix did not log ${String(pattern)}:\n${text}`))
      }, 60_000)
      const look = (): void => {
        const line = text.split('\n').find((entry) => pattern.test(entry))
        if (line === undefined) return
        clearTimeout(timer)
        listeners.delete(look)
        resolve(line)
      }
      listeners.add(look)
      look()
    })
  const stop = async (pid: number | undefined): Promise<void> => {
    if (pid !== undefined) process.kill(pid, 'SIGTERM')
    await ended
  }
  // What was started is a script; the server's own pid is in its log.
  const started = await logged(/daemon started/).catch(async (error: unknown) => {
    await stop(child.pid)
    throw error
  })
  const master = Number(/postfix\/master\[(\d+)\]/.exec(started)?.[1])
  atEnd(t, () => stop(master))
  return { port, logged }
}
