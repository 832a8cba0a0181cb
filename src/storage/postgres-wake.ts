// Wake-ups between the processes on one PostgreSQL, by LISTEN and NOTIFY. Hints only: what is sent while a connection
// is down is lost or late, and whoever waits polls as well.
import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import type { Wake } from '../domain/ports.ts'
import type { PostgresSession } from './postgres-session.ts'
import { inProcessWake } from './wake.ts'

const CHANNEL = 'activation_gateway'
/** Topics that come within this time go in one message. */
const GATHER_MS = 5
/** PostgreSQL takes payloads below 8,000 bytes; topics are ASCII. */
const MAX_PAYLOAD = 7_000
/** More than so many are not kept while there is no connection. */
const MAX_GATHERED = 10_000

export interface PostgresWake extends Wake {
  /** Sends what was gathered. */
  flush(): Promise<void>
}

export function postgresWake(session: PostgresSession): PostgresWake {
  const here = inProcessWake()
  const sender = randomBytes(6).toString('base64url')
  const gathered = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let isListening = false

  const hear = ({ payload = '' }: pg.Notification) => {
    const [from, ...topics] = payload.split('\n')
    if (from === sender) return // woken already, without the way over the database
    for (const topic of topics) here.notify(topic)
  }
  const listen = () => {
    if (isListening) return
    isListening = true
    void session.keep(async (client) => {
      client.on('notification', hear)
      await client.query(`listen ${CHANNEL}`)
      here.notifyAll() // what was sent in between is lost
      timer ??= setTimeout(flush, GATHER_MS).unref()
    })
  }
  const flush = async () => {
    clearTimeout(timer)
    timer = undefined
    if (!session.isConnected()) return
    const messages = messagesOf(sender, gathered)
    gathered.clear()
    const sent = messages.map((message) => session.query('select pg_notify($1, $2)', [CHANNEL, message]))
    await Promise.allSettled(sent)
  }

  return {
    notify(topic) {
      here.notify(topic)
      listen()
      if (gathered.size < MAX_GATHERED) gathered.add(topic)
      timer ??= setTimeout(flush, GATHER_MS).unref()
    },
    wait(topic, ms, signal) {
      listen()
      return here.wait(topic, ms, signal)
    },
    flush,
  }
}

function messagesOf(sender: string, topics: Iterable<string>): string[] {
  const messages: string[] = []
  let message = sender
  for (const topic of topics) {
    if (message.length + topic.length + 1 > MAX_PAYLOAD) {
      messages.push(message)
      message = sender
    }
    message += `\n${topic}`
  }
  return message === sender ? messages : [...messages, message]
}
