/** `npm run demo`: every case of KB 3169958, played against a real server and told as a story. */

import { setTimeout as wait } from 'node:timers/promises'
import { join } from 'node:path'
import { readJournal } from '../journal/reader.ts'
import type { JournalRecord } from '../journal/record.ts'
import { explainReason, isReasonCode } from '../policy/reasons.ts'
import { printable } from '../text/printable.ts'
import type { Sent } from './send.ts'
import { sendMessage } from './send.ts'
import { DemoServer } from './server.ts'
import type { Story } from './stories.ts'
import { STORIES } from './stories.ts'

interface Played {
  readonly story: Story
  readonly sent: Sent
  readonly record: JournalRecord
  readonly arrived: string | null
  readonly asExpected: boolean
}

/**
 * @param stdout where the story is told
 * @returns the exit code: 0 when every reply is the expected one
 */
export async function demo(stdout: NodeJS.WritableStream): Promise<number> {
  stdout.write('Starting a smarthost of its own, with a mail sink behind it, in a temporary folder ...\n')
  const server = await DemoServer.start()
  const interrupted = interruption(server)
  try {
    const played: Played[] = []
    let certificateName = '*.contoso.com'
    for (const [index, story] of STORIES.entries()) {
      if (story.certificateName !== certificateName) {
        stdout.write(
          `\n   (config/organizations.yaml is edited: tlsSenderCertificateName: "${story.certificateName}")\n`,
        )
        await server.edit(`"${certificateName}"`, `"${story.certificateName}"`)
        certificateName = story.certificateName
      }
      const result = await play(server, story, index)
      stdout.write(tell(result, index + 1))
      played.push(result)
    }
    stdout.write(table(played))
    return played.every(({ asExpected }) => asExpected) ? 0 : 1
  } finally {
    interrupted.dispose()
    await server.close()
  }
}

/** Ctrl-C ends the server, too, and leaves nothing behind. */
function interruption(server: DemoServer): { dispose(): void } {
  const stop = (): void => {
    void server.close().finally(() => process.exit(130))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return {
    dispose: () => {
      process.removeListener('SIGINT', stop)
      process.removeListener('SIGTERM', stop)
    },
  }
}

async function play(server: DemoServer, story: Story, index: number): Promise<Played> {
  const sent = await sendMessage(server.folder, server.port, story)
  const record = await recordNumber(server, index)
  const arrived = sent.accepted ? ((await server.printed(/arrived at the sink: (.*)/))[1] ?? '') : null
  const { outcome, reason } = story.expected
  const asExpected =
    record.outcome === outcome &&
    record.reason === reason &&
    sent.accepted === (outcome === 'relay' || outcome === 'deliver') &&
    (arrived === null || arrived.includes(`to <${story.to}>`))
  return { story, sent, record, arrived, asExpected }
}

/** One decision is taken for each story, so the newest is the one; it is written just after the reply. */
async function recordNumber(server: DemoServer, index: number): Promise<JournalRecord> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const records: JournalRecord[] = []
    for await (const record of readJournal(join(server.folder, 'data', 'journal'), {})) records.push(record)
    const record = records[index]
    if (record !== undefined) return record
    await wait(50)
  }
  throw new Error('the journal has no record of the message')
}

function tell({ story, sent, record, arrived, asExpected }: Played, number: number): string {
  const why = isReasonCode(record.reason) ? explainReason(record.reason).sentence : record.reason
  return [
    '',
    `${number}. ${story.title}`,
    `   ${story.text}`,
    `   who connects  ${story.speaker.who} (${story.speaker.address})`,
    `   from          <${story.from}>`,
    `   to            <${story.to}>`,
    `   reply         ${printable(sent.reply, 512)}`,
    `   why           ${why}`,
    `   the sink      ${arrived === null ? 'saw nothing' : printable(arrived, 512)}`,
    ...(asExpected
      ? []
      : [
          `   NOT EXPECTED  expected ${story.expected.outcome} (${story.expected.reason}), got ${record.outcome} (${record.reason})`,
        ]),
    '',
  ].join('\n')
}

function table(played: readonly Played[]): string {
  const rows = played.map(({ story, record, asExpected }, index) => [
    String(index + 1).padStart(2),
    story.title,
    record.outcome,
    record.reason,
    asExpected ? 'as expected' : 'NOT EXPECTED',
  ])
  const head = ['', 'case', 'outcome', 'reason', '']
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const good = played.filter(({ asExpected }) => asExpected).length
  return [
    '',
    line(head),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map((row) => line(row)),
    '',
    `${good} of ${played.length} as expected.`,
    '',
  ].join('\n')
}
