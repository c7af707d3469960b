/** `npm run bench`: PROOF=short for one round of each. README.md has what the whole run last printed. */

import { measureCertificates } from './certificates.ts'
import { measureImpacts } from './impact.ts'
import { measureJournal } from './journal.ts'
import { OUTBOUND_SCENARIOS } from './outbound-load.ts'
import { measureOutbound } from './outbound.ts'
import { measureScale } from './scale.ts'
import { compareServers } from './servers-compared.ts'
import { runWorker } from './soak-worker.ts'
import { soak } from './soak.ts'

const short = process.env['PROOF'] === 'short'
const [what = 'all', options = ''] = process.argv.slice(2)
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const PARTS: Readonly<Record<string, () => unknown>> = {
  certificates: () => {
    measureCertificates(short ? 1 : 10, say)
  },
  servers: () => compareServers(short ? 1 : 10, short ? 0.03 : 1, say),
  journal: () => measureJournal(short ? 10_000 : 1_000_000, short ? 1 : 5, say),
  // The smallest and the largest show whether it works.
  outbound: () =>
    short
      ? measureOutbound(
          1,
          0.02,
          say,
          [OUTBOUND_SCENARIOS.at(0), OUTBOUND_SCENARIOS.at(-1)].flatMap((one) => one ?? []),
        )
      : measureOutbound(10, 1, say),
  impact: () => measureImpacts(short ? 50_000 : 1_000_000, short ? 1_000 : 100_000, say),
  scale: () => measureScale(short, say),
  soak: async () => {
    if (!(await soak(short, say))) process.exitCode = 1
  },
}
// A process of `soak`.
if (what === 'soak-worker') {
  await runWorker(options)
  process.exit()
}
// What takes long is run only when it is named.
const named = what === 'all' ? ['certificates', 'servers', 'journal'] : [what]
if (!named.every((name) => Object.hasOwn(PARTS, name))) {
  process.stderr.write(`usage: npm run bench [-- ${Object.keys(PARTS).join(' | ')}]\n`)
  process.exit(2)
}
for (const [index, name] of named.entries()) {
  if (index > 0) say('')
  await PARTS[name]?.()
}
