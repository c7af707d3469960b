/** How RFC 3461 and RFC 6533 write what is not plain ASCII into a parameter of MAIL and RCPT. */

/** RFC 3461 section 4: printable ASCII without `+` and `=`, and two upper-case hex digits after a `+`. */
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/

/** RFC 6533 section 3: QUCHAR and EmbeddedUnicodeChar. `+` and `=` stand in the latter only. */
const UNITEXT = /^(?:[!-*,-<>-[\]-~]|[^\p{ASCII}\p{Cs}]|\\x\{[0-9A-F]{2,6}\})+$/u

const EMBEDDED = /\\x\{([0-9A-F]{2,6})\}/g

const LAST_CODE_POINT = 0x10_ffff

/**
 * @param text as it stands in ENVID or after the `;` of ORCPT
 * @returns what it stands for, each character one octet; null when it is no xtext
 */
export function decodeXtext(text: string): string | null {
  if (!XTEXT.test(text)) return null
  return text.replaceAll(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/**
 * @param text an address of type utf-8 as it stands in ORCPT, in the 7-bit or the 8-bit form (RFC 6533 section 3)
 * @returns the address; null when it is neither form, or names something that is no character
 */
export function decodeUnitext(text: string): string | null {
  if (!UNITEXT.test(text)) return null
  const points = [...text.matchAll(EMBEDDED)].map(([, hex = '']) => Number.parseInt(hex, 16))
  if (!points.every(isCharacter)) return null
  return text.replaceAll(EMBEDDED, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
}

function isCharacter(point: number): boolean {
  return point <= LAST_CODE_POINT && !(point >= 0xd800 && point <= 0xdfff)
}

/**
 * @param text the 8-bit form of an address of type utf-8
 * @returns its 7-bit form, which every server takes that offers DSN
 */
export function toSevenBit(text: string): string {
  return text.replaceAll(
    /[\u0080-\u{10ffff}]/gu,
    (character) => `\\x{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  )
}
