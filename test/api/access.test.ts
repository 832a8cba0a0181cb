// Every field as every role, asked for with real arguments on a gateway where nothing is empty, against
// test/data/access.txt, where people can read and change who may what.
import { readFileSync } from 'node:fs'
import { type GraphQLInterfaceType, OperationTypeNode } from 'graphql'
import { afterEach, describe, expect, it } from 'vitest'
import { ROLES, type Role } from '../../src/domain/model.ts'
import { PARTNER_FIELDS } from '../../src/graphql/field-access.ts'
import { schema } from '../../src/graphql/schema.ts'
import { testGateway } from '../support/api.ts'
import { coordinatesOf, type Mark, walkFields } from '../support/field-walk.ts'
import { fullDriver, fullWorld } from '../support/full-world.ts'
import { httpStore } from '../support/http-store.ts'
import { sampleArguments } from '../support/sample-arguments.ts'
import { firstResult } from '../support/sse-client.ts'

const LINE = /^(\w+\.\w+) +([A.-]) ([O.-]) ([V.-]) ([P.-])$/
const table = new Map<string, string[]>()
for (const line of readFileSync(new URL('../data/access.txt', import.meta.url), 'utf8').split('\n')) {
  if (line === '' || line.startsWith('#')) continue
  const [, coordinate, ...signs] = LINE.exec(line) ?? []
  if (!coordinate || table.has(coordinate)) throw new Error(`access.txt has a line that cannot be: ${line}`)
  table.set(coordinate, signs)
}
const signOf = (role: Role, mark: Mark) => ({ may: role[0], refused: '-', nothing: '.' })[mark]

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A gateway with everything in it, and one who asks. */
async function scene(role: Role) {
  const gateway = await testGateway({ drivers: [fullDriver] })
  const store = await httpStore('ops', 'secret')
  ends.push(() => gateway.dispose(), store.close)
  const full = await fullWorld(gateway, store)
  const own = role === 'PARTNER' ? { destinationIds: [full.destination.id] } : {}
  const token = await gateway.token([role], own)
  return { gateway, full, token }
}

describe('the table of who may what', () => {
  it('has every field of the schema, and no other', () => {
    expect([...table.keys()].sort()).toEqual(coordinatesOf(schema).sort())
  })

  it.each(ROLES)('is true for %s', { timeout: 60_000 }, async (role) => {
    const { gateway, full, token } = await scene(role)
    const marks = await walkFields({
      schema,
      ids: full.ids,
      args: sampleArguments(gateway, full),
      ask: (kind, operation) =>
        kind === OperationTypeNode.SUBSCRIPTION
          ? firstResult(gateway, { token, query: operation })
          : gateway.ask(operation, {}, { token }),
    })
    const column = ROLES.indexOf(role)
    const wrong = [...marks].flatMap(([coordinate, mark]) => {
      const said = table.get(coordinate)?.[column]
      const is = signOf(role, mark)
      return said === is ? [] : [`${coordinate}: the table says ${said} for ${role}, and it is ${is}`]
    })
    expect(wrong).toEqual([])
  })

  it('is about objects of every kind', async () => {
    const { full } = await scene('ADMIN')
    const kinds = schema.getPossibleTypes(schema.getType('Node') as GraphQLInterfaceType)
    expect(Object.keys(full.ids).sort()).toEqual(kinds.map(({ name }) => name).sort())
  })
})

it('names to partners only fields that there are', () => {
  const named = Object.entries(PARTNER_FIELDS).flatMap(([type, fields]) =>
    fields.split(' ').map((field) => `${type}.${field}`),
  )
  expect(named.filter((coordinate) => !coordinatesOf(schema).includes(coordinate))).toEqual([])
})
