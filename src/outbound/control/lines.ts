/** Lines of JSON over a socket, bounded, one after the other. */

import type { Socket } from 'node:net'

/** What came is none of ours, or too much of it. */
export class BadLine extends Error {
  override readonly name = 'BadLine'
}

/**
 * @param socket where lines come from
 * @param longest the most octets of one
 * @returns each as JSON; a last one without its end is none
 * @throws BadLine, or what the socket failed with
 */
export async function* linesOf(socket: Socket, longest: number): AsyncGenerator {
  let parts: Buffer[] = []
  let held = 0
  for await (const chunk of socket) {
    let rest: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      if (held + end > longest) throw new BadLine(`a line is longer than ${longest} octets`)
      yield parsed(Buffer.concat([...parts, rest.subarray(0, end)]))
      parts = []
      held = 0
      rest = rest.subarray(end + 1)
    }
    held += rest.length
    if (held > longest) throw new BadLine(`a line is longer than ${longest} octets`)
    if (rest.length > 0) parts.push(rest)
  }
}

function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch {
    throw new BadLine('a line is no JSON')
  }
}

/**
 * @param socket where it goes
 * @param value what is said
 * @returns when there is room for more; at once when the other end is gone
 */
export function writeLine(socket: Socket, value: object): Promise<void> {
  if (socket.destroyed || socket.write(`${JSON.stringify(value)}\n`)) return Promise.resolve()
  return new Promise((resolve) => {
    const go = (): void => {
      socket.off('drain', go)
      socket.off('close', go)
      resolve()
    }
    socket.on('drain', go)
    socket.on('close', go)
  })
}
