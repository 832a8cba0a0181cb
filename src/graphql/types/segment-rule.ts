import { ATTRIBUTE_OPERATORS, type AttributeOperator, type Rule, type Scalar } from '../../domain/model.ts'
import { builder } from '../builder.ts'

const OPERATORS: Record<AttributeOperator, string> = {
  EQUALS: 'The same value of the same type: the number 1 is not the text "1".',
  NOT_EQUALS: 'Anything else, a missing value included.',
  LESS_THAN: 'Before the value: numbers by size, dates by time, other texts by code points.',
  LESS_OR_EQUAL: 'Before the value, or the same.',
  GREATER_THAN: 'After the value, in the order of LESS_THAN.',
  GREATER_OR_EQUAL: 'After the value, or the same.',
  IN: 'One of a list of values.',
  NOT_IN: 'None of a list of values; also a missing value.',
  CONTAINS: 'A text with this text in it. Upper and lower case differ.',
  STARTS_WITH: 'A text that begins with this text.',
  ENDS_WITH: 'A text that ends with this text.',
  EXISTS: 'Any value at all; takes no value.',
  NOT_EXISTS: 'No value, or null; takes no value.',
  WITHIN_LAST_DAYS: 'A moment of the last n times 24 hours, and not of the future.',
  BEFORE: 'A moment before this date or date-time.',
  AFTER: 'A moment after this date or date-time.',
}

const operator = builder.enumType('AttributeOperator', {
  description: 'How an attribute is compared.',
  values: Object.fromEntries(
    ATTRIBUTE_OPERATORS.map((name) => [name, { description: OPERATORS[name] }]),
  ) as Record<AttributeOperator, { description: string }>, // fromEntries widens the keys
})

const condition = builder.inputType('AttributeConditionInput', {
  description: 'One comparison of one attribute.',
  fields: (t) => ({
    path: t.string({
      required: true,
      description: "A dotted path into the profile's attributes, e.g. address.country.",
    }),
    operator: t.field({ type: operator, required: true, description: 'How to compare.' }),
    value: t.field({ type: 'JSON', description: 'A scalar, or a list for IN and NOT_IN.' }),
  }),
})

export interface RuleInput {
  all?: RuleInput[] | null | undefined
  any?: RuleInput[] | null | undefined
  not?: RuleInput | null | undefined
  attribute?:
    | { path: string; operator: AttributeOperator; value?: NonNullable<unknown> | null | undefined }
    | null
    | undefined
  segment?: string | null | undefined
}
export const segmentRuleInput = builder.inputRef<RuleInput, false>('SegmentRuleInput')
segmentRuleInput.implement({
  description: 'A rule that selects profiles. Exactly one field is set.',
  isOneOf: true,
  fields: (t) => ({
    all: t.field({ type: [segmentRuleInput], description: 'Every one of these holds.' }),
    any: t.field({ type: [segmentRuleInput], description: 'At least one of these holds.' }),
    not: t.field({ type: segmentRuleInput, description: 'This does not hold.' }),
    attribute: t.field({ type: condition, description: 'An attribute compares like this.' }),
    segment: t.id({ description: "The profile is a member of another segment's latest snapshot." }),
  }),
})

export const segmentRule = builder.objectRef<Rule>('SegmentRule').implement({
  description: 'A rule as structured data.',
  fields: (t) => ({
    json: t.field({
      type: 'JSON',
      description: 'The rule in the shape of SegmentRuleInput.',
      resolve: (rule) => rule,
    }),
  }),
})

/** The rule as the domain speaks of it; the schema has seen to it that exactly one field is set. */
export function toRule(input: RuleInput): Rule {
  if (input.all) return { all: input.all.map(toRule) }
  if (input.any) return { any: input.any.map(toRule) }
  if (input.not) return { not: toRule(input.not) }
  if (input.segment != null) return { segment: input.segment }
  if (!input.attribute) throw new Error('a rule without a field passed @oneOf')
  const { path, operator, value } = input.attribute
  // The service checks that the value is a scalar or a list of them.
  return { attribute: { path, operator, ...(value != null && { value: value as Scalar | Scalar[] }) } }
}
