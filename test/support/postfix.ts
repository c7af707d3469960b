/** Debian's Postfix as the on-premises mail server, or as a next hop: an instance of its own, ended by its pid. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { atEnd, freePort, temporaryFolder } from './smarthost.ts'

export interface Postfix {
  readonly port: number
  /** Of the listeners, in their order. */
  readonly ports: readonly number[]
  /** Resolves with the first line of its log that matches, also one that was there before. */
  readonly logged: (pattern: RegExp) => Promise<string>
  /** The same with the first so many lines. */
  readonly loggedTimes: (pattern: RegExp, count: number) => Promise<readonly string[]>
  /** What was delivered to the mailbox so far, as it stands there. */
  readonly delivered: () => Promise<readonly string[]>
}

export interface PostfixOptions {
  /** main.cf lines beside those that make the instance. */
  readonly main: readonly string[]
  /** A domain whose mail is kept, whoever it is for; none when not given. */
  readonly mailboxOf?: string
  /** More listeners, each with main.cf lines of its own. */
  readonly listeners?: readonly (readonly string[])[]
}

/** Mailboxes are written as nobody. */
const NOBODY = 65_534

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
export async function startPostfix(
  t: TestContext,
  { listeners = [], main, mailboxOf }: PostfixOptions,
): Promise<Postfix> {
  const folder = await temporaryFolder(t)
  // Its daemons run as postfix and have to get in.
  await chmod(folder, 0o755)
  const [conf, queue, data, mail] = ['conf', 'queue', 'data', 'mail'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  for (const path of [conf, queue, data, mail]) await mkdir(path, { mode: 0o755 })
  const user = /^postfix:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'))
  await chown(data, Number(user?.[1]), Number(user?.[2]))
  await chown(mail, NOBODY, NOBODY)
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
      ...(mailboxOf === undefined ? [] : mailbox(mailboxOf, mail)),
      ...main,
      '',
    ].join('\n'),
  )
  const ports: number[] = []
  let services = `127.0.0.1:${port} inet n - n - - smtpd\n`
  for (const lines of listeners) {
    const own = await freePort()
    ports.push(own)
    services += `127.0.0.1:${own} inet n - n - - smtpd${lines.map((line) => ` -o { ${line} }`).join('')}\n`
  }
  await writeFile(join(conf, 'master.cf'), `${services}${SERVICES.trimStart()}`)
  // Node's pipes are sockets, and those cannot be opened as /dev/stdout: bash makes a pipe of the kernel's.
  const child = spawn(
    'bash',
    ['-c', 'exec 3> >(cat); exec /usr/sbin/postfix -c "$1" start-fg >&3 2>&3', 'bash', conf],
    // Postfix signals its whole process group when it ends.
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  )
  let text = ''
  const looking = new Set<() => void>()
  const collect = (chunk: Buffer): void => {
    text += chunk.toString()
    for (const look of looking) look()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = once(child, 'exit')
  const loggedTimes = (pattern: RegExp, count: number): Promise<readonly string[]> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        looking.delete(look)
        reject(new Error(`Postfix did not log ${String(pattern)}:\n${text}`))
      }, 60_000)
      const look = (): void => {
        const found = text.split('\n').filter((entry) => pattern.test(entry))
        if (found.length < count) return
        clearTimeout(timer)
        looking.delete(look)
        resolve(found.slice(0, count))
      }
      looking.add(look)
      look()
    })
  const logged = async (pattern: RegExp): Promise<string> => {
    const [line = ''] = await loggedTimes(pattern, 1)
    return line
  }
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
  const delivered = async (): Promise<readonly string[]> => {
    const box = join(mail, 'box', 'new')
    const names = await readdir(box).catch(() => [])
    return Promise.all(names.map((name) => readFile(join(box, name), 'latin1')))
  }
  return { port, ports, logged, loggedTimes, delivered }
}

function mailbox(domain: string, folder: string): string[] {
  return [
    `virtual_mailbox_domains = ${domain}`,
    `virtual_mailbox_base = ${folder}`,
    'virtual_mailbox_maps = static:box/',
    `virtual_uid_maps = static:${NOBODY}`,
    `virtual_gid_maps = static:${NOBODY}`,
    'mydestination =',
  ]
}
