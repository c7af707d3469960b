/**
 * The socket beside an owner's folder, `queue/<owner>.sock`: as long as it accepts connections, its process lives and the
 * folder is its own. The kernel ends that with the process, however it ends; a process id in a file could be another's.
 */

import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:fs'
import { chmod, mkdir, open, rm } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'

/** What sun_path takes with its end on every Unix (Linux: 108 octets, BSD and macOS: 104). */
const LONGEST_PATH = 103

const SUFFIX = '.sock'

/** Somebody who has so many connections open does not ask for queues. */
const MOST_CONNECTIONS = 64

/** @returns a name for this process's folder that none before it had: [a-z0-9-] */
export function newOwnerName(): string {
  return `${process.pid}-${randomBytes(6).toString('hex')}`
}

/**
 * @param owner the name of an owner's folder
 * @returns the name of its socket, beside the folder
 */
export function socketName(owner: string): string {
  return `${owner}${SUFFIX}`
}

/** A path that sun_path has room for, good as long as it is not let go. */
interface ShortPath {
  readonly path: string
  release(): Promise<void>
}

/**
 * An instance may stand in a folder with a long name. On Linux an opened folder has a short one.
 * @throws where that is not Linux, with what to do
 */
async function shortPath(queue: string, owner: string): Promise<ShortPath> {
  const path = join(queue, socketName(owner))
  if (Buffer.byteLength(path) <= LONGEST_PATH) return { path, release: () => Promise.resolve() }
  if (process.platform !== 'linux') {
    throw new Error(`the path ${path} is too long for a socket: at most ${LONGEST_PATH} octets`)
  }
  const folder: FileHandle = await open(queue, constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${folder.fd}/${socketName(owner)}`, release: () => folder.close() }
}

/** A socket that accepts connections. */
export interface Listening {
  /** Ends all connections, and removes the socket. */
  close(): Promise<void>
}

/**
 * Must be there before the owner's folder is: a folder without a living socket is anybody's.
 * @param queue the queue's folder; made, 0700, where it is missing
 * @param owner a name that `newOwnerName` made
 * @param accept given each connection; only this user and root can connect
 * @returns when connections are accepted
 * @throws when the socket cannot be made
 */
export async function listen(
  queue: string,
  owner: string,
  accept: (socket: Socket) => void,
): Promise<Listening> {
  await mkdir(queue, { recursive: true, mode: 0o700 })
  const short = await shortPath(queue, owner)
  const open = new Set<Socket>()
  // A client that is done writing still reads.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    accept(socket)
  })
  server.maxConnections = MOST_CONNECTIONS
  try {
    await begin(server, short.path)
    await chmod(short.path, 0o600)
  } catch (error) {
    await end(server)
    await short.release()
    throw error
  }
  return {
    close: async () => {
      const ended = end(server)
      for (const socket of open) socket.destroy()
      await ended
      await short.release()
    },
  }
}

/** exclusive: a cluster's worker would otherwise let the master listen, which outlives it. */
function begin(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject)
      // Too many open files at one connection are no reason to end the process.
      server.on('error', () => undefined)
      resolve()
    })
  })
}

/** Node removes the socket's file, by the path by which it was made. */
function end(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
  })
}

/**
 * @param queue the queue's folder
 * @param owner the name of an owner's folder
 * @returns a connection to its process; null when there is none
 * @throws when it cannot be told, e.g. for want of rights
 */
export async function reach(queue: string, owner: string): Promise<Socket | null> {
  let short: ShortPath
  try {
    short = await shortPath(queue, owner)
  } catch (error) {
    if (isNobody(error)) return null
    throw error
  }
  try {
    return await opened(short.path)
  } catch (error) {
    if (isNobody(error)) return null
    throw error
  } finally {
    await short.release()
  }
}

function opened(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/** Nothing else says that the process is gone: a full backlog (EAGAIN) and missing rights do not. */
function isNobody(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ECONNREFUSED'
}

/**
 * @param queue the queue's folder
 * @param owner the name of an owner's folder
 * @returns whether its process lives; true where that cannot be told, since what is taken from a living process is
 *   delivered twice
 */
export async function isAlive(queue: string, owner: string): Promise<boolean> {
  try {
    const socket = await reach(queue, owner)
    socket?.on('error', () => undefined)
    socket?.destroy()
    return socket !== null
  } catch {
    return true
  }
}

/**
 * For whoever has taken over what a dead process left.
 * @param queue the queue's folder
 * @param owner the dead owner
 */
export async function removeSocket(queue: string, owner: string): Promise<void> {
  await rm(join(queue, socketName(owner)), { force: true })
}
