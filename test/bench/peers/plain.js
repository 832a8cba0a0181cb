// The ceiling: node:http, prepared statements and JSON.stringify, and nothing of GraphQL but the shape of the answers.
import { createServer } from 'node:http'
import { openRows } from './rows.js'

const rows = openRows(process.argv[2])
const instant = (ms) => (ms === null ? null : new Date(ms).toISOString())

const answers = {
  SegmentPage: () => ({
    segments: {
      nodes: rows.segments(50).map((row) => ({ ...row, createdAt: instant(row.createdAt) })),
    },
  }),
  DestinationOverview: ({ id }) => {
    const destination = rows.destination(id)
    const nodes = rows.dataflows(id, 2).map((dataflow) => ({
      ...dataflow,
      segmentMappings: {
        nodes: rows.mappings(dataflow.id, 10).map((row) => ({
          number: row.number,
          elementName: row.elementName,
          segment: {
            id: row.segmentId,
            number: row.segmentNumber,
            name: row.segmentName,
            status: row.segmentStatus,
          },
        })),
      },
      runs: {
        nodes: rows.runs(dataflow.id, 5).map((run) => ({
          id: run.id,
          status: run.status,
          createdAt: instant(run.createdAt),
          completedAt: instant(run.completedAt),
          progress: { exported: run.exported, bytes: run.bytes },
        })),
      },
    }))
    return { destination: { ...destination, dataflows: { nodes } } }
  },
  PartnerLookup: ({ id, numbers }) => ({
    destination: {
      segmentMappings: {
        nodes: rows.lookup(id, numbers, 100).map((row) => ({
          number: row.number,
          elementName: row.elementName,
          elementDescription: row.elementDescription,
          elementStatus: row.elementStatus,
          segment: { number: row.segmentNumber, name: row.segmentName },
        })),
      },
    },
  }),
}

const server = createServer((req, res) => {
  const chunks = []
  req.on('data', (chunk) => chunks.push(chunk))
  req.on('end', () => {
    const { operationName, variables } = JSON.parse(Buffer.concat(chunks).toString())
    const body = Buffer.from(JSON.stringify({ data: answers[operationName](variables) }))
    res.writeHead(200, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': body.length,
    })
    res.end(body)
  })
})
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
