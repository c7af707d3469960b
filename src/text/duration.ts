/** Durations as they are typed. */

const UNITS: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/**
 * @param text e.g. `90s`, `15m`, `1h`, `7d`
 * @returns milliseconds; null when it is no duration
 */
export function parseDuration(text: string): number | null {
  const [, amount, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  return amount === undefined ? null : Number(amount) * (UNITS.get(unit) ?? Number.NaN)
}
