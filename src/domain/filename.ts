// File names from templates, e.g. `daily/%DESTINATION%_%SEGMENT_NAME%_%DATETIME(yyyy-MM-dd)%`.
// Names of segments and the like are other people's texts: none of them can leave its step of the path.
import { invalid, type UserError } from './errors.ts'
import {
  formatMoment,
  isPattern,
  KNOWN_MACROS,
  parseTemplate,
  splitSteps,
  type TemplatePart,
} from './filename-template.ts'
import { checkText } from './text.ts'

export interface FilenameFacts {
  destination: { name: string }
  segment: { id: string; name: string }
  dataflow: { id: string; name: string }
  organizationName: string
  sandboxName: string
  /** The moment that DATETIME and TIMESTAMP stand for, in UTC. */
  at: Date
}

export const DEFAULT_TEMPLATE = '%DESTINATION%_segment%SEGMENT_ID%_%DATETIME(YYYYMMddHHmmss)%'
const MAX_CHARACTERS = 255
/** File systems end a name at 255 bytes; the rest is for `_2`, a run's id, extensions and temporary names. */
const MAX_STEP_BYTES = 180
const LONGEST_ID = 'flow_'.length + 32
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)/i

/** Every rule that a template breaks. */
export function checkFilenameTemplate(template: string, path: string[]): UserError[] {
  const text = checkText({ value: template, path, max: MAX_CHARACTERS, what: 'The file name template' })
  if (text.length > 0) return text
  const parts = parseTemplate(template)
  const rules = [
    ...checkMacros(parts),
    ...splitSteps(parts).flatMap(checkStep),
    ...(leastBytes(parts) > MAX_CHARACTERS ? [`makes names longer than ${MAX_CHARACTERS} characters`] : []),
  ]
  return [...new Set(rules)].map((rule) => invalid(path, `The file name template ${rule}.`))
}

/** Whether every run gives the same name, so that a file replaces the one of the run before. */
export function isStaticTemplate(template: string): boolean {
  return !parseTemplate(template).some(
    ({ kind, text }) => kind === 'datetime' || (kind === 'macro' && text === 'TIMESTAMP'),
  )
}

/** The name that a template gives, without extension, with `/` between folders. Null: the default template. */
export function renderFilename(template: string | null, facts: FilenameFacts): string {
  const steps = splitSteps(parseTemplate(template ?? DEFAULT_TEMPLATE)).map((parts) => {
    const rendered = parts.map((part) => renderPart(part, facts))
    shorten(rendered, MAX_STEP_BYTES - 1)
    return rendered
  })
  shorten(steps.flat(), MAX_CHARACTERS - steps.length)
  return steps.map((parts) => besideDevices(parts.map((part) => part.text).join(''))).join('/')
}

/** The name of a part: `base.csv`, `base_2.csv`, `base_3.csv.gz`… `extension` has no leading dot. */
export function partName(base: string, part: number, extension: string): string {
  return `${base}${part === 1 ? '' : `_${part}`}.${extension}`
}

/** The whole name of the first part, then `.manifest.json`: `base.csv.gz.manifest.json`. */
export function manifestName(firstPartName: string): string {
  return `${firstPartName}.manifest.json`
}

function checkMacros(parts: TemplatePart[]): string[] {
  const rules = parts.flatMap(({ kind, text }) => {
    if (kind === 'stray') return ['has a % that belongs to no macro; write macros as %SEGMENT_ID%']
    if (kind === 'unknown') {
      const known = KNOWN_MACROS.join(', ')
      return [`has an unknown macro, %${text}%; known are ${known}; text of your own stands without signs`]
    }
    if (kind !== 'datetime' || isPattern(text)) return []
    return ['needs a DATETIME pattern made of yyyy, MM, dd, HH, mm, ss and the signs - _ .']
  })
  const hasMoment = parts.some(({ kind }) => kind === 'datetime')
  const hasTimestamp = parts.some(({ kind, text }) => kind === 'macro' && text === 'TIMESTAMP')
  if (hasMoment && hasTimestamp) rules.push('may have %DATETIME(…)% or %TIMESTAMP%, not both')
  return rules
}

function checkStep(parts: TemplatePart[]): string[] {
  const literals = parts.filter(({ kind }) => kind === 'text').map(({ text }) => text)
  const first = parts[0]?.kind === 'text' ? parts[0].text : ''
  const last = parts.at(-1)?.kind === 'text' ? (literals.at(-1) ?? '') : ''
  const rules: string[] = []
  if (parts.length === 0) rules.push('must not begin or end with / or have an empty folder name')
  if (first.startsWith('.')) rules.push('must not have a folder or file name that begins with a dot')
  if (last.endsWith('.')) rules.push('must not have a folder or file name that ends with a dot')
  if (first !== first.trimStart() || last !== last.trimEnd()) {
    rules.push('must not have a folder or file name that begins or ends with white space')
  }
  if (literals.some((text) => /[\\<>:"|?*]/.test(text))) rules.push('must not contain \\ < > : " | ? or *')
  if (literals.length === parts.length && DEVICE.test(literals.join(''))) {
    rules.push('must not use a name that Windows keeps for a device, such as CON, NUL or COM1')
  }
  if (leastBytes(parts) > MAX_STEP_BYTES - 1) {
    rules.push(`must leave every folder and file name below ${MAX_STEP_BYTES} bytes, ids included`)
  }
  return rules
}

interface Rendered {
  text: string
  isName: boolean
}

function renderPart({ kind, text }: TemplatePart, facts: FilenameFacts): Rendered {
  if (kind === 'datetime') return { text: formatMoment(text, facts.at), isName: false }
  if (kind !== 'macro') return { text, isName: false }
  if (text === 'TIMESTAMP') {
    return { text: String(Math.floor(facts.at.getTime() / 1000)).padStart(10, '0'), isName: false }
  }
  return { text: sanitize(macroValue(text, facts)), isName: !text.endsWith('_ID') }
}

function macroValue(macro: string, facts: FilenameFacts): string {
  const values = new Map([
    ['DESTINATION', facts.destination.name],
    ['DESTINATION_NAME', facts.destination.name],
    ['SEGMENT_ID', facts.segment.id],
    ['SEGMENT_NAME', facts.segment.name],
    ['DESTINATION_INSTANCE_ID', facts.dataflow.id],
    ['DESTINATION_INSTANCE_NAME', facts.dataflow.name],
    ['ORGANIZATION_NAME', facts.organizationName],
    ['SANDBOX_NAME', facts.sandboxName],
  ])
  return values.get(macro) ?? ''
}

/** Keeps letters, digits and `-_.`, with nothing at the ends that hides a file or starts a formula. */
function sanitize(value: string): string {
  const kept = value
    .normalize('NFC')
    .replace(/^[\s.=+@-]+/, '')
    .replace(/[^\p{L}\p{M}\p{Nd}\-_.]/gu, '_')
    .replace(/\.{2,}/g, '.')
  return kept.replace(/\.+$/, '') || '_'
}

/** Cuts the longest names, a character at a time, until the whole fits. */
function shorten(parts: Rendered[], maxBytes: number): void {
  const names = parts.filter((part) => part.isName)
  let excess = bytes(parts.map((part) => part.text).join('')) - maxBytes
  while (excess > 0) {
    const longest = names.toSorted((a, b) => [...b.text].length - [...a.text].length)[0]
    const characters = [...(longest?.text ?? '')]
    if (!longest || characters.length < 2) return
    const text = characters.slice(0, -1).join('').replace(/\.+$/, '')
    excess -= bytes(longest.text) - bytes(text)
    longest.text = text
  }
}

/** The least that the parts can take: ids in full, names cut to one character. */
function leastBytes(parts: TemplatePart[]): number {
  const sizes = parts.map(({ kind, text }) => {
    if (kind !== 'macro') return bytes(text)
    if (text === 'TIMESTAMP') return 10
    return text.endsWith('_ID') ? LONGEST_ID : 4
  })
  return sizes.reduce((sum, size) => sum + size, 0)
}

function besideDevices(step: string): string {
  return DEVICE.test(step) ? `_${step}` : step
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length
}
