/** What `check` says about proof of domains of a directory in Redis. */

import type { Problem } from '../directory/model.ts'
import type { RedisClient } from '../directory/redis/client.ts'
import { createClient, whyFailed } from '../directory/redis/client.ts'
import { Keys } from '../directory/redis/keys.ts'
import { Organizations } from '../directory/redis/organizations.ts'
import type { Terms } from '../policy/proof.ts'
import { parseLook } from '../proof/last-look.ts'
import { printable } from '../text/printable.ts'
import { checkLook, checkSharing, ProofTally, proofWarning } from './check-proof.ts'
import type { RedisSettings } from './redis-settings.ts'

/** More domains are not read for `check`: each command waits for its answer, and doctor reads them all. */
const MOST_READ = 20_000

const COMMAND_PATIENCE = 5_000

/**
 * @param settings what redis.ini says
 * @param terms the time, and whether proof is required
 * @param counts how many there are in the directory
 * @returns what there is to say about their proofs, as far as this user may read them; warnings and notices only
 */
export async function checkProofsInRedis(
  { prefix, writer }: RedisSettings,
  terms: Terms,
  counts: { readonly organizations: number; readonly acceptedDomains: number },
): Promise<Problem[]> {
  if (!terms.requireDomainProof) return checkSharing(counts.organizations)
  const client = createClient(writer, COMMAND_PATIENCE)
  client.on('error', () => undefined)
  const keys = new Keys(prefix)
  const found: Problem[] = []
  try {
    await client.connect()
    found.push(...checkLook(parseLook((await client.get(keys.proofsLookedAt)) ?? ''), terms))
    if (counts.acceptedDomains <= MOST_READ) found.push(...(await readAll(client, keys, terms)))
    else {
      const many = `require_domain_proof is true, and the proofs of ${counts.acceptedDomains} domains are not looked through here`
      found.push(notice(many, 'connectorctl doctor reads all of them'))
    }
  } catch (error) {
    found.push(unread(whyFailed(error)))
  } finally {
    client.disconnect()
  }
  return found
}

async function readAll(client: RedisClient, keys: Keys, terms: Terms): Promise<Problem[]> {
  const organizations = new Organizations(client, keys)
  const tally = new ProofTally(terms)
  for await (const key of organizations.names()) {
    const stored = await organizations.read(key)
    if (stored !== null) tally.add(stored.organization)
  }
  return tally.problems()
}

function unread(why: string): Problem {
  const mend = why.includes('NOPERM')
    ? 'only the user of [writer] in config/redis.ini may list them'
    : 'look at Redis'
  return notice(
    `the proofs of domains could not be read, which matter for require_domain_proof: ${printable(why)}`,
    mend,
  )
}

function notice(message: string, mend: string): Problem {
  return { ...proofWarning(message, mend), severity: 'notice' }
}
