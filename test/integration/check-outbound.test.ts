/** What connectorctl check says of the way out: mail without one, and files that outbound connectors show. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { after, describe, it } from 'node:test'
import { registerCheck } from '../../src/cli/commands/check.ts'
import { Authority } from '../support/authority.ts'
import { runCommand } from '../support/one-command.ts'
import type { Instance } from '../support/smarthost.ts'
import { makeInstance } from '../support/smarthost.ts'
import { onBothStores } from '../support/stores.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const TEXT = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
      - domainName: wide.example
        matchSubDomains: true
      - domainName: taken.example
      - domainName: by-mx.example
    outboundConnectors:
      - name: Ours
        recipientDomains: [taken.example, wide.example]
        smartHosts: [exchange.contoso.com]
      - name: By MX
        recipientDomains: [by-mx.example]
      - name: Off
        enabled: false
        recipientDomains: ["*"]
        smartHosts: [exchange.contoso.com]
        tlsCertificateFile: off.pem
        tlsKeyFile: off.key
      - name: Filter
        recipientDomains: [fabrikam.com]
        smartHosts: [smtp.fabrikam.com]
        tlsSettings: EncryptionOnly
        tlsCertificateFile: contoso/client.pem
        tlsKeyFile: contoso/client.key
        userName: contoso
        passwordFile: contoso/password
`

async function check({ folder }: Instance): Promise<string> {
  const { code, stderr, stdout } = await runCommand(registerCheck, 'check', '--instance', folder)
  assert.equal(code, 0, `${stdout}${stderr}`)
  return stdout
}

async function setSmartHost({ path }: Instance, to: string): Promise<void> {
  const text = await readFile(path('connectors.ini'), 'utf8')
  await writeFile(path('connectors.ini'), text.replace(/^smart_host =.*$/m, `smart_host =${to}`))
}

describe('connectorctl check', () => {
  onBothStores('names the accepted domains that mail has no way to', TEXT, async (_t, { instance }) => {
    await setSmartHost(instance, '')
    const said = await check(instance)
    assert.match(
      said,
      /^config\/connectors\.ini: warning: mail to accepted domains gets 451 4\.4\.4, .* there is no \[outbound\] smart_host \((.*)\) \(add an outbound connector/m,
    )
    assert.deepEqual(/smart_host \(([^)]*)\)/.exec(said)?.[1]?.split(', ').toSorted(), [
      '*.wide.example',
      'by-mx.example',
      'contoso.com',
    ])
    assert.match(said, /4 accepted domains, 0 inbound connectors, 4 outbound connectors: /)

    await setSmartHost(instance, ' mail.contoso.com:25')
    assert.doesNotMatch(await check(instance), /4\.4\.4/)
  })

  onBothStores('looks at the files of connectors that are enabled', TEXT, async (_t, { instance }) => {
    const missing = await check(instance)
    assert.match(
      missing,
      /: warning: outbound connector Filter: contoso\/client\.pem under config\/ does not exist \(put it right on this machine; until then mail through it waits/,
    )
    assert.doesNotMatch(missing, /off\.(?:pem|key)/)

    await mkdir(instance.path('contoso'))
    const made = authority.make({ name: 'smarthost.contoso.com', issuer: null })
    const files = {
      'client.pem': made.pem,
      'client.key': readFileSync(made.keyFile, 'utf8'),
      password: 'hunter2\n',
    }
    for (const [name, text] of Object.entries(files)) {
      await writeFile(instance.path('contoso', name), text, { mode: 0o640 })
    }
    assert.doesNotMatch(await check(instance), /contoso\/(?:client|password)/)

    await chmod(instance.path('contoso', 'password'), 0o644)
    await chmod(instance.path('contoso', 'client.pem'), 0o644)
    const open = await check(instance)
    assert.match(
      open,
      /^config\/contoso\/password: warning: is open to every user of this machine \(run chmod o= config\/contoso\/password\)$/m,
    )
    assert.doesNotMatch(open, /client\.pem/, 'a certificate is no secret')

    const other = authority.make({ name: 'other', issuer: null })
    await writeFile(instance.path('contoso', 'client.key'), readFileSync(other.keyFile))
    assert.match(await check(instance), /contoso\/client\.key is not the key of the certificate/)
  })

  it('says that a file of settings of the queue before this one has no effect', async (t) => {
    const instance = await makeInstance(t)
    assert.doesNotMatch(await check(instance), /outbound\.ini/)
    await writeFile(instance.path('outbound.ini'), 'temp_fail_intervals=1m,2h\n')
    assert.match(
      await check(instance),
      /^config\/outbound\.ini: warning: has no effect: .* \(write what is meant into config\/connectors\.ini, \[outbound\] and \[queue\], and remove it\)$/m,
    )
  })
})
