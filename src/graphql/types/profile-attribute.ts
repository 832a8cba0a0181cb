import { builder } from '../builder.ts'
import { segmentRuleInput, toRule } from './segment-rule.ts'

const attributeType = builder.enumType('AttributeType', {
  description: 'What the values of an attribute are.',
  values: {
    STRING: { description: 'Every value is a text.' },
    NUMBER: { description: 'Every value is a number.' },
    BOOLEAN: { description: 'Every value is true or false.' },
    DATE_TIME: { description: 'Every value is a date or a date-time, as ISO text.' },
    MIXED: { description: 'There are values of more than one of these types.' },
  },
})

interface AttributeShape {
  path: string
  type: 'STRING' | 'NUMBER' | 'BOOLEAN' | 'DATE_TIME' | 'MIXED'
  profileCount: number
  examples: unknown[]
}
const profileAttribute = builder.objectRef<AttributeShape>('ProfileAttribute').implement({
  description: 'An attribute that profiles have.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Its dotted path, as rules and mappings name it.' }),
    type: t.expose('type', { type: attributeType, description: 'What its values are.' }),
    profileCount: t.expose('profileCount', {
      type: 'BigInt',
      description: 'How many profiles have a value.',
    }),
    examples: t.expose('examples', {
      type: ['JSON'],
      description: 'A few of its values.',
    }),
  }),
})

const preview = builder.objectRef<{ profileCount: number; sample: unknown[] }>('SegmentPreview').implement({
  description: 'What a rule would select now.',
  fields: (t) => ({
    profileCount: t.expose('profileCount', { type: 'BigInt', description: 'How many profiles.' }),
    sample: t.expose('sample', {
      type: ['JSON'],
      description: 'The attributes of a few of them.',
    }),
  }),
})

builder.queryFields((t) => ({
  profileAttributes: t.field({
    type: [profileAttribute],
    description: 'The attributes seen on profiles, with type, fill rate and example values.',
    resolve: (_, __, { session, parts }) => parts.services.profile.attributes(session),
  }),
  previewSegment: t.field({
    type: preview,
    description: 'How many profiles a rule would select now, with a few examples. Nothing is stored.',
    args: {
      rule: t.arg({
        type: segmentRuleInput,
        required: true,
        description: 'The rule to try, as for `createSegment`.',
      }),
      sample: t.arg.int({ defaultValue: 5, description: 'How many examples, 0 to 20.' }),
    },
    resolve: (_, { rule, sample }, { session, parts }) =>
      parts.services.segment.preview(session, toRule(rule), sample ?? 5),
  }),
}))
