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
    SCHEDULED: { description: 'Its time had come.' },
  },
})

/** The words of an order that destinations, segments and dataflows share. */
export const ORDER_FIELDS = {
  CREATED_AT: { description: 'When it was made.' },
  NAME: { description: 'Its name, by code points.' },
  UPDATED_AT: { description: 'When it was last changed.' },
} as const
