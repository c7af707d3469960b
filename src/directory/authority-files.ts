/** The files of CAs that connectors name, beside organizations.yaml: a change of one is a change of the directory. */

import { pemOf } from '../certificate/pem.ts'
import { readAuthorities, trustedPath } from '../certificate/trusted-file.ts'
import type { ReadAuthorities } from './schema-trust.ts'

export interface AuthorityFiles {
  readonly read: ReadAuthorities
  /** Paths that were asked for, there or not. */
  readonly paths: ReadonlySet<string>
}

/**
 * @param folder the folder of organizations.yaml
 * @returns a reader of files under it, which remembers what it read
 */
export function authorityFiles(folder: string): AuthorityFiles {
  const paths = new Set<string>()
  const read: ReadAuthorities = (name) => {
    const path = trustedPath(folder, name)
    if (path === null) return { wrong: 'is not under config/' }
    paths.add(path)
    const authorities = readAuthorities(path)
    if (typeof authorities === 'string') return { wrong: authorities }
    return { pem: authorities.map(({ raw }) => pemOf(raw)).join('') }
  }
  return { read, paths }
}
