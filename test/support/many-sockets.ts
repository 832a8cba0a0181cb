// A process full of WebSocket clients, to be killed: node many-sockets.ts URL TOKEN COUNT QUERY VARIABLES
import { WebSocket } from 'ws'

const [url = '', token = '', count = '', query = '', variables = '{}'] = process.argv.slice(2)
const AT_ONCE = 100

/** Resolves when the client has been sent its first event. */
function subscriber(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const say = (message: object) => socket.send(JSON.stringify(message))
    socket.on('error', reject)
    socket.on('open', () => say({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }))
    socket.on('message', (data) => {
      const { type } = JSON.parse(String(data))
      const payload = { query, variables: JSON.parse(variables) }
      if (type === 'connection_ack') say({ type: 'subscribe', id: 'one', payload })
      if (type === 'next') resolve()
    })
  })
}

for (let open = 0; open < Number(count); open += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, Number(count) - open) }, subscriber))
}
process.send?.('ready')
