/** Options that several commands share, in the form in which commander's option() takes them. */

/** Every command but `init` works on an instance. */
export const INSTANCE_OPTION = [
  '--instance <dir>',
  'the instance: a Haraka directory with config/, queue/ and data/',
  '.',
] as const
