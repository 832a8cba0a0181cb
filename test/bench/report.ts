export function heading(text: string): void {
  console.log(`\n${text}`)
}
export function figure(name: string, value: string, verdict = ''): void {
  console.log(`  ${name.padEnd(46)} ${value.padEnd(42)} ${verdict}`)
}
export const bar = (isMet: boolean, text: string): string => `${isMet ? 'met' : 'MISSED'}: ${text}`
export const seconds = (value: number): string => `${value.toFixed(2)} s`
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
