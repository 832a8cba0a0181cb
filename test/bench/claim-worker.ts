// A worker that does nothing but claim runs and end them: how fast the queue is, not the exports.
import { randomUUID } from 'node:crypto'
import { openDatabase } from '../../src/storage/open.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import { answerOrders } from './processes.ts'

const database = openDatabase(process.argv[2] ?? '', { poolSize: 2 })
const id = `proc_${randomUUID()}`
const lease = runLease(database, id)

answerOrders({
  open: () => database.life.register(id),
  async work() {
    for (let claimed = 0; ; claimed += 1) {
      const run = await lease.claim(new Date())
      if (!run) return claimed
      await lease.end({ runId: run.id, fence: run.fence }, { status: 'SUCCESS' }, new Date())
    }
  },
  stop: () => database.close(),
})
