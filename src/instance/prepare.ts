/** Makes what an instance lacks before its first start. Running it again changes nothing. */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, lchown, mkdir, readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readFileSync } from 'node:fs'
import { normalizeDomain } from '../text/domain-name.ts'
import { exists, writeWhole } from './files.ts'
import { readHarakaConfig } from './haraka-config.ts'
import { createCertificateAuthority, issueServerCertificate } from './pki.ts'
import { readSettings } from './settings.ts'

const run = promisify(execFile)

/** The demonstration's CA: `check` warns while it is trusted. */
export const DEMO_CA = 'demo-ca.pem'

const SECRET = 0o600

/**
 * @param instance the instance's folder
 * @returns a line for each thing that was made
 * @throws with one line when the folder is no instance, or a key stands there without its certificate
 */
export async function prepareInstance(instance: string): Promise<string[]> {
  const config = join(instance, 'config')
  if (!(await exists(join(config, 'smtp.ini')))) {
    throw new Error(
      `${instance} is no instance: there is no config/smtp.ini (connectorctl init DIR makes one)`,
    )
  }
  const made: string[] = []
  await mkdir(join(instance, 'queue'), { recursive: true, mode: 0o700 })
  await mkdir(join(instance, 'data'), { recursive: true, mode: 0o700 })
  await chmod(join(instance, 'data'), 0o700)
  if (!(await exists(join(config, 'internalcmd_key')))) {
    // Without it any local user could command Haraka's master.
    await writeWhole(join(config, 'internalcmd_key'), `${randomBytes(32).toString('hex')}\n`, SECRET)
  }
  if (await makeServerCertificate(config))
    made.push('config/tls_key.pem and config/tls_cert.pem (self-signed)')
  if (
    readSettings(instance).settings.certificates.ca.includes(DEMO_CA) &&
    (await makeDemonstration(config))
  ) {
    made.push(`config/${DEMO_CA} and client certificates in config/demo/ (for the demonstration only)`)
  }
  await handOver(instance)
  return made
}

/** Certificates that are there already are left alone. */
async function makeServerCertificate(config: string): Promise<boolean> {
  const { tlsKey, tlsCertificate } = readHarakaConfig(join(config, '..'))
  const [hasKey, hasCertificate] = await Promise.all([
    exists(join(config, tlsKey)),
    exists(join(config, tlsCertificate)),
  ])
  if (hasKey || hasCertificate) return false
  const name = serverName(config)
  const issued = await issueServerCertificate({
    commonName: name,
    names: [...new Set([name, 'localhost', '127.0.0.1', '::1'])],
    days: 825,
  })
  await writeWhole(join(config, tlsKey), issued.key, SECRET)
  await writeWhole(join(config, tlsCertificate), issued.certificate)
  return true
}

function serverName(config: string): string {
  let me = ''
  try {
    me = readFileSync(join(config, 'me'), 'utf8').trim()
  } catch {
    // Haraka takes the machine's name then, too.
  }
  return normalizeDomain(me) ?? normalizeDomain(hostname()) ?? 'localhost'
}

/** A CA of our own, client certificates of it, and one of another CA that nobody trusts. */
async function makeDemonstration(config: string): Promise<boolean> {
  if (await exists(join(config, DEMO_CA))) return false
  const folder = join(config, 'demo')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const [ca, stranger] = await Promise.all([
    createCertificateAuthority('Demonstration CA of haraka-plugin-connectors', 365),
    createCertificateAuthority('Somebody else', 365),
  ])
  const wanted = [
    [ca, 'mail.contoso.com', 'mail.contoso.com'],
    [ca, 'mail.adatum.com', 'mail.adatum.com'],
    [ca, 'mail.fabrikam.com', 'mail.fabrikam.com'],
    [stranger, 'mail.contoso.com', 'untrusted.mail.contoso.com'],
  ] as const
  await Promise.all(
    wanted.map(async ([issuer, name, file]) => {
      const issued = await issuer.issue({ commonName: name, names: [name], days: 365 })
      await writeWhole(join(folder, `${file}.key.pem`), issued.key, SECRET)
      await writeWhole(join(folder, `${file}.cert.pem`), issued.certificate, SECRET)
    }),
  )
  await writeWhole(join(folder, 'ca.key.pem'), ca.key, SECRET)
  // Last: while it is missing, the next start makes everything again.
  await writeWhole(join(config, DEMO_CA), ca.certificate, 0o644)
  return true
}

/** What the server writes and reads in secret belongs to the user that it runs as. */
async function handOver(instance: string): Promise<void> {
  const { user, group, tlsKey } = readHarakaConfig(instance)
  if (process.getuid?.() !== 0 || user === null) return
  const uid = await idOf('-u', user)
  const gid = group === null ? await idOf('-g', user) : await groupId(group)
  for (const path of ['queue', 'data', join('config', tlsKey), join('config', 'internalcmd_key')]) {
    await chownAll(join(instance, path), uid, gid)
  }
}

/**
 * @param user a user's name
 * @returns its numeric id
 * @throws with one line when there is no such user
 */
export async function idOf(flag: '-u' | '-g', user: string): Promise<number> {
  try {
    return Number((await run('id', [flag, '--', user])).stdout)
  } catch (error) {
    throw new Error(`there is no user ${user}: make it first (adduser --system ${user})`, { cause: error })
  }
}

/**
 * @param group a group's name
 * @returns its numeric id
 * @throws with one line when there is no such group
 */
export async function groupId(group: string): Promise<number> {
  const entry = await run('getent', ['group', group]).catch((error: unknown) => {
    throw new Error(`there is no group ${group}: make it first (addgroup --system ${group})`, {
      cause: error,
    })
  })
  return Number(entry.stdout.split(':')[2])
}

async function chownAll(path: string, uid: number, gid: number): Promise<void> {
  if (!(await exists(path))) return
  await lchown(path, uid, gid)
  const entries = await readdir(path, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') return []
    throw error
  })
  for (const entry of entries) await lchown(join(path, entry), uid, gid)
}
