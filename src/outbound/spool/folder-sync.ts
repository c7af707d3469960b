/**
 * A name in a folder survives the loss of power once the folder is synced (fsync(2)). One sync answers all who waited
 * when it began.
 */

import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class FolderSync {
  readonly #handle: FileHandle
  #waiting: Waiting[] = []
  #running: Promise<void> | null = null

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /**
   * @param folder an existing folder
   * @returns what syncs it; its descriptor stays open
   */
  static async of(folder: string): Promise<FolderSync> {
    return new FolderSync(await open(folder, 'r'))
  }

  /**
   * @returns when a sync has ended that began after this call
   * @throws what that sync failed with: then nothing is known about what was renamed before
   */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#running
    await this.#handle.close()
  }

  async #run(): Promise<void> {
    // Whoever comes in the same turn goes along.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      try {
        await this.#handle.sync()
        for (const { resolve } of waiting) resolve()
      } catch (error) {
        for (const { reject } of waiting) reject(error)
      }
    }
    this.#running = null
  }
}

/** @param folder a folder whose entries shall survive the loss of power */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
