/**
 * One connection to a port of the server itself, as a client makes it, up to EHLO: nothing is asked that the server
 * decides or journals.
 */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import { messageOf } from '../text/message-of.ts'

export type ListenerState =
  | { readonly kind: 'away'; readonly why: string }
  /** It answered, but not as to a client. */
  | { readonly kind: 'refused'; readonly said: string }
  | { readonly kind: 'no-starttls'; readonly said: string }
  | { readonly kind: 'tls-failed'; readonly why: string }
  | { readonly kind: 'tls'; readonly protocol: string; readonly certificateRequested: boolean }

interface Target {
  readonly host: string
  readonly port: number
  readonly implicitTls: boolean
}

/** RFC 5321 section 4.2: lines of a reply, the last without the hyphen. */
const REPLY = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/
const MOST_CHARACTERS = 16_384

/**
 * @param target where to connect
 * @param signal ends it
 * @returns what the port offers; rejects when it is ended
 */
export async function probeListener(target: Target, signal: AbortSignal): Promise<ListenerState> {
  const socket = connect({ host: target.host, port: target.port })
  const end = (): void => {
    socket.destroy(new Error('it does not answer in time'))
  }
  signal.addEventListener('abort', end, { once: true })
  // A late error of a socket that is done with is nobody's.
  socket.on('error', () => undefined)
  try {
    await once(socket, 'connect')
  } catch (error) {
    return { kind: 'away', why: messageOf(error) }
  }
  try {
    return target.implicitTls ? await speakTls(socket, target) : await speakSmtp(socket, target)
  } finally {
    signal.removeEventListener('abort', end)
    socket.destroy()
  }
}

async function speakSmtp(socket: Socket, target: Target): Promise<ListenerState> {
  const greeting = await replyOf(socket)
  if (!greeting.startsWith('220')) return { kind: 'refused', said: greeting }
  socket.write('EHLO doctor.invalid\r\n')
  const features = await replyOf(socket)
  if (!/^250[- ]STARTTLS\r?$/im.test(features)) return { kind: 'no-starttls', said: features }
  socket.write('STARTTLS\r\n')
  const ready = await replyOf(socket)
  return ready.startsWith('220') ? speakTls(socket, target) : { kind: 'no-starttls', said: ready }
}

/** OpenSSL knows signature algorithms of the server only from its request for a certificate, in TLS 1.2 and 1.3. */
async function speakTls(socket: Socket, { implicitTls }: Target): Promise<ListenerState> {
  const secure = connectTls({ socket, rejectUnauthorized: false })
  try {
    await secured(secure, socket)
    const protocol = secure.getProtocol() ?? 'unknown'
    const certificateRequested = secure.getSharedSigalgs().length > 0
    if (implicitTls) {
      const greeting = await replyOf(secure)
      if (!greeting.startsWith('220')) return { kind: 'refused', said: greeting }
    }
    secure.write('QUIT\r\n')
    return { kind: 'tls', protocol, certificateRequested }
  } catch (error) {
    return { kind: 'tls-failed', why: messageOf(error) }
  } finally {
    secure.destroy()
  }
}

async function secured(secure: TLSSocket, socket: Socket): Promise<void> {
  secure.on('error', () => undefined)
  const closed = once(socket, 'close').then(() => {
    throw new Error('the server closed the connection')
  })
  closed.catch(() => undefined)
  await Promise.race([once(secure, 'secureConnect'), closed])
}

/** @returns the next reply; what came before the end when there is none */
async function replyOf(socket: Socket): Promise<string> {
  let text = ''
  const done = new Promise<string>((resolve) => {
    const take = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      const whole = REPLY.exec(text)?.[0]
      if (whole !== undefined || text.length > MOST_CHARACTERS) finish(whole ?? text)
    }
    const ended = (): void => {
      finish(text === '' ? (socket.errored?.message ?? 'it closed the connection') : text)
    }
    const finish = (reply: string): void => {
      socket.removeListener('data', take)
      socket.removeListener('close', ended)
      resolve(reply.replaceAll('\r', '').trimEnd())
    }
    socket.on('data', take)
    socket.on('close', ended)
  })
  return done
}
