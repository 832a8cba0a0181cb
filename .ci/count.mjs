// Prints `passed failed` of a Vitest JSON report. What did not run is failed: skipped and todo tests, files that
// could not be loaded, a report that is not there, and an exit code that the report does not account for.
import fs from 'node:fs'

const [file, status] = process.argv.slice(2)

function counts() {
  const report = JSON.parse(fs.readFileSync(file, 'utf8'))
  const files = report.testResults
  const tests = files.flatMap(({ assertionResults }) => assertionResults)
  const passed = tests.filter((test) => test.status === 'passed').length
  const unloaded = files.filter((result) => result.status === 'failed' && result.assertionResults.length === 0).length
  return { passed, failed: tests.length - passed + unloaded }
}

let result = { passed: 0, failed: 1 }
try {
  result = counts()
} catch {}
if (result.failed === 0 && (status !== '0' || result.passed === 0)) result.failed = 1
console.log(`${result.passed} ${result.failed}`)
