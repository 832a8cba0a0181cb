import { authorize, type Session } from '../domain/access.ts'
import { invalid, Refusal } from '../domain/errors.ts'
import { checkName, normalizeName } from '../domain/text.ts'
import { note } from '../storage/deed.ts'
import { sandboxStore } from '../storage/sandbox.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'

export interface CreateSandboxInput {
  name: string
  title: string
}
export type SandboxService = ReturnType<typeof sandboxService>

/** The isolated spaces of the gateway. */
export function sandboxService(ctx: ServiceContext) {
  const { database, clock, newId } = ctx
  const store = sandboxStore(database)
  /** Sandboxes are neither renamed nor removed, so what one is called may be remembered. */
  const known = new Map<string, Row<'sandboxes'>>()

  const insert = async (name: string, title: string): Promise<Row<'sandboxes'> | null> => {
    const id = newId('sandbox')
    const write = store.insert({ id, name, title, createdAt: clock() })
    note('sandbox', id, { after: { name, title } })
    await database.batch([write]).catch((error: unknown) => {
      if (database.violatedTable(error) !== 'sandboxes') throw error
    })
    const row = await store.byName(name)
    return row?.id === id ? row : null
  }

  return {
    /** @throws Refusal for a name that is taken or not made of lower-case letters, digits and hyphens */
    async create(session: Session, input: CreateSandboxInput): Promise<Row<'sandboxes'>> {
      authorize(session, 'sandboxes:write')
      const errors = checkName(input.title, ['input', 'title'], 'The title')
      if (!/^[a-z0-9-]{1,63}$/.test(input.name)) {
        const rule = 'The name must be 1 to 63 lower-case letters, digits and hyphens.'
        errors.unshift(invalid(['input', 'name'], rule))
      }
      if (errors.length > 0) throw new Refusal(errors)
      const row = await insert(input.name, normalizeName(input.title))
      if (row) return row
      const taken = await store.byName(input.name)
      throw new Refusal({
        code: 'CONFLICT',
        message: `There is a sandbox ${input.name} already.`,
        path: ['input', 'name'],
        ...(taken && { nodeId: taken.id }),
      })
    },

    /** Administrators see all sandboxes, others the one they are in. */
    list: (session: Session): Promise<Row<'sandboxes'>[]> =>
      session.roles.includes('ADMIN') ? store.all() : store.byIds([session.sandbox.id]),

    /** Those of the ids that the session may see. */
    async byIds(session: Session, ids: readonly string[]): Promise<Row<'sandboxes'>[]> {
      const isAdmin = session.roles.includes('ADMIN')
      return store.byIds(ids.filter((id) => isAdmin || id === session.sandbox.id))
    },

    /** For whoever decides the session's sandbox; nobody's right is checked. */
    async byName(name: string): Promise<Row<'sandboxes'> | null> {
      const row = known.get(name) ?? (await store.byName(name))
      if (row) known.set(name, row)
      return row
    },

    /** Makes the sandbox unless it is there. For the gateway's own start. */
    async ensure(name: string, title: string = name): Promise<Row<'sandboxes'>> {
      const row = (await store.byName(name)) ?? (await insert(name, title)) ?? (await store.byName(name))
      if (!row) throw new Error(`sandbox ${name} could not be made`)
      return row
    },
  }
}
