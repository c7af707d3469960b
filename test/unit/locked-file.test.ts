/** A file that commands change: whose turn it is, and what is said when it cannot be changed. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { chmod, chown, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import { openFileEditor } from '../../src/directory/file/file-editor.ts'
import { holderHere } from '../../src/directory/file/holder.ts'
import { takeLock } from '../../src/directory/file/lock.ts'
import { changeFile } from '../../src/directory/file/locked-file.ts'
import { hasPrograms } from '../support/programs.ts'
import { temporaryFolder } from '../support/smarthost.ts'

/** No process has this pid: Linux counts to 4,194,304. */
const DEAD = holderHere().replace(/^\d+/, '99999999')
const ELSEWHERE = '99999999.0123456789abcdef'
const NOBODY = 65_534

async function fileOf(t: TestContext, text = 'old\n'): Promise<string> {
  const folder = join(await temporaryFolder(t), 'config')
  await mkdir(folder)
  const path = join(folder, 'organizations.yaml')
  await writeFile(path, text)
  return path
}

async function leave(path: string, text: string, minutes: number): Promise<void> {
  await writeFile(path, text)
  const then = Date.now() / 1000 - minutes * 60
  await utimes(path, then, then)
}

/** Does something as another user, as far as the kernel is concerned. */
async function as(t: TestContext, user: number, act: () => Promise<void>): Promise<void> {
  if (process.seteuid === undefined) {
    t.skip('there are no users here')
    return
  }
  process.seteuid(user)
  try {
    await act()
  } finally {
    process.seteuid(0)
  }
}

describe('the lock of a file', () => {
  const holders: readonly (readonly [who: string, holder: string, minutes: number, waits: boolean])[] = [
    ['a command that lives and takes long', holderHere(), 1, true],
    ['a command in another container, which cannot be looked up', ELSEWHERE, 1, true],
    ['who has just made it and not written into it yet', '', 0, true],
    ['a command that was killed', DEAD, 0, false],
    ['a command in another container without a sign of life for long', ELSEWHERE, 11, false],
    ['who was killed before it could write into it', '', 1, false],
  ]
  for (const [who, holder, minutes, waits] of holders) {
    it(`of ${who} is ${waits ? 'respected' : 'taken over'}`, async (t) => {
      const path = await fileOf(t)
      await leave(`${path}.lock`, holder === '' ? '' : `${holder} 0123456789abcdef there\n`, minutes)
      const order: string[] = []
      const changing = changeFile(path, () => {
        order.push('changed')
        return Buffer.from('new\n')
      })
      if (waits) {
        // Long enough for many looks at the lock; none may be the last.
        await delay(150)
        order.push('released')
        await rm(`${path}.lock`)
      }
      await changing
      assert.deepEqual(order, waits ? ['released', 'changed'] : ['changed'])
      assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
    })
  }

  it('is kept alive by its holder', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    const path = `${await fileOf(t)}.lock`
    const lock = await takeLock(path)
    await utimes(path, 1, 1)
    t.mock.timers.tick(30_000)
    while ((await stat(path)).mtimeMs < 2_000) await setImmediate()
    await lock.release()
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
  })

  it('that was left is taken over by one of many commands, and none loses a change', async (t) => {
    const path = await fileOf(t, '')
    await leave(`${path}.lock`, `${DEAD} 0123456789abcdef here\n`, 1)
    const letters = Array.from('abcdefghijklmnopqrst')
    const add = (letter: string) => changeFile(path, (before) => Buffer.from(before.toString() + letter))
    await Promise.all(letters.map((letter) => add(letter)))
    assert.deepEqual(Array.from(await readFile(path, 'utf8')).toSorted(), letters)
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
  })

  it('that was lost to another command writes nothing, and leaves the other its lock', async (t) => {
    const path = await fileOf(t)
    await assert.rejects(
      changeFile(path, () => {
        writeFileSync(`${path}.lock`, `${ELSEWHERE} fedcba9876543210 there\n`)
        return Buffer.from('new\n')
      }),
      /config\/organizations\.yaml was changed by somebody else meanwhile: look at it again/,
    )
    assert.equal(await readFile(path, 'utf8'), 'old\n')
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml', 'organizations.yaml.lock'])
  })

  it('lets its holder remove what dead commands left, and nothing that a living one writes', async (t) => {
    const path = await fileOf(t)
    for (const [holder, minutes] of [
      [DEAD, 1],
      [ELSEWHERE, 11],
      [ELSEWHERE, 1],
      [holderHere(), 1],
    ] as const) {
      await leave(`${path}.${holder}.${minutes === 1 ? '01234567' : '76543210'}.new`, 'half', minutes)
    }
    await changeFile(path, () => Buffer.from('new\n'))
    assert.deepEqual(
      (await readdir(join(path, '..'))).toSorted(),
      ['', `.${ELSEWHERE}.01234567.new`, `.${holderHere()}.01234567.new`]
        .map((end) => `${basename(path)}${end}`)
        .toSorted(),
    )
  })
})

/** acl(5), as Linux keeps it: the owner rw, user 1 rw, the group r, all of them at most rw, others nothing. */
const NAME = 'system.posix_acl_access'
const LIST = [
  '02000000',
  '01000600ffffffff',
  '0200060001000000',
  '04000400ffffffff',
  '10000600ffffffff',
  '20000000ffffffff',
].join('')

describe('a file that cannot be changed', () => {
  const ORGANIZATIONS = 'organizations:\n  - name: contoso\n'

  it('is not said to be missing while it is there: nobody shall write an empty one over it', async (t) => {
    const path = await fileOf(t, ORGANIZATIONS)
    const editor = await openFileEditor(path)
    const stored = await editor.read('contoso')
    assert.ok(stored !== null)
    let isDone = false
    const removing = (async () => {
      while (!isDone) {
        for (const name of readdirSync(join(path, '..'))) {
          if (name.endsWith('.new')) rmSync(join(path, '..', name), { force: true })
        }
        await setImmediate()
      }
    })()
    const after = { ...stored.organization, comment: 'x' }
    await assert.rejects(
      editor.replace([{ nameKey: 'contoso', after, expected: stored.revision }]),
      /organizations\.yaml cannot be written: ENOENT; nothing was changed; [^[]*try again$/,
    )
    isDone = true
    await removing
    assert.equal(await readFile(path, 'utf8'), ORGANIZATIONS)
    await rm(path)
    await assert.rejects(
      editor.replace([{ nameKey: 'contoso', after: null, expected: stored.revision }]),
      /cannot be read: ENOENT; write one with "organizations: \[\]"/,
    )
  })

  it('says who may, when the new one cannot be given to whom the old one belongs', async (t) => {
    if (!hasPrograms(t)) return
    const path = await fileOf(t)
    await chmod(path, 0o666)
    for (const folder of [join(path, '..'), join(path, '../..')]) await chmod(folder, 0o777)
    await as(t, NOBODY, async () => {
      await assert.rejects(
        changeFile(path, () => Buffer.from('new\n')),
        /organizations\.yaml cannot be written: EPERM; nothing was changed; run it as root: the file belongs to root$/,
      )
    })
    await chown(path, 1, NOBODY)
    await as(t, NOBODY, async () => {
      await assert.rejects(
        changeFile(path, () => Buffer.from('new\n')),
        /nothing was changed; run it as the file's owner \(\w+\) or root$/,
      )
    })
    await chown(path, NOBODY, 1)
    await as(t, NOBODY, async () => {
      await assert.rejects(
        changeFile(path, () => Buffer.from('new\n')),
        /nothing was changed; run it as root: the file's group is \w+, and this user is not in it$/,
      )
    })
    assert.equal(await readFile(path, 'utf8'), 'old\n')
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
  })

  it('is not said to be unchanged when only its folder could not be written to the disk', async (t) => {
    if (!hasPrograms(t)) return
    const path = await fileOf(t)
    await chown(path, NOBODY, 0)
    await chown(join(path, '..'), NOBODY, 0)
    await chmod(join(path, '../..'), 0o711)
    // It can be written, but not opened, as fsync wants it.
    await chmod(join(path, '..'), 0o300)
    await as(t, NOBODY, async () => {
      await assert.rejects(
        changeFile(path, () => Buffer.from('new\n')),
        ({ message }: Error) =>
          message.startsWith(
            'config/organizations.yaml was written, but perhaps not yet to the disk: EACCES',
          ) && !message.includes('nothing was changed'),
      )
    })
    assert.equal(await readFile(path, 'utf8'), 'new\n')
    assert.deepEqual(await readdir(join(path, '..')), ['organizations.yaml'])
  })
})

describe('a file that was changed', () => {
  it('keeps its access control list', async (t) => {
    if (!hasPrograms(t, '/usr/bin/python3', '/bin/cp')) return
    const path = await fileOf(t)
    const python = (code: string) =>
      execFileSync('/usr/bin/python3', ['-c', `import os, sys; ${code}`, path, NAME, LIST], {
        encoding: 'utf8',
      })
    const list = () => python('print(os.getxattr(sys.argv[1], sys.argv[2]).hex())')
    python('os.setxattr(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]))')
    const before = list()
    assert.equal(before, `${LIST}\n`)
    await changeFile(path, () => Buffer.from('new\n'))
    assert.equal(list(), before)
  })
})
