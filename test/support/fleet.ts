/** The fleet of docker-compose.yml for a test: prepared by deploy/prepare, on addresses of loopback that are its own. */

import { chown, cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Compose } from './compose.ts'
import { ROOT, runWith, temporaryFolder } from './smarthost.ts'
import { SmtpClient } from './smtp-client.ts'

const CONNECTORCTL = '/opt/connectors/bin/connectorctl.js'

/** The user that docker-compose.yml runs the smarthost as. */
const SMARTHOST = 10_025

export type NodeName = 'node1' | 'node2'

export interface Fleet {
  readonly compose: Compose
  /** What HAProxy listens on, at ports 25, 465 and 587. */
  readonly address: string
  /** Where HAProxy comes from. */
  readonly proxy: string
  /** Where a node listens, at ports 2525 and 2465. */
  nodeAddress(name: NodeName): string
  /** Where a Redis server listens. */
  redisAddress(name: 'redis1' | 'redis2'): string
  secret(name: string): Promise<string>
  /** `docker compose run --rm connectorctl apply`, of this text. */
  apply(organizations: string): Promise<{ readonly code: number | null; readonly output: string }>
  /** `docker compose run --rm connectorctl ...` */
  ctl(...args: string[]): Promise<{ readonly code: number | null; readonly output: string }>
  /** A client at an address, through HAProxy. */
  connect(from: string, port?: number): Promise<SmtpClient>
  /** A client at an address as HAProxy hands it to one node. */
  connectTo(name: NodeName, from: string): Promise<SmtpClient>
}

/**
 * @param t the test
 * @param smartHost where mail goes
 * @param settings changes a file of the nodes' settings, by its name
 */
export async function makeFleet(
  t: TestContext,
  smartHost: string,
  settings: Readonly<Record<string, (text: string) => string>> = {},
): Promise<Fleet> {
  const folder = await temporaryFolder(t)
  const own = `127.${100 + (process.pid % 100)}`
  const [mail, store] = [`${own}.25`, `${own}.26`]
  const environment = {
    RUN: join(folder, 'run'),
    MAIL_NETWORK: mail,
    STORE_NETWORK: store,
    PUBLIC_ADDRESS: `${mail}.100`,
  }
  const prepare = join(ROOT, 'deploy', 'prepare')
  const args = ['--hostname', 'smtp.contoso.com', '--smart-host', smartHost]
  const { code, stderr } = await runWith(environment, prepare, ...args)
  if (code !== 0) throw new Error(`prepare failed: ${stderr}`)
  const config = join(environment.RUN, 'config')
  for (const [name, change] of Object.entries(settings)) {
    await writeFile(join(config, name), change(await readFile(join(config, name), 'utf8')))
  }
  const mounts: Record<string, string> = {}
  const nodeAddress = (name: NodeName): string => `${mail}.1${name.slice(-1)}`
  for (const name of ['node1', 'node2'] as const) {
    // Containers have addresses of their own; here all share loopback, and cannot listen on all of it.
    mounts[`${name}:/srv/smarthost/config`] = await ownConfig(config, join(folder, name), nodeAddress(name))
  }
  const compose = await Compose.open(t, { environment, folder: join(folder, 'volumes'), mounts })
  const ctl: Fleet['ctl'] = (...more) => compose.run('connectorctl', ...more)
  return {
    compose,
    address: environment.PUBLIC_ADDRESS,
    proxy: `${mail}.1`,
    nodeAddress,
    redisAddress: (name) => `${store}.2${name.slice(-1)}`,
    secret: async (name) => (await readFile(join(environment.RUN, 'secrets', name), 'utf8')).trim(),
    apply: async (organizations) => {
      await writeFile(join(config, 'organizations.yaml'), organizations)
      return ctl('apply', 'config/organizations.yaml', '--yes')
    },
    ctl,
    connect: (from, port = 25) =>
      SmtpClient.connect({
        host: environment.PUBLIC_ADDRESS,
        port,
        localAddress: from,
        implicitTls: port === 465,
      }),
    connectTo: (name, from) =>
      SmtpClient.connect({
        host: nodeAddress(name),
        port: 2525,
        localAddress: `${mail}.1`,
        preamble: `PROXY TCP4 ${from} ${environment.PUBLIC_ADDRESS} 40000 25\r\n`,
        silent: true,
      }),
  }
}

async function ownConfig(shared: string, own: string, address: string): Promise<string> {
  await cp(shared, own, { recursive: true })
  const smtp = join(own, 'smtp.ini')
  await writeFile(smtp, (await readFile(smtp, 'utf8')).replaceAll('0.0.0.0', address))
  for (const name of ['tls_key.pem', 'internalcmd_key']) await chown(join(own, name), SMARTHOST, 0)
  return own
}

/** A node's own journal: `docker compose exec node1 connectorctl journal`. */
export async function journalOf({ compose }: Fleet, name: NodeName, ...args: string[]): Promise<string> {
  return (await compose.exec(name, 'node', CONNECTORCTL, 'journal', '--json', ...args)).output
}
