/** All domains looked at, some at once, and what was found written in as few writes as the store takes. */

import type { DirectoryEditor } from '../directory/editor.ts'
import type { Organization } from '../directory/model.ts'
import type { ProofResult } from '../dns/prove.ts'
import type { AcceptedDomain } from '../policy/types.ts'
import { messageOf } from '../text/message-of.ts'
import type { ChangeDirectory } from './carry-out.ts'
import { writeProofs } from './carry-out.ts'
import type { Ask, Looked, LookOptions } from './look.ts'
import { lookAt } from './look.ts'

/** Domains that are asked about at once: each question goes to several servers. */
const AT_ONCE = 32

/** Domains that are looked at before what was found is written, where the store is not rewritten as a whole. */
const BATCH = 2_000

export interface LookAllOptions extends LookOptions {
  readonly editor: DirectoryEditor
  readonly change: ChangeDirectory
  /** `nameKey` of the only organisation that is looked at; null for all. */
  readonly organization: string | null
  /** What is found is written and the rest is left when it is aborted. */
  readonly signal: AbortSignal
  /** Told how far it is, from 0 to 1. */
  readonly progress: (share: number) => void
}

/** What was found of some domains, and whether it could be kept. */
export interface LookedBatch {
  readonly looked: readonly Looked[]
  /** Why nothing could be written; null when it was, or nothing had to be. */
  readonly unwritten: string | null
}

/**
 * @param options what to look at, and whom to ask
 * @yields what was found, in batches; each is written before
 */
export async function* lookAtAll(options: LookAllOptions): AsyncGenerator<LookedBatch> {
  const { editor, organization, progress, signal } = options
  const keys: string[] = []
  if (organization !== null) keys.push(organization)
  else for await (const key of editor.names()) keys.push(key)
  // The file is read, checked and written as a whole each time.
  const size = editor.mostRecords === null ? Number.POSITIVE_INFINITY : BATCH
  let batch: Task[] = []
  let [seen, done] = [0, 0]
  const flush = async function* flush(): AsyncGenerator<LookedBatch> {
    const [from, to] = [done / keys.length, seen / keys.length]
    done = seen
    const tasks = batch
    batch = []
    if (tasks.length === 0) return
    yield await lookAtSome(tasks, options, (share) => {
      progress(from + (to - from) * share)
    })
  }
  for (const key of keys) {
    if (signal.aborted) return
    seen += 1
    const stored = await editor.read(key)
    if (stored === null) continue
    for (const domain of stored.organization.acceptedDomains) {
      batch.push({ domain, organization: stored.organization })
      if (batch.length >= size) yield* flush()
    }
  }
  yield* flush()
}

interface Task {
  readonly domain: AcceptedDomain
  readonly organization: Organization
}

async function lookAtSome(
  tasks: readonly Task[],
  { ask, change, editor, installationId, now, signal }: LookAllOptions,
  progress: (share: number) => void,
): Promise<LookedBatch> {
  const looked: Looked[] = []
  const asking = once(ask)
  let next = 0
  const work = async (): Promise<void> => {
    for (let task = tasks[next++]; task !== undefined && !signal.aborted; task = tasks[next++]) {
      try {
        looked.push(await lookAt(task.domain, task.organization, { ask: asking, installationId, now }))
      } catch (error) {
        if (!signal.aborted) throw error
      }
      progress(looked.length / tasks.length)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, tasks.length) }, work))
  try {
    await writeProofs(editor, change, looked)
    return { looked, unwritten: null }
  } catch (error) {
    return { looked, unwritten: messageOf(error) }
  }
}

/** Many domains may hang on one that is above them: its servers are asked once. */
function once(ask: Ask): Ask {
  const asked = new Map<string, Promise<ProofResult>>()
  return (domain, token) => {
    const key = `${domain} ${token}`
    const known = asked.get(key)
    if (known !== undefined) return known
    const result = ask(domain, token)
    asked.set(key, result)
    return result
  }
}
