/** Who speaks on this connection: Haraka's sockets turned into what the rule calls a peer (DESIGN.md, rule 1). */

import type { X509Certificate } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { presentedNames } from '../certificate/presented-names.ts'
import type { Peer, PeerCertificate } from '../policy/types.ts'
import { normalizeAddress } from '../text/ip-address.ts'
import type { Connection } from './types.ts'

/** A peer, with what the journal says beside what the rule needs. */
export interface ObservedPeer extends Peer {
  /** The address that spoke, also where it counts for nobody. */
  readonly remoteAddress: string
  readonly helo: string
  /** e.g. `TLSv1.3`, or null without TLS. */
  readonly tls: string | null
  /** SHA-256 of the DER form as openssl prints it, or null without a certificate. */
  readonly fingerprint: string | null
}

/** OpenSSL's verdict, which Node keeps to itself on a bare TLSSocket (haraka/Haraka#3451). */
interface VerifyHandle {
  verifyError(): (Error & { code?: string }) | null
}

interface Remembered {
  readonly socket: unknown
  readonly address: string
  readonly peer: ObservedPeer
}

const REMEMBERED = new WeakMap<Connection, Remembered>()

/**
 * What the peer proved, kept for the connection. STARTTLS changes the socket and a PROXY header the address: then it
 * is taken anew, as everything learned before STARTTLS must be forgotten (RFC 3207 section 4.2).
 * @param connection Haraka's connection
 * @param isProxy whether an address is a listed proxy's: such an address is nobody's
 * @returns the peer; never throws for what the peer sent
 */
export function observePeer(connection: Connection, isProxy: (address: string) => boolean): ObservedPeer {
  const socket = encryptedSocket(connection)
  const address = connection.remote.ip
  const helo = connection.hello.host ?? ''
  const known = REMEMBERED.get(connection)
  if (known !== undefined && known.socket === socket && known.address === address) {
    return known.peer.helo === helo ? known.peer : { ...known.peer, helo }
  }
  const peer: ObservedPeer = {
    address: isProxy(address) ? null : normalizeAddress(address),
    remoteAddress: address,
    helo,
    tls: socket === null ? null : (socket.getProtocol() ?? 'unknown'),
    ...observeCertificate(socket),
  }
  REMEMBERED.set(connection, { socket, address, peer })
  return peer
}

function encryptedSocket({ client, tls }: Connection): TLSSocket | null {
  const socket = client.cleartext ?? client
  if (socket instanceof TLSSocket) return socket
  if (tls.enabled)
    throw new Error('the connection says TLS, but its encrypted socket is not where Haraka 3.3 keeps it')
  return null
}

function observeCertificate(socket: TLSSocket | null): {
  certificate: PeerCertificate
  fingerprint: string | null
} {
  if (socket === null) return { certificate: { state: 'no-tls' }, fingerprint: null }
  const certificate = socket.getPeerX509Certificate()
  // A resumed session without a certificate has a clean verdict: only together with a certificate does one count.
  if (certificate === undefined) return { certificate: { state: 'no-certificate' }, fingerprint: null }
  return { certificate: judge(certificate, verdictOf(socket)), fingerprint: certificate.fingerprint256 }
}

function judge(certificate: X509Certificate, why: string | null): PeerCertificate {
  const names = presentedNames(certificate)
  return why === null ? { state: 'verified', names } : { state: 'not-verified', names, why }
}

/** Null when OpenSSL verified the path, else its code, e.g. `SELF_SIGNED_CERT_IN_CHAIN`. */
function verdictOf(socket: TLSSocket): string | null {
  const handle = handleOf(socket)
  if (handle === null) return 'VERDICT_UNAVAILABLE'
  const error = handle.verifyError()
  if (error === null || error === undefined) return null
  return error.code ?? error.message
}

function handleOf(socket: TLSSocket): VerifyHandle | null {
  const { _handle: handle } = socket as unknown as { _handle?: unknown }
  if (typeof handle !== 'object' || handle === null || !('verifyError' in handle)) return null
  return typeof handle.verifyError === 'function' ? (handle as VerifyHandle) : null
}

/**
 * @param socket a TLS socket of this Node
 * @returns whether OpenSSL's verdict can be had from it; asked at start-up, as it is no public interface
 */
export function verdictIsAvailable(socket: TLSSocket): boolean {
  return handleOf(socket) !== null
}
