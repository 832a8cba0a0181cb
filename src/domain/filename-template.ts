// The syntax of file name templates: text, `/` and macros between percent signs.

export type TemplatePart =
  /** Plain text; the name of a known macro; the pattern of a DATETIME. */
  | { kind: 'text' | 'macro' | 'datetime'; text: string }
  /** What stands between two signs and is no macro; a sign without its partner. */
  | { kind: 'unknown' | 'stray'; text: string }

const MACROS = [
  'DESTINATION',
  'DESTINATION_NAME',
  'SEGMENT_ID',
  'SEGMENT_NAME',
  'DESTINATION_INSTANCE_ID',
  'DESTINATION_INSTANCE_NAME',
  'ORGANIZATION_NAME',
  'SANDBOX_NAME',
  'TIMESTAMP',
]
export const KNOWN_MACROS = [...MACROS, 'DATETIME(pattern)'].map((name) => `%${name}%`)
const MOMENT = /yyyy|YYYY|MM|dd|DD|HH|mm|ss/g

/** Never fails: what is wrong becomes a part that says so. */
export function parseTemplate(template: string): TemplatePart[] {
  const pieces = template.split('%')
  // Between signs 0 and 1, 2 and 3… stand macros; a sign too many leaves the last piece without its end.
  return pieces.flatMap((text, index): TemplatePart[] => {
    if (index % 2 === 0) return text === '' ? [] : [{ kind: 'text', text }]
    if (index === pieces.length - 1 || text === '') return [{ kind: 'stray', text }]
    if (MACROS.includes(text)) return [{ kind: 'macro', text }]
    const pattern = /^DATETIME\((.*)\)$/.exec(text)?.[1]
    return [pattern === undefined ? { kind: 'unknown', text } : { kind: 'datetime', text: pattern }]
  })
}

/** The parts of each folder and of the file, divided at every `/` outside macros. */
export function splitSteps(parts: TemplatePart[]): TemplatePart[][] {
  const steps: TemplatePart[][] = [[]]
  for (const part of parts) {
    const pieces = part.kind === 'text' ? part.text.split('/') : [part.text]
    for (const [index, text] of pieces.entries()) {
      if (index > 0) steps.push([])
      if (text !== '' || part.kind !== 'text') steps.at(-1)?.push({ ...part, text })
    }
  }
  return steps
}

/** Whether a DATETIME pattern has at least one field and nothing but fields and the signs - _ and the dot. */
export function isPattern(pattern: string): boolean {
  const rest = pattern.replace(MOMENT, '')
  return rest.length < pattern.length && /^[-_.]*$/.test(rest)
}

/** A moment in UTC, written as the pattern says. */
export function formatMoment(pattern: string, at: Date): string {
  const [year = '', month = '', day = '', hour = '', minute = '', second = ''] = at
    .toISOString()
    .split(/[-T:.Z]/)
  const fields = new Map([
    ...['yyyy', 'YYYY'].map((field) => [field, year] as const),
    ...['dd', 'DD'].map((field) => [field, day] as const),
    ['MM', month],
    ['HH', hour],
    ['mm', minute],
    ['ss', second],
  ])
  return pattern.replace(MOMENT, (field) => fields.get(field) ?? '')
}
