import { z } from 'zod'
import type { Driver } from '../driver.ts'

export function localDirectory(_options: { exportRoot: string }): Driver {
  return {
    type: 'LOCAL_DIRECTORY',
    title: 'Local directory',
    delivery: 'FILE',
    allowsAdHoc: true,
    accountSettings: null,
    settings: z.strictObject({ path: z.string() }),
    fields: [],
  }
}
