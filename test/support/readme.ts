// What the README shows, and the demo that its snippets talk to.
import fs from 'node:fs'
import path from 'node:path'
import type { cliFolder } from './cli.ts'

export const ROOT = path.join(import.meta.dirname, '../..')
export const text = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8')

export interface ServedDemo {
  output: string
  /** For a snippet: where the gateway is, and an administrator's token. */
  env: { PATH: string; GATEWAY_URL: string; GATEWAY_TOKEN: string }
}

/** `npm run demo -- --serve`, and beside it the packages that snippets import. */
export async function serveDemo(cli: ReturnType<typeof cliFolder>): Promise<ServedDemo> {
  const gateway = cli.start(['demo', '--serve'], { TMPDIR: cli.dir })
  const [output = '', GATEWAY_URL = ''] = await gateway.saw(/.*^listening on (\S+)$/ms)
  const GATEWAY_TOKEN = /GATEWAY_TOKEN=(\S+)/.exec(output)?.[1] ?? ''
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(cli.dir, 'node_modules'))
  return { output, env: { PATH: process.env.PATH ?? '', GATEWAY_URL, GATEWAY_TOKEN } }
}

/** The blocks of code in a language, in order. */
export function fences(language: string, holding = ''): string[] {
  const found = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
  const bodies = found.flatMap(([, name, body = '']) => (name === language ? [body] : []))
  return bodies.filter((body) => body.includes(holding))
}
export function section(title: string): string {
  return text.split(/^##+ /m).find((part) => part.startsWith(title)) ?? ''
}

/** Without what differs from run to run. */
export function steady(output: string): string {
  return output
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'INSTANT')
    .replace(/\d\d:\d\d:\d\d\.\d{3}/g, 'TIME')
    .replace(/\d{8}-\d{6}/g, 'MOMENT')
    .replace(/_[0-9a-f]{32}/g, '_ID')
    .replace(/127\.0\.0\.1:\d+/g, 'ADDRESS')
}

/** The lines that are shown and were not printed; `…` stands for some that are left out. */
export function notPrinted(shown: string, output: string): string[] {
  const printed = new Set(steady(output).split('\n'))
  return steady(shown)
    .split('\n')
    .filter((line) => line.trim() !== '…' && !printed.has(line))
}
