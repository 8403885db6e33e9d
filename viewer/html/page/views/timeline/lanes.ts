/* Which lanes there are, in which order, and where each lies. */
import { f64, u8 } from '../../data/math'
import { COUNTED, HELD, sumsOf } from '../../data/pyramid'
import { State } from '../../data/recording'
import type { Recording } from '../../data/recording'
import { lockName, printable, processName, threadName } from '../../ui/format'

export type Lane =
  | { kind: 'process'; process: number; label: string; note: string; locks: string /* '' when all are shown */ }
  | { kind: 'cpu'; process: number | null /* null: of all */; label: string }
  | { kind: 'lock'; lock: number; process: number; label: string }
  | { kind: 'thread'; thread: number; process: number; label: string }

export interface LaneOptions { group: boolean; sort: 'process' | 'name' | 'wait'; filter: string; hideIdle: boolean; process: number | null; collapsed: ReadonlySet<number> }

/* What is known of a thread as a whole, once. */
export interface ThreadTotals { wait: Float64Array /* for the GIL: who waits for an event all day is not of interest */; idle: Uint8Array }

export function threadTotals(rec: Recording): ThreadTotals {
  const n = rec.threads.length
  const totals = { wait: f64(n), idle: u8(n) }
  const sums = f64(COUNTED + 2)
  for (let i = 0; i < n; i++) {
    sumsOf(rec, i, 0, rec.durationNs + 1, sums)
    totals.wait[i] = sums[State.WaitGil]!
    totals.idle[i] = sums[State.Gil]! + sums[HELD]! + sums[State.WaitGil]! + sums[State.WaitLock]! > 0 ? 0 : 1
  }
  return totals
}

const LOCKS_SHOWN = 6

/* /pattern/ is a regular expression, anything else part of the name; both without regard to case.  A wrong expression
 * matches nothing. */
export function matcher(filter: string): (name: string) => boolean {
  const text = filter.trim()
  if (!text) return () => true
  if (text.length > 2 && text.startsWith('/') && text.endsWith('/')) {
    try {
      const expression = new RegExp(text.slice(1, -1), 'i')
      return (name) => expression.test(name)
    } catch {
      return () => false
    }
  }
  const wanted = text.toLowerCase()
  return (name) => name.toLowerCase().includes(wanted)
}

const order = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

function sortThreads(rec: Recording, threads: number[], sort: LaneOptions['sort'], totals: ThreadTotals): void {
  if (sort === 'wait') threads.sort((a, b) => totals.wait[b]! - totals.wait[a]! || a - b)
  else if (sort === 'name') threads.sort((a, b) => order.compare(rec.threads[a]!.name, rec.threads[b]!.name) || a - b)
  else threads.sort((a, b) => rec.threads[a]!.process - rec.threads[b]!.process || a - b)
}

/* The locks of a process worth a lane: the GILs, and the most passed on of the others. */
function locksOf(rec: Recording, process: number): { shown: number[]; all: number } {
  const all = rec.locks.flatMap((l, i) => (l.process === process && (l.kind === 'gil' || l.holds[1] > l.holds[0] || l.handoffs[1] > l.handoffs[0]) ? [i] : []))
  const rows = (i: number) => rec.locks[i]!.handoffs[1] - rec.locks[i]!.handoffs[0] + rec.locks[i]!.holds[1] - rec.locks[i]!.holds[0]
  const gil = (i: number) => (rec.locks[i]!.kind === 'gil' ? 1 : 0)
  const shown = [...all].sort((a, b) => gil(b) - gil(a) || rows(b) - rows(a) || a - b).slice(0, LOCKS_SHOWN)
  return { shown, all: all.length }
}

export function lanesOf(rec: Recording, totals: ThreadTotals, options: LaneOptions): { lanes: Lane[]; hidden: number } {
  const matches = matcher(options.filter)
  const processes = rec.processes.map((_, i) => i).filter((p) => options.process === null || options.process === p)
  const kept = new Map<number, number[]>(processes.map((p) => [p, []]))
  let hidden = 0
  rec.threads.forEach((t, i) => {
    const list = kept.get(t.process)
    if (!list) return
    if ((options.hideIdle && totals.idle[i]) || !matches(`${t.name} ${t.tid}`)) hidden++
    else list.push(i)
  })
  const waited = (p: number) => kept.get(p)!.reduce((ns, i) => ns + totals.wait[i]!, 0)
  if (options.sort === 'wait') processes.sort((a, b) => waited(b) - waited(a) || a - b)
  else if (options.sort === 'name') processes.sort((a, b) => order.compare(rec.processes[a]!.name, rec.processes[b]!.name) || a - b)
  const lanes: Lane[] = []
  const lock = (i: number) => lanes.push({ kind: 'lock', lock: i, process: rec.locks[i]!.process, label: options.group ? printable(rec.locks[i]!.name) : lockName(rec, i) })
  const thread = (i: number) => lanes.push({ kind: 'thread', thread: i, process: rec.threads[i]!.process, label: threadName(rec.threads[i]) })
  if (!options.group) {
    lanes.push({ kind: 'cpu', process: options.process, label: 'CPUs' })
    for (const p of processes) locksOf(rec, p).shown.slice(0, processes.length > 1 ? 1 : LOCKS_SHOWN).forEach(lock)
    const threads = processes.flatMap((p) => kept.get(p)!)
    sortThreads(rec, threads, options.sort, totals)
    threads.forEach(thread)
    return { lanes, hidden }
  }
  for (const p of processes) {
    const threads = kept.get(p)!
    if (!threads.length && options.filter.trim() && processes.length > 1) continue
    const locks = locksOf(rec, p)
    const some = locks.all > locks.shown.length ? `${locks.shown.length} of ${locks.all} locks shown: those that changed hands most` : ''
    lanes.push({ kind: 'process', process: p, label: processName(rec, p), note: `${threads.length} thread${threads.length === 1 ? '' : 's'}`, locks: some })
    if (options.collapsed.has(p)) continue
    lanes.push({ kind: 'cpu', process: p, label: 'CPUs' })
    locks.shown.forEach(lock)
    sortThreads(rec, threads, options.sort, totals)
    threads.forEach(thread)
  }
  return { lanes, hidden }
}

/* Where the lanes lie, in CSS pixels from the top of the first. */
export interface Layout { lanes: Lane[]; compact: boolean; top: Float64Array /* n + 1 */ }

const HEIGHT = { 'process': 22, 'cpu': 34, 'lock': 22, 'thread': 22 }
const COMPACT = { 'process': 20, 'cpu': 26, 'lock': 16, 'thread': 13 }
const COMPACT_FROM = 80

export function layoutOf(lanes: Lane[]): Layout {
  const compact = lanes.length >= COMPACT_FROM
  const top = f64(lanes.length + 1)
  lanes.forEach((lane, i) => { top[i + 1] = top[i]! + (compact ? COMPACT : HEIGHT)[lane.kind] })
  return { lanes, compact, top }
}

/* The lane at y, or -1. */
export function laneAt(layout: Layout, y: number): number {
  if (y < 0 || y >= layout.top[layout.lanes.length]!) return -1
  let from = 0, to = layout.lanes.length
  while (to - from > 1) {
    const middle = (from + to) >>> 1
    if (layout.top[middle]! <= y) from = middle
    else to = middle
  }
  return from
}

export const laneOfThread = (layout: Layout, thread: number): number => layout.lanes.findIndex((l) => l.kind === 'thread' && l.thread === thread)
export const laneOfLock = (layout: Layout, lock: number): number => layout.lanes.findIndex((l) => l.kind === 'lock' && l.lock === lock)

export function laneKey(lane: Lane): string {
  return lane.kind === 'thread' ? `t${lane.thread}` : lane.kind === 'lock' ? `l${lane.lock}` : `${lane.kind}${lane.process}`
}
