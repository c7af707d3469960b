/** Who speaks on this connection: Haraka's sockets turned into what the rule calls a peer (DESIGN.md, rule 1). */

import { TLSSocket } from 'node:tls'
import { peerCertificateOf } from '../certificate/verdict.ts'
import { presentedBy } from '../certificate/presented.ts'
import type { TrustSets } from '../certificate/trust-sets.ts'
import type { Verdict, Verifier } from '../certificate/verifier.ts'
import type { Peer, PeerCertificate } from '../policy/types.ts'
import type { CertificateFor } from '../relaying/gather.ts'
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
  /** When the certificate expires, in milliseconds since 1970; null without one that can be read. */
  readonly notAfter: number | null
  /** What the certificate is worth under a connector's own trust. */
  readonly certificateFor: CertificateFor
}

/** What the handshake showed; whether it counts is asked anew each time, as that may change under an open connection. */
interface Presented {
  /** DER, the peer's own certificate first. */
  readonly certificates: readonly Buffer[]
  readonly fingerprint: string
}

interface Remembered {
  readonly socket: TLSSocket | null
  readonly tls: string | null
  readonly presented: Presented | null
}

const REMEMBERED = new WeakMap<Connection, Remembered>()

/**
 * What the peer proved. What it presented is kept for the connection until STARTTLS changes the socket: everything
 * learned before must be forgotten then (RFC 3207 section 4.2).
 * @param connection Haraka's connection
 * @param isProxy whether an address is a listed proxy's: such an address is nobody's
 * @param trust who says whether a certificate counts
 * @returns the peer; never throws for what the peer sent
 */
export function observePeer(
  connection: Connection,
  isProxy: (address: string) => boolean,
  trust: TrustSets,
): ObservedPeer {
  const byDefault = trust.verifierFor()
  const { tls, presented } = observeSocket(connection, byDefault)
  const verdictOf = (verifier: Verifier): Verdict | null =>
    presented === null ? null : verifier.verify(presented.certificates)
  const verdict = verdictOf(byDefault)
  const address = connection.remote.ip
  return {
    address: isProxy(address) ? null : normalizeAddress(address),
    remoteAddress: address,
    helo: connection.hello.host ?? '',
    tls,
    certificate: stateOf(tls, verdict),
    notAfter: verdict?.leaf?.notAfter ?? null,
    certificateFor: (connector) => stateOf(tls, verdictOf(trust.verifierFor(connector.trust))),
    fingerprint: presented?.fingerprint ?? null,
  }
}

function stateOf(tls: string | null, verdict: Verdict | null): PeerCertificate {
  if (tls === null) return { state: 'no-tls' }
  return verdict === null ? { state: 'no-certificate' } : peerCertificateOf(verdict)
}

function observeSocket(connection: Connection, verifier: Verifier): Remembered {
  const socket = encryptedSocket(connection)
  const known = REMEMBERED.get(connection)
  if (known !== undefined && known.socket === socket) return known
  const own = socket?.getPeerX509Certificate()
  const observed: Remembered = {
    socket,
    tls: socket === null ? null : (socket.getProtocol() ?? 'unknown'),
    presented:
      own === undefined
        ? null
        : { certificates: presentedBy(own, verifier.mostCertificates + 1), fingerprint: own.fingerprint256 },
  }
  REMEMBERED.set(connection, observed)
  return observed
}

function encryptedSocket({ client, tls }: Connection): TLSSocket | null {
  const socket = client.cleartext ?? client
  if (socket instanceof TLSSocket) return socket
  if (tls.enabled)
    throw new Error('the connection says TLS, but its encrypted socket is not where Haraka 3.3 keeps it')
  return null
}
