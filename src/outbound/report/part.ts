/** A body part of a report. */
export interface Part {
  /** Its header fields, each with its CRLF. */
  readonly header: string
  /** As it stands in the report; ends in CRLF unless it is empty. */
  readonly body: Buffer
  /** Whether the body holds bytes that are not ASCII. */
  readonly eightBit: boolean
}
