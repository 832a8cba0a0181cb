import path from 'node:path'
import { filesIn } from '../support/folder-files.ts'
import { fileDriverFaults } from './file-driver-faults.ts'

fileDriverFaults('LOCAL_DIRECTORY', {
  over: 'nothing',
  async start() {
    return {
      destination: { type: 'LOCAL_DIRECTORY', account: null, settings: { path: 'out' } },
      proxy: null,
      secrets: [],
      close: async () => {},
      ...filesIn((exportRoot) => path.join(exportRoot, 'out')),
    }
  },
})
