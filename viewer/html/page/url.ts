/* The view state as the URL's fragment, so that a view can be shared together with the file:
 *   #1/timeline?selection=1200000-3400000&thread=3&focus=wait:17
 * 1 is the version, then the view, then what differs from INITIAL, times in nanoseconds.  What cannot be read, or lies
 * outside the recording, is left at its initial value: a fragment is a stranger's text. */
import { min, round } from './data/math'
import type { Range, Recording } from './data/recording'
import type { Bounds, Focus, Key, ViewState } from './state'
import { INITIAL } from './state'

const VERSION = '1'
const TEXT_MAX = 2000

export function boundsOf(rec: Recording): Bounds {
  return {
    durationNs: rec.durationNs, process: rec.processes.length, thread: rec.threads.length, lock: rec.locks.length,
    rows: { interval: rec.intervals.n, wait: rec.waits.n, hold: rec.holds.n, sample: rec.samples.n, tally: rec.tallies.n },
  }
}

const CHOICES: { [key: string]: readonly string[] } = {
  view: ['overview', 'timeline', 'flame', 'blame', 'locks', 'threads', 'whatif'],
  sort: ['process', 'name', 'wait'],
  source: ['gil', 'nogil', 'wait', 'blame', 'blocked', 'locks'],
  layout: ['left', 'time', 'sandwich'],
  matrix: ['lines', 'functions', 'threads'],
  columns: ['gil', 'states'],
  theme: ['auto', 'light', 'dark'],
}
const RANGES = ['visible', 'selection', 'baseline']
const IDS = ['process', 'thread', 'lock'] as const

function write(key: Key, value: unknown): string {
  if (value === null || value === undefined) return ''
  if (RANGES.includes(key)) {
    const r = value as Range
    return `${round(r.t0)}-${round(r.t1)}`
  }
  if (key === 'focus') return `${(value as Focus).table}:${(value as Focus).row}`
  if (typeof value === 'boolean') return value ? '1' : '0'
  return String(value)
}

/* Without what a query string would bend; letters, slashes and colons stay readable. */
function quote(text: string): string {
  return encodeURIComponent(text).replace(/%3A/g, ':').replace(/%2F/g, '/').replace(/%2C/g, ',')
}

export function encode(state: Readonly<ViewState>): string {
  const parts: string[] = []
  for (const key of Object.keys(INITIAL) as Key[]) {
    if (key === 'view') continue
    const text = write(key, state[key])
    if (text !== write(key, INITIAL[key])) parts.push(`${key}=${quote(text)}`)
  }
  return `#${VERSION}/${state.view}${parts.length ? `?${parts.join('&')}` : ''}`
}

function integer(text: string, limit: number): number | null {
  const n = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  return n < limit ? n : null
}

function read(key: string, text: string, bounds: Bounds): unknown {
  const initial = INITIAL[key as Key]
  if (RANGES.includes(key)) {
    const m = /^(\d{1,17})-(\d{1,17})$/.exec(text)
    const range: Range = { t0: Number(m?.[1]), t1: min(Number(m?.[2]), bounds.durationNs) }
    return range.t0 < range.t1 ? range : null
  }
  if ((IDS as readonly string[]).includes(key)) return integer(text, bounds[key as (typeof IDS)[number]])
  if (key === 'focus') {
    const [table = '', row = ''] = text.split(':')
    const rows = Object.hasOwn(bounds.rows, table) ? bounds.rows[table as Focus['table']] : 0
    const n = integer(row, rows)
    const focus: Focus = { table: table as Focus['table'], row: n ?? 0 }
    return n === null ? null : focus
  }
  if (Object.hasOwn(CHOICES, key)) return CHOICES[key]!.includes(text) ? text : initial
  if (typeof initial === 'boolean') return text === '1' ? true : text === '0' ? false : initial
  return typeof initial === 'string' ? text.slice(0, TEXT_MAX) : initial
}

export function decode(hash: string, bounds: Bounds): ViewState {
  const state: Record<string, unknown> = { ...INITIAL }
  const m = /^#?(\d+)\/([a-z]*)(?:\?(.*))?$/s.exec(hash)
  if (!m || m[1] !== VERSION) return { ...INITIAL }
  state.view = read('view', m[2]!, bounds)
  for (const pair of (m[3] ?? '').split('&', 100)) {
    const at = pair.indexOf('=')
    const key = pair.slice(0, at)
    if (at < 0 || key === 'view' || !Object.hasOwn(INITIAL, key)) continue
    try {
      state[key] = read(key, decodeURIComponent(pair.slice(at + 1)), bounds)
    } catch {
      /* a broken escape: the initial value stays */
    }
  }
  return state as unknown as ViewState
}

/* Changes worth a step back in the browser's history; all others only rewrite the address. */
const STEPS: readonly Key[] = ['view', 'process', 'thread', 'lock', 'source', 'layout', 'matrix']

export function isStep(changed: ReadonlySet<Key>, before: Readonly<ViewState>, after: Readonly<ViewState>): boolean {
  return STEPS.some((key) => changed.has(key)) ||
    (changed.has('selection') && (before.selection === null) !== (after.selection === null))
}
