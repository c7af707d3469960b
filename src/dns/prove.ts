/**
 * Whether the owner of a domain shows the token in its zone. Asked at the authoritative servers: a cache could show a
 * record that is gone or hide one that is new, and whoever poisons it would own every domain here. The resolver of the
 * system is believed in which servers those are, and in nothing else.
 *
 * Every authoritative server that answers has to show the token. One alone could be a name server whose own domain ran
 * out and was registered by somebody else; and right after a change the others soon follow. Servers that do not answer
 * neither prove nor disprove: zones live for years with one that is dead.
 */

import type { Answers, Authority } from './authority.ts'
import { isMissingAtAuthority, textsAtAuthority } from './authority.ts'
import { challengeName, challengeRecord, showsToken, tokenOf } from './domain-token.ts'
import type { Resolver, ServerFailure } from './lookup.ts'
import { lookup, resolverOf } from './lookup.ts'
import { isAtOrBelow } from './name.ts'
import type { PatienceOptions } from './patience.ts'
import { withPatience } from './patience.ts'
import type { NameServer } from './server.ts'
import { formatNameServer } from './server.ts'

export interface ProveOptions extends PatienceOptions {
  /**
   * Whom to believe instead of the authoritative servers (`--resolver`), where a firewall or split DNS hides the public
   * zone; what it has in its cache counts.
   */
  readonly resolver?: NameServer
  /** Who names the authoritative servers; without it the system's resolvers. */
  readonly bootstrap?: readonly NameServer[]
  /** Where authoritative servers listen: 53, except in tests. */
  readonly authoritativePort?: number
}

/** What was looked for, and who said what. */
interface Looked {
  readonly domain: string
  /** Where the record has to stand, and what it has to say. */
  readonly record: { readonly name: string; readonly value: string }
  /** The servers that show the token. */
  readonly shownBy: readonly string[]
  /** The servers that answered without showing it. */
  readonly notShownBy: readonly string[]
  readonly failures: readonly ServerFailure[]
}

export type ProofResult = Looked &
  (
    | { readonly kind: 'proven' }
    /** Some servers show it and some do not (yet): nothing is proven, and nothing lost. */
    | { readonly kind: 'disagreement' }
    /** There are tokens, but not this one: that of another organisation or installation, or one cut short. */
    | { readonly kind: 'wrong-token'; readonly tokens: readonly string[] }
    | {
        readonly kind: 'missing'
        /** What stands there instead: the first few, cut short; hostile text. */
        readonly seen: readonly string[]
        /** How many stand there. */
        readonly seenCount: number
        /** Where the right record was found instead, or null. */
        readonly misplacedAt: string | null
      }
    /** The domain itself does not exist. */
    | { readonly kind: 'no-such-domain' }
    /** Nobody who could know has answered; `failures` says why. */
    | { readonly kind: 'could-not-ask' }
  )

/** What a result says about a proof that was there before. */
export type Evidence = 'there' | 'not-there' | 'unknown'

const MOST_SEEN = 10
const MOST_SEEN_CHARACTERS = 255

/**
 * @param domain a normalised domain name
 * @param token the token that its zone has to show (`domainToken`)
 * @param options whom to ask, and how long to wait
 * @returns what was found; never rejects for what a server does
 * @throws the reason of `options.signal` when that was aborted
 */
export async function proveDomain(
  domain: string,
  token: string,
  options: ProveOptions = {},
): Promise<ProofResult> {
  return withPatience(options, async (patience) => {
    const { authoritativePort: port = 53, bootstrap, resolver } = options
    const source =
      resolver === undefined
        ? atAuthority({ resolver: resolverOf(bootstrap ?? null, patience), port })
        : throughResolver(resolverOf([resolver], patience), formatNameServer(resolver))
    return judge(domain, token, source)
  })
}

/**
 * @param result what was found
 * @returns whether the token is shown; `not-there` only where a server that must know said so
 */
export function evidenceOf({ kind }: ProofResult): Evidence {
  switch (kind) {
    case 'proven':
      return 'there'
    case 'wrong-token':
    case 'missing':
    case 'no-such-domain':
      return 'not-there'
    case 'disagreement':
    case 'could-not-ask':
      return 'unknown'
    default:
      return kind satisfies never
  }
}

/** Who is believed. */
interface Source {
  texts(name: string): Promise<Answers>
  /** Whether a domain is known not to exist; `answers` is what was said about a name below it. */
  isMissing(domain: string, answers: Answers['answers']): Promise<boolean>
}

function atAuthority(authority: Authority): Source {
  return {
    texts: (name) => textsAtAuthority(name, authority),
    isMissing: async (domain, answers) => {
      const zone = answers.find(({ name }) => isAtOrBelow(name, domain))?.zone
      // Where a zone begins at the domain or below, the domain exists.
      if (zone === undefined || isAtOrBelow(zone, domain)) return false
      return isMissingAtAuthority(zone, domain, authority)
    },
  }
}

function throughResolver(resolver: Resolver, server: string): Source {
  return {
    texts: async (name) => {
      const found = await lookup(resolver, name, 'TXT')
      if (found.kind === 'failed') return { answers: [], failures: found.failures }
      const kind = found.kind === 'found' ? 'texts' : found.kind
      const texts = found.kind === 'found' ? found.records.map(({ text }) => text) : []
      return { answers: [{ server, name: found.name, zone: '', kind, texts }], failures: [] }
    },
    isMissing: async (domain) => (await lookup(resolver, domain, 'SOA')).kind === 'no-such-name',
  }
}

async function judge(domain: string, token: string, source: Source): Promise<ProofResult> {
  const { answers, failures } = await source.texts(challengeName(domain))
  const shown = answers.filter(({ texts }) => texts.some((text) => showsToken(text, token)))
  const looked: Looked = {
    domain,
    record: challengeRecord(domain, token),
    shownBy: shown.map(({ server }) => server),
    notShownBy: answers.filter((answer) => !shown.includes(answer)).map(({ server }) => server),
    failures,
  }
  if (answers.length === 0) return { ...looked, kind: 'could-not-ask' }
  if (shown.length === answers.length) return { ...looked, kind: 'proven' }
  if (shown.length > 0) return { ...looked, kind: 'disagreement' }

  const seen = [...new Set(answers.flatMap(({ texts }) => texts))]
  const tokens = seen.flatMap((text) => tokenOf(text) ?? [])
  if (tokens.length > 0) return { ...looked, kind: 'wrong-token', tokens: tokens.slice(0, MOST_SEEN) }
  const nowhere = answers.every(({ kind }) => kind === 'no-such-name')
  if (nowhere && (await source.isMissing(domain, answers))) return { ...looked, kind: 'no-such-domain' }
  return {
    ...looked,
    kind: 'missing',
    seen: seen.slice(0, MOST_SEEN).map((text) => text.slice(0, MOST_SEEN_CHARACTERS)),
    seenCount: seen.length,
    misplacedAt: await misplaced(domain, token, source),
  }
}

/**
 * The two mistakes that everybody makes: the record at the domain itself, as Microsoft wants it, and the name typed in full
 * where the provider's form adds the domain again.
 */
async function misplaced(domain: string, token: string, source: Source): Promise<string | null> {
  for (const name of [domain, `${challengeName(domain)}.${domain}`]) {
    const { answers } = await source.texts(name)
    if (answers.some(({ texts }) => texts.some((text) => showsToken(text, token)))) return name
  }
  return null
}
