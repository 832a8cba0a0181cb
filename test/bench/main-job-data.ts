// A million customers with twelve attributes, the same every time.

import { once } from 'node:events'
import fs from 'node:fs'
import BetterSqlite from 'better-sqlite3'

export const COLUMNS = [
  'customer_id',
  'email',
  'first_name',
  'last_name',
  'phone',
  'city',
  'country',
  'total_spent',
  'rentals',
  'active',
  'created_on',
  'last_rental_at',
]
/** The six columns of the exports; e-mail is required, and every fiftieth customer has none. */
export const EXPORTED = ['email', 'first_name', 'last_name', 'city', 'total_spent', 'active']

type Customer = (string | number | boolean | null)[]

function customer(n: number): Customer {
  const day = String((n % 28) + 1).padStart(2, '0')
  const month = String((n % 12) + 1).padStart(2, '0')
  return [
    n,
    n % 50 === 0 ? null : `customer.${n}@example.com`,
    `First${n % 1000}`,
    n % 97 === 0 ? `Last "the ${n % 5000}th"` : `Last${n % 5000}`,
    `+4670${String(n).padStart(7, '0')}`,
    n % 61 === 0 ? `City, ${n % 300}` : `City ${n % 300}`,
    `Country ${n % 60}`,
    ((n * 7919) % 100_000) / 100,
    n % 50,
    n % 3 > 0,
    `20${10 + (n % 15)}-${month}-${day}`,
    `2025-${month}-${day}T12:${month}:${day}Z`,
  ]
}

export const attribute = (name: string, operator: string, value?: unknown) => ({
  attribute: { path: name, operator, value },
})

/** Of all kinds of conditions. */
export const hundredRules = (): unknown[] =>
  Array.from({ length: 100 }, (_, n) => {
    const kinds = [
      attribute('country', 'EQUALS', `Country ${n % 60}`),
      attribute('total_spent', 'GREATER_THAN', n * 9),
      { all: [attribute('active', 'EQUALS', true), attribute('rentals', 'GREATER_OR_EQUAL', n % 50)] },
      { not: attribute('city', 'CONTAINS', `${n}`) },
      {
        any: [
          attribute('created_on', 'AFTER', '2020-01-01'),
          attribute('last_name', 'IN', [`Last${n}`, `Last${n + 1}`]),
        ],
      },
    ]
    return kinds[n % kinds.length]
  })

export async function writeCsv(file: string, rows: number): Promise<void> {
  const out = fs.createWriteStream(file)
  out.write(`${COLUMNS.join(',')}\n`)
  for (let start = 1; start <= rows; start += 5_000) {
    const count = Math.min(5_000, rows - start + 1)
    const text = Array.from(
      { length: count },
      (_, i) =>
        `${customer(start + i)
          .map(cell)
          .join(',')}\n`,
    ).join('')
    if (!out.write(text)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'close')
}

/** The table that the sqlite3 command line exports: the same six columns, already flat. */
export function writeFlatTable(file: string, rows: number): void {
  const db = new BetterSqlite(file)
  db.exec(`create table flat (id integer primary key, ${EXPORTED.join(', ')})`)
  const insert = db.prepare(`insert into flat values (?, ${EXPORTED.map(() => '?').join(', ')})`)
  const places = EXPORTED.map((name) => COLUMNS.indexOf(name))
  db.transaction(() => {
    for (let n = 1; n <= rows; n += 1) {
      const values = customer(n)
      insert.run(
        n,
        ...places.map((place) =>
          typeof values[place] === 'boolean' ? String(values[place]) : values[place],
        ),
      )
    }
  })()
  db.close()
}

function cell(value: Customer[number]): string {
  if (value === null) return ''
  const text = String(value)
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
