import v8 from 'node:v8'
import vm from 'node:vm'

/**
 * Collects the garbage that loading the packages has made, some forty megabytes that a gateway would carry along for
 * hours: V8 sees no reason to look as long as memory grows slowly.
 */
export function dropLoadingGarbage(): void {
  v8.setFlagsFromString('--expose-gc')
  const collect: unknown = vm.runInNewContext('gc')
  if (typeof collect === 'function') collect()
  v8.setFlagsFromString('--no-expose-gc')
  // From here on the young generation may grow with the work: as small as it was, a third of a query's time was
  // spent on collecting it.
  v8.setFlagsFromString('--semi-space-growth-factor=2')
}
