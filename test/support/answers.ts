// The segments of test/data/answers.json as rules: their sizes were counted with another tool.
import type { AttributeCondition, AttributeOperator, Rule } from '../../src/domain/model.ts'
import type answers from '../data/answers.json'

const is = (path: string, operator: AttributeOperator, value?: AttributeCondition['value']): Rule => ({
  attribute: { path, operator, ...(value !== undefined && { value }) },
})

export const SAKILA: Record<keyof typeof answers.sakila, Rule> = {
  rows: is('customer_id', 'EXISTS'),
  active: is('active', 'EQUALS', true),
  'country = India': is('country', 'EQUALS', 'India'),
  'total_spent > 150': is('total_spent', 'GREATER_THAN', 150),
  'active and (country in (India, China)) and rentals >= 30': {
    all: [
      is('active', 'EQUALS', true),
      is('country', 'IN', ['India', 'China']),
      is('rentals', 'GREATER_OR_EQUAL', 30),
    ],
  },
  'not (store_id = 1) and last_rental_at >= 2005-08-23T00:00:00Z': {
    all: [
      { not: is('store_id', 'EQUALS', 1) },
      is('last_rental_at', 'GREATER_OR_EQUAL', '2005-08-23T00:00:00Z'),
    ],
  },
}
export const TELCO: Record<keyof typeof answers.telco, Rule> = {
  rows: is('customerID', 'EXISTS'),
  'Churn = Yes': is('Churn', 'EQUALS', 'Yes'),
  'Contract = Month-to-month and InternetService = Fiber optic and tenure < 12': {
    all: [
      is('Contract', 'EQUALS', 'Month-to-month'),
      is('InternetService', 'EQUALS', 'Fiber optic'),
      is('tenure', 'LESS_THAN', 12),
    ],
  },
  'TotalCharges exists (blank is no value)': is('TotalCharges', 'EXISTS'),
  'MonthlyCharges >= 100 or SeniorCitizen = 1': {
    any: [is('MonthlyCharges', 'GREATER_OR_EQUAL', 100), is('SeniorCitizen', 'EQUALS', 1)],
  },
}
