/** The walkthrough of docs/outbound-connectors.md: its commands are run, in their order, against real servers. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { it } from 'node:test'
import { Authority, CA, LEAF } from '../support/authority.ts'
import type { NextHop } from '../support/hostile-next-hop.ts'
import { startNextHop } from '../support/hostile-next-hop.ts'
import type { Finished } from '../support/smarthost.ts'
import { atEnd, freePort, ROOT, runWith, temporaryFolder } from '../support/smarthost.ts'

const DOCUMENT = join(ROOT, 'docs', 'outbound-connectors.md')

function scriptsIn(heading: string): string[] {
  const sections = readFileSync(DOCUMENT, 'utf8').split(/^## /m)
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? assert.fail(heading)
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, script = '']) => script)
}

interface Journey {
  readonly exchange: NextHop
  readonly provider: NextHop
  readonly run: (script: string) => Promise<Finished>
}

async function begin(t: TestContext): Promise<Journey> {
  const folder = await temporaryFolder(t)
  const authority = new Authority()
  atEnd(t, () => {
    authority.close()
  })
  const ca = authority.make({ name: 'Provider CA', issuer: null, extensions: CA })
  const made = authority.make({
    name: 'smtp.provider.example',
    issuer: ca,
    days: 365,
    extensions: [...LEAF, 'subjectAltName=DNS:smtp.provider.example'],
  })
  const tls = { cert: made.pem, key: readFileSync(made.keyFile, 'utf8') }
  const auth = { mechanisms: ['PLAIN'], user: 'contoso', password: 'hunter2' }
  const provider = await startNextHop(t, { tls, auth })
  const exchange = await startNextHop(t, { tls })
  await writeFile(join(folder, 'provider-ca.pem'), ca.pem)
  const environment = {
    SMARTHOST: join(folder, 'smarthost'),
    LISTEN: `127.0.0.1:${await freePort()}`,
    LISTEN_TLS: `127.0.0.1:${await freePort()}`,
    EXCHANGE: `127.0.0.1:${exchange.port}`,
    PROVIDER: `127.0.0.1:${provider.port}`,
    PROVIDER_CA: join(folder, 'provider-ca.pem'),
    PASSWORD: auth.password,
  }
  const program = `connectorctl() { '${process.execPath}' '${join(ROOT, 'bin', 'connectorctl.js')}' "$@"; }`
  const run: Journey['run'] = (script) =>
    runWith(environment, 'bash', '-euo', 'pipefail', '-c', `${program}\n${script}`)
  return { exchange, provider, run }
}

it('an administrator brings up the way out as docs/outbound-connectors.md says', async (t) => {
  const scripts = scriptsIn('A walkthrough')
  assert.equal(scripts.length, 4)
  const { exchange, provider, run } = await begin(t)
  const printed: string[] = []
  for (const script of scripts) {
    const { code, stderr, stdout } = await run(script)
    assert.equal(code, 0, `${script}\n${stdout}\n${stderr}`)
    printed.push(stdout)
    assert.doesNotMatch(`${stdout}${stderr}`, /hunter2/)
  }
  const [made = '', ours = '', tried = '', all = ''] = printed
  assert.match(made, /warning: mail to accepted domains gets 451 4\.4\.4, .*\(contoso\.com\)/)
  assert.match(ours, /127\.0\.0\.1:\d+ through outbound connector "Exchange" of contoso, under TLS/)
  assert.match(tried, /^ok {6}AUTH .*signed in as contoso$/m)
  assert.match(tried, /^ok {6}message {6}kate@fabrikam\.com: /m)
  assert.match(tried, /enabled; in force within a second/)
  assert.match(all, /Bank +Partner +yes +fabrikam\.com/)
  assert.doesNotMatch(all, /warning: .*(?:4\.4\.4|contoso\/provider)/)
  assert.equal(provider.messages.length, 1)
  assert.equal(exchange.messages.length, 0)
})
