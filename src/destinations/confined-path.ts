/**
 * Whether a path stays below where it is taken from, on any system: plain steps with `/` between, none of them `..`.
 * The empty path and `.` stand for the place itself.
 */
export function isConfined(path: string): boolean {
  if (path === '' || path === '.') return true
  const isPlain = path.isWellFormed() && !/[\u0000-\u001f\u007f\\]/.test(path) && !/^[a-zA-Z]:/.test(path)
  return (
    isPlain &&
    path
      .split('/')
      .every((step) => step !== '' && step !== '.' && step !== '..' && Buffer.byteLength(step) <= 255)
  )
}
