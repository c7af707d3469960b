/** Whether the sending server will take the smarthost's own certificate. */

import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Certificate } from '../certificate/parse.ts'
import { isSelfIssued } from './client-certificate.ts'
import type { ClientSetup, SetupNote } from './setup.ts'

/**
 * @param setup what the sending server insists on
 * @param own the certificate of the smarthost, or null where it could not be read
 * @returns a warning for each reason why mail will stay in that server's queue
 */
export function serverNotes(
  { caPath, tlsDomain }: Pick<ClientSetup, 'caPath' | 'tlsDomain'>,
  own: Certificate | null,
): SetupNote[] {
  if (own === null) return []
  const notes: SetupNote[] = []
  const certificate = new X509Certificate(own.raw)
  const fits = isIP(tlsDomain) === 0 ? certificate.checkHost(tlsDomain) : certificate.checkIP(tlsDomain)
  if (fits === undefined) {
    notes.push(
      warning(
        `the smarthost's own certificate is not for ${tlsDomain}, so mail would stay in this server's queue: give the smarthost one for that name, or say with --tls-domain which name its certificate has`,
      ),
    )
  }
  if (isSelfIssued(own) && caPath === null) {
    notes.push(
      warning(
        "the smarthost's own certificate is self-signed, so mail would stay in this server's queue: give the smarthost one of a CA that this server knows, or copy that certificate here and name it with --ca-file",
      ),
    )
  }
  return notes
}

function warning(text: string): SetupNote {
  return { severity: 'warning', text, commands: [] }
}
