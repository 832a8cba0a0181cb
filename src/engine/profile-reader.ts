// The export thread's part for destinations that take profiles: pages become rows, in the order of profile ids.
import { setImmediate as turn } from 'node:timers/promises'
import { openExportReader } from '../storage/export-reader.ts'
import type { ProfileOrder } from './export-thread.ts'
import { type ProfileRow, profileRows } from './profile-rows.ts'

/** Fewer than for files: a row of values takes more memory than its line. */
const PAGE_ROWS = 500

/** Hands every page's rows to `post`, which resolves when there is room for the next. */
export async function readProfiles(
  { source, plan, afterProfileId, sent }: ProfileOrder,
  post: (rows: ProfileRow[], lastProfileId: number) => Promise<void>,
): Promise<void> {
  const { fields, deduplicateBy, consentAttribute } = plan
  // What was sent once is not judged again.
  const columns = sent ? fields.map((field) => ({ ...field, required: false })) : fields
  const consent = sent ? null : consentAttribute
  const reader = openExportReader(source, {
    version: plan.snapshot.version,
    refusedIn: plan.refusedIn ?? null,
    paths: fields.map((field) => field.source),
    deduplicateBy: sent ? [] : deduplicateBy,
    required: columns.filter((field) => field.required).map((field) => field.source),
    consent,
    sent,
  })
  try {
    await reader.prepare()
    for (let last = afterProfileId; ; ) {
      await turn()
      const page = await reader.page(last, PAGE_ROWS)
      if (page === null) return
      last = page.lastProfileId
      await post(profileRows(page.lines, { columns, hasConsent: consent !== null }), last)
    }
  } finally {
    await reader.close()
  }
}
