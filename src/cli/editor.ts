/** What commands that change the directory share, whichever store it is in. */

import type { DirectoryEditor } from '../directory/editor.ts'
import type { Settings } from '../instance/settings.ts'

export interface OpenEditor {
  /** The instance's folder, absolute. */
  readonly instance: string
  readonly settings: Settings
  readonly editor: DirectoryEditor
  /** Redis: replicas that must have a write; the file: 0. */
  readonly replicas: number
}

/**
 * @param folder what --instance names
 * @param command the command with its arguments, for the audit stream
 * @param use what is done with the directory
 * @returns what `use` returns
 * @throws CommandFailed with one message when there is no such instance, or its directory cannot be used
 */
export declare function withEditor<T>(
  folder: string,
  command: string,
  use: (open: OpenEditor) => Promise<T>,
): Promise<T>
