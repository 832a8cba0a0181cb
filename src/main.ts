#!/usr/bin/env node
// The command line: what there is to call is declared in commands/command-line.ts, each command loads when called.
import { commandLine, exitCodeOf } from './commands/command-line.ts'
import { endQuietlyOnClosedPipe } from './commands/output.ts'

endQuietlyOnClosedPipe()
try {
  await commandLine().parseAsync()
} catch (error) {
  process.exitCode = await exitCodeOf(error)
}
