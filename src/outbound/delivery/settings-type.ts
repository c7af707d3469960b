/** The settings that deliveries read, at each use: they change while the server runs. Milliseconds and octets. */

export interface DeliverySettings {
  /** From an attempt to the next; the last one repeats. */
  readonly retryIntervals: readonly number[]
  /** How long a message is tried. */
  readonly lifetime: number
  /** The same for reports made here. */
  readonly reportLifetime: number
  /** When the sender is told that it is late; 0 for never. */
  readonly delayWarningAfter: number
  /** Connections at the same time: all of them, and to one destination. */
  readonly maxConnections: number
  readonly maxConnectionsPerDestination: number
  readonly messagesPerConnection: number
  /** How long a connection is kept for the next message. */
  readonly idle: number
  /** Content that is kept in memory until it was tried once. */
  readonly bufferBytes: number
}
