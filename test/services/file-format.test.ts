// What a file format means to a dataflow that is stored, and to the runs that are made of it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { activationService } from '../../src/services/activation.ts'
import { dataflowService } from '../../src/services/dataflow.ts'
import { profileService } from '../../src/services/profile.ts'
import { activated, aWorld } from '../support/activation.ts'
import { refusalOf } from '../support/building.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { keyPair } from '../support/pgp.ts'

let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(() => test.dispose())

describe('the public key of a dataflow', () => {
  it('is stored when files can be encrypted to it, and changes nothing when they cannot', async () => {
    const { dataflow } = await aWorld(test)
    const service = dataflowService(test.ctx)
    const { publicKey, privateKey } = await keyPair()
    const stored = await service.update(test.session, { id: dataflow.id, fileFormat: { publicKey } })
    expect(stored.fileFormat?.publicKey).toBe(publicKey.trim())

    const change = { id: dataflow.id, name: 'Renamed', fileFormat: { publicKey: privateKey } }
    expect(await refusalOf(service.update(test.session, change))).toMatchObject([
      { code: 'INVALID_INPUT', path: ['input', 'fileFormat', 'publicKey'] },
    ])
    const kept = await service.update(test.session, { id: dataflow.id, description: 'same' })
    expect([kept.name, kept.fileFormat]).toEqual([dataflow.name, stored.fileFormat])

    const without = await service.update(test.session, { id: dataflow.id, fileFormat: {} })
    expect(without.fileFormat).not.toHaveProperty('publicKey')
  })
})

describe('a run to Parquet', () => {
  it('has the types of its columns pinned, as the attributes are when it is made', async () => {
    const { dataflow, segmentIds } = await aWorld(test)
    const fields = ['email', 'total', 'agreed', 'since', 'mixed', 'unseen'].map((name) => ({
      source: name,
      target: name.toUpperCase(),
    }))
    const profiles = [
      { email: 'a@x', total: 1, agreed: true, since: '2026-01-02', mixed: 1 },
      { email: 'b@x', total: 2.5, agreed: false, since: '2026-01-02T03:04:05Z', mixed: 'x' },
    ]
    await profileService(test.ctx).upsert(test.session, { key: 'email', profiles })
    const dataflows = dataflowService(test.ctx)
    const order = { activations: [{ dataflowId: dataflow.id, segmentIds }] }
    const typesOf = async (type: 'CSV' | 'PARQUET') => {
      await dataflows.update(test.session, {
        id: dataflow.id,
        fields,
        deduplicateBy: [],
        fileFormat: { type },
      })
      const { runs } = activated(await activationService(test.ctx).activate(test.session, order))
      const { db, tables } = test.database
      await db.update(tables.runs).set({ status: 'SUCCESS' })
      return runs[0]?.plan.fields.map((field) => field.type)
    }
    expect(await typesOf('PARQUET')).toEqual(['STRING', 'NUMBER', 'BOOLEAN', 'DATE_TIME', 'STRING', 'STRING'])
    expect(await typesOf('CSV')).toEqual(Array(6).fill(undefined))

    const more = [{ email: 'c@x', total: 'much' }]
    await profileService(test.ctx).upsert(test.session, { key: 'email', profiles: more })
    expect((await typesOf('PARQUET'))?.[1]).toBe('STRING')
  })
})
