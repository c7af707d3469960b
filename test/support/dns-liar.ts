/** A name server of a test that sends whatever octets the test makes up, over UDP and TCP. */

import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { atEnd, freePort } from './smarthost.ts'

export const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28 } as const

export const FLAGS = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080 } as const
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const

export interface LiarQuery {
  readonly id: number
  readonly name: string
  readonly type: number
  /** Name, type and class as they stand in the query. */
  readonly question: Buffer
  readonly transport: 'udp' | 'tcp'
  readonly edns: boolean
  readonly recursionDesired: boolean
}

export interface LiarReplies {
  /** To whoever asked. */
  readonly send: (bytes: Buffer) => void
  /** UDP only: from another port of the same address; then what is to come after it. */
  readonly sendFromElsewhere: (bytes: Buffer, then: () => void) => void
  /** TCP only: octets without a length. */
  readonly sendRaw: (bytes: Buffer) => void
  /** TCP only. */
  readonly close: () => void
}

/** What is done with a query; nothing is sent unless it does. */
export type Lie = (query: LiarQuery, replies: LiarReplies) => void

export interface Liar {
  readonly address: string
  readonly port: number
  /** What was asked, in order. */
  readonly queries: readonly LiarQuery[]
}

/**
 * @param t the test
 * @param lie what it does
 * @param at where it listens; a port of its own on 127.0.0.1 when left out
 * @param tcp whether it listens on TCP as well
 */
export async function startLiar(
  t: TestContext,
  lie: Lie,
  at: { readonly address?: string; readonly port?: number; readonly tcp?: boolean } = {},
): Promise<Liar> {
  const { address = '127.0.0.1', tcp = true } = at
  const port = at.port ?? (await freePort(address))
  const queries: LiarQuery[] = []
  const udp = createSocket('udp4')
  udp.bind(port, address)
  await once(udp, 'listening')
  atEnd(t, () => udp.close())
  udp.on('message', (bytes, peer) => {
    const query = readQuery(bytes, 'udp')
    queries.push(query)
    lie(query, udpReplies(udp, peer))
  })
  if (tcp) {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('data', (bytes) => {
        const query = readQuery(bytes.subarray(2), 'tcp')
        queries.push(query)
        lie(query, tcpReplies(socket))
      })
    })
    server.listen(port, address)
    await once(server, 'listening')
    atEnd(t, () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
  }
  return { address, port, queries }
}

function readQuery(bytes: Buffer, transport: LiarQuery['transport']): LiarQuery {
  const labels: string[] = []
  let at = 12
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return {
    id: bytes.readUInt16BE(0),
    name: labels.join('.'),
    type: bytes.readUInt16BE(at + 1),
    question: Buffer.from(bytes.subarray(12, at + 5)),
    transport,
    edns: bytes.readUInt16BE(10) > 0,
    recursionDesired: (bytes.readUInt16BE(2) & FLAGS.RD) !== 0,
  }
}

function udpReplies(udp: UdpSocket, peer: RemoteInfo): LiarReplies {
  const never = (): void => {
    throw new Error('TCP only')
  }
  return {
    send: (bytes) => {
      udp.send(bytes, peer.port, peer.address)
    },
    sendFromElsewhere: (bytes, then) => {
      const other = createSocket('udp4')
      other.send(bytes, peer.port, peer.address, () => {
        other.close()
        then()
      })
    },
    sendRaw: never,
    close: never,
  }
}

function tcpReplies(socket: Socket): LiarReplies {
  return {
    send: (bytes) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(bytes.length)
      socket.write(Buffer.concat([length, bytes]))
    },
    sendFromElsewhere: () => {
      throw new Error('UDP only')
    },
    sendRaw: (bytes) => {
      socket.write(bytes)
    },
    close: () => {
      socket.destroy()
    },
  }
}

export interface LiarMessage {
  readonly id?: number
  /** QR and AA when left out. */
  readonly flags?: number
  readonly rcode?: number
  /** As it stands on the wire; null for none. */
  readonly question?: Buffer | null
  readonly answers?: readonly Buffer[]
  readonly authorities?: readonly Buffer[]
  /** Numbers of records that are promised, where others than are sent. */
  readonly counts?: readonly [answers: number, authorities: number, additionals: number]
}

/** An answer to a query, or what looks like one. */
export function reply(query: Pick<LiarQuery, 'id' | 'question'>, message: LiarMessage = {}): Buffer {
  const { answers = [], authorities = [], flags = FLAGS.QR | FLAGS.AA, rcode = 0 } = message
  const question = message.question === undefined ? query.question : message.question
  const counts = message.counts ?? [answers.length, authorities.length, 0]
  const header = Buffer.alloc(12)
  header.writeUInt16BE(message.id ?? query.id, 0)
  header.writeUInt16BE(flags | rcode, 2)
  header.writeUInt16BE(question === null ? 0 : 1, 4)
  for (const [index, count] of counts.entries()) header.writeUInt16BE(count, 6 + 2 * index)
  return Buffer.concat([header, question ?? Buffer.alloc(0), ...answers, ...authorities])
}

/** A name on the wire, uncompressed. */
export function wireName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.')
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')])),
    Buffer.of(0),
  ])
}

/** A record of class IN. */
export function record(name: string | Buffer, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(60, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([typeof name === 'string' ? wireName(name) : name, fixed, data])
}

/** A TXT record of strings of at most 255 octets. */
export function txt(name: string, ...strings: string[]): Buffer {
  const parts = strings.map((text) => Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]))
  return record(name, TYPE.TXT, Buffer.concat(parts))
}

/** A CNAME, NS or PTR record. */
export function pointing(name: string, type: number, target: string): Buffer {
  return record(name, type, wireName(target))
}

/** An A record. */
export function a(name: string, address: string): Buffer {
  return record(name, TYPE.A, Buffer.from(address.split('.').map(Number)))
}
