/** Files of CAs that a connector shall trust: their PEM text is what is kept. */

import { pemOf } from '../../certificate/pem.ts'
import { authoritiesIn } from '../../certificate/trusted-file.ts'
import { printable } from '../../text/printable.ts'
import { CommandFailed } from '../errors.ts'
import { readNamedFile } from '../files.ts'

/**
 * @param files PEM or DER files, '' for none
 * @returns the PEM text of each
 * @throws CommandFailed when one cannot be read, or holds no certificate
 */
export function authorityTexts(files: readonly string[]): string[] {
  return files
    .filter((file) => file !== '')
    .map((file) => {
      const authorities = authoritiesIn(readNamedFile(file))
      if (typeof authorities === 'string') throw new CommandFailed(`${printable(file)} ${authorities}`)
      return authorities.map(({ raw }) => pemOf(raw)).join('')
    })
}
