// What the audit log shows of a change: of each noun the columns that people decide about, and never a secret or a value
// that a profile may have.
import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Noun, Rule } from '../domain/model.ts'

export interface AuditedChange {
  type: ChangedNoun
  id: string
  /** JSON; null where there was nothing, or nothing is shown. */
  before: string | null
  after: string | null
}

const SHOWN = {
  sandbox: ['name', 'title'],
  apiToken: ['clientId', 'name', 'roles', 'destinationIds', 'expiresAt', 'revokedAt'],
  segment: ['name', 'description', 'status', 'rule'],
  segmentationJob: ['trigger', 'segmentIds', 'status'],
  destinationAccount: ['name', 'type', 'settings', 'secrets', 'sharedWith', 'status', 'lastError'],
  destination: ['name', 'description', 'type', 'accountId', 'settings', 'status'],
  dataflow: [
    'name',
    'description',
    'destinationId',
    'state',
    'fields',
    'deduplicateBy',
    'consentAttribute',
    'fileFormat',
    'segments',
  ],
  activation: ['orders'],
  run: ['dataflowId', 'segmentId', 'retryOf', 'status'],
  profile: ['inserted', 'updated', 'rejected', 'key'],
  auditLog: ['upToSeq', 'upToHash'],
  secrets: ['accounts', 'notificationTargets', 'signingKeys', 'unreadable'],
  notificationTarget: ['name', 'url', 'events', 'dataflowIds', 'secret'],
} satisfies Partial<Record<Noun, string[]>> & Record<string, string[]>
export type ChangedNoun = keyof typeof SHOWN

/** A longer value is shown as its length and hash. */
const MAX_VALUE = 4_096

type Facts = Readonly<Record<string, unknown>>

/** Of a new or a gone object all that is shown of it; of a changed one what differs. */
export function changeOf(
  type: ChangedNoun,
  id: string,
  change: { before: object | null; after: object | null },
): AuditedChange {
  const before = change.before as Facts | null
  const after = change.after as Facts | null
  const names = SHOWN[type].filter((name) => {
    if (!before || !after) return true
    return after[name] !== undefined && !isDeepStrictEqual(before[name], after[name])
  })
  return { type, id, before: shown(before, names), after: shown(after, names) }
}

function shown(facts: Facts | null, names: readonly string[]): string | null {
  const present = names.filter((name) => facts?.[name] !== undefined)
  if (!facts || present.length === 0) return null
  return JSON.stringify(Object.fromEntries(present.map((name) => [name, shortened(form(name, facts[name]))])))
}

function form(name: string, value: unknown): unknown {
  if (value === null) return null
  if (name === 'secrets' || name === 'secret') return '(sealed)'
  return name === 'rule' ? withoutValues(value as Rule) : value
}

/** What people are compared with may be somebody's. */
function withoutValues(rule: Rule): unknown {
  if ('all' in rule) return { all: rule.all.map(withoutValues) }
  if ('any' in rule) return { any: rule.any.map(withoutValues) }
  if ('not' in rule) return { not: withoutValues(rule.not) }
  if ('segment' in rule) return rule
  const { path, operator } = rule.attribute
  return { attribute: { path, operator, value: '…' } }
}

function shortened(value: unknown): unknown {
  const text = JSON.stringify(value)
  if (text.length <= MAX_VALUE) return value
  return `(${text.length} characters, sha256 ${hash('sha256', text)})`
}
