// What there is to call. Only declarations here: a command's own module, and the settings, load when it is called,
// so that --help is quick and needs no valid settings.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Config } from '../config.ts'
import { ROLES } from '../domain/model.ts'
import { parseInstant } from '../domain/rule-instant.ts'
import type { ActivateOptions } from './activate.ts'
import type { DemoOptions } from './demo.ts'
import type { ImportOptions } from './import.ts'
import { programCall } from './output.ts'
import type { NewTokenOptions } from './token.ts'
import type { WatchOptions } from './watch.ts'

type Json = { json?: boolean }

/** The whole command line. Parsing throws: see exitCodeOf. */
export function commandLine(): Command {
  const program = new Command('activation-gateway')
    .description('Sends segments of profiles to destinations, on demand, and shows every run live.')
    .exitOverride()
    .showHelpAfterError('(add --help to see how it is called)')
  addServers(program)
  addData(program)
  addRuns(program)
  addTokens(program)
  addSecrets(program)
  addAudit(program)
  program.addHelpText('after', '\nSettings are environment variables: see «Settings» in README.md.')
  return program
}

/** Prints what went wrong on stderr, and gives the exit code: 1 failed, 2 called wrongly. */
export async function exitCodeOf(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // commander has printed it
  const { explain } = await import('./failure.ts')
  const { lines, exitCode } = explain(error)
  for (const line of lines) process.stderr.write(`${line}\n`)
  return exitCode
}

function addServers(program: Command): void {
  declare(program, 'serve', 'Run the gateway: API, engine and live events in one process.', [
    'serve',
    'PORT=8080 HOST=0.0.0.0 … serve',
  ]).action(async () => (await import('./serve.ts')).serve(await config()))
  declare(program, 'worker', 'Run the engine alone: more exports at once on the same database.', [
    'worker',
  ]).action(async () => (await import('./worker.ts')).worker(await config()))
  declare(program, 'demo', 'Run the whole thing on real customers in a temporary folder.', [
    'demo',
    'demo --serve',
  ])
    .option('--serve', 'keep the gateway up with that data, and print its address and a token')
    .option('--keep', 'keep the temporary folder')
    .action(async (options: DemoOptions) => (await import('./demo.ts')).demo(await config(), options))
}

function addData(program: Command): void {
  declare(
    program,
    'import',
    'Load a CSV (header row; comma, semicolon or tab) or NDJSON file into profiles.',
    ['import customers.csv --key customer_id', 'import - --key email < people.ndjson'],
  )
    .argument('<file>', 'the file, or - for stdin')
    .requiredOption('--key <column>', 'the column that identifies a profile')
    .option('--sandbox <name>', 'the sandbox to load into', 'prod')
    .addOption(
      new Option('--format <format>', 'otherwise the extension or the first byte decides').choices([
        'csv',
        'ndjson',
      ]),
    )
    .option('--json', 'print the result as JSON')
    .action(async (file: string, options: ImportOptions) =>
      (await import('./import.ts')).importFile(await config(), file, options),
    )
  declare(program, 'migrate', 'Bring the database up to date, or create it.', ['migrate'])
    .option('--json', 'print the result as JSON')
    .action(async (options: Json) => (await import('./migrate.ts')).migrate(await config(), options))
  declare(program, 'backup', 'Copy the database, consistently, while the gateway runs.', [
    'backup gateway-2026-11-22.db',
  ])
    .argument('<file>', 'the copy; must not exist yet')
    .option('--json', 'print the result as JSON')
    .action(async (file: string, options: Json) =>
      (await import('./backup.ts')).backup(await config(), file, options),
    )
  declare(
    program,
    'copy',
    'Copy everything from SQLite to PostgreSQL, while no gateway runs. Ended in the middle, call it again.',
    [
      'copy postgres://gateway@db.example.com/gateway',
      'PGPASSWORD=… … copy postgres://gateway@localhost/gateway --json',
    ],
  )
    .argument('<target>', 'the database, which must be empty; the password may be in PGPASSWORD')
    .option('--json', 'print the tables, their rows and their checksums as JSON')
    .action(async (target: string, options: Json) =>
      (await import('./copy.ts')).copy(await config(), target, options),
    )
}

function addRuns(program: Command): void {
  const activate = declare(program, 'activate', 'Send mapped segments to their destination now.', [
    'activate --dataflow flow_… --segment seg_… --watch',
    'activate --dataflow flow_… --segment seg_… seg_… --idempotency-key monday',
  ])
    .requiredOption('--dataflow <id>', 'the dataflow')
    .requiredOption('--segment <id...>', 'the segments')
    .option('--idempotency-key <key>', 'the same key again gives the same activation, for 24 hours')
    .option('--watch', 'show the progress until the runs end')
  throughApi(activate).action(async (options: ActivateOptions) =>
    (await import('./activate.ts')).activate(await config(), options),
  )
  const watch = declare(program, 'watch', 'Show the progress of a run until it ends.', [
    'watch run_…',
    'watch run_… --after <cursor> --json',
  ])
    .argument('<run>', 'the id of the run')
    .option('--after <cursor>', 'show only what came after this event')
  throughApi(watch).action(async (run: string, options: WatchOptions) =>
    (await import('./watch.ts')).watch(await config(), run, options),
  )
}

function addTokens(program: Command): void {
  const token = program.command('token').description('Who may call the API.')
  declare(token, 'create', 'Make a token. Its secret is printed once.', [
    'token create --name reporting --role VIEWER',
    'token create --name acme --role PARTNER --destination dst_… --expires 2027-01-01',
  ])
    .requiredOption('--name <name>', 'who or what it is for')
    .addOption(new Option('--role <role...>', 'what it may do').choices(ROLES).makeOptionMandatory())
    .option('--destination <id...>', 'the destinations that a PARTNER may see')
    .option('--sandbox <name>', 'the sandbox it belongs to', 'prod')
    .option('--expires <date>', 'the date or date-time from which it no longer holds', date)
    .option('--json', 'print the result as JSON')
    .action(async (options: NewTokenOptions) =>
      (await import('./token.ts')).createToken(await config(), options),
    )
  declare(token, 'list', 'List the tokens, without their secrets.', ['token list'])
    .option('--sandbox <name>', 'the sandbox', 'prod')
    .option('--json', 'print the result as JSON')
    .action(async (options: Json & { sandbox: string }) =>
      (await import('./token.ts')).listTokens(await config(), options),
    )
  declare(token, 'revoke', 'Make a token invalid, at once and for good.', ['token revoke tok_…'])
    .argument('<id>', 'the id of the token')
    .option('--sandbox <name>', 'the sandbox', 'prod')
    .option('--json', 'print the result as JSON')
    .action(async (id: string, options: Json & { sandbox: string }) =>
      (await import('./token.ts')).revokeToken(await config(), id, options),
    )
}

function addSecrets(program: Command): void {
  const secrets = program.command('secrets').description('What secrets are sealed with.')
  declare(
    secrets,
    'rotate',
    'Seal all stored secrets with a new key, while no gateway runs. Killed in the middle, call it again.',
    ['secrets rotate', 'SECRETS_KEY_OLD=… SECRETS_KEY=… … secrets rotate'],
  )
    .option('--json', 'print the result as JSON')
    .action(async (options: Json) => (await import('./secrets.ts')).rotateSecrets(await config(), options))
}

function addAudit(program: Command): void {
  const audit = program.command('audit').description('Who changed what.')
  declare(audit, 'verify', 'Check that no line of the audit log was changed or taken out.', ['audit verify'])
    .option('--json', 'print the result as JSON')
    .action(async (options: Json) => (await import('./audit.ts')).verifyAudit(await config(), options))
}

function declare(parent: Command, name: string, description: string, examples: string[]): Command {
  const shown = examples.map((example) => {
    const [, settings = '', call = example] = /^(.*) … (.*)$/.exec(example) ?? []
    return `  ${settings ? `${settings} ` : ''}${programCall(call)}`
  })
  return parent
    .command(name)
    .description(description)
    .addHelpText('after', ['', 'Examples:', ...shown].join('\n'))
}

function throughApi(command: Command): Command {
  return command
    .option('--url <url>', 'the gateway; otherwise GATEWAY_URL, or HOST and PORT of the settings')
    .option('--token <token>', 'the bearer token; otherwise GATEWAY_TOKEN or ADMIN_TOKEN')
    .option('--sandbox <name>', 'the sandbox', 'prod')
    .option('--json', 'print one JSON object per line')
}

function date(text: string): Date {
  const instant = parseInstant(text)
  if (instant === null) throw new InvalidArgumentError('Give a date that exists, e.g. 2027-01-01.')
  return new Date(instant)
}

async function config(): Promise<Config> {
  return (await import('../config.ts')).readConfig()
}
