/** Options that several commands share, in the form in which commander's option() takes them. */

/** Every command but `init` works on an instance. */
export const INSTANCE_OPTION = [
  '--instance <dir>',
  'the instance: a Haraka directory with config/, queue/ and data/',
  '.',
] as const

/**
 * For an option that may be repeated.
 * @param text what is given now
 * @param before what was given before
 * @returns all of it
 */
export function collected(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text]
}
