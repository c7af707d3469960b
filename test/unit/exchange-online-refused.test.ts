/** What is no export, or a damaged one, is refused as a whole, with one message that says what to do. */

import assert from 'node:assert/strict'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AddressMap } from '../../src/exchange-online/address-map.ts'
import { CsvError, parseCsv } from '../../src/exchange-online/csv.ts'
import { readExport } from '../../src/exchange-online/decode.ts'
import { readExports } from '../../src/exchange-online/files.ts'
import { interpret } from '../../src/exchange-online/interpret.ts'
import type { JsonValue } from '../../src/exchange-online/json.ts'
import { JsonError, parseJson } from '../../src/exchange-online/json.ts'
import { ExportRefused } from '../../src/exchange-online/refused.ts'
import { hasPrograms } from '../support/programs.ts'
import { run, temporaryFolder } from '../support/smarthost.ts'

const BUDGET = 1_000_000

function read(bytes: string | Buffer): void {
  const objects = readExport('export', Buffer.from(bytes), { values: BUDGET })
  interpret(objects, new AddressMap([]), [])
}

const IN = '"Name":"A","ConnectorType":"OnPremises","Enabled":true'

const DEEP = 100_000

const ROWS: readonly (readonly [what: string, bytes: string | Buffer, expected: RegExp])[] = [
  ['nothing', '', /^export holds no object: the cmdlet found none/],
  ['a byte order mark alone', '\ufeff', /holds no object/],
  ['an empty list', '[]', /holds no object/],
  ['a list of nothing', '[null]', /holds no object/],
  ['null', 'null\r\n', /holds no object/],
  ['an empty answer of the service', '{"value":[],"Count":0}', /holds no object/],
  ['a table without rows', '"Name","SenderIPAddresses"\r\n', /holds no object/],
  ['nothing between objects', `[{${IN},"SenderDomains":[]},null]`, /object 2 is no object/],
  [
    'the first page of an answer',
    '{"@odata.nextLink":"https://x/","value":[{}]}',
    /is the first page of an answer/,
  ],
  ['numbers', '[1,2]', /object 1 is no object/],
  ['objects that were cut off', '["@{Name=A; Enabled=True}"]', /object 1 was cut off .*-Depth 4/],
  [
    'a value that was cut off',
    `{${IN},"SenderIPAddresses":"System.Object[]"}`,
    /has "System\.Object\[\]" in place of SenderIPAddresses, at object 1: the value is lost \(.*-Depth 4/,
  ],
  [
    'a value in a list that was cut off',
    `{${IN},"SenderIPAddresses":["@{Expression=10.0.0.1}"]}`,
    /in place of SenderIPAddresses.*-Depth 4/,
  ],
  [
    'the type of a list',
    `{${IN},"SenderIPAddresses":"Microsoft.Exchange.Data.MultiValuedProperty\`1[Microsoft.Exchange.Data.IPRange]"}`,
    /in place of SenderIPAddresses/,
  ],
  [
    'a name that was cut off',
    `{${IN},"TlsSenderCertificateName":"System.Collections.Hashtable"}`,
    /in place of TlsSenderCertificateName/,
  ],
  [
    'a domain that was cut off',
    '{"DomainName":"@{Domain=contoso.com; IsStar=False}"}',
    /in place of DomainName/,
  ],
  [
    "a table's list",
    'Name,ConnectorType,SenderIPAddresses\r\nA,OnPremises,System.Collections.ArrayList\r\n',
    /in place of SenderIPAddresses.*Export-Csv writes no lists/,
  ],
  [
    'the partner domains of a table',
    '"Name","ConnectorType","SenderDomains","SenderIPAddresses"\n"A","Partner","System.String[]","1.2.3.4"\n',
    /in place of SenderDomains/,
  ],
  [
    'JSON that ends in the middle',
    `[{${IN},"SenderDomains":["smtp:*;1"`,
    /cannot be read as JSON: it ends in the middle, at line 1, .*export it again/,
  ],
  ['JSON that ends in a text', `[{"Name":"A`, /ends in the middle/],
  ['a key given twice', `{${IN},"Enabled":false,"SenderDomains":[]}`, /the key "Enabled" twice/],
  ['a property given twice', `{${IN},"enabled":false,"SenderDomains":[]}`, /has the property enabled twice/],
  ['a column given twice', 'Name,name,SenderIPAddresses\na,b,1.2.3.4\n', /has the property name twice/],
  ['nested lists', '['.repeat(DEEP), /nested deeper than 100 levels, at line 1, column 101/],
  ['nested objects', '{"value":'.repeat(DEEP), /nested deeper than 100 levels/],
  ['nested lists that end', `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`, /nested deeper than 100 levels/],
  ['many small objects', `[${'{},'.repeat(BUDGET)}{}]`, /more values than an import may/],
  ['many small cells', `Name${','.repeat(BUDGET)}`, /more values than an import may/],
  ['JavaScript', '[{Name: "A"}]', /has "N" where JSON does not allow it, at line 1, column 3/],
  ['a comma too many', `[{${IN}},]`, /has "\]" where JSON does not allow it/],
  ['a control character', '[{"Name":"a\u0007b"}]', /a text that JSON does not allow/],
  ['an escape sequence', '\u001b[31m{"Name":1}', /is neither JSON nor CSV/],
  [
    'a web page',
    '\n<!DOCTYPE html><html><title>Sign in</title>',
    /is an HTML page \(write it so: Get-InboundConnector/,
  ],
  [
    'Export-Clixml',
    '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">',
    /was written by Export-Clixml/,
  ],
  ['other XML', '<?xml version="1.0"?><a/>', /is XML/],
  [
    'an error',
    "Get-InboundConnector : The term 'Get-InboundConnector' is not recognized as the name of a cmdlet",
    /is an error message of PowerShell \(run Connect-ExchangeOnline first/,
  ],
  [
    'an error in German',
    'Die Benennung "Get-InboundConnector" wurde nicht als Name eines Cmdlet erkannt.\n    + CategoryInfo          : ObjectNotFound',
    /is an error message of PowerShell/,
  ],
  [
    'a warning before the JSON',
    'WARNING: Resulting JSON is truncated as serialization has exceeded the set depth of 2.\n[]',
    /was cut off by ConvertTo-Json.*-Depth 4/,
  ],
  [
    'Format-List',
    'Name                         : Inbound\nEnabled                      : True\n',
    /is a list for the screen/,
  ],
  [
    'Format-Table',
    'Name    ConnectorType Enabled\n----    ------------- -------\nA       OnPremises    True\n',
    /is a table for the screen/,
  ],
  [
    'what Format-Table made',
    '[{"ClassId2e4f51ef21dd47e99d3c952918aff9cd":"033ecb2bc07a4d43b5ef94ed5a35d280","Name":"x"}]',
    /is what Format-Table or Format-List made/,
  ],
  [
    'a Send connector',
    '{"Name":"Internet","AddressSpaces":["SMTP:*;1"],"SmartHosts":[],"TlsDomain":null}',
    /is a Send connector of Exchange Server/,
  ],
  [
    'a Receive connector',
    '{"Name":"Default","Bindings":["0.0.0.0:25"],"RemoteIPRanges":["0.0.0.0-255.255.255.255"]}',
    /is a Receive connector/,
  ],
  [
    'a mailbox',
    '{"Name":"kate","PrimarySmtpAddress":"kate@contoso.com"}',
    /object 1 \("kate"\) is no inbound connector, .*: it has the properties Name, PrimarySmtpAddress/,
  ],
  ['an empty object', '{}', /\("\(without a name\)"\) is no inbound connector.*no properties/],
  [
    'an object that is two',
    '{"DomainName":"contoso.com","SenderIPAddresses":[]}',
    /is several things at once/,
  ],
  [
    'a hostile name',
    '{"Name":"\\u001b[2J\\n\\u202e","Foo\\u0007":1}',
    /"\\x1b\[2J\\x0a\\u202e"\) is no inbound connector.*Foo\\x07/,
  ],
  [
    'an image',
    Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
    /is no UTF-8 text \(export it again with Set-Content -Encoding utf8\)/,
  ],
  [
    'Windows-1252',
    Buffer.from('[{"Name":"M\xfcnchen","SenderIPAddresses":[]}]', 'latin1'),
    /is no UTF-8 text/,
  ],
  ['UTF-16 without its mark', Buffer.from('[{"Name":"x"}]', 'utf16le'), /UTF-16 without its byte order mark/],
  ['half of UTF-16', Buffer.from('\ufeff[{"Name":"x"}]', 'utf16le').subarray(0, 15), /is no UTF-16 text/],
  ['a lone surrogate in UTF-16', Buffer.from('\ufeff[{"Name":"\ud800"}]', 'utf16le'), /is no UTF-16 text/],
  ['zeros', Buffer.alloc(1000), /is no text/],
  ['a shopping list', 'milk, butter\nbread, salt\n', /is neither JSON nor CSV: as CSV it has no column Name/],
  [
    'a table with a row too short',
    'Name,SenderIPAddresses\nA\n',
    /as CSV it has 1 values in line 2, and 2 columns/,
  ],
  [
    'a table with a quote left open',
    'Name,SenderIPAddresses\n"A,1.2.3.4\n',
    /ends inside the quotes that open in line 2/,
  ],
  [
    'a table with more after a quote',
    'Name,SenderIPAddresses\n"A"B,1.2.3.4\n',
    /has more after a closing quote in line 2/,
  ],
]

describe('what is no export', () => {
  for (const [what, bytes, expected] of ROWS) {
    it(`is refused in one line that says why: ${what}`, () => {
      assert.throws(
        () => {
          read(bytes)
        },
        (error: unknown) => {
          assert.ok(error instanceof ExportRefused, String(error))
          assert.match(error.message, expected)
          assert.match(error.message, /^[^\p{C}]+$/u)
          assert.ok(error.message.length < 700, error.message)
          return true
        },
      )
    })
  }

  it('is refused, or is one, whatever the bytes are', () => {
    const attempt = (bytes: Buffer): void => {
      try {
        read(bytes)
      } catch (error) {
        assert.ok(error instanceof ExportRefused, String(error))
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        attempt(Buffer.from(bytes))
      }),
    )
    fc.assert(
      fc.property(fc.json(), (text) => {
        attempt(Buffer.from(`[${text}]`))
      }),
    )
    const value = fc.oneof(
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string()),
      fc.integer(),
      fc.object({ maxDepth: 2 }),
    )
    const names = [
      'Name',
      'DomainName',
      'ConnectorType',
      'SenderIPAddresses',
      'SenderDomains',
      'TlsSenderCertificateName',
      'Enabled',
      'DomainType',
      'Comment',
      'RecipientDomains',
      '__proto__',
    ]
    const record = fc
      .array(fc.tuple(fc.constantFrom(...names), value))
      .map((pairs) => JSON.stringify(Object.fromEntries(pairs)))
    fc.assert(
      fc.property(record, (text) => {
        attempt(Buffer.from(text))
      }),
    )
  })

  it('is refused before it is read when it is too large, no file, or cannot be read', async (t) => {
    const folder = await temporaryFolder(t)
    const large = join(folder, 'large.json')
    writeFileSync(large, '[')
    // A hole: no byte of it is on the disk, and none is read.
    truncateSync(large, 100 * 1024 * 1024)
    const before = process.memoryUsage().arrayBuffers
    assert.throws(
      () => readExports([large]),
      /large\.json is too large: an import has 32 MiB at most \(is it the right file\?\)$/,
    )
    assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
    mkdirSync(join(folder, 'sub'))
    assert.throws(() => readExports([join(folder, 'sub')]), /is no file/)
    assert.throws(() => readExports(['/dev/zero']), /\/dev\/zero is no file/)
    assert.throws(() => readExports([join(folder, 'none\n.json')]), /none\\x0a\.json cannot be read: ENOENT$/)
    if (!hasPrograms(t, '/usr/bin/mkfifo')) return
    const fifo = join(folder, 'fifo')
    await run('/usr/bin/mkfifo', fifo)
    assert.throws(() => readExports([fifo]), /is no file/)
  })

  it('is refused when the files are too large together, or hold too many objects', async (t) => {
    const folder = await temporaryFolder(t)
    const half = join(folder, 'half.json')
    writeFileSync(half, `[{${IN},"SenderDomains":[]}]${' '.repeat(20 * 1024 * 1024)}`)
    assert.equal(readExports([half]).length, 1)
    assert.throws(() => readExports([half, half]), /half\.json is too large: an import has 32 MiB/)
    const many = join(folder, 'many.json')
    writeFileSync(many, `[${'{},'.repeat(6000)}{}]`)
    assert.equal(readExports([many]).length, 6001)
    assert.throws(() => readExports([many, many]), /an import has 10000 objects at most/)
  })
})

/** Maps as objects, to be compared with what JSON.parse gives. */
function plain(value: JsonValue): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, inside]) => [key, plain(inside as JsonValue)]))
  return Array.isArray(value) ? value.map((inside: JsonValue) => plain(inside)) : value
}

describe('JSON', () => {
  const parse = (text: string): JsonValue[] => parseJson(text, { values: BUDGET })

  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 2, '\t'), (text, indent) => {
        const expected: unknown = JSON.parse(text)
        assert.deepEqual(plain(parse(JSON.stringify(expected, null, indent))[0] ?? null), expected)
      }),
    )
  })

  it('is refused where JSON.parse refuses it', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"',
      '\\',
      'true',
      'nul',
      '1',
      '-',
      '01',
      '1e',
      '.5',
      ' ',
      '\n',
      '"\\u12"',
      '"\\ud800"',
      '\u00a0',
      'é',
    )
    const isJson = (text: string): boolean => {
      try {
        JSON.parse(text)
        return true
      } catch {
        return false
      }
    }
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
        (text) => {
          let values: JsonValue[] | null = null
          try {
            values = parse(text)
          } catch (error) {
            assert.ok(error instanceof JsonError)
            // A key given twice is all that it refuses more.
            assert.ok(!isJson(text) || /twice/.test(error.message), text)
          }
          if (values?.length === 1) assert.ok(isJson(text), text)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('may be several values one after the other, and says where it is wrong', () => {
    assert.deepEqual(parse('{"a":1}\r\n{"a":2}[3]'), [new Map([['a', 1]]), new Map([['a', 2]]), [3]])
    assert.throws(() => parse('[\n  1,\n  x]'), /at line 3, column 3$/)
    assert.throws(() => parse(`[${'1'.repeat(70)}]`), JsonError)
    assert.deepEqual(parse(`"${'\\\\'.repeat(50_000)}\\""`), [`${'\\'.repeat(50_000)}"`])
  })
})

describe('CSV', () => {
  const parse = (text: string): ReturnType<typeof parseCsv> => parseCsv(text, { values: BUDGET })

  it('is read back as it was written, whatever is in it, with any delimiter and line end', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'ü', '"', ',', ';', '\t', '\n', '\r', ' ', '=') })
    const name = fc.string({ unit: fc.constantFrom('a', 'b', ' '), minLength: 1 })
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 4 }).chain((width) =>
          fc.record({
            header: fc.array(name, { minLength: width, maxLength: width }),
            rows: fc.array(fc.array(cell, { minLength: width, maxLength: width })),
          }),
        ),
        fc.constantFrom(',', ';', '\t'),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        ({ header, rows }, delimiter, end, always) => {
          const quote = (text: string): string =>
            always || /["\r\n\t,;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
          const text = [header, ...rows]
            .map((row) => `${row.map((value) => quote(value)).join(delimiter)}${end}`)
            .join('')
          assert.deepEqual(parse(text), { header, rows })
          assert.deepEqual(parse(`#TYPE System.X${end}sep=${delimiter}${end}${text}`), { header, rows })
        },
      ),
    )
  })

  it('names the line of a row that does not fit, counted as an editor does', () => {
    assert.throws(
      () => parse('#TYPE x\r\n"a","b"\r\n"1\n2","3"\r\n"4"\r\n'),
      (error: unknown) => {
        assert.ok(error instanceof CsvError)
        assert.equal(error.message, 'has 1 values in line 5, and 2 columns')
        return true
      },
    )
  })
})
