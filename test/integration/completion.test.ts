/** Completion as somebody who types meets it: bash with its own readline and zsh, on a terminal each. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { Argument, Command, Option } from 'commander'
import { stringify } from 'yaml'
import { bashScript } from '../../src/cli/completion/bash.ts'
import { zshScript } from '../../src/cli/completion/zsh.ts'
import { hasPrograms } from '../support/programs.ts'
import { applied, file, makeNode } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import { atEnd, connectorctl, makeInstance } from '../support/smarthost.ts'
import type { Typist } from '../support/typing.ts'
import { startTyping } from '../support/typing.ts'

/** Each is one word for the command, whatever a shell would make of it. `ran` must never come to be. */
const HOSTILE = [
  'Branch scanners',
  '$(touch ran)',
  '`touch ran`',
  '$HOME ${HOME}',
  `both ' and "`,
  'a; touch ran',
  'a!b !! !1',
  String.raw`back\slash \n`,
  '*?[a-z]{1,2}',
  '~root',
  '# no comment',
  'site:two (old)',
  'x=y@z,w',
  'Zweigstelle Köln – 日本',
  String.raw`"$(touch ran)`,
]

/** Commands as others have them: any depth, options with words, files, folders and names, more than one argument. */
function commands(): Command {
  const root = new Command('connectorctl').description('for the test')
  const connector = root.command('inbound-connector').description("an organisation's: connectors")
  connector
    .command('show')
    .argument('<name>')
    .option('--organization <name>')
    .option('--instance <dir>')
    .option('--json', "it's: printed as JSON")
  root
    .command('domain')
    .command('verify')
    .argument('<domain...>')
    .option('--organization <name>')
    .option('--instance <dir>')
  root.command('organization').command('add').argument('<name>')
  root
    .command('read')
    .argument('<file...>')
    .addOption(new Option('--outcome <outcome>').choices(['relay', 'deliver', 'deny', 'defer']))
    .option('--names <name...>', 'several')
    .option('--instance <dir>')
    .option('--no-tls')
  root.command('print').addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
  return root
}

const SCRIPTS = { bash: bashScript, zsh: zshScript } as const
const SHELLS = ['bash', 'zsh'] as const

/** ESC * is bash's key for "insert all completions"; zsh gets one. */
const INSERT_ALL = [
  'insert_all() { _main_complete; compstate[insert]=all }',
  'zle -C insert-all complete-word insert_all',
  "bindkey '\\e*' insert-all",
]

async function sit(t: TestContext, shell: 'bash' | 'zsh', more: readonly string[] = []): Promise<Typist> {
  const script = SCRIPTS[shell](commands())
  const setup = ['source ./completion.sh', ...(shell === 'zsh' ? INSERT_ALL : []), ...more]
  return startTyping(t, shell, { 'completion.sh': script }, setup)
}

async function hostileInstance(t: TestContext): Promise<string> {
  const connectors = HOSTILE.map((name, index) => ({
    name,
    connectorType: 'OnPremises',
    senderIPAddresses: [`192.0.2.${index + 1}`],
  }))
  const organizations = [
    { name: 'contoso', acceptedDomains: [{ domainName: 'contoso.com' }], inboundConnectors: connectors },
    { name: 'fabrikam', acceptedDomains: [{ domainName: 'fabrikam.com' }] },
  ]
  const { folder } = await makeInstance(t, { demo: false, organizations: stringify({ organizations }) })
  return folder
}

for (const shell of SHELLS) {
  describe(`completion in ${shell}`, () => {
    const enough = (t: TestContext): boolean => hasPrograms(t, `/usr/bin/${shell}`, '/usr/bin/script')

    it('completes commands at any depth, options, words, files and folders', async (t) => {
      if (!enough(t)) return
      const typist = await sit(t, shell)
      await writeFile(join(typist.folder, 'zone file.yaml'), '')
      await mkdir(join(typist.folder, 'zoo'))
      const rows: readonly (readonly [typed: string, words: readonly string[]])[] = [
        ['inb\t sh\t --js\t', ['inbound-connector', 'show', '--json']],
        ['--vers\t', ['--vers']],
        ['read --outcome rel\t', ['read', '--outcome', 'relay']],
        ['read --outcome=rel\t', ['read', '--outcome=relay']],
        ['read --outc\t den\t --no\t', ['read', '--outcome', 'deny', '--no-tls']],
        ['read zone\t', ['read', 'zone file.yaml']],
        ['read a zone\t', ['read', 'a', 'zone file.yaml']],
        ['read --outcome deny zone\t', ['read', '--outcome', 'deny', 'zone file.yaml']],
        ['read --names a b --outc\t deny', ['read', '--names', 'a', 'b', '--outcome', 'deny']],
        ['read --instance z\t', ['read', '--instance', 'zoo/']],
        ['read --instance=z\t', ['read', '--instance=zoo/']],
        ['read -- --outc\t', ['read', '--', '--outc']],
        ['print z\t', ['print', 'zsh']],
        ['print zsh z\t', ['print', 'zsh', 'z']],
        ['organization add o\t', ['organization', 'add', 'o']],
        ['nonsense \t', ['nonsense']],
      ]
      for (const [typed, words] of rows) {
        const got = await typist.enter(`connectorctl ${typed}`)
        // zsh takes the slash off again when the line ends.
        assert.deepEqual(
          got.map((word) => (shell === 'zsh' ? word.replace(/\/$/, '') : word)),
          shell === 'zsh' ? words.map((word) => word.replace(/\/$/, '')) : words,
          typed,
        )
      }
    })

    it('completes names as one word, however they are written, and never runs them', async (t) => {
      if (!enough(t)) return
      const instance = await hostileInstance(t)
      const typist = await sit(t, shell)
      const show = ['inbound-connector', 'show', '--instance', instance]
      const all = await typist.enter(`connectorctl ${show.join(' ')} \u001b*`)
      assert.deepEqual(all.slice(4).toSorted(), HOSTILE.toSorted())
      // Every name in every quote is read back by bash in test/unit/bash-quoting.test.ts; zsh quotes by itself.
      for (const [beginning, name] of [
        [String.raw`"\$(to`, '$(touch ran)'],
        ["'$(to", '$(touch ran)'],
        ['"a!', 'a!b !! !1'],
        ["'both ", `both ' and "`],
        ['"both ', `both ' and "`],
      ] as const) {
        assert.deepEqual(
          (await typist.enter(`connectorctl ${show.join(' ')} ${beginning}\t`)).slice(4),
          [name],
          beginning,
        )
      }
      assert.ok(!existsSync(join(typist.folder, 'ran')))
    })

    it('goes on from what was typed of a name: quoted, after a colon, in another case', async (t) => {
      if (!enough(t)) return
      const instance = await hostileInstance(t)
      const typist = await sit(t, shell)
      const rows: readonly (readonly [typed: string, name: string])[] = [
        [String.raw`Branch\ sc`, 'Branch scanners'],
        ['site:tw', 'site:two (old)'],
        [String.raw`site:two\ `, 'site:two (old)'],
        ['x=y@', 'x=y@z,w'],
        [String.raw`\$\(to`, '$(touch ran)'],
        ['Zweigstelle', 'Zweigstelle Köln – 日本'],
        ...(shell === 'bash' ? ([['branch', 'Branch scanners']] as const) : []),
      ]
      for (const [typed, name] of rows) {
        const got = await typist.enter(
          `connectorctl inbound-connector show --instance ${instance} ${typed}\t`,
        )
        assert.deepEqual(got.slice(4), [name], typed)
      }
      const verify = `connectorctl domain verify --instance ${instance}`
      assert.deepEqual((await typist.enter(`${verify} --organization=fa\t fa\t con\t`)).slice(4), [
        '--organization=fabrikam',
        'fabrikam.com',
        'con',
      ])
      assert.ok(!existsSync(join(typist.folder, 'ran')))
    })

    it('shows what there is to choose from', async (t) => {
      if (!enough(t)) return
      const typist = await sit(
        t,
        shell,
        shell === 'bash'
          ? ["bind 'set show-all-if-ambiguous on'"]
          : ['zstyle ":completion:*" list-prompt ""'],
      )
      const shown = await typist.see('connectorctl read --outcome de\t', /defer\s+deliver\s+deny/)
      assert.ok(!shown.includes('relay'))
      if (shell === 'zsh')
        await typist.see('connectorctl inbound-connector show --\t', /--json\s+-- it's: printed as JSON/)
    })

    it('takes no name for an option, and completes nothing where there is no directory', async (t) => {
      if (!enough(t)) return
      const organizations = stringify({
        organizations: [
          {
            name: 'contoso',
            inboundConnectors: [
              { name: '--yes', connectorType: 'OnPremises', senderIPAddresses: ['192.0.2.1'] },
            ],
          },
        ],
      })
      const { folder } = await makeInstance(t, { demo: false, organizations })
      const typist = await sit(t, shell)
      const show = 'connectorctl inbound-connector show'
      assert.deepEqual((await typist.enter(`${show} --instance ${folder} \t`)).slice(4), [])
      assert.deepEqual((await typist.enter(`${show} --instance ./missing \t`)).slice(4), [])
      await writeFile(join(folder, 'config', 'organizations.yaml'), 'organizations: [')
      assert.deepEqual((await typist.enter(`${show} --instance ${folder} --organization \t`)).slice(4), [
        '--organization',
      ])
    })
  })
}

describe('connectorctl completion', () => {
  it('finds names in Redis, and none, without a word, when it does not answer', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const names = async (of: string, ...words: string[]): Promise<string[]> => {
      const { code, stdout, stderr } = await connectorctl(
        '__complete',
        'zsh',
        of,
        'option',
        '--',
        '',
        ...words,
        '',
      )
      assert.deepEqual([code, stderr], [0, ''])
      return stdout.split('\0').slice(0, -1).toSorted()
    }
    const here = ['--instance', node.folder]
    assert.deepEqual(await names('organization', ...here), [])
    const organizations = [
      { name: 'contoso', acceptedDomains: [{ domainName: 'contoso.com' }, { domainName: 'contoso.net' }] },
      { name: 'Fabrikam', acceptedDomains: [{ domainName: 'fabrikam.com' }] },
    ]
    await applied(node, await file(t, stringify({ organizations })))
    assert.deepEqual(await names('organization', ...here), ['Fabrikam', 'contoso'])
    assert.deepEqual(await names('domain', ...here), ['contoso.com', 'contoso.net', 'fabrikam.com'])
    assert.deepEqual(await names('domain', '--organization=FABRIKAM', ...here), ['fabrikam.com'])
    assert.deepEqual(await names('nonsense', ...here), [])
    // It takes connections and says nothing.
    const silent = createServer(() => undefined)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    atEnd(t, () => silent.close())
    const { port } = silent.address() as AddressInfo
    await writeFile(node.path('redis.ini'), `[server]\nport = ${port}\n[redis]\nconnect_timeout = 60000\n`)
    assert.deepEqual(await names('organization', ...here), [])
    await redis.stop()
    await writeFile(node.path('redis.ini'), `[server]\nport = ${redis.port}\n`)
    assert.deepEqual(await names('organization', ...here), [])
  })

  it('prints a script for the whole of connectorctl that bash and zsh take', async (t) => {
    for (const shell of SHELLS) {
      if (!hasPrograms(t, `/usr/bin/${shell}`, '/usr/bin/script')) return
      const typist = await startTyping(t, shell, {}, [`source <(connectorctl completion ${shell})`])
      assert.deepEqual(await typist.enter('connectorctl dir\t aud\t --js\t'), [
        'directory',
        'audit',
        '--json',
      ])
      assert.deepEqual(await typist.enter('connectorctl journal --outcome rel\t'), [
        'journal',
        '--outcome',
        'relay',
      ])
    }
  })

  it('refuses a shell that it does not know', async () => {
    const { code, stderr } = await connectorctl('completion', 'fish')
    assert.equal(code, 2)
    assert.match(stderr, /bash, zsh/)
  })
})
