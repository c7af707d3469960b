/** The directory in Redis, as `DirectoryEditor` wants it. */

import type { DirectoryEditor, EditWritten } from '../editor.ts'
import { nameKey } from '../model.ts'
import { formatRevision } from './header.ts'
import type { DirectoryWriter, Written } from './writer.ts'
import { MOST_RECORDS } from './writer.ts'

/**
 * @param writer an open writer; closing the editor closes it
 * @returns the editor
 */
export function redisEditor(writer: DirectoryWriter): DirectoryEditor {
  const { organizations } = writer
  return {
    store: 'redis',
    mostRecords: MOST_RECORDS,
    state: async () => (await organizations.base()).text,
    isMissing: async () => (await organizations.base()).header === null,
    begin: async () => asEdit(await writer.begin()),
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
      return asEdit(await writer.replace(moved))
    },
    confirm: () => writer.confirm(),
    close: () => {
      writer.close()
    },
  }
}

function asEdit(written: Written | null): EditWritten | null {
  return written === null ? null : { revision: formatRevision(written.revision), replicas: written.replicas }
}
