/**
 * The demonstration's next hop: an SMTP server on loopback that shows what arrived and keeps the last messages in
 * data/sink/. Nothing goes on from there. Its SMTP is nodemailer's smtp-server.
 */

import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server'
import { printable } from '../text/printable.ts'

/** Messages kept in data/sink/; older ones are removed. */
const MOST_MESSAGES = 100

export interface Sink {
  readonly port: number
  close(): Promise<void>
}

/**
 * @param instance the instance, for data/sink/
 * @param address where to listen; port 0 takes a free one
 * @param show told of every message that arrived
 * @returns the running sink
 * @throws when the address cannot be listened on
 */
export async function startSink(
  instance: string,
  address: { readonly host: string; readonly port: number },
  show: (text: string) => void,
): Promise<Sink> {
  const folder = join(instance, 'data', 'sink')
  let count = 0
  const server = new SMTPServer({
    name: 'sink.demonstration.invalid',
    banner: 'demonstration sink: nothing goes on from here',
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: 64 * 1024 * 1024,
    logger: false,
    onData: (stream, session, done) => {
      count += 1
      void keep(folder, `${Date.now()}-${String(count).padStart(6, '0')}.eml`, stream, session).then(
        (text) => {
          show(text)
          done()
        },
        (error: Error) => {
          done(error)
        },
      )
    },
  })
  // A client that drops its connection is no reason to stop the server.
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, resolve)
  })
  server.removeAllListeners('error')
  server.on('error', (error) => {
    show(`sink: ${printable(error.message)}\n`)
  })
  const bound = server.server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve)
      }),
  }
}

async function keep(
  folder: string,
  name: string,
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  const message = Buffer.concat(chunks)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(join(folder, name), message, { mode: 0o600 })
  const kept = (await readdir(folder)).filter((file) => file.endsWith('.eml')).sort()
  for (const old of kept.slice(0, -MOST_MESSAGES)) await rm(join(folder, old), { force: true })
  return describeArrival(message, session, name)
}

function describeArrival(message: Buffer, session: SMTPServerSession, name: string): string {
  const header = message.toString('utf8', 0, 65_536).split(/\r?\n\r?\n/, 1)[0] ?? ''
  const subject = /^subject:[ \t]*(.*)$/im.exec(header)?.[1] ?? ''
  const { mailFrom, rcptTo } = session.envelope
  const from = mailFrom === false ? '' : mailFrom.address
  const to = rcptTo.map(({ address }) => `<${printable(address)}>`).join(', ')
  return `arrived at the sink: from <${printable(from)}> to ${to}, ${message.length} bytes, subject "${printable(subject.trim())}" (data/sink/${name})\n`
}
