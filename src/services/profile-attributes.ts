import { hasSchema } from '../domain/file-format.ts'
import type { AttributeTypes } from '../domain/run-plan.ts'
import { typeOf } from '../domain/value-type.ts'
import { StaleWrite } from '../storage/database.ts'
import { type ProfileAttribute, profileStore } from '../storage/profile.ts'
import type { LoadedFacts } from './activation-facts.ts'
import type { ServiceContext } from './context.ts'

const MAX_ATTRIBUTES = 1_000

/** The attributes of a sandbox as its profiles are now, the most filled first, at most 1,000. Kept until they change. */
export function profileAttributes({ database, clock }: Pick<ServiceContext, 'database' | 'clock'>) {
  const store = profileStore(database)
  // One computation per sandbox and version, however many ask.
  const computing = new Map<string, Promise<ProfileAttribute[]>>()

  async function computeAttributes(sandboxId: string, version: number): Promise<ProfileAttribute[]> {
    const [statistics, mixed] = await Promise.all([
      database.attributeStatistics(sandboxId),
      store.mixedPaths(sandboxId),
    ])
    const attributes = statistics
      .sort((a, b) => b.profileCount - a.profileCount) // stable: the order of the columns among equals
      .slice(0, MAX_ATTRIBUTES)
      .map(({ path, kinds, profileCount, examples }) => {
        const type = mixed.has(path) ? 'MIXED' : (typeOf(kinds) ?? 'MIXED')
        return { path, type, profileCount, examples }
      })
    const row = { sandboxId, profilesVersion: version, stats: attributes, computedAt: clock() }
    try {
      await database.batch(store.keepAttributes(row))
    } catch (error) {
      if (!(error instanceof StaleWrite)) throw error // profiles have changed since: true then, and not kept
    }
    return attributes
  }

  return async function attributesOf(sandboxId: string): Promise<ProfileAttribute[]> {
    const version = await store.version(sandboxId)
    const known = await store.knownAttributes(sandboxId, version)
    if (known) return known
    const name = `${sandboxId} ${version}`
    const running =
      computing.get(name) ?? computeAttributes(sandboxId, version).finally(() => computing.delete(name))
    computing.set(name, running)
    return running
  }
}

/** What files with a schema need to know of the attributes; nothing is looked up for others. */
export function attributeTypes(ctx: Pick<ServiceContext, 'database' | 'clock'>) {
  const attributesOf = profileAttributes(ctx)
  return async (
    sandboxId: string,
    { dataflows }: Pick<LoadedFacts, 'dataflows'>,
  ): Promise<AttributeTypes> => {
    const isAsked = [...dataflows.values()].some(({ fileFormat }) => hasSchema(fileFormat))
    const attributes = isAsked ? await attributesOf(sandboxId) : []
    return new Map(attributes.map(({ path, type }) => [path, type]))
  }
}
