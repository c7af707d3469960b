/** Why an export is not taken. */

import { printable } from '../text/printable.ts'

/** An export is refused as a whole: what is in it may not be what it seems. The message is safe to print. */
export class ExportRefused extends Error {
  override readonly name = 'ExportRefused'

  /**
   * @param file the file's name
   * @param what what is wrong with it, safe to print
   * @param mend what to do
   */
  constructor(file: string, what: string, mend: string) {
    super(`${printable(file)} ${what}${mend === '' ? '' : ` (${mend})`}`)
  }
}

/** How the exports are written. Two levels would do; four are safe with any version of the module. */
export const HOW_TO_EXPORT =
  'Get-InboundConnector -ResultSize Unlimited | ConvertTo-Json -Depth 4 | Set-Content -Encoding utf8 inbound.json, and the same for Get-AcceptedDomain and Get-OutboundConnector'
