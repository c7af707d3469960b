/** `connectorctl doctor --json` as a process, or its checks in this one, and what they found. */

import assert from 'node:assert/strict'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { examine } from '../../src/doctor/examine.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import type { Finished } from './smarthost.ts'
import { connectorctl, temporaryFolder } from './smarthost.ts'

export interface Doctored {
  readonly code: number | null
  readonly findings: readonly Finding[]
  /** The findings of one code. */
  readonly of: (code: string) => readonly Finding[]
}

/** An instance that is never started. */
export interface StillInstance {
  readonly folder: string
  /** A file under config/. */
  readonly path: (...names: string[]) => string
}

/** Instances that are made once and copied for each test: their keys take long to make. */
export class Moulds {
  readonly #made = new Map<boolean, Promise<string>>()
  #parent: Promise<string> | null = null

  /** @returns a new one: the demonstration, or one with these organisations */
  async copy(t: TestContext, organizations: string | null): Promise<StillInstance> {
    const isDemo = organizations === null
    const mould = this.#made.get(isDemo) ?? this.#make(isDemo)
    this.#made.set(isDemo, mould)
    const folder = join(await temporaryFolder(t), 'instance')
    await cp(await mould, folder, { recursive: true, preserveTimestamps: true })
    const path = (...names: string[]): string => join(folder, 'config', ...names)
    if (organizations !== null) await writeFile(path('organizations.yaml'), organizations)
    return { folder, path }
  }

  async #make(isDemo: boolean): Promise<string> {
    this.#parent ??= mkdtemp(join(tmpdir(), 'connectors-moulds-'))
    const folder = join(await this.#parent, isDemo ? 'demo' : 'plain')
    const at = ['--smtp', '127.0.0.1:2', '--smtps', '127.0.0.1:3', '--hostname', 'smarthost.test']
    const { code, stderr } = await connectorctl('init', folder, ...at, ...(isDemo ? ['--demo'] : []))
    assert.equal(code, 0, stderr)
    return folder
  }

  async remove(): Promise<void> {
    if (this.#parent !== null) await rm(await this.#parent, { recursive: true, force: true })
  }
}

/**
 * @param folder the instance's folder
 * @param options what differs from `connectorctl doctor --no-dns`
 * @returns what the checks find, in this process
 */
export async function examined(
  folder: string,
  options: Partial<Parameters<typeof examine>[0]> = {},
): Promise<Doctored> {
  const { findings } = await examine({
    instance: folder,
    journals: [join(folder, 'data', 'journal')],
    since: new Date(Date.now() - 30 * 86_400_000),
    dns: { enabled: false, resolver: null, addresses: [], domains: [] },
    signal: new AbortController().signal,
    progress: () => undefined,
    ...options,
  })
  return { code: null, findings, of: (wanted) => findings.filter(({ code }) => code === wanted) }
}

/**
 * @param folder the instance's folder
 * @param flags more of them; the DNS is not asked unless they name a resolver
 * @returns what it found; fails when it printed anything else
 */
export async function doctor(folder: string, ...flags: string[]): Promise<Doctored> {
  const dns = flags.includes('--resolver') ? [] : ['--no-dns']
  const { code, stdout, stderr } = await runDoctor('--json', '--instance', folder, ...dns, ...flags)
  assert.equal(stderr, '')
  const { findings, ...others } = JSON.parse(stdout) as { findings: Finding[] }
  assert.deepEqual(others, {})
  for (const finding of findings) {
    assert.deepEqual(Object.keys(finding), ['severity', 'code', 'evidence', 'remedy'])
    assert.notEqual(finding.evidence, '', finding.code)
    assert.notEqual(finding.remedy, '', finding.code)
  }
  assert.equal(code, findings.some(({ severity }) => severity === 'error') ? 1 : 0)
  return { code, findings, of: (wanted) => findings.filter((finding) => finding.code === wanted) }
}

/** Runs `connectorctl doctor` with these flags. */
export function runDoctor(...flags: string[]): Promise<Finished> {
  return connectorctl('doctor', ...flags)
}
