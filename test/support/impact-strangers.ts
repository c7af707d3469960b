/** A process with little memory that replays so many records, each another sender's at another server. */

import { enforcing } from '../../src/impact/proposed-directory.ts'
import { Replay } from '../../src/impact/replay.ts'
import { Tally } from '../../src/impact/tally.ts'
import { directoryOf, NOW, record, SETTINGS } from './impact.ts'

const BATCH = 500

const records = Number(process.argv[2])
const directory = directoryOf(`
organizations:
  - name: contoso
    reportOnlyUntil: '${new Date(NOW.getTime() + 86_400_000).toISOString()}'
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors: [{ name: Scanners, connectorType: OnPremises, senderIPAddresses: [10.0.0.0/8] }]
`)
const now = NOW.toISOString()
const replay = new Replay({
  present: { directory, now },
  proposed: { directory: enforcing(directory), now },
  settings: SETTINGS,
  isOtherDirectory: false,
  isProxy: () => false,
})
const tally = new Tally(null)
for (let begin = 0; begin < records; begin += BATCH) {
  const batch = Array.from({ length: BATCH }, (_, offset) => {
    const index = begin + offset
    const address = `10.${index >> 16}.${(index >> 8) % 256}.${index % 256}`
    return record({
      id: `id${index}`,
      sender: `a@s${index}.example`,
      recipient: `b@r${index}.example`,
      peer: { ...record().peer, address },
      reason: 'report-only',
      wouldBe: 'sender-domain-not-accepted',
    })
  })
  const judged = await replay.judge(batch)
  for (const [index, one] of batch.entries()) {
    const made = judged[index]
    if (made !== undefined) tally.add(one, made)
  }
}
const messages = tally.changes.reduce((sum, change) => sum + change.messages, 0)
process.stdout.write(JSON.stringify({ messages, groups: tally.changes.length }))
