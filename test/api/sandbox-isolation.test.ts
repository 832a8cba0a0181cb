// Two sandboxes with the same data: nothing that is said in one leads into the other.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { answerTo, crossings } from '../support/crossing.ts'
import { type FullWorld, fullDriver, fullWorld } from '../support/full-world.ts'
import { type HttpStore, httpStore } from '../support/http-store.ts'
import { sampleArguments } from '../support/sample-arguments.ts'
import { firstResult, resultsIn } from '../support/sse-client.ts'

let gateway: TestGateway
let store: HttpStore
let here: FullWorld
let there: FullWorld

beforeAll(async () => {
  gateway = await testGateway({ drivers: [fullDriver] })
  store = await httpStore('ops', 'secret')
  here = await fullWorld(gateway, store)
  there = await fullWorld(gateway, store, 'other')
})
afterAll(async () => {
  await store.close()
  await gateway.dispose()
})

/** Every row of the other sandbox, and of what hangs on its runs. */
async function rowsThere(): Promise<string> {
  const { db, tables } = gateway.test.database
  const { sandboxes, profiles, runEvents, runFiles, rejections, ...others } = tables
  const sandboxId = there.ids.Sandbox
  const runs = new Set(
    (await db.select().from(tables.runs)).filter((run) => run.sandboxId === sandboxId).map(({ id }) => id),
  )
  const kept: unknown[] = []
  for (const table of Object.values(others)) {
    if (!('sandboxId' in table)) continue
    const rows = (await db.select().from(table as typeof tables.segments)) as { sandboxId: string }[]
    kept.push(rows.filter((row) => row.sandboxId === sandboxId))
  }
  for (const table of [runEvents, runFiles, rejections]) {
    const rows = await db.select().from(table as typeof runFiles)
    kept.push(rows.filter(({ runId }) => runs.has(runId)))
  }
  return JSON.stringify(kept)
}

describe('a sandbox', () => {
  it.each(['ADMIN', 'OPERATOR', 'VIEWER'] as const)(
    'answers %s about ids of another one as about ids that nobody has, and changes nothing there',
    { timeout: 60_000 },
    async (role) => {
      const token = await gateway.token([role])
      // Administrators are told of every sandbox, and use them by the header.
      const { Sandbox, ...foreign } = there.ids
      const attempts = await crossings({
        schema,
        args: sampleArguments(gateway, here),
        own: here.ids,
        foreign: role === 'ADMIN' ? foreign : { ...foreign, Sandbox },
        numbers: there.numbers,
      })
      expect(attempts.length).toBeGreaterThan(150)
      const before = await rowsThere()
      for (const attempt of attempts) {
        // What was refused before is in the log of this sandbox, with the id that was asked for.
        if (attempt.absent.includes('auditLog')) continue
        const absent = await answerTo(gateway, token, attempt.absent)
        expect(await answerTo(gateway, token, attempt.foreign), attempt.foreign).toBe(absent)
        expect(absent, attempt.absent).not.toMatch(/INTERNAL|UNAVAILABLE|VALIDATION|LIMIT"/)
      }
      expect(await rowsThere()).toBe(before)
    },
  )

  it('finds its own by the very same operations', async () => {
    const token = await gateway.token(['ADMIN'])
    const attempts = await crossings({
      schema,
      args: sampleArguments(gateway, here),
      own: here.ids,
      foreign: there.ids,
      numbers: there.numbers,
    })
    const queries = attempts.filter(({ own }) => own !== null)
    expect(queries.length).toBeGreaterThan(20)
    for (const attempt of queries) {
      const found = await answerTo(gateway, token, attempt.own ?? '')
      expect(found, attempt.own ?? '').not.toBe(await answerTo(gateway, token, attempt.absent))
    }
  })
  it('counts its own alone, profiles and their attributes included', async () => {
    // The tests before have added nothing to it but what they count as its own.
    const again = await testGateway({ drivers: [fullDriver] })
    await fullWorld(again, store)
    const sizes = `{
      destinationAccounts { totalCount } destinations { totalCount } segments { totalCount } dataflows { totalCount }
      runs { totalCount } viewer { destinations { totalCount } }
      profileAttributes { path profileCount examples }
      previewSegment(rule: { attribute: { path: "id", operator: EXISTS } }) { profileCount sample }
    }`
    const alone = await again.data(sizes)
    await fullWorld(again, store, 'other')
    expect(await again.data(sizes)).toEqual(alone)
    expect(await again.data(sizes, {}, { sandbox: 'other' })).toEqual(alone)
    await again.dispose()
  })

  it('keeps its own answers to the same idempotency key of the same token', async () => {
    const input = async ({ dataflow, fresh }: FullWorld) => {
      const { segmentId } = await fresh.mapping()
      return {
        activations: [{ dataflowId: dataflow.id, segmentIds: [segmentId] }],
        idempotencyKey: 'monday',
      }
    }
    const query =
      'mutation ($input: ActivateInput!) { activate(input: $input) { activation { id orders { dataflow { id } } } errors { code message } } }'
    const sandboxes = { prod: await input(here), other: await input(there) }
    const answers = []
    for (const [sandbox, input] of [...Object.entries(sandboxes), ...Object.entries(sandboxes)]) {
      const { activate } = await gateway.data(query, { input }, { sandbox })
      expect(activate.errors).toEqual([])
      expect(activate.activation.orders).toEqual([{ dataflow: { id: input.activations[0]?.dataflowId } }])
      answers.push(activate.activation.id)
    }
    expect(answers[0]).not.toBe(answers[1])
    expect(answers.slice(2)).toEqual(answers.slice(0, 2))
  })

  it('takes no cursor of another one', async () => {
    const inSandbox = ({ ids }: FullWorld) => [
      ['destinationAccounts'],
      ['destinations'],
      ['segments'],
      ['dataflows'],
      ['runs'],
      ['viewer', 'destinations'],
      [`destinationAccount(id: "${ids.DestinationAccount}")`, 'destinations'],
      [`destination(id: "${ids.Destination}")`, 'dataflows'],
      [`destination(id: "${ids.Destination}")`, 'segmentMappings'],
      [`segment(id: "${ids.Segment}")`, 'snapshots'],
      [`segment(id: "${ids.Segment}")`, 'mappings'],
      [`segment(id: "${ids.Segment}")`, 'runs'],
      [`dataflow(id: "${ids.Dataflow}")`, 'segmentMappings'],
      [`dataflow(id: "${ids.Dataflow}")`, 'runs'],
      [`run(id: "${ids.Run}")`, 'rejections'],
    ]
    const read = async (path: string[], args: string, sandbox: string) => {
      const fields = `${path.at(-1)}(${args}) { edges { cursor } }`
      const query = `{ ${path.slice(0, -1).reduceRight((inner, field) => `${field} { ${inner} }`, fields)} }`
      const { data, errors } = await gateway.ask(query, {}, { sandbox })
      if (errors) return errors[0]?.extensions.code
      return path.reduce((at, field) => at[field.replace(/\(.*/, '')], data).edges[0]?.cursor
    }
    const lists = inSandbox(here)
    for (const [index, path] of inSandbox(there).entries()) {
      const cursor = await read(path, 'first: 1', 'other')
      expect(cursor, path.join()).toEqual(expect.any(String))
      expect(await read(lists[index] ?? [], `first: 1, after: "${cursor}"`, 'prod'), path.join()).toBe(
        'BAD_USER_INPUT',
      )
      expect(await read(path, `first: 1, before: "${cursor}"`, 'other')).toBe(undefined)
    }
  })

  it('takes no place in the story of a run of another one, or in the changes of its mappings', async () => {
    const token = await gateway.token(['ADMIN'], { sandbox: 'other' })
    const cursorThere = async (field: string) => {
      const query = `subscription { at: ${field} { cursor } }`
      const { data } = await firstResult(gateway, { token, query, sandbox: 'other' })
      return data.at.cursor
    }
    const stories: [string, string][] = [
      [`runEvents(runId: "${there.run.id}")`, `runEvents(runId: "${here.run.id}"`],
      [
        `segmentMappingChanged(destinationId: "${there.destination.id}")`,
        `segmentMappingChanged(destinationId: "${here.destination.id}"`,
      ],
    ]
    for (const [field, own] of stories) {
      const after = await cursorThere(field)
      const query = `subscription { at: ${own}, after: "${after}") { cursor } }`
      const { errors } = await firstResult(gateway, { token: gateway.admin, query })
      expect(errors?.[0]?.extensions.code, query).toBe('BAD_USER_INPUT')
    }
  })

  it('shows a dashboard its own runs alone', async () => {
    const token = await gateway.token(['VIEWER'])
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' }
    const { body } = await gateway.fetch({
      headers,
      body: JSON.stringify({ query: 'subscription { runUpdated { id } }' }),
    })
    const told: string[] = []
    const { id: foreign } = await there.fresh.run({ status: 'PROCESSING' })
    const { id: own } = await here.fresh.run({ status: 'PROCESSING' })
    for await (const { data } of resultsIn(body!.pipeThrough(new TextDecoderStream()))) {
      told.push(data.runUpdated.id)
      if (data.runUpdated.id === own) break
    }
    const { tables, db } = gateway.test.database
    const rows = await db.select().from(tables.runs)
    expect(told).not.toContain(foreign)
    expect(told.filter((id) => rows.find((run) => run.id === id)?.sandboxId !== here.ids.Sandbox)).toEqual([])
  })
})
