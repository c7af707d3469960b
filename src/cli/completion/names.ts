/** The names in an instance's directory, and in its queue, that a word may become. */

import type { DirectoryEditor } from '../../directory/editor.ts'
import type { Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import { withEditor } from '../editor.ts'
import type { LookedUp } from './expected.ts'

/** More than anybody reads; whoever has more types another letter. */
const MOST_NAMES = 500

/** A process that hangs, or has very much, is not waited for: the shell stands still meanwhile. */
const PATIENCE_MILLISECONDS = 1500

export interface Asked {
  readonly of: LookedUp
  /** The words before the one that is completed. */
  readonly words: readonly string[]
  /** What was typed of it. */
  readonly beginning: string
}

/**
 * @param asked what is asked for
 * @param found names are added here as they are found, so that some are known when time is up
 * @returns when there are no more; it rejects when there is no such instance or it cannot be asked
 */
export async function findNames({ of, words, beginning }: Asked, found: Set<string>): Promise<void> {
  const instance = fromHome(valueOf(words, '--instance') ?? '.')
  if (of === 'message' || of === 'destination') {
    await findQueued(instance, of, beginning, found)
    return
  }
  const organization = of === 'organization' ? undefined : valueOf(words, '--organization')
  const begins = nameKey(beginning)
  await withEditor(instance, 'completion', async ({ editor }) => {
    for await (const stored of organizationsOf(editor, organization, of === 'organization' ? begins : '')) {
      for (const name of namesIn(stored, of)) if (nameKey(name).startsWith(begins)) found.add(name)
      if (found.size >= MOST_NAMES) return
    }
  })
}

async function findQueued(
  instance: string,
  of: 'message' | 'destination',
  beginning: string,
  found: Set<string>,
): Promise<void> {
  // Whoever completes a name of the directory does not wait for what only the queue needs.
  const { openQueueOf } = await import('../queue/controls.ts')
  const begins = beginning.toLowerCase()
  const until = Date.now() + PATIENCE_MILLISECONDS
  const { controls } = openQueueOf(instance, PATIENCE_MILLISECONDS)
  for await (const { envelope, state } of controls.list({})) {
    const waiting = envelope.recipients.filter((_, index) => state.recipients[index]?.status === 'waiting')
    const names = of === 'message' ? [envelope.id] : waiting.map(({ domain }) => domain)
    for (const name of names) if (name.toLowerCase().startsWith(begins)) found.add(name)
    if (found.size >= MOST_NAMES || Date.now() > until) return
  }
}

async function* organizationsOf(
  editor: DirectoryEditor,
  name: string | undefined,
  begins: string,
): AsyncGenerator<Organization> {
  for await (const key of name === undefined ? editor.names() : [nameKey(name)]) {
    const stored = key.startsWith(begins) ? await editor.read(key) : null
    if (stored !== null) yield stored.organization
  }
}

function namesIn(organization: Organization, of: Exclude<LookedUp, 'message' | 'destination'>): string[] {
  const { name, acceptedDomains, inboundConnectors, outboundConnectors } = organization
  switch (of) {
    case 'organization':
      return [name]
    case 'domain':
      return acceptedDomains.map(({ domainName }) => domainName)
    case 'connector':
      return inboundConnectors.map((connector) => connector.name)
    case 'outbound-connector':
      return outboundConnectors.map((connector) => connector.name)
  }
}

/** The last one counts, as it does for the command. */
function valueOf(words: readonly string[], option: string): string | undefined {
  let value: string | undefined
  for (const [at, word] of words.entries()) {
    if (word === option) value = words[at + 1]
    else if (word.startsWith(`${option}=`)) value = word.slice(option.length + 1)
  }
  return value
}

/** The shell would have written the home folder there. */
function fromHome(folder: string): string {
  return folder.replace(/^~(?=\/|$)/, process.env['HOME'] ?? '~')
}
