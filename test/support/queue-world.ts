/** An instance whose queue two living processes and a dead one have; nothing in it is ever delivered. */

import { mkdir, writeFile } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { serveControl } from '../../src/outbound/control/serve.ts'
import { newOwnerName, socketName } from '../../src/outbound/control/socket.ts'
import { openSpool } from '../../src/outbound/spool/spool.ts'
import type { QueueControl, QueuedMessage } from '../../src/outbound/types.ts'
import { MemoryControl } from './queued.ts'
import { atEnd, temporaryFolder } from './smarthost.ts'

export interface QueueWorld {
  readonly folder: string
  readonly queue: string
}

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** As far as queue commands look into an instance. */
export async function emptyQueue(t: TestContext): Promise<QueueWorld> {
  const folder = join(await temporaryFolder(t), 'instance')
  const queue = join(folder, 'queue')
  await mkdir(join(folder, 'config'), { recursive: true })
  await mkdir(queue, { mode: 0o700 })
  await writeFile(join(folder, 'config', 'smtp.ini'), '')
  await writeFile(join(folder, 'config', 'me'), 'smarthost.test\n')
  return { folder, queue }
}

/** A process, as far as its socket and its folder go. */
export async function livingOwner(
  t: TestContext,
  { queue }: QueueWorld,
  messages: readonly QueuedMessage[],
): Promise<MemoryControl> {
  const owner = newOwnerName()
  const control = new MemoryControl(owner, messages)
  await ownerWith(t, queue, owner, control)
  return control
}

export async function ownerWith(
  t: TestContext,
  queue: string,
  owner: string,
  control: QueueControl,
): Promise<void> {
  const listening = await serveControl({
    queue,
    owner,
    control,
    log: {
      warn: (message) => {
        throw new Error(message)
      },
    },
  })
  atEnd(t, () => listening.close())
  await mkdir(join(queue, owner), { mode: 0o700 })
}

/** A process that accepts connections, and does with them what a test wants. */
export async function strangeOwner(
  t: TestContext,
  { queue }: QueueWorld,
  accept: (socket: Socket) => void,
): Promise<string> {
  const owner = newOwnerName()
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    accept(socket)
  })
  await new Promise<void>((resolve) => server.listen(join(queue, socketName(owner)), resolve))
  atEnd(t, () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await mkdir(join(queue, owner), { mode: 0o700 })
  return owner
}

/** The folder of a process that has ended. */
export async function deadOwner(
  { queue }: QueueWorld,
  messages: readonly (readonly [message: QueuedMessage, content: string])[],
): Promise<string> {
  const owner = newOwnerName()
  const spool = await openSpool({ queue, owner, isAlive: () => Promise.resolve(true), log: QUIET })
  for (const [message, content] of messages) {
    const stored = await spool.store(message.envelope, Buffer.from(content))
    await spool.saveState(stored, message.state, true)
  }
  await spool.close()
  return owner
}
