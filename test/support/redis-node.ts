/** Nodes whose directory is in Redis: made, filled by connectorctl, and asked as a server that sends mail asks. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Instance } from './smarthost.ts'
import { connectorctl, makeInstance, temporaryFolder } from './smarthost.ts'
import { SmtpClient } from './smtp-client.ts'

/**
 * @param t the test
 * @param redis where Redis is
 * @param lines of redis.ini beside its port
 * @returns an instance, not started yet
 */
export async function makeNode(
  t: TestContext,
  redis: { readonly port: number },
  lines: readonly string[] = [],
): Promise<Instance> {
  const instance = await makeInstance(t, {
    config: { 'connectors.ini': (text) => text.replace('store = file', 'store = redis') },
  })
  const settings = ['[server]', `port = ${redis.port}`, ...lines]
  await writeFile(instance.path('redis.ini'), `${settings.join('\n')}\n`)
  return instance
}

/** @returns the path of a file of organisations with this text, gone after the test */
export async function file(t: TestContext, text: string): Promise<string> {
  const path = join(await temporaryFolder(t), 'organizations.yaml')
  await writeFile(path, text)
  return path
}

/** What a server at 127.0.0.2 hears at RCPT. */
export async function ask(node: Instance, from: string, address = '127.0.0.2'): Promise<string> {
  const client = await SmtpClient.connect({ port: node.smtp, localAddress: address })
  try {
    await client.ehlo()
    await client.command(`MAIL FROM:<${from}>`)
    return await client.command('RCPT TO:<john@elsewhere.example>')
  } finally {
    client.close()
  }
}

/** Asks again and again until it hears what is wanted; fails after so many milliseconds. */
export async function until(
  node: Instance,
  from: string,
  wanted: RegExp,
  milliseconds: number,
): Promise<void> {
  const end = Date.now() + milliseconds
  for (;;) {
    const said = await ask(node, from)
    if (wanted.test(said)) return
    assert.ok(Date.now() < end, `still ${said}`)
    await delay(20)
  }
}

/** Runs `connectorctl apply`, which must end well; what it said. */
export async function applied(instance: Instance, path: string, ...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await connectorctl(
    'apply',
    path,
    '--yes',
    '--instance',
    instance.folder,
    ...flags,
  )
  assert.equal(code, 0, stderr)
  return stdout
}
