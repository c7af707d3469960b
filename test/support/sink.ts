/** The other end: a real SMTP server on loopback that keeps every message byte for byte. */

import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { atEnd } from './smarthost.ts'

export interface Arrived {
  readonly from: string
  readonly to: readonly string[]
  /** The parameters of MAIL FROM. */
  readonly parameters: string
  /** As it came over the wire, without dot-stuffing. */
  readonly message: Buffer
}

export interface TestSink {
  readonly port: number
  readonly arrived: readonly Arrived[]
  /** The first message that fits, also one that comes later. */
  message(fits: (message: Arrived) => boolean): Promise<Arrived>
  close(): Promise<void>
}

/** Written here and not with a library: a library would parse, and what is compared are bytes. */
export async function startTestSink(t: TestContext, port = 0): Promise<TestSink> {
  const arrived: Arrived[] = []
  const waiting = new Set<() => void>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    const say = (line: string): void => {
      socket.write(`${line}\r\n`)
    }
    let chunks: Buffer[] = []
    let text = Buffer.alloc(0)
    let tail = Buffer.alloc(0)
    let inData = false
    let from = ''
    let parameters = ''
    let to: string[] = []
    const finish = (): void => {
      const whole = Buffer.concat(chunks)
      const end = whole.equals(Buffer.from('.\r\n')) ? 0 : whole.indexOf('\r\n.\r\n') + 2
      const message = Buffer.from(whole.subarray(0, end).toString('latin1').replaceAll(/^\./gm, ''), 'latin1')
      arrived.push({ from, to, parameters, message })
      chunks = []
      inData = false
      say('250 2.0.0 kept')
      for (const check of waiting) check()
    }
    const command = (line: string): void => {
      const verb = line.slice(0, 4).toUpperCase()
      if (verb === 'EHLO') say('250-sink.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 104857600')
      else if (verb === 'MAIL') {
        const match = /^MAIL FROM:<([^>]*)>(.*)$/i.exec(line)
        from = match?.[1] ?? ''
        parameters = (match?.[2] ?? '').trim()
        to = []
        say('250 ok')
      } else if (verb === 'RCPT') {
        to.push(/<([^>]*)>/.exec(line)?.[1] ?? '')
        say('250 ok')
      } else if (verb === 'DATA') {
        inData = true
        tail = Buffer.alloc(0)
        say('354 go on')
      } else if (verb === 'QUIT') {
        say('221 bye')
        socket.end()
      } else say('250 ok')
    }
    say('220 sink.test ESMTP')
    socket.on('data', (chunk: Buffer) => {
      let rest = chunk
      if (!inData) {
        text = Buffer.concat([text, chunk])
        for (let end = text.indexOf('\n'); end !== -1 && !inData; end = text.indexOf('\n')) {
          const line = text.subarray(0, end).toString('utf8').trimEnd()
          text = text.subarray(end + 1)
          command(line)
        }
        if (!inData || text.length === 0) return
        rest = text
        text = Buffer.alloc(0)
      }
      chunks.push(rest)
      tail = Buffer.concat([tail, rest]).subarray(-5)
      if (
        tail.toString('latin1') === '\r\n.\r\n' ||
        (chunks.length === 1 && rest.equals(Buffer.from('.\r\n')))
      )
        finish()
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    for (const socket of sockets) socket.destroy()
    await once(server, 'close')
  }
  atEnd(t, close)
  return {
    port: (server.address() as AddressInfo).port,
    arrived,
    message: (fits) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(check)
          reject(new Error(`no such message arrived; there are ${arrived.length}`))
        }, 60_000)
        const check = (): void => {
          const found = arrived.find(fits)
          if (found === undefined) return
          clearTimeout(timer)
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
      }),
    close,
  }
}
