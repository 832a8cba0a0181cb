// Azurite, the emulator of Azure Storage from Microsoft, as a process of its own: it stops itself by nothing but its end.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

export interface AzuriteServer {
  port: number
  account: string
  key: string
  /** Of the blob service behind this port: its own, or one of a proxy before it. */
  connectionString(port?: number): string
  pid: number
  stop(): Promise<void>
}

const MAIN = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js')
const ACCOUNT = 'teststore'
const KEY = Buffer.from('a key of the Azurite that the tests start').toString('base64')

export async function azuriteServer(): Promise<AzuriteServer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-azurite-'))
  const args = ['--blobHost', '127.0.0.1', '--blobPort', '0', '--location', folder]
  const child = spawn(process.execPath, [MAIN, ...args, '--silent', '--disableTelemetry'], {
    env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const port = await new Promise<number>((resolve, reject) => {
    let output = ''
    const read = (chunk: Buffer) => {
      output += chunk
      const match = /successfully listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)
      if (match) resolve(Number(match[1]))
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('close', () => reject(new Error(`Azurite did not start: ${output}`)))
  })
  return {
    port,
    account: ACCOUNT,
    key: KEY,
    connectionString: (at = port) =>
      `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:${at}/${ACCOUNT};`,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGKILL')
      await ended
      fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}
