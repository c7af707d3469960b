/** How a command ends when it does not end well. */

/** The words of the command are off: exit code 2. */
export class UsageError extends Error {}

/** It could not be done, or nothing was found: exit code 1. */
export class CommandFailed extends Error {}
