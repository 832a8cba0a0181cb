// The typed client of the README as a frontend makes it: the real generator, the real compiler, a real gateway.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { buildSchema, isIntrospectionType, isScalarType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { worldOf } from '../support/activation.ts'
import { testGateway } from '../support/api.ts'
import { cliFolder } from '../support/cli.ts'
import { fences, notPrinted, ROOT, type ServedDemo, serveDemo } from '../support/readme.ts'

const run = promisify(execFile)
const cli = cliFolder()
const dir = path.join(cli.dir, 'frontend')
const [app = ''] = fences('ts', './gateway.ts')
const [commands = ''] = fences('sh', 'graphql-codegen')
const [generate = '', check = '', start = ''] = commands.split('\n')
let demo: ServedDemo

beforeAll(async () => {
  demo = await serveDemo(cli)
  fs.mkdirSync(dir)
  fs.copyFileSync(path.join(ROOT, 'schema.graphql'), path.join(dir, 'schema.graphql'))
  write('codegen.ts', ...fences('ts', 'CodegenConfig'))
  write('gateway.ts', ...fences('ts', 'TypedDocumentString'))
  write('app.ts', app)
  write('tsconfig.json', ...fences('json', 'compilerOptions'))
})
afterAll(() => cli.dispose())

function write(file: string, ...content: string[]): void {
  fs.writeFileSync(path.join(dir, file), content.join(''))
}
async function shell(command: string, settings = {}): Promise<string> {
  const { stdout } = await run('bash', ['-ec', command], {
    cwd: dir,
    env: { ...demo.env, ...settings },
    timeout: 25_000,
  })
  return stdout
}
/** The app with one thing changed, which must be there. */
function instead(of: string, other: string): string {
  expect(app.split(of)).toHaveLength(2)
  return app.replace(of, other)
}

describe('the typed client', () => {
  it('is generated, fits, and shows what the README says', async () => {
    const [shown = ''] = fences('', 'FILE_DELIVERED 46')
    expect(notPrinted(shown, await shell(commands))).toEqual([])
  })

  it('tells the kinds of errors apart', async () => {
    const gateway = await testGateway()
    try {
      const world = worldOf(gateway.test, gateway.test.sandboxId)
      const destination = await world.destination()
      const [underWay, tooSoon] = [await world.dataflow(destination), await world.dataflow(destination)]
      const [sent, fresh] = [await world.segment(), await world.segment()]
      await world.map(underWay, sent)
      await world.map(tooSoon, fresh, { adHocAllowedFrom: new Date('2999-01-01') })
      const { activate } = await gateway.data(
        'mutation ($input: ActivateInput!) { activate(input: $input) { activation { orders { run { id } } } } }',
        { input: { activations: [{ dataflowId: underWay.id, segmentIds: [sent.id] }] } },
      )
      const settings = { GATEWAY_URL: await gateway.serve(), GATEWAY_TOKEN: gateway.admin }
      const printed = await shell(start, settings)
      expect(printed).toContain(`\n  not while ${activate.activation.orders[0].run.id} is under way\n`)
      expect(printed).toContain('\n  not before 2999-01-01T00:00:00.000Z\n')
      const stranger = shell(start, { ...settings, GATEWAY_TOKEN: 'wrong' })
      await expect(stranger).rejects.toMatchObject({ stderr: expect.stringContaining('UNAUTHENTICATED') })
    } finally {
      await gateway.dispose()
    }
  })

  it('does not compile with what does not fit', async () => {
    const wrong: [string, string, string][] = [
      ['first: 5', 'first: "5"', "Type 'string' is not assignable to type 'number'"],
      ['segment.snapshot?.', 'segment.snapshot.', "'segment.snapshot' is possibly 'null'"],
      ['error.allowedFrom', 'error.run.id', "Property 'run' does not exist"],
      ['progress.exported}', 'progress.export}', "Property 'export' does not exist"],
    ]
    for (const [index, [of, other]] of wrong.entries()) write(`wrong-${index}.ts`, instead(of, other))
    const { stdout } = await shell(check).catch((error) => error)
    for (const index of wrong.keys()) fs.rmSync(path.join(dir, `wrong-${index}.ts`))
    const complaints = stdout.match(/^\S.+error TS.+$/gm)
    expect(complaints).toHaveLength(wrong.length)
    for (const [index, [, , complaint]] of wrong.entries()) {
      expect(complaints[index]).toMatch(`wrong-${index}.ts`)
      expect(complaints[index]).toContain(complaint)
    }
  })

  it('is not generated for a field that there is not, and says where that is', async () => {
    write('app.ts', instead('{ profileCount }', '{ profilesCount }'))
    const stderr = expect.stringMatching(/Cannot query field "profilesCount"[\s\S]*app\.ts:4:/)
    await expect(shell(generate)).rejects.toMatchObject({ stderr })
  })
})

describe('schema.graphql', () => {
  it('becomes types that compile, every one of them', async () => {
    write('app.ts', '')
    write(
      'everything.ts',
      `import config from './codegen.ts'
       const { config: options } = config.generates['generated/'] as { config: object }
       export default { ...config, documents: [], generates: { 'types.ts': { plugins: ['typescript'], config: options } } }`,
    )
    await shell(`${generate} --config everything.ts\n${check}`)
    const types = fs.readFileSync(path.join(dir, 'types.ts'), 'utf8')
    const schema = buildSchema(fs.readFileSync(path.join(ROOT, 'schema.graphql'), 'utf8'))
    const names = Object.values(schema.getTypeMap())
      .filter((type) => !isScalarType(type) && !isIntrospectionType(type))
      .map(({ name }) => name)
    expect(names.length).toBeGreaterThan(100)
    expect(names.filter((name) => !new RegExp(`^export (type|enum) ${name} `, 'm').test(types))).toEqual([])
  })
})
