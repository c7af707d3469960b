/** The directory in Redis, as `DirectoryEditor` wants it. */

import type { DirectoryEditor } from '../editor.ts'
import { nameKey } from '../model.ts'
import { formatRevision } from './header.ts'
import type { DirectoryWriter } from './writer.ts'

/**
 * @param writer an open writer; closing the editor closes it
 * @returns the editor
 */
export function redisEditor(writer: DirectoryWriter): DirectoryEditor {
  const { organizations } = writer
  return {
    store: 'redis',
    isMissing: async () => (await organizations.base()).header === null,
    names: () => organizations.names(),
    read: (key) => organizations.read(key),
    domains: (names) => organizations.domains(names),
    replace: async (wanted) => {
      // Under another name it is another organisation: the one goes, the other comes, in one write.
      const moved = wanted.flatMap((one) => {
        const key = one.after === null ? one.nameKey : nameKey(one.after.name)
        if (key === one.nameKey) return [one]
        return [
          { ...one, after: null },
          { nameKey: key, after: one.after, expected: null },
        ]
      })
      const written = await writer.replace(moved)
      return written === null
        ? null
        : { revision: formatRevision(written.revision), replicas: written.replicas }
    },
    confirm: () => writer.confirm(),
    close: () => {
      writer.close()
    },
  }
}
