/** What is mended in Haraka is found in the Haraka that is installed; another Haraka is noticed. */

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import type { HarakaModules } from '../../src/haraka/mend.ts'
import { harakaModules } from '../../src/haraka/mend.ts'
import { MENDS, isRecognised } from '../../src/haraka/mends.ts'
import { isAtLeast, MINIMUM_HARAKA, requireHaraka } from '../../src/haraka/version.ts'
import type { Plugin } from '../../src/haraka/types.ts'

const require = createRequire(import.meta.url)
process.env['HARAKA'] = import.meta.dirname
const haraka = harakaModules({
  haraka_require: (name: string) => require(`Haraka/${name}`) as unknown,
} as unknown as Plugin)

describe('a mend', () => {
  for (const mend of MENDS) {
    it(`of "${mend.name}" finds its fault in the installed Haraka`, () => {
      assert.ok(isRecognised(mend, haraka))
    })

    it(`of "${mend.name}" notices when upstream has changed`, () => {
      const other = new Proxy(
        {},
        {
          get: () => ({
            Connection: {
              setupClient: () => 'changed',
              prototype: new Proxy({}, { get: () => () => 'changed' }),
            },
            is_haproxy_allowed: () => 'changed',
            listening: () => 'changed',
            destroy: () => 'changed',
            config: { get: () => 'changed' },
          }),
        },
      ) as HarakaModules
      assert.ok(!isRecognised(mend, other))
    })
  }
})

describe('the version of Haraka', () => {
  it('is compared number by number', () => {
    assert.ok(isAtLeast('3.10.0', '3.3.4'))
    assert.ok(isAtLeast('3.3.4', '3.3.4'))
    assert.ok(!isAtLeast('3.3.3', '3.3.4'))
    assert.ok(!isAtLeast('2.9.9', '3.3.4'))
    assert.ok(isAtLeast('3.3.4-beta', '3.3.4'))
  })

  it('that is open to SMTP smuggling is refused', () => {
    assert.throws(
      () => {
        requireHaraka('3.0.2')
      },
      new RegExp(MINIMUM_HARAKA.replaceAll('.', '\\.')),
    )
  })
})
