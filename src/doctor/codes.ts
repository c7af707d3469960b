/**
 * Everything that doctor can find, as a closed list. Codes are kebab-case and never change their meaning: monitoring
 * hangs on them. docs/doctor.md is made from it.
 */

import { CONNECTOR_CODES } from './codes-directory.ts'
import { OUTBOUND_CODES, QUEUE_CODES } from './codes-outbound.ts'
import { OUTSIDE_CODES } from './codes-outside.ts'
import type { FindingText } from './finding-text.ts'

/** What is found of this installation itself. */
const OWN_CODES = [
  {
    code: 'check-failed',
    group: 'checks',
    meaning: 'One of the checks could not be done; what it looks at is unknown.',
    evidence: 'which check, and what it failed with',
    remedy:
      'Run doctor again as the user of the server, with files and Redis as they should be; report it when it stays.',
  },
  {
    code: 'check-late',
    group: 'checks',
    meaning: 'One of the checks took too long and was ended; what it looks at is unknown.',
    evidence: 'which check, and how long it had',
    remedy: 'Look at what it waits for (Redis, the DNS, a busy disk), and run doctor again.',
  },
  {
    code: 'check-settings',
    group: 'settings',
    meaning: 'What connectorctl check says of a file of config/ other than organizations.yaml.',
    evidence: 'the file, the line and what is wrong in it',
    remedy: 'What connectorctl check says.',
  },
  {
    code: 'check-directory',
    group: 'settings',
    meaning: 'What connectorctl check says of config/organizations.yaml.',
    evidence: 'the line and what is wrong in it',
    remedy: 'What connectorctl check says.',
  },
  {
    code: 'haraka-version',
    group: 'host',
    meaning: 'Haraka is missing, or so old that it is open to SMTP smuggling.',
    evidence: 'its version',
    remedy: 'Install the version that is named, or a later one.',
  },
  {
    code: 'node-end-of-life',
    group: 'host',
    meaning: "This version of Node gets no security fixes from Node's own project any more.",
    evidence: 'the version and the day',
    remedy: 'Install a version that is kept up, unless your distribution keeps this one up for you.',
  },
  {
    code: 'runs-as-root',
    group: 'host',
    meaning: 'The smarthost keeps the rights of root after the start.',
    evidence: 'smtp.ini names no user, and data/ belongs to root',
    remedy:
      'Make a user (adduser --system haraka), name it and its group in config/smtp.ini, and start again.',
  },
  {
    code: 'server-certificate-expired',
    group: 'certificates',
    meaning:
      "The server's own certificate, or an intermediate that it presents, has expired: servers that verify it do not send.",
    evidence: 'the file, whose certificate it is, and when it expired',
    remedy: 'Renew it and put the new chain into the file; it counts within a second.',
  },
  {
    code: 'server-certificate-expiring',
    group: 'certificates',
    meaning: "The server's own certificate, or an intermediate that it presents, expires within 30 days.",
    evidence: 'the file, whose certificate it is, and when it expires',
    remedy: 'Renew it and put the new chain into the file; it counts within a second.',
  },
  {
    code: 'authority-expired',
    group: 'certificates',
    meaning:
      'A CA that is trusted has expired. An error where no other CA is left: no certificate counts there then.',
    evidence: 'where it is trusted, its name, and when it expired',
    remedy: "Put the CA's new certificate beside it, then remove the old one.",
  },
  {
    code: 'authority-expiring',
    group: 'certificates',
    meaning: 'A CA that is trusted expires within 30 days.',
    evidence: 'where it is trusted, its name, and when it expires',
    remedy: "Put the CA's new certificate beside it before that day.",
  },
  {
    code: 'crl-stale',
    group: 'certificates',
    meaning:
      'A revocation list is out of date. An error with crl_policy = require: certificates of that CA do not count then.',
    evidence: 'the file, the CA, and since when',
    remedy: 'Fetch the new list, and let a timer do it.',
  },
  {
    code: 'client-certificate-expiring',
    group: 'certificates',
    meaning: 'A server that sends here presents a certificate that expires soon, or has expired.',
    evidence: 'its names, its address, its connector, and when it expires',
    remedy: 'Tell its administrator to renew it, under the same name.',
  },
  {
    code: 'not-running',
    group: 'listeners',
    meaning: 'Nothing listens on the ports of smtp.ini; what TLS offers cannot be seen.',
    evidence: 'the ports that were tried',
    remedy: 'Start it (connectorctl start), and run doctor again on the machine that it runs on.',
  },
  {
    code: 'listener-refused',
    group: 'listeners',
    meaning:
      'A port does not take a connection from this machine as from a client; what TLS offers cannot be seen there.',
    evidence: 'the port and what it said',
    remedy:
      'When another port of it answers, look at the log. Where this machine is a listed proxy ([haproxy] hosts), run connectorctl certificate probe from another one.',
  },
  {
    code: 'starttls-not-offered',
    group: 'listeners',
    meaning: 'A port does not offer STARTTLS: no certificate-based connector can match there.',
    evidence: 'the port and what EHLO was answered',
    remedy:
      'List tls in config/plugins before the other plugins, and look at the log for why it was not loaded.',
  },
  {
    code: 'certificate-not-requested',
    group: 'listeners',
    meaning: 'The TLS handshake asks for no client certificate: no certificate-based connector can match.',
    evidence: 'the port and the version of TLS',
    remedy:
      'Set requestCert=true in config/tls.ini; behind something that ends TLS, let it pass TLS through.',
  },
  {
    code: 'tls-failed',
    group: 'listeners',
    meaning: 'The TLS handshake with the server itself fails.',
    evidence: 'the port and the error',
    remedy: 'Look at the log, and at the key, the certificate and minVersion of config/tls.ini.',
  },
  {
    code: 'loopback-only',
    group: 'listeners',
    meaning: 'The smarthost listens on loopback only: no other machine can send.',
    evidence: 'the addresses',
    remedy: 'Set listen in config/smtp.ini, e.g. 0.0.0.0:25, once your organisations are in the directory.',
  },
  {
    code: 'key-readable-by-others',
    group: 'permissions',
    meaning: 'A private key can be read by other users of this machine. By its group only: a warning.',
    evidence: 'the file and its mode',
    remedy: 'chmod 600 it, or 640 with a group of its own.',
  },
  {
    code: 'secret-readable-by-others',
    group: 'permissions',
    meaning:
      'A file that holds a password, or the key to command Haraka, can be read by other users of this machine.',
    evidence: 'the file and its mode',
    remedy: 'chmod 600 it, or 640 with a group of its own.',
  },
  {
    code: 'not-readable-by-server',
    group: 'permissions',
    meaning:
      'A file or folder that the server needs belongs to another user and cannot be used by the server.',
    evidence: "the path, its owner and mode, and the server's user",
    remedy:
      'chown it to the user in config/smtp.ini; connectorctl start does so for queue/, data/ and keys when run as root.',
  },
  {
    code: 'config-writable-by-others',
    group: 'permissions',
    meaning: 'Other users of this machine can change the settings, and so let themselves relay.',
    evidence: 'the path and its mode',
    remedy: 'chmod o-w it.',
  },
  {
    code: 'mail-readable-by-others',
    group: 'permissions',
    meaning: 'Other users of this machine can read mail in the queue, or the journal.',
    evidence: 'the folder and its mode',
    remedy: 'chmod 700 it.',
  },
  {
    code: 'clock-differs',
    group: 'clock',
    meaning:
      'The clocks of this machine and of Redis differ: proofs, report-only mode and the journal hang on the time.',
    evidence: 'by how much',
    remedy: 'Let both keep their time by NTP (chrony or systemd-timesyncd).',
  },
  {
    code: 'time-in-the-future',
    group: 'clock',
    meaning:
      'The journal, the queue or data/ holds times that have not come yet: the clock was set back, or is wrong.',
    evidence: 'the file and the time',
    remedy: 'Let the machine keep its time by NTP; what was written meanwhile keeps its wrong times.',
  },
  {
    code: 'clock-not-compared',
    group: 'clock',
    meaning: 'There is nothing to compare the clock with: only that it did not go back was looked at.',
    evidence: 'why',
    remedy: 'chronyc tracking or timedatectl tells whether it is kept by NTP.',
  },
  {
    code: 'disk-full',
    group: 'disk',
    meaning:
      'The disk has less than 100 MiB left (error) or less than 1 GiB (warning). When it is full, mail gets 452.',
    evidence: 'the folders on it, and what is left',
    remedy: 'Make room, or move the folder.',
  },
  {
    code: 'inodes-exhausted',
    group: 'disk',
    meaning:
      'The file system has less than 1,000 inodes left (error) or less than 10,000 (warning): each message is a file.',
    evidence: 'the folders on it, and what is left',
    remedy: 'Remove small files, or make a file system with more inodes.',
  },
] as const satisfies readonly FindingText[]

/** The list that everything else is derived from. */
export const FINDING_CODES = [
  ...OWN_CODES,
  ...QUEUE_CODES,
  ...CONNECTOR_CODES,
  ...OUTBOUND_CODES,
  ...OUTSIDE_CODES,
] as const

/** One of the codes in the closed list. */
export type FindingCode = (typeof FINDING_CODES)[number]['code']

const BY_CODE: ReadonlyMap<string, FindingText> = new Map(FINDING_CODES.map((text) => [text.code, text]))

/**
 * @param code a code of the list
 * @returns what it means, and what to do
 */
export function textOf(code: FindingCode): FindingText {
  const text = BY_CODE.get(code)
  if (text === undefined) throw new RangeError(`unknown finding ${code}`)
  return text
}
