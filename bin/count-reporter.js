/** Counts the tests that ran in each file, for bin/test.js. */

export default async function* countReporter(source) {
  const counts = {}
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    // The runner reports the file itself as a test, too.
    if (data.file === undefined || data.details?.type === 'suite' || data.name === data.file) continue
    counts[data.file] = (counts[data.file] ?? 0) + 1
  }
  yield JSON.stringify(counts)
}
