/** The files of CAs that connectors name, beside organizations.yaml: a change of one is a change of the directory. */

import { pemOf } from '../certificate/pem.ts'
import { authoritiesIn, readAuthorities, trustedPath } from '../certificate/trusted-file.ts'
import type { ReadAuthorities } from './schema-trust.ts'

export interface AuthorityFiles {
  readonly read: ReadAuthorities
  /** Paths that were asked for, there or not. */
  readonly paths: ReadonlySet<string>
}

/**
 * @param folder the folder of organizations.yaml
 * @returns a reader of files under it, which remembers what it read; PEM text stands for itself, as export writes it
 */
export function authorityFiles(folder: string): AuthorityFiles {
  const paths = new Set<string>()
  const read: ReadAuthorities = (name) => {
    const authorities = name.includes('-----BEGIN') ? authoritiesIn(Buffer.from(name)) : inFile(name)
    if (typeof authorities === 'string') return { wrong: authorities }
    return { pem: authorities.map(({ raw }) => pemOf(raw)).join('') }
  }
  const inFile = (name: string): ReturnType<typeof readAuthorities> => {
    const path = trustedPath(folder, name)
    if (path === null) return 'is not under config/'
    paths.add(path)
    return readAuthorities(path)
  }
  return { read, paths }
}
