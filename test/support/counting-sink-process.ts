/**
 * The sink of `counting-sink.ts`, in a process of its own, so that it can be killed. What arrived is in its file before it
 * is answered 250: a kill of this process loses nothing that the server was told.
 */

import { createHash } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import type { SinkLine, SinkOptions } from './counting-sink.ts'
import { ID_FIELD } from './distinct-messages.ts'
import { Random } from './random.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as SinkOptions
let faults = options.faults
const random = new Random(options.seed)
const file = openSync(options.file, 'a', 0o600)
let connections = 0
let mails = 0

/** What ends the line before the content: a dot may come at once. */
const CRLF = Buffer.from('\r\n')

function record(line: SinkLine): void {
  writeSync(file, `${JSON.stringify(line)}\n`)
}

function fails(share = 1): boolean {
  return faults > 0 && random.chance(faults * share)
}

function serve(socket: Socket, listener: number): void {
  connections += 1
  const connection = `${process.pid}-${connections}`
  let text: Buffer = Buffer.alloc(0)
  let tail: Buffer = CRLF
  let chunks: Buffer[] = []
  let inData = false
  let [transactions, mail] = [0, 0]
  let to: string[] = []
  let hasSender = false
  let isQuit = false
  const say = (line: string): void => {
    socket.write(`${line}\r\n`)
  }
  // A peer that is killed resets.
  socket.on('error', () => undefined)
  socket.on('close', () => {
    record({ kind: 'end', connection, listener, quit: isQuit, at: Date.now() })
  })
  record({ kind: 'begin', connection, listener, at: Date.now() })
  const mode = options.listen[listener]?.mode ?? 'serve'
  if (mode === 'silent') return
  if (mode === 'close' || fails(0.5)) {
    socket.destroy()
    return
  }
  if (fails(0.5)) {
    socket.end('421 4.3.2 not now\r\n')
    return
  }
  say('220 sink.test ESMTP')

  const finish = (): void => {
    inData = false
    transactions += 1
    const whole = Buffer.concat([CRLF, ...chunks])
    chunks = []
    const end = whole.indexOf('\r\n.\r\n')
    const wire = end === -1 ? Buffer.alloc(0) : whole.subarray(CRLF.length, end + 2)
    const message = Buffer.from(wire.toString('latin1').replaceAll(/^\./gm, ''), 'latin1')
    const begin = message.indexOf(`${ID_FIELD}: `)
    const content = message.subarray(Math.max(begin, 0))
    const id = new RegExp(`^${ID_FIELD}: (\\S+)`).exec(content.subarray(0, 200).toString('latin1'))?.[1]
    const answer = fails(0.5) ? 'refused' : fails(0.5) ? 'cut' : 'ok'
    const sha256 = createHash('sha256').update(content).digest('base64')
    const facts = { id: id ?? '', sha256, bytes: content.length, to, mail, answer } as const
    record({ kind: 'message', connection, listener, transaction: transactions, at: Date.now(), ...facts })
    if (answer === 'cut') socket.destroy()
    else say(answer === 'ok' ? '250 2.0.0 kept' : '452 4.3.1 not now')
  }

  const command = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO') {
      say('250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 104857600')
    } else if (verb === 'MAIL') {
      to = []
      mails += 1
      mail = mails
      hasSender = !fails(0.5)
      say(hasSender ? '250 2.1.0 ok' : '451 4.3.0 not now')
    } else if (verb === 'RCPT') {
      if (!hasSender) {
        say('503 5.5.1 MAIL first')
        return
      }
      if (fails()) {
        say('450 4.2.0 not this one now')
        return
      }
      to.push(/<([^>]*)>/.exec(line)?.[1] ?? '')
      say('250 2.1.5 ok')
    } else if (verb === 'DATA') {
      if (to.length === 0) say('503 5.5.1 nobody to send it to')
      else if (fails(0.5)) say('451 4.3.0 not now')
      else {
        inData = true
        tail = CRLF
        say('354 go on')
      }
    } else if (verb === 'RSET') {
      to = []
      hasSender = false
      say('250 2.0.0 ok')
    } else if (verb === 'QUIT') {
      isQuit = true
      socket.end('221 2.0.0 bye\r\n')
    } else say('250 2.0.0 ok')
  }

  /** @returns what comes after the content, or null when it goes on */
  const take = (chunk: Buffer): Buffer | null => {
    if (chunks.length > 0 && fails(0.02)) {
      socket.destroy()
      return null
    }
    const joined = Buffer.concat([tail, chunk])
    const end = joined.indexOf('\r\n.\r\n')
    if (end === -1) {
      chunks.push(chunk)
      tail = Buffer.from(joined.subarray(-4))
      return null
    }
    const used = end + 5 - tail.length
    chunks.push(chunk.subarray(0, used))
    finish()
    return chunk.subarray(used)
  }

  socket.on('data', (chunk: Buffer) => {
    let rest: Buffer = chunk
    for (;;) {
      if (inData) {
        const after = take(rest)
        if (after === null || socket.destroyed) return
        rest = after
      }
      text = text.length === 0 ? rest : Buffer.concat([text, rest])
      rest = Buffer.alloc(0)
      while (!inData) {
        const end = text.indexOf('\n')
        if (end === -1) return
        const line = text.subarray(0, end).toString('utf8').trimEnd()
        text = text.subarray(end + 1)
        command(line)
        if (socket.destroyed) return
      }
      rest = text
      text = Buffer.alloc(0)
      if (rest.length === 0) return
    }
  })
}

let left = options.listen.length
for (const [listener, { host, port }] of options.listen.entries()) {
  createServer((socket) => {
    serve(socket, listener)
  }).listen({ host, port, backlog: 1000 }, () => {
    left -= 1
    if (left === 0) process.send?.('listening')
  })
}
process.on('message', (value: number) => {
  faults = value
})
// Whoever started it is gone.
process.on('disconnect', () => {
  process.exit()
})
