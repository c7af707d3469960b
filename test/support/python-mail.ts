/**
 * Reads messages with Python's email package, which has nothing in common with what writes them here: one process reads
 * many. What it finds strange (its `defects`) is told of each part.
 */

import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Interface } from 'node:readline'
import { createInterface } from 'node:readline'

export const PYTHON = '/usr/bin/python3'

export interface ReadPart {
  readonly type: string
  readonly parameters: Readonly<Record<string, string>>
  /** Decoded, with encoded-words read; in the order of the header. */
  readonly fields: readonly (readonly [string, string])[]
  readonly defects: readonly string[]
  readonly encoding: string
  /** Decoded from its transfer encoding. */
  readonly body: Buffer
  /** Of message/delivery-status: its groups of fields, as Python reads them. */
  readonly groups: readonly (readonly (readonly [string, string])[])[]
}

export interface ReadMessage extends Omit<ReadPart, 'body' | 'groups'> {
  /** Local part, without quotes, and domain. */
  readonly to: readonly (readonly [string, string])[]
  readonly parts: readonly ReadPart[]
}

/*
 * The types of parts that are read as bytes are renamed first: Python would read a message into another, and lose the bytes.
 */
const READER = String.raw`
import base64, email, email.policy, json, re, sys
def text(value):
    return str(value).encode('utf-8', 'surrogateescape').decode('utf-8', 'replace')
def defects(part):
    found = [type(defect).__name__ for defect in part.defects]
    for name, value in part.items():
        found += [name + ': ' + type(defect).__name__ for defect in getattr(value, 'defects', ())]
    return found
def groups(body):
    part = email.message_from_bytes(b'Content-Type: message/delivery-status\r\n\r\n' + body, policy=email.policy.default.clone(utf8=True))
    return [[[name, text(value)] for name, value in group.items()] for group in part.get_payload()]
def describe(part):
    return {
        'type': part.get_content_type().replace('application/x-message-', 'message/'),
        'parameters': {name: text(value) for name, value in part.get_params(failobj=[])[1:]},
        'fields': [[name, text(value)] for name, value in part.items()],
        'defects': defects(part),
        'encoding': text(part.get('Content-Transfer-Encoding', '7bit')),
    }
def leaf(part):
    body = part.get_payload(decode=True) or b''
    told = describe(part)
    told['body'] = base64.b64encode(body).decode()
    if told['encoding'] == 'quoted-printable':
        # RFC 2045 section 6.7, rules 3 and 5: what Python forgives.
        for row in re.split('\r?\n', part.get_payload()):
            if len(row) > 76: told['defects'].append('LongLine')
            if row.endswith((' ', '\t')): told['defects'].append('WhiteSpaceAtEndOfLine')
    told['groups'] = groups(body) if told['type'].endswith('delivery-status') else []
    return told
for line in sys.stdin:
    raw = base64.b64decode(line)
    raw = re.sub(rb'(^|\r\n)\.', rb'\1', raw)
    raw = re.sub(rb'(\r\nContent-Type: )message/', rb'\1application/x-message-', raw)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    header = raw.split(b'\r\n\r\n', 1)[0]
    if header.isascii():
        head = message
        told = describe(head)
    else:
        head = email.message_from_string(header.decode('utf-8') + '\r\n\r\n--x--', policy=email.policy.default.clone(utf8=True))
        told = describe(head)
        # Without its parts, and by RFC 5322 alone: Python knows no better.
        expected = ['StartBoundaryNotFoundDefect', 'MultipartInvariantViolationDefect', 'To: NonASCIILocalPartDefect']
        told['defects'] = [type(defect).__name__ for defect in message.defects] + [each for each in told['defects'] if each not in expected]
    told['to'] = [[text(address.username), text(address.domain)] for address in head['To'].addresses]
    told['parts'] = [leaf(part) for part in message.iter_parts()]
    print(json.dumps(told), flush=True)
`

/** One process of Python. */
export class PythonMail {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: Interface
  readonly #answers: AsyncIterator<string>
  #errors = ''

  constructor() {
    this.#process = spawn(PYTHON, ['-c', READER], { stdio: 'pipe', env: { PYTHONUTF8: '1' } })
    this.#process.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString()
    })
    this.#lines = createInterface({ input: this.#process.stdout })
    this.#answers = this.#lines[Symbol.asyncIterator]()
  }

  /**
   * @param content in wire form
   * @returns what Python reads
   */
  async read(content: Buffer): Promise<ReadMessage> {
    this.#process.stdin.write(`${content.toString('base64')}\n`)
    const answer = await this.#answers.next()
    if (answer.done === true) throw new Error(`Python gave up: ${this.#errors}`)
    const told = JSON.parse(answer.value) as Omit<ReadMessage, 'parts'> & {
      readonly parts: readonly (Omit<ReadPart, 'body'> & { readonly body: string })[]
    }
    return { ...told, parts: told.parts.map((part) => ({ ...part, body: Buffer.from(part.body, 'base64') })) }
  }

  async close(): Promise<void> {
    const ended = once(this.#process, 'close')
    this.#process.stdin.end()
    await ended
  }
}
