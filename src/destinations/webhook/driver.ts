import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { DeliveryTarget, Driver, OpenAccount, ProfileDelivery } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { type Endpoint, post, testMessage } from '../webhook-post.ts'
import { isSigningSecret } from '../webhook-signature.ts'
import { firstMessage } from './message.ts'

const secret = (name: string) =>
  z
    .string()
    .refine(isSigningSecret, `${name} is whsec_ and after it 24 to 64 random bytes in base64, nothing else.`)

/** The scheme recommends 15 to 30 seconds. */
const ANSWER_MS = 30_000

const endpointOf = ({ settings, secrets }: OpenAccount) =>
  ({ ...settings, ...secrets }) as unknown as Endpoint // both parsed by the schemas below when they were stored

interface WebhookOptions {
  outbound: Outbound
  /** How long an answer may take. */
  answerMs?: number
}

/** Sends profiles in signed messages after the scheme of Standard Webhooks. */
export function webhook({ outbound, answerMs = ANSWER_MS }: WebhookOptions): Driver {
  return {
    type: 'WEBHOOK',
    title: 'Webhook',
    delivery: 'API',
    allowsAdHoc: true,
    account: {
      settings: z.strictObject({
        url: z
          .string()
          .max(2_000, 'url is at most 2,000 characters long.')
          .transform((text, ctx) => {
            const refusal = outbound.refusalOf(text.includes('://') ? text : '://')
            if (refusal === null) return new URL(text).href
            ctx.addIssue(refusal)
            return z.NEVER
          })
          .meta({
            title: 'URL',
            description: 'Where messages are sent to, starting with https://.',
            examples: ['https://example.com/hooks/audience'],
          }),
      }),
      secrets: z.strictObject({
        secret: secret('secret').meta({
          title: 'Signing secret',
          description: 'Shared with the receiver: whsec_ and 24 to 64 random bytes in base64.',
          examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
        }),
        previousSecret: secret('previousSecret').optional().meta({
          title: 'Previous signing secret',
          description: 'While the receiver changes to another: every message is signed with both.',
        }),
        bearerToken: z
          .string()
          .regex(/^[\x21-\x7e]{1,4000}$/, 'bearerToken is visible ASCII characters without blanks.')
          .optional()
          .meta({
            title: 'Bearer token',
            description: 'Sent as Authorization, where the receiver asks for it.',
          }),
      }),
      async verify(account, signal) {
        const message = testMessage(randomUUID(), new Date())
        return { status: await post(message, { endpoint: endpointOf(account), outbound, answerMs, signal }) }
      },
    },
    settings: z.strictObject({
      profilesPerMessage: z.int().min(1).max(1_000).default(500).meta({
        title: 'Profiles per message',
        description: 'How many at most; a message has at most 256 KiB, too.',
      }),
      messagesPerSecond: z.int().min(1).max(100).default(10).meta({
        title: 'Messages per second',
        description: 'How many at most, over everything that uses the account.',
      }),
    }),
    fields: [],
    deliverProfiles: async (target) => delivery({ outbound, answerMs }, target),
  }
}

function delivery(options: Required<WebhookOptions>, target: DeliveryTarget): ProfileDelivery {
  const { account, pace, signal } = target
  if (!account) throw new Error('it is given an account')
  const endpoint = endpointOf(account)
  const settings = target.settings as { profilesPerMessage: number; messagesPerSecond: number }
  return {
    maxProfiles: settings.profilesPerMessage,
    async send(profiles) {
      const { message, refused, taken } = firstMessage(target, profiles)
      if (message === null) return { taken, refused, pending: null, bytes: 0 }
      await pace({ name: 'messages', requests: settings.messagesPerSecond, perMs: 1_000 })
      const values = () => profiles.flatMap((profile) => profile.values)
      await post(message, { ...options, endpoint, signal, values })
      return { taken, refused, pending: null, bytes: Buffer.byteLength(message.body) }
    },
    settle: async () => [], // an answer is final
  }
}
