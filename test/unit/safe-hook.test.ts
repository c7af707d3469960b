/** An unforeseen error is 451, never 250 and never a crash; Haraka is told once. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import constants from 'haraka-constants'
import { safeHook } from '../../src/haraka/safe-hook.ts'
import type { Connection, Plugin } from '../../src/haraka/types.ts'

interface Called {
  readonly answers: (readonly [number | undefined, unknown])[]
  readonly logged: string[]
}

async function call(hook: ReturnType<typeof safeHook>, subject: unknown): Promise<Called> {
  const answers: [number | undefined, unknown][] = []
  const logged: string[] = []
  const log = (...parts: unknown[]): void => {
    logged.push(parts.map(String).join(' '))
  }
  const connection = Object.assign(subject as object, { logcrit: log })
  await hook.call(
    { logcrit: log } as unknown as Plugin,
    (code, message) => {
      answers.push([code, message])
    },
    connection as Connection,
    undefined,
  )
  return { answers, logged }
}

const connection = (): unknown => ({
  uuid: 'CONNECTION',
  remote: {},
  results: { add: () => undefined },
  transaction: { uuid: 'CONNECTION.1' },
})

const REPLY = /^451 4\.3\.0 .*\[internal-error CONNECTION\.1\]$/

function lineOf(message: unknown): string {
  const { code, reply } = message as { code: number; reply: string }
  return `${code} ${reply}`
}

describe('a hook', () => {
  for (const [how, handler] of [
    [
      'throws',
      () => {
        throw new Error('first\nsecond')
      },
    ],
    ['rejects', () => Promise.reject(new Error('first\nsecond'))],
    [
      'throws what is no error',
      () => {
        throw 'a string'
      },
    ],
  ] as const) {
    it(`that ${how} answers 451 once, and its stack is one line of the log`, async () => {
      const { answers, logged } = await call(safeHook('test', handler), connection())
      assert.equal(answers.length, 1)
      assert.equal(answers[0]?.[0], constants.denysoft)
      assert.match(lineOf(answers[0]?.[1]), REPLY)
      assert.equal(logged.length, 1)
      assert.doesNotMatch(logged[0] ?? '', /\n/)
    })
  }

  it('that has no connection answers 451 as well', async () => {
    const { answers } = await call(
      safeHook('test', () => Promise.reject(new Error('x'))),
      {},
    )
    assert.equal(answers.length, 1)
    assert.equal(answers[0]?.[0], constants.denysoft)
  })

  it('that answers is passed on as it is', async () => {
    const given = { code: constants.ok, message: 'fine' }
    assert.deepEqual(
      (
        await call(
          safeHook('test', () => given),
          connection(),
        )
      ).answers,
      [[constants.ok, 'fine']],
    )
    assert.deepEqual(
      (
        await call(
          safeHook('test', () => undefined),
          connection(),
        )
      ).answers,
      [[undefined, undefined]],
    )
  })
})
