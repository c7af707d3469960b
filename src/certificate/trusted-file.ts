/** Files that an administrator trusts: CAs and revocation lists, under the folder of the settings. */

import { readFileSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { printable } from '../text/printable.ts'
import type { Certificate } from './parse.ts'
import { parseCertificate } from './parse.ts'
import { certificatesIn } from './pem.ts'
import { CertificateFault } from './reasons.ts'

/**
 * @param folder the settings' folder
 * @param name a path relative to it
 * @returns the whole path, or null when it leads out of the folder
 */
export function trustedPath(folder: string, name: string): string | null {
  const path = resolve(folder, name)
  const inside = relative(folder, path)
  return inside.startsWith(`..${sep}`) || inside === '..' || resolve(name) === name ? null : path
}

/**
 * @param path a PEM or DER file
 * @returns the CAs in it, or what is wrong with it, as the end of a sentence; never throws
 */
export function readAuthorities(path: string): readonly Certificate[] | string {
  const bytes = readTrusted(path)
  return typeof bytes === 'string' ? bytes : authoritiesIn(bytes)
}

/**
 * @param bytes PEM or DER
 * @returns the CAs in it, or what is wrong with it, as the end of a sentence; never throws
 */
export function authoritiesIn(bytes: Buffer): readonly Certificate[] | string {
  const ders = certificatesIn(bytes)
  return ders.length === 0 ? 'holds no certificate' : parseEach(ders, parseCertificate, 'certificate')
}

/** @returns the content, or what is wrong, as the end of a sentence; never throws */
export function readTrusted(path: string): Buffer | string {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code ?? String(error)}`
  }
}

/** @returns all of them, or which is damaged, as the end of a sentence; throws nothing that parse throws as a fault */
export function parseEach<T>(
  ders: readonly Buffer[],
  parse: (der: Buffer) => T,
  what: string,
): readonly T[] | string {
  const read: T[] = []
  for (const [index, der] of ders.entries()) {
    try {
      read.push(parse(der))
    } catch (error) {
      if (!(error instanceof CertificateFault)) throw error
      return `holds a damaged ${what} (number ${index + 1}: ${printable(error.message)})`
    }
  }
  return read
}
