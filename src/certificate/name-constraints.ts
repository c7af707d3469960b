/** Name constraints along a path (RFC 5280 sections 4.2.1.10 and 6.1.4). */

import { normalizeDomain } from '../text/domain-name.ts'
import type { DistinguishedName, GeneralName } from './general-name.ts'
import { commonNamesOf, emailsOf, rdnKey } from './general-name.ts'
import { isSelfIssued } from './issued.ts'
import type { Work } from './limits.ts'
import type { Certificate, NameConstraints } from './parse.ts'
import { CertificateFault } from './reasons.ts'

/**
 * @param path from the leaf to the anchor
 * @param work counts the comparisons
 * @throws CertificateFault when a name is outside of what a CA above it may issue, or cannot be judged
 */
export function requireNamesWithinConstraints(path: readonly Certificate[], work: Work): void {
  for (const [index, authority] of path.entries()) {
    const { nameConstraints } = authority
    if (nameConstraints === null) continue
    requireReadableConstraints(nameConstraints)
    for (const [below, certificate] of path.slice(0, index).entries()) {
      // A CA that issues itself a new certificate is not bound by it, a leaf is.
      if (below > 0 && isSelfIssued(certificate)) continue
      requireWithin(nameConstraints, certificate, below === 0, work)
    }
  }
}

function requireReadableConstraints({ permitted, excluded }: NameConstraints): void {
  for (const base of [...permitted, ...excluded]) {
    const readable =
      base.form === 'dns'
        ? base.text === '' || normalizeDomain(base.text) !== null
        : base.form === 'ip'
          ? isRange(base.octets)
          : base.form !== 'email' || isEmailConstraint(base.text)
    if (!readable) throw new CertificateFault('malformed', 'its name constraints are malformed')
  }
}

/** An address and a mask whose ones stand together (RFC 4632 section 3.1). */
function isRange(octets: readonly number[]): boolean {
  if (octets.length !== 8 && octets.length !== 32) return false
  const bits = octets
    .slice(octets.length / 2)
    .map((octet) => octet.toString(2).padStart(8, '0'))
    .join('')
  return /^1*0*$/.test(bits)
}

/** A mailbox, a host, or a domain with a leading period. */
function isEmailConstraint(text: string): boolean {
  const [local = '', domain, ...rest] = text.split('@')
  if (rest.length > 0) return false
  if (domain !== undefined) return local !== '' && normalizeDomain(domain) !== null
  return normalizeDomain(text.replace(/^\./, '')) !== null
}

function requireWithin(
  constraints: NameConstraints,
  certificate: Certificate,
  leaf: boolean,
  work: Work,
): void {
  const { permitted, excluded } = constraints
  const names = namesOf(certificate, leaf)
  work.countNameComparisons(names.length * (permitted.length + excluded.length))
  const permittedOf = formsOf(permitted)
  const excludedOf = formsOf(excluded)
  for (const name of names) {
    const form = formOf(name)
    const may = permittedOf.get(form)
    const mayNot = excludedOf.get(form)
    if (may === undefined && mayNot === undefined) continue
    if (name.form === 'uri' || name.form === 'other') {
      throw new CertificateFault(
        'name-constraint',
        `a constraint on names of its form (${form}) is not understood`,
      )
    }
    if (!isWellFormed(name))
      throw new CertificateFault('malformed', `one of its names is malformed: ${textOf(name)}`)
    if (mayNot?.some((base) => overlaps(name, base)) === true) {
      throw new CertificateFault('name-constraint', `${textOf(name)} is excluded`)
    }
    if (may !== undefined && !may.some((base) => isWithin(name, base))) {
      throw new CertificateFault('name-constraint', `${textOf(name)} is not permitted`)
    }
  }
}

function formOf(name: GeneralName): string {
  return name.form === 'other' ? `other ${name.tag}` : name.form
}

function formsOf(bases: readonly GeneralName[]): Map<string, GeneralName[]> {
  const forms = new Map<string, GeneralName[]>()
  for (const base of bases) {
    const form = formOf(base)
    const list = forms.get(form)
    if (list === undefined) forms.set(form, [base])
    else list.push(base)
  }
  return forms
}

/** The subject counts as well; a common name that is used as a DNS name, too, and the leaf's is (rule 1). */
function namesOf({ subject, subjectAltName }: Certificate, leaf: boolean): GeneralName[] {
  const names: GeneralName[] = [...(subjectAltName ?? [])]
  if (subject.key !== '') names.push({ form: 'directory', name: subject })
  for (const text of emailsOf(subject)) names.push({ form: 'email', text })
  if (leaf) {
    for (const text of commonNamesOf(subject)) {
      const name = text.replace(/^\*\./, '')
      if (name.includes('.') && normalizeDomain(name) !== null) names.push({ form: 'dns', text })
    }
  }
  return names
}

function isWellFormed(name: GeneralName): boolean {
  if (name.form === 'dns') return normalizeDomain(name.text.replace(/^\*\./, '')) !== null
  if (name.form === 'email')
    return /^[^@\s]+@[^@\s]+$/.test(name.text) && normalizeDomain(name.text.split('@')[1] ?? '') !== null
  return name.form !== 'ip' || name.octets.length === 4 || name.octets.length === 16
}

function textOf(name: GeneralName): string {
  if (name.form === 'ip') return name.octets.join(name.octets.length === 4 ? '.' : ':')
  return 'text' in name ? name.text : 'its subject'
}

function isWithin(name: GeneralName, base: GeneralName): boolean {
  if (name.form === 'dns' && base.form === 'dns') return isBelow(domainOf(name.text), domainOf(base.text))
  if (name.form === 'email' && base.form === 'email') return isMailboxWithin(name.text, base.text)
  if (name.form === 'ip' && base.form === 'ip') return isAddressWithin(name.octets, base.octets)
  if (name.form === 'directory' && base.form === 'directory') return isSubtree(name.name, base.name)
  return false
}

/** A wildcard may stand for an excluded name: `*.a.example` and an excluded `b.a.example` overlap. */
function overlaps(name: GeneralName, base: GeneralName): boolean {
  if (isWithin(name, base)) return true
  if (name.form !== 'dns' || base.form !== 'dns' || !name.text.startsWith('*.')) return false
  const excluded = domainOf(base.text)
  const stem = domainOf(name.text)
  return isBelow(excluded, stem) && excluded.split('.').length === stem.split('.').length + 1
}

function domainOf(text: string): string {
  return normalizeDomain(text.replace(/^\*\./, '')) ?? ''
}

function isBelow(domain: string, base: string): boolean {
  return base === '' || domain === base || domain.endsWith(`.${base}`)
}

function isMailboxWithin(mailbox: string, base: string): boolean {
  const at = mailbox.lastIndexOf('@')
  const [local, host] = [mailbox.slice(0, at), domainOf(mailbox.slice(at + 1))]
  if (base.includes('@')) {
    const baseAt = base.lastIndexOf('@')
    return local === base.slice(0, baseAt) && host === domainOf(base.slice(baseAt + 1))
  }
  if (base.startsWith('.')) return host.endsWith(`.${domainOf(base.slice(1))}`)
  return host === domainOf(base)
}

function isAddressWithin(address: readonly number[], range: readonly number[]): boolean {
  if (range.length !== address.length * 2) return false
  return address.every((octet, index) => {
    const mask = range[address.length + index] ?? 0
    return (octet & mask) === ((range[index] ?? 0) & mask)
  })
}

/** The base's relative names are the first of the name's. */
function isSubtree(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.rdns.every((rdn, index) => {
    const own = name.rdns[index]
    return own !== undefined && rdnKey(own) === rdnKey(rdn)
  })
}
