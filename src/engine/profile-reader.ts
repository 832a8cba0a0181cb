// The export thread's part for destinations that take profiles: pages become rows, in the order of profile ids.
import { setImmediate as turn } from 'node:timers/promises'
import type { ExportReader } from '../storage/capabilities.ts'
import type { ProfileOrder } from './export-thread.ts'
import type { Outlet } from './outlet.ts'
import { profileRows } from './profile-rows.ts'

/** Fewer than for files: a row of values takes more memory than its line. */
const PAGE_ROWS = 500

export async function readProfiles(order: ProfileOrder, reader: ExportReader, out: Outlet): Promise<void> {
  const { plan, afterProfileId, sent } = order
  const columns = sent ? plan.fields.map((field) => ({ ...field, required: false })) : plan.fields
  const hasConsent = sent === null && plan.consentAttribute !== null
  await reader.prepare()
  for (let last = afterProfileId; ; ) {
    await turn() // lets the main thread and other orders be heard
    const page = await reader.page(last, PAGE_ROWS)
    if (page === null) return
    last = page.lastProfileId
    const rows = profileRows(page.lines, { columns, hasConsent })
    await out.hand({ type: 'profiles', rows, lastProfileId: last })
  }
}
