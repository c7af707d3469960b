/** OpenSSL's verdict on a certificate from a file: the same that the TLS layer asks for during the handshake. */

import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PeerCertificate } from '../policy/types.ts'
import { presentedNames } from './presented-names.ts'

const run = promisify(execFile)

/** As the server verifies: a client's certificate, and the CAs of the settings alone. */
const PURPOSE = ['-purpose', 'sslclient', '-no-CApath', '-no-CAstore']

/** No mail server's chain is larger. */
const MOST_BYTES = 1_048_576

/**
 * @param file a PEM file: the leaf first, then whatever the server presents with it
 * @param trusted PEM texts of the trusted CAs
 * @returns the names it presents and whether its path is verified, or why not
 * @throws with one line when the file cannot be read or holds no certificate, or openssl is missing
 */
export async function verifyCertificateFile(
  file: string,
  trusted: readonly string[],
): Promise<PeerCertificate> {
  const [leaf, ...chain] = await readCertificates(file)
  if (leaf === undefined) throw new Error(`${file} holds no certificate in PEM form`)
  const names = presentedNames(leaf)
  const folder = await mkdtemp(join(tmpdir(), 'connectors-verify-'))
  try {
    const path = async (name: string, text: string): Promise<string> => {
      const target = join(folder, name)
      await writeFile(target, text, { mode: 0o600 })
      return target
    }
    const anchors = await path('ca.pem', trusted.join('\n'))
    const untrusted = await path('chain.pem', chain.map(String).join('\n'))
    const why = await openssl([
      'verify',
      ...PURPOSE,
      '-CAfile',
      anchors,
      ...(chain.length === 0 ? [] : ['-untrusted', untrusted]),
      await path('leaf.pem', leaf.toString()),
    ])
    return why === null ? { state: 'verified', names } : { state: 'not-verified', names, why }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function readCertificates(file: string): Promise<X509Certificate[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be read: ${error.code ?? error.message}`)
  })
  if (text.length > MOST_BYTES) throw new Error(`${file} is too large for a certificate chain`)
  const blocks = text.match(
    /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g,
  )
  try {
    return (blocks ?? []).map((block) => new X509Certificate(block))
  } catch (error) {
    throw new Error(`${file} holds a damaged certificate: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    })
  }
}

/** Null when the path is verified, else OpenSSL's words for what is wrong. */
async function openssl(args: readonly string[]): Promise<string | null> {
  try {
    await run('openssl', args, { timeout: 10_000 })
    return null
  } catch (error) {
    const {
      code,
      stderr = '',
      stdout = '',
    } = error as { code?: string | number; stderr?: string; stdout?: string }
    if (code === 'ENOENT')
      throw new Error('the openssl program is needed to verify a certificate file', { cause: error })
    const reason = /error \d+ at \d+ depth lookup: *(.+)/.exec(`${stderr}\n${stdout}`)?.[1]
    return reason ?? 'it could not be verified'
  }
}
