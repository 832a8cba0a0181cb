// The load: a process of its own that keeps every connection busy.
import { Pool } from 'undici'
import { answerOrders } from '../processes.ts'

answerOrders({ load, stop() {} })

/** Asks the bodies in turn over `connections` kept-alive connections for `seconds`. */
async function load({ url, headers, bodies, sizes, connections, seconds }) {
  const pool = new Pool(url, { connections, pipelining: 1 })
  const times = []
  const wrong = []
  let next = 0
  const cpu = process.cpuUsage()
  const began = performance.now()
  const end = began + seconds * 1000

  const ask = () =>
    new Promise((resolve) => {
      const place = next++ % bodies.length
      const asked = performance.now()
      let status = 0
      let bytes = 0
      pool.dispatch(
        { path: '/graphql', method: 'POST', headers, body: bodies[place] },
        {
          onRequestStart() {},
          onResponseStart(_, statusCode) {
            status = statusCode
          },
          onResponseData(_, chunk) {
            bytes += chunk.length
          },
          onResponseEnd() {
            times.push(performance.now() - asked)
            // Every answer was compared before; one of another size is another answer.
            if (status !== 200 || bytes !== sizes[place]) wrong.push(`status ${status}, ${bytes} bytes`)
            resolve()
          },
          onResponseError(_, error) {
            wrong.push(error.message)
            resolve()
          },
        },
      )
    })
  const connection = async () => {
    while (performance.now() < end && wrong.length === 0) await ask()
  }
  await Promise.all(Array.from({ length: connections }, connection))

  const elapsed = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  await pool.close()
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  if (wrong.length > 0) throw new Error(`${url} answered wrongly: ${wrong[0]}`)
  return {
    requests: times.length,
    perSecond: (times.length / elapsed) * 1000,
    p50: at(0.5),
    p99: at(0.99),
    /** How much of one core the client itself took: near 1, it is the client that is measured. */
    clientCpu: (user + system) / 1000 / elapsed,
  }
}
