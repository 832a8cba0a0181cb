// What the demo builds: real customers, segments over them with their known sizes, and where they go.
import type { FieldMapping, Rule } from '../domain/model.ts'

export const DATA_SETS = [
  { file: 'sakila-customers.csv', key: 'customer_id', about: 'customers of a film-rental chain' },
  { file: 'telco-customers.csv', key: 'customerID', about: 'customers of a telephone company' },
]

export interface PlannedSegment {
  name: string
  rule: Rule
  /** Counted by another tool. */
  expected: number
}
export interface PlannedDataflow {
  name: string
  fields: FieldMapping[]
  compression: 'NONE' | 'GZIP'
  segments: PlannedSegment[]
}

const is = (path: string, value: string | number | boolean): Rule => ({
  attribute: { path, operator: 'EQUALS', value },
})
const field = (source: string, target: string, required = false): FieldMapping => ({
  source,
  target,
  required,
})

export const DATAFLOWS: PlannedDataflow[] = [
  {
    name: 'Film newsletter',
    compression: 'NONE',
    fields: [
      field('email', 'Email', true),
      field('first_name', 'First name'),
      field('last_name', 'Last name'),
      field('country', 'Country'),
      field('rentals', 'Rentals'),
      field('total_spent', 'Total spent'),
    ],
    segments: [
      {
        name: 'Big spenders',
        rule: { attribute: { path: 'total_spent', operator: 'GREATER_THAN', value: 150 } },
        expected: 46,
      },
      { name: 'Customers in India', rule: is('country', 'India'), expected: 60 },
      {
        name: 'Frequent renters in India or China',
        rule: {
          all: [
            is('active', true),
            { attribute: { path: 'country', operator: 'IN', value: ['India', 'China'] } },
            { attribute: { path: 'rentals', operator: 'GREATER_OR_EQUAL', value: 30 } },
          ],
        },
        expected: 34,
      },
    ],
  },
  {
    name: 'Fibre retention',
    compression: 'GZIP',
    fields: [
      field('customerID', 'Customer', true),
      field('Contract', 'Contract'),
      field('InternetService', 'Internet'),
      field('tenure', 'Months'),
      field('MonthlyCharges', 'Monthly charges'),
      field('TotalCharges', 'Total charges'),
    ],
    segments: [
      {
        name: 'New on fibre, month to month',
        rule: {
          all: [
            is('Contract', 'Month-to-month'),
            is('InternetService', 'Fiber optic'),
            { attribute: { path: 'tenure', operator: 'LESS_THAN', value: 12 } },
          ],
        },
        expected: 876,
      },
    ],
  },
]
