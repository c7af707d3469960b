/** Replies of a next hop (RFC 5321 section 4.2), read strictly and within bounds: what is no reply ends the connection. */

/** A reply, all of its lines. Texts are the server's: not safe to print. */
export interface Reply {
  /** 200 to 599. */
  readonly code: number
  /** Without code, hyphen and line end; at least one. */
  readonly lines: readonly string[]
}

/** What came is no reply of SMTP, or more of it than a server has to say. */
export class BadReply extends Error {
  override readonly name = 'BadReply'
}

/** RFC 5321 section 4.5.3.1.5 says 512; servers say more. */
const LONGEST_LINE = 4096
const LONGEST_REPLY = 65_536

const LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/s

/** Reads replies from what arrives, however it is cut. */
export class ReplyParser {
  #rest = ''
  #code = 0
  #lines: string[] = []
  #length = 0

  /** Whether nothing is left of a reply that has begun. */
  get isEmpty(): boolean {
    return this.#rest === '' && this.#lines.length === 0
  }

  /**
   * @param chunk what arrived
   * @returns the replies that are whole now, each before what comes after it is read: a 250 counts, whatever follows it
   * @throws BadReply for what is none
   */
  *push(chunk: Buffer): Generator<Reply, void> {
    const text = this.#rest + chunk.toString('latin1')
    let from = 0
    for (let end = text.indexOf('\n', from); end !== -1; end = text.indexOf('\n', from)) {
      const line = text.slice(from, text[end - 1] === '\r' && end > from ? end - 1 : end)
      from = end + 1
      this.#rest = text.slice(from)
      const reply = this.#line(line)
      if (reply !== null) yield reply
    }
    this.#rest = text.slice(from)
    if (this.#rest.length > LONGEST_LINE) throw new BadReply('it sent a line that does not end')
  }

  #line(line: string): Reply | null {
    this.#length += line.length
    if (line.length > LONGEST_LINE || this.#length > LONGEST_REPLY) {
      throw new BadReply('its reply is longer than replies are')
    }
    const [, code, hyphen, text = ''] = LINE.exec(line) ?? []
    if (code === undefined) throw new BadReply(`it sent what is no reply of SMTP: ${line.slice(0, 200)}`)
    if (this.#lines.length > 0 && Number(code) !== this.#code) {
      throw new BadReply(`its reply has two codes, ${this.#code} and ${code}`)
    }
    this.#code = Number(code)
    this.#lines.push(decoded(text))
    if (hyphen === '-') return null
    const reply = { code: this.#code, lines: this.#lines }
    this.#lines = []
    this.#length = 0
    return reply
  }
}

/** RFC 6531 section 3.7.4.2: replies may be UTF-8. */
function decoded(text: string): string {
  return /[\x80-\xff]/.test(text) ? Buffer.from(text, 'latin1').toString('utf8') : text
}
