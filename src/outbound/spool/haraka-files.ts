/**
 * Queue files of Haraka itself, which this server wrote before it had a queue of its own: four octets of length, the
 * envelope in JSON, the message (Haraka's outbound/index.js and hmail.js). Nothing in them says whom the message was
 * attributed to, so that nobody is told when it fails: it is held.
 */

import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { z } from 'zod'
import { normalizeDomain } from '../../text/domain-name.ts'
import type { Content, Envelope } from '../types.ts'
import { Damaged } from './format.ts'

/** Haraka's outbound/qfile.js: arrival, next attempt, attempts, process, letters, counter, host. */
const NAME = /^(\d{13})_\d{13}_\d{1,6}_\d{1,10}_([A-Za-z0-9]{1,32})_\d{1,9}_[^/]{1,255}$/
const LENGTH = 4
const LONGEST_TODO = 16 * 1024 * 1024

const ADDRESS = z.object({
  user: z.string().nullish(),
  host: z.string().nullish(),
  original_host: z.string().nullish(),
})

const TODO = z.object({
  queue_time: z.number(),
  uuid: z.string(),
  mail_from: ADDRESS,
  rcpt_to: z.array(ADDRESS).min(1),
})

/**
 * @param name of a file in queue/
 * @returns whether it is one of Haraka's
 */
export function isHarakaFile(name: string): boolean {
  return NAME.test(name)
}

/**
 * @param queue the queue's folder
 * @returns Haraka's files in it, the oldest first
 */
export async function harakaFilesIn(queue: string): Promise<string[]> {
  const names = await readdir(queue).catch(() => [])
  return names.filter((name) => isHarakaFile(name)).toSorted()
}

/**
 * @param path of a file of Haraka's
 * @returns the message in it
 * @throws Damaged, or what reading failed with
 */
export async function readHarakaFile(path: string): Promise<{ envelope: Envelope; content: Content }> {
  const file = await readFile(path)
  if (file.length < LENGTH) throw new Damaged(file.length === 0 ? 'is empty' : 'is cut off')
  const length = file.readUInt32BE(0)
  if (length > LONGEST_TODO || LENGTH + length > file.length) throw new Damaged('is cut off')
  const content = file.subarray(LENGTH + length)
  if (content.length === 0) throw new Damaged('holds no message')
  const letters = NAME.exec(basename(path))?.[2] ?? ''
  return { envelope: envelopeIn(file.subarray(LENGTH, LENGTH + length), letters), content: whole(content) }
}

function envelopeIn(json: Buffer, letters: string): Envelope {
  let value: unknown
  try {
    value = JSON.parse(json.toString())
  } catch {
    throw new Damaged('has an envelope that is no JSON')
  }
  const parsed = TODO.safeParse(value)
  if (!parsed.success)
    throw new Damaged(`has an envelope without ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
  const { mail_from: from, queue_time: receivedAt, rcpt_to: to, uuid } = parsed.data
  const sender = addressIn(from).address
  const recipients = to.map((one) => ({ ...addressIn(one), notify: null, orcpt: null }))
  return {
    // Haraka gives the same uuid to the parts of a message that it has split; letters in the name tell them apart.
    id: `${uuid.replaceAll(/[^A-Za-z0-9.-]/g, '-').slice(0, 60)}.${letters}`,
    receivedAt,
    sender,
    recipients,
    organization: null,
    connector: null,
    peer: null,
    mayBounce: false,
    reportOn: null,
    smtpUtf8: [sender, ...recipients.map(({ address }) => address)].some((address) => !isAscii(address)),
    body: null,
    ret: null,
    envid: null,
  }
}

function addressIn({ host, original_host: original, user }: z.infer<typeof ADDRESS>): {
  address: string
  domain: string
} {
  const named = host ?? original ?? ''
  const domain = named === '' ? '' : (normalizeDomain(named) ?? named.toLowerCase())
  const local = user ?? ''
  return { address: domain === '' ? local : `${local}@${domain}`, domain }
}

function isAscii(address: string): boolean {
  return Buffer.byteLength(address) === address.length
}

/** The last line is whole. */
function whole(content: Buffer): Content {
  return content.at(-1) === 0x0a ? content : Buffer.concat([content, Buffer.from('\r\n')])
}
