/** What connectorctl doctor says of PTR and SPF, asked at a real name server. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import { doctor, examined, Moulds } from '../support/doctor.ts'
import { startLiar } from '../support/dns-liar.ts'
import { NSD, startNsd } from '../support/nsd.ts'
import { hasPrograms } from '../support/programs.ts'
import { freePort, ROOT, run } from '../support/smarthost.ts'

const UNSHARE = '/usr/bin/unshare'

const moulds = new Moulds()
after(() => moulds.remove())

const DOMAINS = [
  'good.example',
  'none.example',
  'fails.example',
  'soft.example',
  'broken.example',
  'silent.example',
]

const ORGANIZATIONS = JSON.stringify({
  organizations: [
    {
      name: 'contoso',
      acceptedDomains: DOMAINS.map((domainName) => ({
        domainName,
        ...(domainName === 'silent.example' ? { sendingFromDomainDisabled: true } : {}),
      })),
    },
  ],
})

const SERVERS = ['@ NS ns1', 'ns1 A 127.0.0.1']

const ZONES = {
  'good.example': [
    ...SERVERS,
    '@ TXT "v=spf1 ip4:203.0.113.25 ip4:203.0.113.26 ip4:203.0.113.27 -all"',
    'mail A 203.0.113.25',
    'other A 192.0.2.1',
  ],
  'none.example': SERVERS,
  'fails.example': [...SERVERS, '@ TXT "v=spf1 ip4:192.0.2.1 -all"'],
  'soft.example': [...SERVERS, '@ TXT "v=spf1 ~all"'],
  'broken.example': [...SERVERS, '@ TXT "v=spf1 -all"', '@ TXT "v=spf1 ~all"'],
  'silent.example': [...SERVERS, '@ TXT "v=spf1 -all"'],
  '113.0.203.in-addr.arpa': [
    '@ NS ns1.good.example.',
    '25 PTR mail.good.example.',
    '26 PTR other.good.example.',
  ],
}

async function setSmartHost(t: TestContext, to: string): Promise<string> {
  const { folder, path } = await moulds.copy(t, ORGANIZATIONS)
  const text = await readFile(path('connectors.ini'), 'utf8')
  await writeFile(path('connectors.ini'), text.replace(/^smart_host =.*/m, `smart_host = ${to}`))
  return folder
}

describe('connectorctl doctor, of the DNS,', () => {
  it('finds addresses without a name, and domains that do not let this host send', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, ZONES)
    const folder = await setSmartHost(t, '')
    const resolver = ['--resolver', `127.0.0.1:${nsd.port}`]
    const addresses = ['--address', '203.0.113.25', '--address', '203.0.113.26', '--address', '203.0.113.27']
    const { of } = await doctor(folder, ...resolver, ...addresses)
    const told = (code: string): string[][] => of(code).map(({ evidence, severity }) => [severity, evidence])
    assert.deepEqual(told('ptr-missing'), [['warning', '203.0.113.27']])
    assert.deepEqual(told('ptr-unconfirmed'), [['warning', '203.0.113.26: other.good.example (192.0.2.1)']])
    assert.deepEqual([...new Set(told('spf-missing').map(([, evidence]) => evidence))], ['none.example'])
    assert.match(told('spf-broken')[0]?.[1] ?? '', /^broken\.example: broken\.example has 2 SPF records$/)
    const excluded = told('spf-excludes-host')
    assert.deepEqual(excluded[0], [
      'error',
      'fails.example does not let 203.0.113.25 send (fail): v=spf1 ip4:192.0.2.1 -all; -all decides',
    ])
    assert.ok(
      excluded.some(
        ([severity, evidence = '']) => severity === 'warning' && evidence.startsWith('soft.example'),
      ),
    )
    assert.ok(excluded.every(([, evidence = '']) => !/good\.example|silent\.example/.test(evidence)))
  })

  it('does not want SPF to name this host where a smart host sends', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, ZONES)
    const folder = await setSmartHost(t, '192.0.2.1:25')
    const { findings, of } = await doctor(
      folder,
      '--resolver',
      `127.0.0.1:${nsd.port}`,
      '--address',
      '203.0.113.27',
    )
    assert.match(of('spf-not-needed')[0]?.evidence ?? '', /192\.0\.2\.1:25$/)
    assert.deepEqual(
      findings.filter(({ code }) => /^spf-(?!not)/.test(code)),
      [],
    )
    assert.equal(of('ptr-missing')[0]?.severity, 'info')
  })

  it('looks at some of many addresses, and says so', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, ZONES)
    const folder = await setSmartHost(t, '')
    const addresses = [1, 2, 3, 4, 5, 6].map((last) => `203.0.113.${last}`)
    const { of } = await examined(folder, {
      dns: {
        enabled: true,
        resolver: nsd,
        addresses,
        domains: Array.from({ length: 60 }, () => 'good.example'),
      },
    })
    assert.equal(of('dns-left-out')[0]?.evidence, '10 domains and 2 addresses were not looked at')
  })

  it('ends when the resolver is away, and when it never answers', async (t) => {
    const folder = await setSmartHost(t, '')
    const silent = await startLiar(t, () => undefined)
    for (const port of [await freePort(), silent.port]) {
      const { of } = await examined(folder, {
        dns: {
          enabled: true,
          resolver: { address: '127.0.0.1', port },
          addresses: ['203.0.113.25'],
          domains: [],
        },
      })
      assert.match(of('dns-unavailable')[0]?.evidence ?? '', /^the name of 203\.0\.113\.25 \(/)
    }
  })

  it('says when the machine has no public address to ask about', async (t) => {
    const folder = await setSmartHost(t, '')
    try {
      execFileSync(UNSHARE, ['--net', 'true'], { stdio: 'ignore' })
    } catch {
      t.skip('SKIPPED: no right to make a network of its own')
      return
    }
    const main = "import { examined } from './test/support/doctor.ts'"
    const program = `${main}
const folder = process.argv[1]
const dns = { enabled: true, resolver: null, addresses: [], domains: [] }
const { of } = await examined(folder, { dns })
process.stdout.write(JSON.stringify(of('address-unknown')))`
    process.chdir(ROOT)
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '--eval', program, '--', folder]
    const { stdout, stderr } = await run(UNSHARE, '--net', ...node)
    assert.match(stdout, /"evidence":"loopback only"/, stderr)
  })
})
