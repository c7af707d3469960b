/** `npm run bench`: PROOF=short for one round of each. README.md has what the whole run last printed. */

import { measureCertificates } from './certificates.ts'
import { compareServers } from './servers-compared.ts'

const short = process.env['PROOF'] === 'short'
const [what = 'all'] = process.argv.slice(2)
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
if (!['all', 'certificates', 'servers'].includes(what)) {
  process.stderr.write('usage: npm run bench [-- certificates | servers]\n')
  process.exit(2)
}
if (what !== 'servers') measureCertificates(short ? 1 : 10, say)
if (what === 'all') say('')
if (what !== 'certificates') await compareServers(short ? 1 : 10, short ? 0.1 : 1, say)
