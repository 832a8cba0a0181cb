// Enums that several nouns share.
import { builder } from '../builder.ts'

export const orderDirection = builder.enumType('OrderDirection', {
  description: 'Which end of a list comes first.',
  values: {
    ASC: { description: 'Smallest, oldest or first in the alphabet first.' },
    DESC: { description: 'Largest, newest or last in the alphabet first.' },
  },
})

export const trigger = builder.enumType('Trigger', {
  description: 'What set off a run or a segmentation job.',
  values: {
    AD_HOC: { description: 'Somebody asked for it.' },
    SCHEDULED: { description: 'The schedule: its time had come.' },
  },
})

/** The words of an order that destinations, segments and dataflows share. */
export const ORDER_FIELDS = {
  CREATED_AT: { description: 'When it was made.' },
  NAME: { description: 'Its name, by code points.' },
  UPDATED_AT: { description: 'When it was last changed.' },
} as const

/** Defines `<name>OrderField` and `<name>Order`. */
export function orderInput<const Fields extends Record<string, { description: string }>>(
  name: string,
  plural: string,
  fields: Fields,
) {
  const field = builder.enumType(`${name}OrderField`, {
    description: `What ${plural} can be ordered by.`,
    values: fields,
  })
  return builder.inputType(`${name}Order`, {
    description: `An order of ${plural}.`,
    fields: (t) => ({
      field: t.field({ type: field, required: true, description: 'What to order by.' }),
      direction: t.field({ type: orderDirection, required: true, description: 'Which end comes first.' }),
    }),
  })
}
