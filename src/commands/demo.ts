export interface DemoOptions {
  serve?: boolean
  keep?: boolean
}
