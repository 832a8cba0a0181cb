// Reads of one table. What the API asks over and over differs in its values, not in its shape: every shape is compiled
// once, and the rows are decoded here, which is five times as fast as building and mapping each query anew.
import { Column, getTableColumns, getTableName, type Placeholder, type SQL, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { JoinedColumns, RawRow } from './capabilities.ts'
import type { Database } from './database.ts'
import type { JsonDialect } from './json-dialect.ts'

/** A part of a WHERE. Two of the same name in one read must mean the same, but for their values. */
export interface Condition {
  name: string
  /** What is bound, in the order of `sql`'s arguments. */
  values: readonly unknown[]
  sql(bound: readonly Placeholder[], json: JsonDialect): SQL
}
/** All must hold; an absent one does not filter. */
export type Conditions = readonly (Condition | undefined)[]
/** The properties that are looked at; a row that is read for it has the others not. */
export interface Selection {
  names: readonly string[]
  /** Whether the place of rows in their list is asked for. */
  hasPlaces: boolean
  /** What is looked at of rows that are read together with this one. */
  joined: Readonly<Record<string, Selection>>
  /** All of this in one text. */
  key: string
}
export interface Sorting {
  columns: readonly Column[]
  direction: 'ASC' | 'DESC'
}
export type Reader<Row> = ReturnType<typeof reader<SQLiteTable & { $inferSelect: Row }>>
/** Another row that a row leads to, by the column that holds its id. */
export interface Join {
  table: SQLiteTable & { id: Column }
  by: Column
}
/** The parents whose children are read, by the column that names them. */
export interface Parents {
  column: Column
  ids: readonly string[]
  /** The conditions alone lead to few rows: better than through all rows of a parent. */
  isFewRows?: boolean
}

type Statement = ReturnType<Database['prepare']>
/** More shapes than any honest mix of clients asks for. */
const MAX_STATEMENTS = 500

/**
 * `without`: columns that these reads leave where they are. `counts`: on or off the event loop, for tables of which a
 * list may be as long as there are profiles.
 */
export function reader<T extends SQLiteTable, Left extends keyof T['$inferSelect'] = never>(
  database: Database,
  table: T,
  options: {
    without?: readonly Left[]
    counts?: 'here' | 'aside'
    /** What a selection may ask for together with a row, by the property that it becomes. */
    joins?: Readonly<Record<string, Join>>
  } = {},
) {
  type Row = Omit<T['$inferSelect'], Left>
  const without: readonly PropertyKey[] = options.without ?? []
  const columns = Object.entries<Column>(getTableColumns(table)).filter(([key]) => !without.includes(key))
  const choose = chooser<Row>(columns, options.joins ?? {})
  const ids = columns.filter(([key]) => key === 'id').map(([, column]) => column)
  const statements = new Map<string, Statement>()
  const run = (shape: string, where: readonly Condition[], build: (where: SQL) => SQL, more: object = {}) => {
    const key = `${shape} ${where.map(({ name }) => name).join()}`
    let statement = statements.get(key)
    if (!statement) {
      if (statements.size >= MAX_STATEMENTS) statements.clear()
      const place = shape.startsWith('count') ? options.counts : 'here'
      statement = database.prepare(build(conjunction(where, database.json)), place)
      statements.set(key, statement)
    }
    return statement({ ...valuesOf(where), ...more })
  }

  return {
    name: getTableName(table),
    columns,

    /** The rows that meet all conditions. */
    async rows(
      where: Conditions,
      { sorting, limit, only }: { sorting?: Sorting; limit?: number; only?: Selection | undefined } = {},
    ): Promise<Row[]> {
      // What has no order is told apart by its id.
      const chosen = choose(only, sorting?.columns ?? [], sorting ? [] : ids)
      const limited = limit === undefined ? sql`` : sql` limit ${sql.placeholder('limit')}`
      const rows = await run(
        `rows ${sortingKey(sorting)} ${limit === undefined} ${chosen.key}`,
        where.filter(isGiven),
        (all) =>
          sql`select ${list([...chosen.columns, ...chosen.joined.flatMap((join) => join.columns)])} from ${table}${joined(chosen.joined)} where ${all}${orderBy(sorting)}${limited}`,
        { limit },
      )
      return rows.map(chosen.decode)
    },

    /** For each parent its first `limit` rows in an order: one statement, however many parents there are. */
    async rowsOfEach(
      { column: parent, ids: parentIds, isFewRows = false }: Parents,
      where: Conditions,
      { sorting, limit, only }: { sorting: Sorting; limit: number; only?: Selection | undefined },
    ): Promise<Map<string, Row[]>> {
      const { columns: own, joined, key, decode } = choose(only, sorting.columns)
      const found = await run(
        `each ${parent.name} ${sortingKey(sorting)} ${isFewRows} ${key}`,
        where.filter(isGiven),
        (all) =>
          database.firstOfEach({
            table,
            columns: own,
            joined,
            parent,
            isFewRows,
            parents: sql.placeholder('parents'),
            where: all,
            sorting,
            limit: sql.placeholder('limit'),
          }),
        { parents: JSON.stringify(parentIds), limit },
      )
      return new Map(
        found.map(([id, rows]) => [id as string, (JSON.parse(rows as string) as RawRow[]).map(decode)]),
      )
    },

    async count(where: Conditions): Promise<number> {
      const [row] = await run(
        'count',
        where.filter(isGiven),
        (all) => sql`select count(*) from ${table} where ${all}`,
      )
      return Number(row?.[0] ?? 0)
    },

    /** How many rows each parent has; those with none are left out. */
    async countOfEach({ column, ids }: Parents, where: Conditions): Promise<Map<string, number>> {
      const rows = await run(
        `count ${column.name}`,
        where.filter(isGiven),
        (all) =>
          sql`select ${column}, count(*) from ${table} where ${database.json.isIn(column, sql.placeholder('parents'))} and ${all} group by ${column}`,
        { parents: JSON.stringify(ids) },
      )
      return new Map(rows.map(([id, count]) => [String(id), Number(count)]))
    },
  }
}

const isGiven = (condition: Condition | undefined): condition is Condition => condition !== undefined

function conjunction(where: readonly Condition[], json: JsonDialect): SQL {
  if (where.length === 0) return sql`true`
  const parts = where.map(({ name, values, sql: build }) =>
    build(
      values.map((_, index) => sql.placeholder(`${name}.${index}`)),
      json,
    ),
  )
  return sql.join(parts, sql` and `)
}

function valuesOf(where: readonly Condition[]): Record<string, unknown> {
  const bound: Record<string, unknown> = {}
  for (const { name, values } of where) {
    for (let index = 0; index < values.length; index += 1) bound[`${name}.${index}`] = values[index]
  }
  return bound
}

function sortingKey(sorting: Sorting | undefined): string {
  return sorting ? `${sorting.columns.map(({ name }) => name).join()} ${sorting.direction}` : ''
}

function orderBy(sorting: Sorting | undefined): SQL {
  if (!sorting) return sql``
  const direction = sql.raw(sorting.direction)
  const parts = sorting.columns.map((column) => sql`${column} ${direction}`)
  return sql` order by ${sql.join(parts, sql`, `)}`
}

const list = (columns: readonly Column[]): SQL =>
  sql.join(
    columns.map((column) => sql`${column}`),
    sql`, `,
  )

function joined(joins: readonly JoinedColumns[]): SQL {
  const parts = joins.map(({ table, by }) => sql` left join ${table} on ${table.id} = ${by}`)
  return sql.join(parts)
}

/** Makes the function that settles which columns are read. What is asked for and is no column means: all of them. */
function chooser<Row>(all: readonly [string, Column][], joins: Readonly<Record<string, Join>>) {
  const choose = (only: Selection | undefined, always: readonly Column[]) => {
    const chosen = chosenOf(all, only, always)
    const rows = Object.entries(only?.joined ?? {}).map(([name, selection]) => {
      const join = joins[name]
      if (!join) throw new Error(`no row is joined as ${name}`)
      const { id } = join.table
      return { name, ...join, fields: chosenOf(Object.entries(getTableColumns(join.table)), selection, [id]) }
    })
    return {
      key: `${keyOf(chosen)} ${rows.map(({ name, fields }) => `${name}(${keyOf(fields)})`).join()}`,
      columns: chosen.map(([, column]) => column),
      joined: rows.map(({ table, by, fields }) => ({
        table,
        by,
        columns: fields.map(([, column]) => column),
      })),
      // Where not all is read, the selection vouches that the rest is not looked at.
      decode: rowDecoder<Row>(chosen, rows),
    }
  }
  const known = new Map<string, ReturnType<typeof choose>>()
  return (only: Selection | undefined, places: readonly Column[], always: readonly Column[] = []) => {
    const needed = only?.hasPlaces ? [...places, ...always] : always
    const key = only ? `${only.key};${needed.map(({ name }) => name).join()}` : '*'
    let chosen = known.get(key)
    if (!chosen) {
      if (known.size >= MAX_STATEMENTS) known.clear()
      chosen = choose(only, needed)
      known.set(key, chosen)
    }
    return chosen
  }
}

type Fields = readonly (readonly [string, Column])[]
const keyOf = (fields: Fields): string => fields.map(([key]) => key).join()

function chosenOf(all: Fields, only: Selection | undefined, always: readonly Column[]): Fields {
  if (!only || only.names.some((name) => !all.some(([key]) => key === name))) return all
  const wanted = all.filter(([key, column]) => only.names.includes(key) || always.includes(column))
  // Rows that are only counted are read by one column, too.
  return wanted.length > 0 ? wanted : all.slice(0, 1)
}

/** The columns of one row after those of the other; a row that is not there has no id. */
function rowDecoder<Row>(fields: Fields, joins: readonly { name: string; fields: Fields }[]) {
  const own = objectDecoder(fields, 0)
  let from = fields.length
  const inner = joins.map(({ name, fields: columns }) => {
    const decode = objectDecoder(columns, from)
    from += columns.length
    return { name, decode }
  })
  return (raw: readonly unknown[]): Row => {
    const row = own(raw)
    for (const { name, decode } of inner) row[name] = decode(raw)
    return row as Row // by construction: one key for each column that was read
  }
}

function objectDecoder(columns: Fields, from: number) {
  const fields = columns.map(([key, column], index) => ({
    key,
    at: from + index,
    // Most columns hand over what the driver gives.
    column: column.mapFromDriverValue === Column.prototype.mapFromDriverValue ? null : column,
  }))
  return (raw: readonly unknown[]): Record<string, unknown> => {
    const row: Record<string, unknown> = {}
    for (const { key, at, column } of fields) {
      const value = raw[at]
      row[key] = column === null || value === null ? value : column.mapFromDriverValue(value)
    }
    return row
  }
}
