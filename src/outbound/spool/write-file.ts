/** Writes a file whole: nobody ever sees a part of it under its name. */

import { close, fsync, open, rename, rm, unlink, writev } from 'node:fs'
import { constants } from 'node:fs'
import { unfinishedName } from './names.ts'

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
const MODE = 0o600

/**
 * Written with callbacks: it happens for each message, and promises of `fs` cost twice as much.
 * @param path of the file; one of that name is replaced
 * @param pieces its content
 * @param durable whether it is synced before it gets its name. The folder is the caller's to sync
 * @returns once it has its name
 * @throws the first failure; then nothing of it is left
 */
export function writeWhole(path: string, pieces: readonly Buffer[], durable: boolean): Promise<void> {
  const temporary = unfinishedName(path)
  return new Promise((resolve, reject) => {
    open(temporary, NEW_FILE, MODE, (failed, fd) => {
      if (failed !== null) {
        reject(failed)
        return
      }
      const giveUp = (error: Error): void => {
        close(fd, () => {
          rm(temporary, { force: true }, () => {
            reject(error)
          })
        })
      }
      const name = (): void => {
        close(fd, (error) => {
          if (error) {
            rm(temporary, { force: true }, () => {
              reject(error)
            })
            return
          }
          rename(temporary, path, (failed) => {
            if (failed === null) resolve()
            else {
              rm(temporary, { force: true }, () => {
                reject(failed)
              })
            }
          })
        })
      }
      writeAll(fd, pieces, (error) => {
        if (error !== null) giveUp(error)
        else if (!durable) name()
        else {
          fsync(fd, (failed) => {
            // Never tried again: after a failure the kernel may call pages clean that it has thrown away.
            if (failed === null) name()
            else giveUp(failed)
          })
        }
      })
    })
  })
}

/**
 * Without the look at what it is that `rm` takes first: it happens for each message.
 * @param path of a file; nothing happens where there is none
 */
export function removeFile(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    unlink(path, (error) => {
      if (error === null || error.code === 'ENOENT') resolve()
      else reject(error)
    })
  })
}

function writeAll(fd: number, pieces: readonly Buffer[], done: (error: Error | null) => void): void {
  writev(fd, pieces, (error, written) => {
    if (error !== null) done(error)
    else {
      const rest = after(pieces, written)
      if (rest.length === 0) done(null)
      else if (written === 0) done(new Error('nothing could be written'))
      else writeAll(fd, rest, done)
    }
  })
}

/** What is left after so many octets. */
function after(pieces: readonly Buffer[], written: number): Buffer[] {
  let skip = written
  const rest: Buffer[] = []
  for (const piece of pieces) {
    if (skip >= piece.length) {
      skip -= piece.length
      continue
    }
    rest.push(piece.subarray(skip))
    skip = 0
  }
  return rest
}
