/** What doctor can find outside of this machine's files: Redis, journals, the DNS. */

import type { FindingText } from './finding-text.ts'

/** Part of `FINDING_CODES`. */
export const OUTSIDE_CODES = [
  {
    code: 'redis-unreachable',
    group: 'redis',
    meaning:
      'Redis cannot be asked: mail that hangs on the directory is answered 451. A warning when only the user in [writer] cannot ask: then the directory cannot be changed.',
    evidence: 'where, as whom, and why',
    remedy: 'Start Redis, or mend config/redis.ini.',
  },
  {
    code: 'redis-default-user-open',
    group: 'redis',
    meaning:
      'Redis lets in whoever connects, without a user and a password, and with it whoever wants to relay. A warning when it is on loopback.',
    evidence: 'where, and what was answered without a password',
    remedy:
      'Make two users as docs/directory.md says, name them in config/redis.ini, then ACL SETUSER default off resetpass.',
  },
  {
    code: 'redis-default-user-without-commands',
    group: 'redis',
    meaning:
      'Redis replays its append-only file with the rights of the default user, who lacks commands: at the next start the directory is lost (redis/redis#14541).',
    evidence: "the version, and the default user's rules",
    remedy: 'ACL SETUSER default off resetpass ~* &* +@all: off, but with its commands.',
  },
  {
    code: 'redis-reader-writes',
    group: 'redis',
    meaning:
      'The user of the mail nodes may write: whoever takes over a node can register domains and connectors.',
    evidence: 'as whom, and which command was let through (DEL of a key that is not there)',
    remedy: 'Give the nodes a user that only reads, as docs/directory.md says, and [writer] another one.',
  },
  {
    code: 'redis-persistence-off',
    group: 'redis',
    meaning:
      'Redis keeps nothing on disk (error), or snapshots only (warning): after a restart the directory is gone, or goes back in time, and all mail is deferred.',
    evidence: 'what INFO and CONFIG say',
    remedy: 'appendonly yes, and appendfsync always or everysec.',
  },
  {
    code: 'redis-write-failed',
    group: 'redis',
    meaning: 'Redis could not write its file the last time that it tried.',
    evidence: 'what INFO persistence says',
    remedy: "Look at Redis' log and at its disk.",
  },
  {
    code: 'redis-eviction',
    group: 'redis',
    meaning: 'When Redis is full it forgets domains and connectors instead of refusing writes.',
    evidence: 'maxmemory-policy',
    remedy: 'maxmemory-policy noeviction.',
  },
  {
    code: 'redis-replicas-missing',
    group: 'redis',
    meaning:
      'Fewer replicas are connected than [redis] replicas wants: each change ends as "written, not replicated".',
    evidence: 'how many are connected, how many are wanted',
    remedy: 'Start the replicas, or lower [redis] replicas in config/redis.ini.',
  },
  {
    code: 'redis-replica-behind',
    group: 'redis',
    meaning: 'A replica is more than ten seconds behind, or not in step: a failover would lose changes.',
    evidence: 'the replica, its state and its lag',
    remedy: 'Look at the network between the two, and at the log of the replica.',
  },
  {
    code: 'redis-is-replica',
    group: 'redis',
    meaning:
      'redis.ini names a replica. An error when its link to the master is down: changes do not count here.',
    evidence: 'its master, and the state of the link',
    remedy: 'Name the master in [server], or the Sentinels in [sentinel].',
  },
  {
    code: 'redis-cannot-be-seen',
    group: 'redis',
    meaning: 'The users of redis.ini may not ask for some of what doctor looks at. That is as it should be.',
    evidence: 'what could not be asked, and as whom',
    remedy:
      'Ask Redis itself, as its administrator: CONFIG GET save, CONFIG GET appendonly, ACL GETUSER default.',
  },
  {
    code: 'directory-missing',
    group: 'redis',
    meaning: 'Redis holds no directory under this prefix: all mail that hangs on it is deferred.',
    evidence: 'where, and the prefix',
    remedy: 'connectorctl apply FILE, or restore a backup.',
  },
  {
    code: 'directory-went-back',
    group: 'redis',
    meaning:
      'The directory in Redis is older than one that this node has seen: all mail that hangs on it is deferred.',
    evidence: 'both revisions',
    remedy: 'Apply the lost changes again, then connectorctl directory accept, as the log line says.',
  },
  {
    code: 'directory-damaged',
    group: 'redis',
    meaning: 'A record of the directory cannot be read: what hangs on it is deferred.',
    evidence: 'which, and why',
    remedy: 'connectorctl directory verify --mend; update this node when the record is of a newer version.',
  },
  {
    code: 'directory-not-read',
    group: 'redis',
    meaning: 'The organisations could not be read: nothing is said about connectors and domains.',
    evidence: 'why',
    remedy:
      'Run doctor where [writer] of config/redis.ini is set: a node may look records up, but not list them.',
  },
  {
    code: 'journal-coverage',
    group: 'journal',
    meaning: 'Which journals were read, of what time: what is said about use is said of these.',
    evidence: 'each folder, its records of the period, and from when on nothing is missing in it',
    remedy: "Name copies of other nodes' journals as well: --journal DIR, repeated.",
  },
  {
    code: 'journal-damaged',
    group: 'journal',
    meaning: 'A journal holds lines that cannot be read; they were passed over.',
    evidence: 'the folder and how many',
    remedy: 'See whether the disk was full; the lines can stay.',
  },
  {
    code: 'usage-unknown',
    group: 'journal',
    meaning:
      'The journals do not cover the period that was asked for, hold damaged lines, or name connectors that are not there any more: what they do not show may have been used.',
    evidence: 'from when on they are complete, and what was not seen since',
    remedy: "Ask for a shorter period (--since), name the other nodes' journals (--journal), or wait.",
  },
  {
    code: 'dns-skipped',
    group: 'dns',
    meaning: 'The DNS was not asked.',
    evidence: 'why',
    remedy: 'Run doctor without --no-dns.',
  },
  {
    code: 'dns-unavailable',
    group: 'dns',
    meaning: 'The DNS could not be asked, so nothing is said about PTR or SPF there.',
    evidence: 'what was asked and what went wrong',
    remedy: 'Name a resolver that answers: --resolver ADDR.',
  },
  {
    code: 'address-unknown',
    group: 'dns',
    meaning: 'This machine has no public address of its own, so PTR and SPF cannot be looked at.',
    evidence: 'its addresses',
    remedy: 'Name the address that its mail leaves from, that of the NAT perhaps: --address IP.',
  },
  {
    code: 'ptr-missing',
    group: 'dns',
    meaning: 'The address that mail leaves from has no name in the DNS: most servers refuse its mail.',
    evidence: 'the address',
    remedy: 'Let whoever gave you the address set its PTR record to the name of this host.',
  },
  {
    code: 'ptr-unconfirmed',
    group: 'dns',
    meaning: "The address's name in the DNS does not lead back to it: many servers refuse its mail.",
    evidence: 'the address, its names, and their addresses',
    remedy: 'Add an A or AAAA record for that name, or mend the PTR record.',
  },
  {
    code: 'spf-missing',
    group: 'dns',
    meaning: 'A registered domain has no SPF record: its mail is more likely to be taken for spam.',
    evidence: 'the domain',
    remedy:
      'Add a TXT record: v=spf1 ip4:ADDRESS -all, with the address of this host and of all others that send.',
  },
  {
    code: 'spf-excludes-host',
    group: 'dns',
    meaning: "A registered domain's SPF record does not let this host send for it.",
    evidence: 'the domain, the address, the record, and the term that decided',
    remedy: 'Add ip4:ADDRESS (ip6: for IPv6) of this host to it.',
  },
  {
    code: 'spf-broken',
    group: 'dns',
    meaning: "A registered domain's SPF record is wrong: receivers pass over it, or refuse.",
    evidence: 'the domain and what is wrong',
    remedy: 'Mend the record; two of them, or more than ten look-ups, are the usual mistakes.',
  },
  {
    code: 'spf-not-needed',
    group: 'dns',
    meaning: 'Mail leaves through [outbound] smart_host, so the SPF records need not name this host.',
    evidence: 'the smart host',
    remedy: 'Nothing here; they must name the hosts that the smart host sends from.',
  },
  {
    code: 'dns-left-out',
    group: 'dns',
    meaning: 'Not all domains or addresses were looked up, so as not to burden the DNS.',
    evidence: 'how many were left out',
    remedy: 'Look at the others with --domain NAME, repeated.',
  },
] as const satisfies readonly FindingText[]
