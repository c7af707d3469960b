/** What an outbound connector asks of the next hop, and what it shows of this server. */

import { posix } from 'node:path'
import type { TlsSettings } from '../policy/types.ts'
import { normalizePresentedName } from '../text/certificate-name.ts'
import { printable } from '../text/printable.ts'
import type { ConfiguredOutboundConnector } from './model.ts'
import { choiceMend } from './schema-domain.ts'
import type { Field, Fields, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

const TLS_SETTINGS: readonly TlsSettings[] = ['EncryptionOnly', 'CertificateValidation', 'DomainValidation']

/** RFC 4616 section 2 sets none; servers take less. */
const LONGEST_USER_NAME = 255
const LONGEST_PATH = 255

/** @returns a field, undefined where it is absent or null, as PowerShell exports nothing */
export function givenField(reader: YamlReader, fields: Fields, name: string): Field | undefined {
  const field = fields.get(name)
  return field === undefined || reader.isNothing(field.value) ? undefined : field
}

/**
 * @param reader where problems are reported
 * @param fields the connector's fields
 * @param node the connector's node
 * @returns the promise; DomainValidation and tlsDomain need each other
 */
export function readTls(
  reader: YamlReader,
  fields: Fields,
  node: YamlNode,
): Pick<ConfiguredOutboundConnector, 'tlsSettings' | 'tlsDomain'> {
  const tlsSettings = readTlsSettings(reader, givenField(reader, fields, 'tlsSettings'))
  const field = givenField(reader, fields, 'tlsDomain')
  const tlsDomain = readTlsDomain(reader, field)
  if (tlsSettings === 'DomainValidation' && field === undefined) {
    reader.error(
      fields.get('tlsSettings')?.key ?? node,
      'tlsSettings: DomainValidation needs tlsDomain',
      "add the name in the next hop's certificate, e.g. tlsDomain: smtp.contoso.com",
    )
  }
  // A tlsSettings that cannot be read was reported, and may have been meant for DomainValidation.
  if (field !== undefined && tlsSettings !== 'DomainValidation' && tlsSettings !== undefined) {
    reader.error(
      field.key,
      'tlsDomain is looked at with tlsSettings: DomainValidation only',
      'write tlsSettings: DomainValidation, or remove tlsDomain',
    )
  }
  return { tlsSettings: tlsSettings ?? null, tlsDomain }
}

/** @returns undefined after a report */
function readTlsSettings(reader: YamlReader, field: Field | undefined): TlsSettings | null | undefined {
  if (field === undefined) return null
  const text = reader.text(field)
  const known = TLS_SETTINGS.find((setting) => setting === text)
  if (known !== undefined || text === null) return known
  const mend = /^(?:none|opportunistic)$/i.test(text)
    ? 'remove tlsSettings: TLS is used where it is offered'
    : choiceMend(text, TLS_SETTINGS)
  reader.error(field.value, `tlsSettings ${quoted(text)} is unknown`, mend)
  return undefined
}

function readTlsDomain(reader: YamlReader, field: Field | undefined): string | null {
  const text = field === undefined ? null : reader.text(field)
  if (field === undefined || text === null) return null
  const name = normalizePresentedName(text)
  if (name === null) {
    const mend = 'write the name in the certificate, e.g. smtp.contoso.com or "*.contoso.com"'
    reader.error(field.value, `tlsDomain ${quoted(text)} is no name that a certificate can prove`, mend)
  }
  return name
}

type Identity = Pick<
  ConfiguredOutboundConnector,
  'tlsCertificateFile' | 'tlsKeyFile' | 'userName' | 'passwordFile'
>

/**
 * @param reader where problems are reported
 * @param fields the connector's fields
 * @param node the connector's node
 * @param tlsSettings what it asks of the next hop
 * @returns the files of what this server shows of itself: under config/, whether they exist is for `check` to see, since
 *   the directory in Redis is for several machines
 */
export function readIdentity(
  reader: YamlReader,
  fields: Fields,
  node: YamlNode,
  tlsSettings: TlsSettings | null,
): Identity {
  const userName = readUserName(reader, givenField(reader, fields, 'userName'))
  const [tlsCertificateFile, tlsKeyFile, passwordFile] = [
    readPath(reader, givenField(reader, fields, 'tlsCertificateFile')),
    readPath(reader, givenField(reader, fields, 'tlsKeyFile')),
    readPath(reader, givenField(reader, fields, 'passwordFile')),
  ]
  needEachOther(reader, fields, node, ['tlsCertificateFile', 'tlsKeyFile'])
  needEachOther(reader, fields, node, ['userName', 'passwordFile'])
  const credentials = givenField(reader, fields, 'userName') ?? givenField(reader, fields, 'passwordFile')
  if (
    credentials !== undefined &&
    givenField(reader, fields, 'tlsSettings') === undefined &&
    tlsSettings === null
  ) {
    reader.error(
      credentials.key,
      `${credentials.name} needs tlsSettings: the password could go in plain text`,
      'write tlsSettings: DomainValidation with tlsDomain, CertificateValidation or EncryptionOnly',
    )
  }
  return { tlsCertificateFile, tlsKeyFile, userName, passwordFile }
}

function needEachOther(
  reader: YamlReader,
  fields: Fields,
  node: YamlNode,
  [first, second]: readonly [string, string],
): void {
  const [one, other] = [givenField(reader, fields, first), givenField(reader, fields, second)]
  if ((one === undefined) === (other === undefined)) return
  const missing = one === undefined ? first : second
  reader.error((one ?? other)?.key ?? node, `${first} and ${second} need each other`, `add ${missing}`)
}

function readUserName(reader: YamlReader, field: Field | undefined): string | null {
  const text = field === undefined ? null : reader.text(field)
  if (field === undefined || text === null) return null
  if (text.length <= LONGEST_USER_NAME && printable(text, 6 * LONGEST_USER_NAME) === text) return text
  const [why, mend] =
    text.length > LONGEST_USER_NAME
      ? ['is too long', `write at most ${LONGEST_USER_NAME} characters`]
      : ['holds control characters', 'write it without them']
  reader.error(field.value, `userName ${quoted(text)} ${why}`, mend)
  return null
}

function readPath(reader: YamlReader, field: Field | undefined): string | null {
  const text = field === undefined ? null : reader.text(field)
  if (field === undefined || text === null) return null
  const why = whyNoPath(text)
  if (why === null) return posix.normalize(text)
  // A key that was pasted here must not be told to whoever reads the message.
  const what = text.includes('-----BEGIN') ? field.name : `${field.name} ${quoted(text)}`
  reader.error(field.value, `${what} ${why}`, 'name a file under config/, e.g. contoso/client.pem')
  return null
}

function whyNoPath(text: string): string | null {
  if (text.includes('-----BEGIN')) return 'is the content of a file'
  if (text.length > LONGEST_PATH) return 'is too long'
  if (printable(text, 6 * LONGEST_PATH) !== text) return 'holds control characters'
  const path = posix.normalize(text)
  const leaves = posix.isAbsolute(path) || path === '..' || path.startsWith('../')
  if (leaves) return 'is not under config/'
  return path === '.' || path.endsWith('/') ? 'is a folder' : null
}
