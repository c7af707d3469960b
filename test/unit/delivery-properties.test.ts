/**
 * Whatever happens to messages, none of their recipients is lost: each ends delivered, bounced, held, dropped by an
 * administrator or still waiting, and nobody gets a message twice. Random scripts of answers, dead hosts, a disk that
 * fails, restarts and an administrator.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { QueueAction } from '../../src/outbound/types.ts'
import { NotStored } from '../../src/outbound/types.ts'
import type { Answer } from '../support/delivery-world.ts'
import { DAY, HOUR, MINUTE, unreachable, World } from '../support/delivery-world.ts'
import { recipient } from '../support/queued.ts'

type Step =
  | {
      readonly kind: 'accept'
      readonly to: readonly number[]
      readonly sender: string
      readonly mayBounce: boolean
    }
  | { readonly kind: 'pass'; readonly minutes: number }
  | { readonly kind: 'act'; readonly action: QueueAction }
  | { readonly kind: 'restart' }

interface Script {
  readonly steps: readonly Step[]
  readonly answers: readonly Answer[]
  readonly refused: readonly ('no' | 'unreachable' | 'tls' | 'loop')[]
  readonly ended: readonly boolean[]
  readonly unknown: readonly boolean[]
  /** Of the disk; then there are no restarts, which would know nothing of what could not be written. */
  readonly broken: readonly boolean[]
  readonly buffer: number
}

const ADDRESSES = ['a@one.example', 'b@one.example', 'c@two.example', 'd@three.example', 'e@four.example']

const PLAIN = { noNullPrototype: true } as const

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record(
      {
        kind: fc.constant('accept' as const),
        to: fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }),
        sender: fc.constantFrom('kate@contoso.com', 'kate@contoso.com', ''),
        mayBounce: fc.boolean(),
      },
      PLAIN,
    ),
  },
  {
    weight: 4,
    arbitrary: fc.record(
      { kind: fc.constant('pass' as const), minutes: fc.constantFrom(0, 1, 5, 20, 60, 300, 1500, 3000) },
      PLAIN,
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        kind: fc.constant('act' as const),
        action: fc.constantFrom<QueueAction>('retry', 'hold', 'release', 'bounce', 'drop'),
      },
      PLAIN,
    ),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }, PLAIN) },
)

const often = (length = 12) => fc.array(fc.boolean(), { minLength: 1, maxLength: length })

const SCRIPT: fc.Arbitrary<Script> = fc.record(
  {
    steps: fc.array(STEP, { minLength: 2, maxLength: 14 }),
    answers: fc.array(fc.constantFrom<Answer>('delivered', 'deferred', 'failed'), {
      minLength: 1,
      maxLength: 12,
    }),
    refused: fc.array(fc.constantFrom('no', 'no', 'no', 'unreachable', 'tls', 'loop'), {
      minLength: 1,
      maxLength: 12,
    }),
    ended: often(),
    unknown: fc.oneof(fc.constant([false]), often()),
    broken: fc.oneof(fc.constant([false]), often()),
    buffer: fc.constantFrom(0, 100, 1_000_000),
  },
  PLAIN,
)

/** Goes round. */
function turns<Item>(items: readonly Item[], otherwise: Item): () => Item {
  let index = 0
  return () => items[index++ % items.length] ?? otherwise
}

it('no recipient is ever lost, and nobody gets a message twice', async (t) => {
  await fc.assert(
    fc.asyncProperty(SCRIPT, async (script) => {
      t.mock.timers.reset()
      const isBroken = script.broken.includes(true)
      const got: string[] = []
      const answer = turns(script.answers, 'delivered')
      const refusal = turns(script.refused, 'no')
      const unknown = turns(script.unknown, false)
      const broken = turns(script.broken, false)
      const world = await World.open(t, (one) => {
        one.settings = { ...one.settings, bufferBytes: script.buffer, messagesPerConnection: 3 }
        one.answers = (address, id) => {
          const said = answer()
          if (said === 'delivered') got.push(`${id} ${address}`)
          return said
        }
        one.refuses = (target) => {
          const kind = refusal()
          return kind === 'no' ? null : unreachable(target, kind)
        }
        one.ended = turns(script.ended, false)
      })
      world.fails = (what) => (broken() ? new NotStored(`no ${what}`, true) : null)
      world.isUnknown = unknown
      const dropped = new Set<string>()
      let count = 0
      for (const step of script.steps) {
        if (step.kind === 'accept') {
          const id = `M${++count}.1`
          const addresses = step.to.map((index) => ADDRESSES[index] ?? '')
          const { mayBounce, sender } = step
          const recipients = addresses.map((address) => recipient(address))
          await world.accept(id, { recipients, mayBounce, sender }).catch(() => undefined)
        } else if (step.kind === 'pass') {
          await world.pass(step.minutes * MINUTE)
        } else if (step.kind === 'act') {
          const done = await world.queue.control.act(step.action, {}, 'root')
          if (step.action === 'drop') for (const one of done) if (one.done) dropped.add(one.id)
          await world.settled()
        } else if (!isBroken) {
          await world.queue.stop(0)
          await world.start()
        }
      }
      // All is well again: what is not held is done in the end.
      world.fails = () => null
      world.isUnknown = () => false
      world.refuses = () => null
      world.answers = (address, id) => {
        got.push(`${id} ${address}`)
        return 'delivered'
      }
      for (let hour = 0; hour < 30; hour++) await world.pass(HOUR)
      await world.pass(3 * DAY)

      assert.equal(new Set(got).size, got.length, 'nobody gets it twice')
      const known = new Set(world.journal.map(({ id }) => id))
      const left = new Map<string, ReadonlySet<string>>()
      for await (const { envelope, state } of world.queue.control.list({})) {
        assert.notEqual(state.hold, null, `${envelope.id} is neither held nor done`)
        const waits = envelope.recipients.filter((_, index) => state.recipients[index]?.status === 'waiting')
        left.set(envelope.id, new Set(waits.map(({ address }) => address)))
      }
      for (const { envelope } of world.stored.values()) {
        const { id } = envelope
        assert.ok(known.has(id))
        for (const { address } of envelope.recipients) {
          const fates = [
            got.includes(`${id} ${address}`),
            left.get(id)?.has(address) === true,
            world.journal.some(
              ({ event, id: about, recipients, related }) =>
                about === id &&
                event === 'bounced' &&
                recipients.includes(address) &&
                world.stored.get(related ?? '')?.content.includes(address) === true,
            ),
            dropped.has(id) &&
              world.events(id).some((event) => event.startsWith('dropped') && event.includes(address)),
          ]
          assert.equal(fates.filter(Boolean).length, 1, `${id} ${address}: ${fates.join()}`)
        }
      }
      await world.queue.stop(0)
    }),
    { numRuns: Number(process.env['DELIVERY_RUNS'] ?? 60) },
  )
})
