// A partner tries every id that is not its own in every place that takes one.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PARTNER_FIELDS } from '../../src/graphql/field-access.ts'
import { schema } from '../../src/graphql/schema.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { answerTo, crossings } from '../support/crossing.ts'
import { type FullWorld, fullDriver, fullWorld } from '../support/full-world.ts'
import { type HttpStore, httpStore } from '../support/http-store.ts'
import { sampleArguments } from '../support/sample-arguments.ts'

let gateway: TestGateway
let store: HttpStore
let own: FullWorld
/** In the same sandbox, under the same names, to another destination. */
let other: FullWorld
let partner: string

beforeAll(async () => {
  gateway = await testGateway({ drivers: [fullDriver] })
  store = await httpStore('ops', 'secret')
  own = await fullWorld(gateway, store)
  other = await fullWorld(gateway, store)
  partner = await gateway.token(['PARTNER'], { destinationIds: [own.destination.id] })
})
afterAll(async () => {
  await store.close()
  await gateway.dispose()
})

const may = (type: string, field: string) => (PARTNER_FIELDS[type] ?? '').split(' ').includes(field)
function attemptsOn(foreign: Record<string, string>) {
  const { Destination, Dataflow, Segment, SegmentMapping, Run } = own.ids
  return crossings({
    schema,
    args: sampleArguments(gateway, own),
    own: { Destination, Dataflow, Segment, SegmentMapping, Run },
    foreign,
    numbers: other.numbers,
    may,
  })
}

it('is answered as about ids that nobody has', { timeout: 60_000 }, async () => {
  const { Sandbox: _, ...others } = other.ids
  const { SegmentSnapshot, SegmentationJob, DestinationAccount, Activation, ApiToken } = own.ids
  // What is never for a partner, even where it hangs on its own destination.
  const hidden = { SegmentSnapshot, SegmentationJob, DestinationAccount, Activation, ApiToken }
  const attempts = [...(await attemptsOn(others)), ...(await attemptsOn(hidden))]
  expect(attempts.length).toBeGreaterThan(100)
  for (const { foreign, absent } of attempts) {
    expect(await answerTo(gateway, partner, foreign), foreign).toBe(await answerTo(gateway, partner, absent))
  }
})

it('finds its own by the very same operations', async () => {
  const attempts = await attemptsOn(other.ids)
  const asked = attempts.flatMap(({ own, absent }) => (own ? [{ own, absent }] : []))
  let found = 0
  for (const { own, absent } of asked) {
    const answer = await answerTo(gateway, partner, own)
    if (answer.includes('FORBIDDEN')) continue
    // What it may ask for, and what it may not see wherever it looks.
    const isHidden = !/(seg|map|dst|flow|run|sbx)_0{32}/.test(absent)
    expect(answer === (await answerTo(gateway, partner, absent)), own).toBe(isHidden)
    found += isHidden ? 0 : 1
  }
  expect(found).toBeGreaterThan(10)
})

it('is refused every mutation, whatever it names', async () => {
  const args = sampleArguments(gateway, own)
  for (const { name, type } of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    for (const sample of args[`Mutation.${name}`] ?? []) {
      const text = typeof sample === 'string' ? sample : await sample()
      const { status, data, errors } = await gateway.ask(
        `mutation { ${name}(${text}) { __typename } }`,
        {},
        { token: partner },
      )
      expect({ status, data, code: errors?.[0]?.extensions.code }, `${name}: ${type}`).toEqual({
        status: 403,
        data: undefined,
        code: 'FORBIDDEN',
      })
    }
  }
})
