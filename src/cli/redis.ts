/** What commands on the directory in Redis share. */

import { resolve } from 'node:path'
import { DirectoryWriter } from '../directory/redis/writer.ts'
import { redisSettingsOf, seenBy } from '../instance/store.ts'
import { CommandFailed } from './errors.ts'
import { requireInstance, settingsOf } from './instance.ts'
import { messageOf } from '../text/message-of.ts'

export interface OpenWriter {
  readonly writer: DirectoryWriter
  /** Replicas that must have a write. */
  readonly replicas: number
}

/**
 * @param instance an instance's folder whose directory is in Redis
 * @param command what the audit stream says was run
 * @returns an open writer, to be closed
 * @throws with every problem in redis.ini, or with one line when Redis cannot be reached
 */
export async function openWriter(instance: string, command: string): Promise<OpenWriter> {
  const { writer: connection, prefix, replicas } = redisSettingsOf(instance)
  const seen = seenBy(instance, { warn: () => undefined }).read()
  return { writer: await DirectoryWriter.open({ connection, prefix, replicas, command, seen }), replicas }
}

/**
 * @param folder what --instance names
 * @param command what the audit stream says was run
 * @param use what is done with the directory
 * @throws CommandFailed with one line when the instance does not keep its directory in Redis, or Redis cannot be used
 */
export async function withWriter(
  folder: string,
  command: string,
  use: (open: OpenWriter) => Promise<void>,
): Promise<void> {
  const instance = resolve(folder)
  requireInstance(instance)
  if (settingsOf(instance).directory.store !== 'redis') {
    throw new CommandFailed(
      `the directory of ${instance} is config/organizations.yaml: set [directory] store = redis in config/connectors.ini for one in Redis (a running smarthost notices at its next start)`,
    )
  }
  try {
    const open = await openWriter(instance, command)
    try {
      await use(open)
    } finally {
      open.writer.close()
    }
  } catch (error) {
    if (error instanceof CommandFailed) throw error
    throw new CommandFailed(messageOf(error))
  }
}
