/** Haraka before 3.3.4 is open to SMTP smuggling and STARTTLS injection (haraka/Haraka#3616). */

export const MINIMUM_HARAKA = '3.3.4'

/**
 * @param version the running Haraka's version, e.g. `3.3.4`
 * @throws when it is older than the minimum or no version at all
 */
export function requireHaraka(version: string): void {
  if (isAtLeast(version, MINIMUM_HARAKA)) return
  throw new Error(
    `Haraka ${version} is too old: ${MINIMUM_HARAKA} is the first that is safe from SMTP smuggling; run: npm install -g Haraka@latest`,
  )
}

/**
 * @param version a version, e.g. `3.10.0`
 * @param minimum the least version, e.g. `3.3.4`
 * @returns whether it is that or a later one; a pre-release counts as its release
 */
export function isAtLeast(version: string, minimum: string): boolean {
  const parts = numbers(version)
  if (parts === null) return false
  const least = numbers(minimum) ?? []
  for (const [index, wanted] of least.entries()) {
    const part = parts[index] ?? 0
    if (part !== wanted) return part > wanted
  }
  return true
}

function numbers(version: string): number[] | null {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version)
  return match === null ? null : match.slice(1).map(Number)
}
