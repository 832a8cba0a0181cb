import pg from 'pg'
import { expect, test } from 'vitest'
import { copiedPostgres, emptyPostgres } from '../support/postgres-database.ts'
import { startPostgres } from '../support/postgres-server.ts'

const ask = async (url: string, query: string) => {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}

test('every test has a database of its own, from a template that is made once', async () => {
  let made = 0
  const make = async (url: string) => {
    made += 1
    await ask(url, 'create table once (n int)')
  }
  const all = await Promise.all([1, 2, 3].map(() => copiedPostgres('once', make)))
  expect(made).toBe(1)
  await ask(all[0]!.url, 'insert into once values (1)')
  expect(await ask(all[0]!.url, 'select * from once')).toEqual([{ n: 1 }])
  expect(await ask(all[1]!.url, 'select * from once')).toEqual([])
  const empty = await emptyPostgres()
  expect(await ask(empty.url, "select to_regclass('once') as found")).toEqual([{ found: null }])
  for (const database of [...all, empty]) await database.drop()
  await expect(ask(empty.url, 'select 1')).rejects.toThrow(/does not exist/)
})

test('a server of its own keeps its data and its port through a restart', async () => {
  const server = await startPostgres()
  try {
    await ask(server.url, 'create table kept (n int)')
    await server.halt()
    await expect(ask(server.url, 'select 1')).rejects.toThrow()
    await server.start()
    expect(await ask(server.url, 'select * from kept')).toEqual([])
  } finally {
    await server.stop()
  }
})
