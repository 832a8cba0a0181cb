// Many subscribers of one log who are to be told the same: each event is turned into text once, for all of them.
// A subscriber is either live, and is sent what the one reader of the group finds, or it goes on by its own place in
// the log: at first, and whenever it takes in less than there is. So nothing is kept for a slow one, and nothing lost.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LogPosition } from '../graphql/stream.ts'

/** More than this waiting to leave, in bytes, makes a subscriber a slow one. */
const MAX_WAITING = 16 * 1024
/** How many are sent to before others get a turn of the event loop. */
const SLICE = 250
/** Texts are kept for those who are a little behind, and not for ever. */
const MAX_TEXTS = 128
const TEXTS_KEPT_MS = 1_000

/** Where a subscriber is sent its texts. */
export interface Outlet {
  /** How many bytes have not left yet. */
  readonly waiting: number
  /** `done` is called when the text has left, or with the error that keeps it from leaving. */
  send(text: Buffer, done?: (error?: Error) => void): void
}

interface Member {
  outlet: Outlet
  /** The last place it was sent. */
  place: number
  end(error?: unknown): void
}

export interface StreamGroup {
  /**
   * Sends to the outlet from the first `next` on. Yields nothing; ends after the last event, or by `return`, and calls
   * `onEnd` then.
   */
  join(outlet: Outlet, from: { after: number; onEnd: () => void }): AsyncIterableIterator<never>
}

/** `onEmpty` is called when the last member has left. */
export function streamGroup<T>(options: {
  log: Omit<LogPosition<T>, 'after'>
  render: (row: T) => Promise<Buffer>
  mask: (error: unknown) => Error
  onEmpty: () => void
}): StreamGroup {
  const { feed, key } = options.log
  const texts = recentTexts({ feed, render: options.render })
  const members = new Set<Member>()
  const live = new Set<Member>()
  // The one reader, while anybody is live, and how far it has come.
  let reader: AbortController | null = null
  let head = 0

  const leaveLive = (member: Member) => {
    if (!live.delete(member) || live.size > 0) return
    reader?.abort()
    reader = null
  }
  const end = (member: Member, error?: unknown) => {
    if (!members.delete(member)) return
    leaveLive(member)
    member.end(error)
    if (members.size > 0) return
    texts.drop()
    options.onEmpty()
  }

  const read = async (from: number) => {
    const mine = new AbortController()
    reader = mine
    head = from
    try {
      for await (const row of feed.events(key, from, mine.signal)) {
        const text = await texts.of(row)
        if (mine.signal.aborted) return
        head = feed.placeOf(row)
        await deliver(row, text)
      }
    } catch (error) {
      if (!mine.signal.aborted) for (const member of live) end(member, error)
    }
  }
  const deliver = async (row: T, text: Buffer) => {
    const place = feed.placeOf(row)
    const isLast = feed.isLast(row)
    let sent = 0
    for (const member of live) {
      // Those that came in between may have been sent this one already.
      if (member.place < place) push(member, place, text)
      if (isLast) end(member)
      sent += 1
      if (sent % SLICE === 0) await nextTurn()
    }
  }
  const push = (member: Member, place: number, text: Buffer) => {
    member.place = place
    if (member.outlet.waiting <= MAX_WAITING) return member.outlet.send(text)
    leaveLive(member)
    member.outlet.send(text, (error) => (error ? end(member) : catchUp(member)))
  }

  const catchUp = async (member: Member) => {
    try {
      while (members.has(member)) {
        if (reader && member.place >= head) return live.add(member)
        const rows = await feed.page(key, member.place)
        if (!members.has(member)) return
        if (rows.length === 0 && !reader) {
          live.add(member)
          return await read(member.place)
        }
        await sendAll(member, rows)
        // A long story, or many who catch up at once, must not keep all others waiting.
        await nextTurn()
      }
    } catch (error) {
      end(member, error)
    }
  }
  const sendAll = async (member: Member, rows: T[]) => {
    for (const row of rows) {
      const text = await texts.of(row)
      if (!members.has(member)) return
      member.place = feed.placeOf(row)
      if (member.outlet.waiting <= MAX_WAITING) member.outlet.send(text)
      else if (!(await hasLeft(member.outlet, text))) return end(member)
      if (feed.isLast(row)) end(member)
    }
  }

  return {
    join(outlet, { after, onEnd }) {
      const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<never>>()
      const over = { done: true, value: undefined } as const
      const member: Member = {
        outlet,
        place: after,
        end(error) {
          onEnd()
          if (error === undefined) resolve(over)
          else reject(options.mask(error))
        },
      }
      let isStarted = false
      members.add(member)
      return {
        next() {
          if (!isStarted) void catchUp(member)
          isStarted = true
          return promise
        },
        async return() {
          end(member)
          return over
        },
        [Symbol.asyncIterator]() {
          return this
        },
      }
    },
  }
}

/** False when the text will never leave: the outlet is closed. */
function hasLeft(outlet: Outlet, text: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    outlet.send(text, (error) => resolve(!error))
  })
}

/** The texts of the rows that were asked for lately. */
function recentTexts<T>({
  feed,
  render,
}: {
  feed: LogPosition<T>['feed']
  render: (row: T) => Promise<Buffer>
}) {
  const texts = new Map<number, Promise<Buffer>>()
  let timer: NodeJS.Timeout | null = null
  const drop = () => {
    texts.clear()
    if (timer) clearTimeout(timer)
    timer = null
  }
  return {
    of(row: T): Promise<Buffer> {
      const place = feed.placeOf(row)
      const known = texts.get(place)
      if (known) return known
      const text = render(row)
      texts.set(place, text)
      const oldest = texts.keys().next().value
      if (texts.size > MAX_TEXTS && oldest !== undefined) texts.delete(oldest)
      timer ??= setTimeout(drop, TEXTS_KEPT_MS).unref()
      return text
    },
    drop,
  }
}
