/** The easiest answer to "how is the server recognised?": the file of its certificate. */

import { readFileSync } from 'node:fs'
import { describeCertificate } from '../../certificate/describe.ts'
import type { Certificate } from '../../certificate/parse.ts'
import { parseCertificate } from '../../certificate/parse.ts'
import { certificatesIn } from '../../certificate/pem.ts'
import { pinOf } from '../../certificate/pin.ts'
import { certificatesInPkcs12, isPkcs12 } from '../../certificate/pkcs12.ts'
import { presentedNames } from '../../certificate/presented-names.ts'
import { CertificateFault } from '../../certificate/reasons.ts'
import { authoritiesIn } from '../../certificate/trusted-file.ts'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import { trustOf } from '../instance.ts'
import { MOST_NAMES, nameChoices } from './certificate-names.ts'
import type { Asking } from './sheet.ts'
import { setRecognition } from './sheet.ts'

/** What a file holds: the server's certificate, and what stands beside it. */
interface Held {
  readonly leaf: Certificate
  readonly others: readonly Certificate[]
}

const SHOWN = ['subject', 'issuer', 'names', 'validity']

/**
 * @param asking where to ask; what is answered is written on the sheet
 */
export async function askForCertificate(asking: Asking): Promise<void> {
  const { dialogue, sheet } = asking
  let held: Held | null = null
  let names: readonly string[] = []
  await dialogue.askUntil('File of the certificate (PEM, DER or PKCS#12 without a password)', (path) => {
    const read = readHeld(path)
    if (typeof read === 'string') return `${printable(path)} ${read}.`
    held = read
    names = presentedNames(read.leaf)
    return names.length > 0
      ? null
      : `${printable(path)} has no name that counts: it needs a DNS name of two labels or more.`
  })
  if (held === null) return
  const { leaf, others }: Held = held
  const shown = describeCertificate(leaf, Date.now()).filter(([what]) => SHOWN.includes(what))
  dialogue.say(...shown.map(([what, how]) => `  ${what}: ${printable(how, 500)}`))
  setRecognition(sheet, await askWhichName(asking, names), [])
  await askTrust(asking, leaf, others)
}

async function askWhichName({ dialogue, owner, sheet }: Asking, names: readonly string[]): Promise<string> {
  const question = 'Use which name in this certificate?'
  const choices = nameChoices(names, owner)
  const best = choices[0]
  if (best === undefined || sheet.get('connectorType') === 'Partner') {
    // Whether foreign senders get through is no matter there.
    const plain = names.slice(0, MOST_NAMES).map((name) => ({ value: name, text: name }))
    return dialogue.choose(question, plain, names[0] ?? '')
  }
  dialogue.say(
    best.accepted
      ? `${best.name} is recommended because ${printable(best.because, 400)}.`
      : `No name in it is under an accepted domain of ${printable(owner.name, 80)}: connectorctl domain add registers one.`,
  )
  const texts = choices.map(({ because, name }) => ({
    value: name,
    text: `${name}: ${printable(because, 400)}`,
  }))
  return dialogue.choose(question, texts, best.name)
}

function readHeld(path: string): Held | string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return `cannot be read: ${code ?? message}`
  }
  try {
    const ders = isPkcs12(bytes) ? certificatesInPkcs12(bytes, '') : certificatesIn(bytes)
    const all = ders.map((der) => parseCertificate(der))
    const leaf = all.find(({ basicConstraints }) => basicConstraints?.ca !== true) ?? all[0]
    return leaf === undefined
      ? 'holds no certificate'
      : { leaf, others: all.filter((other) => other !== leaf) }
  } catch (error) {
    if (!(error instanceof CertificateFault)) throw error
    return error.message.includes('password')
      ? 'is protected by a password: give the certificate alone, as PEM or DER'
      : `cannot be used: ${printable(error.message, 300)}`
  }
}

type Trusting = 'default' | 'authorities' | 'pin'

/** A certificate that the default CAs do not vouch for counts for nothing, however well its name fits. */
async function askTrust(
  { dialogue, open, present, sheet }: Asking,
  leaf: Certificate,
  others: readonly Certificate[],
): Promise<void> {
  if (sheet.has('trustedCertificateAuthorities') || sheet.has('certificatePins')) return
  const presented = [leaf, ...others].map(({ raw }) => raw)
  const verdict = trustOf(open.instance, open.settings)
    .verifierFor(present?.trust ?? null)
    .verify(presented)
  if (verdict.ok) return
  dialogue.say(
    '',
    `No CA that counts vouches for it as it stands in the file: ${verdict.reason}: ${printable(verdict.detail, 300)}.`,
  )
  const how = await dialogue.choose<Trusting>(
    'Whom shall this connector trust?',
    [
      { value: 'authorities', text: 'a CA of its own: name its file' },
      { value: 'pin', text: 'this very key, whatever its CA: it must be changed here when the key is' },
      { value: 'default', text: 'the default CAs: the server presents more than the file holds' },
    ],
    verdict.reason === 'self-signed' ? 'pin' : 'authorities',
  )
  if (how === 'pin') sheet.set('certificatePins', [Buffer.from(pinOf(leaf), 'hex').toString('base64')])
  if (how !== 'authorities') return
  const file = await dialogue.askUntil('File of the CA (PEM or DER)', (path) => wrongAuthorities(path))
  sheet.set('trustedCertificateAuthorities', [file])
}

function wrongAuthorities(path: string): string | null {
  try {
    const read = authoritiesIn(readFileSync(path))
    return typeof read === 'string' ? `${printable(path)} ${read}.` : null
  } catch (error) {
    return `${printable(path)} cannot be read: ${printable(messageOf(error), 300)}`
  }
}
