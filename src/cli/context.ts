/** What a command works with instead of the process itself. */

export interface CliContext {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}
