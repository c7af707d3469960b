/** Names in a queue folder: they sort by age, and hold nothing that came from outside unchecked. */

const MESSAGE = '.msg'
const STATE = '.state'
/** Until it is whole. */
const UNFINISHED = '.new'

/** Milliseconds since 1970 up to the year 5188. */
const TIME_DIGITS = 9

const NAME = /^([0-9a-z]{9})-([A-Za-z0-9.-]{1,100})\.msg$/

/** Where what cannot be read is put. */
export const DAMAGED_FOLDER = 'damaged'

/** Folders of owners: `newOwnerName` makes them; one that was taken over has a suffix. */
const OWNER = /^\d{1,10}-[0-9a-f]{12}(?:\.taken\.[0-9a-f]{8})*$/

/**
 * @param receivedAt when the message was accepted, in milliseconds since 1970
 * @param id of the message
 * @returns the name of its file
 * @throws when the id cannot be part of a name
 */
export function messageName(receivedAt: number, id: string): string {
  const name = `${Math.max(0, Math.floor(receivedAt)).toString(36).padStart(TIME_DIGITS, '0')}-${id}${MESSAGE}`
  if (!NAME.test(name)) throw new Error(`"${id.slice(0, 100)}" cannot be the id of a message`)
  return name
}

/** @returns whether a file is a message */
export function isMessage(name: string): boolean {
  return NAME.test(name)
}

/** @returns the name of the file that tells what happened to a message */
export function stateName(message: string): string {
  return `${message.slice(0, -MESSAGE.length)}${STATE}`
}

/** @returns the name of the message that a state is about, or null when it is no state */
export function messageOfState(name: string): string | null {
  return name.endsWith(STATE) ? `${name.slice(0, -STATE.length)}${MESSAGE}` : null
}

/** @returns the name under which a file is written */
export function unfinishedName(name: string): string {
  return `${name}${UNFINISHED}`
}

/** @returns whether a file was being written when its process ended */
export function isUnfinished(name: string): boolean {
  return name.endsWith(UNFINISHED)
}

/** @returns whether a folder below queue/ is an owner's */
export function isOwnerFolder(name: string): boolean {
  return OWNER.test(name)
}

/** @returns the owner whose socket says whether the folder is alive; a folder that was taken over belongs to the taker */
export function ownerOf(folder: string): string {
  return folder.slice(0, folder.indexOf('.') === -1 ? undefined : folder.indexOf('.'))
}
