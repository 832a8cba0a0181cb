// The receiver of webhooks that the README shows, run as it stands.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { webhook } from '../../src/destinations/webhook/driver.ts'
import { cliFolder } from '../support/cli.ts'
import { deliveryTarget } from '../support/delivery-target.ts'
import { toLoopback } from '../support/outbound.ts'
import { fences, ROOT, section } from '../support/readme.ts'
import { SECRET } from '../support/webhook-receiver.ts'

const cli = cliFolder()
let receiver: ChildProcess | null = null
afterAll(async () => {
  if (receiver?.kill()) await once(receiver, 'close')
  await cli.dispose()
})

it('takes what the gateway sends, once, and nothing that others sign', async () => {
  const [program = ''] = fences('js', 'standardwebhooks')
  const file = path.join(cli.dir, 'receive.mjs')
  fs.writeFileSync(file, program)
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(cli.dir, 'node_modules'))
  const env = { PATH: process.env.PATH, WEBHOOK_SECRET: SECRET, PORT: '0' }
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  receiver = child
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  await expect.poll(() => said).toMatch(/port \d+/)
  const url = `http://127.0.0.1:${/port (\d+)/.exec(said)?.[1]}/`

  const driver = webhook({ outbound: toLoopback })
  const account = (secret: string) => ({ settings: { url }, secrets: { secret }, details: null })
  const signal = AbortSignal.timeout(10_000)
  const other = `whsec_${Buffer.alloc(32).toString('base64')}`
  await expect(driver.account?.verify(account(other), signal)).rejects.toMatchObject({
    code: 'REFUSED_LOGIN',
  })
  expect(await driver.account?.verify(account(SECRET), signal)).toEqual({ status: 204 })

  const delivery = await driver.deliverProfiles?.(
    deliveryTarget({
      runId: 'run_1',
      fence: 1,
      settings: driver.settings.parse({}),
      account: account(SECRET),
      fields: [{ source: 'email', target: 'email', required: true }],
    }),
  )
  for (const profileId of [1, 1, 2])
    await delivery?.send([{ profileId, values: [`p${profileId}@example.com`] }])
  const lines = () => said.split('\n').slice(1, -1)
  await expect
    .poll(lines)
    .toEqual(["Buyers { email: 'p1@example.com' }", "Buyers { email: 'p2@example.com' }"])
})

it('shows entries of OUTBOUND_ALLOW that the settings take', () => {
  const rows = section('What destinations may reach')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  const entries = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, entry = '']) => entry))
  expect(entries.length).toBeGreaterThan(6)
  expect(readConfig({ OUTBOUND_ALLOW: entries.join() }).outboundAllow).toEqual(entries)
})
