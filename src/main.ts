#!/usr/bin/env node
// The command line: what there is to call is declared in commands/command-line.ts, each command loads when called.
import v8 from 'node:v8'

// Loading the packages makes garbage faster than V8 collects it while its young generation grows: the process would
// keep 150 MB that it never needs again. Set before anything else is loaded.
v8.setFlagsFromString('--semi-space-growth-factor=1')

const { commandLine, exitCodeOf } = await import('./commands/command-line.ts')
const { endQuietlyOnClosedPipe } = await import('./commands/output.ts')

endQuietlyOnClosedPipe()
try {
  await commandLine().parseAsync()
} catch (error) {
  process.exitCode = await exitCodeOf(error)
}
