/* From a point or a row to the row that is meant: hit testing, next and previous, who held the lock, where a wait's
 * hand-off is.  Pure. */
import { abs, max } from '../../data/math'
import { lowerBound, upperBound, visibleRows } from '../../data/pyramid'
import { NONE, State } from '../../data/recording'
import type { Range, Recording, Thread } from '../../data/recording'
import type { Focus } from '../../state'

const SEARCH_ROWS = 5000 /* how far a search beside a row goes */
const SLACK_NS = 1e6 /* a wait's end and its hand-off are seen this close */

/* The thread whose rows [from, to) hold the row. */
function ownerOf(rec: Recording, rows: (t: Thread) => [number, number], row: number): number {
  let from = 0, to = rec.threads.length
  while (to - from > 1) {
    const middle = (from + to) >>> 1
    if (rows(rec.threads[middle]!)[0] <= row) from = middle
    else to = middle
  }
  while (from > 0 && rows(rec.threads[from]!)[1] <= row) from--
  const found = rec.threads[from] && rows(rec.threads[from]!)
  return found && row >= found[0] && row < found[1] ? from : NONE
}

export function exists(rec: Recording, f: Focus): boolean {
  return f.row >= 0 && f.row < { interval: rec.intervals, wait: rec.waits, hold: rec.holds, sample: rec.samples, tally: rec.tallies }[f.table].n
}

export function threadOf(rec: Recording, f: Focus): number {
  switch (f.table) {
    case 'interval': return ownerOf(rec, (t) => t.intervals, f.row)
    case 'sample': return ownerOf(rec, (t) => t.samples, f.row)
    case 'tally': return ownerOf(rec, (t) => t.tallies, f.row)
    case 'wait': return rec.waits.thread[f.row]!
    case 'hold': return rec.holds.thread[f.row]!
  }
}

export function rangeOf(rec: Recording, f: Focus): Range {
  if (f.table === 'sample') return { t0: rec.samples.t[f.row]!, t1: rec.samples.t[f.row]! }
  const rows = { interval: rec.intervals, wait: rec.waits, hold: rec.holds, tally: rec.tallies }[f.table]
  return { t0: rows.t0[f.row]!, t1: rows.t1[f.row]! }
}

/* The interval of a thread at a moment, or -1. */
export function intervalAt(rec: Recording, thread: number, t: number): number {
  const rows = rec.threads[thread]!.intervals
  const i = upperBound(rec.intervals.t1, rows[0], rows[1], t)
  return i < rows[1] && rec.intervals.t0[i]! <= t ? i : -1
}

/* The wait that an interval belongs to, or -1. */
export function waitOf(rec: Recording, thread: number, interval: number): number {
  const state = rec.intervals.state[interval]
  if (state !== State.WaitGil && state !== State.WaitLock) return -1
  const middle = (rec.intervals.t0[interval]! + rec.intervals.t1[interval]!) / 2
  const rows = rec.threads[thread]!.waits
  const w = upperBound(rec.waits.t1, rows[0], rows[1], middle)
  return w < rows[1] && rec.waits.t0[w]! <= middle ? w : -1
}

/* A wait rather than its interval. */
function named(rec: Recording, thread: number, interval: number): Focus {
  const wait = waitOf(rec, thread, interval)
  return wait >= 0 ? { table: 'wait', row: wait } : { table: 'interval', row: interval }
}

export interface Hit { focus: Focus; rows: number /* that touch the pixel */ }

const isWait = (state: number) => state === State.WaitGil || state === State.WaitLock

/* What is meant by a pixel from..to of a thread's lane: the row under its middle when it is wide enough, else the longest
 * wait in the pixel, else the longest row. */
export function hitThread(rec: Recording, thread: number, from: number, to: number): Hit | null {
  const t = rec.threads[thread]!
  const { t0, t1, state } = rec.intervals
  const [first, last] = visibleRows(t0, t1, t.intervals, from, to)
  const middle = intervalAt(rec, thread, (from + to) / 2)
  let best = middle >= 0 && t1[middle]! - t0[middle]! >= 2 * (to - from) ? middle : -1
  if (best < 0)
    for (let i = first; i < last; i++) {
      const better = best < 0 || (isWait(state[i]!) === isWait(state[best]!) ? t1[i]! - t0[i]! > t1[best]! - t0[best]! : isWait(state[i]!))
      if (better) best = i
    }
  if (best >= 0) return { focus: named(rec, thread, best), rows: last - first }
  const tally = tallyAt(rec, t, from, to)
  return tally >= 0 ? { focus: { table: 'tally', row: tally }, rows: 0 } : null
}

/* Of the tallies there, the one of most time. */
function tallyAt(rec: Recording, t: Thread, from: number, to: number): number {
  let best = -1
  for (let i = t.tallies[0]; i < t.tallies[1] && rec.tallies.t0[i]! < to; i++)
    if (rec.tallies.t1[i]! > from && (best < 0 || rec.tallies.ns[i]! > rec.tallies.ns[best]!)) best = i
  return best
}

export function hitLock(rec: Recording, lock: number, from: number, to: number): Hit | null {
  const { t0, t1 } = rec.holds
  const [first, last] = visibleRows(t0, t1, rec.locks[lock]!.holds, from, to)
  let best = -1
  for (let i = first; i < last; i++) if (best < 0 || t1[i]! - t0[i]! > t1[best]! - t0[best]!) best = i
  return best < 0 ? null : { focus: { table: 'hold', row: best }, rows: last - first }
}

/* The sample nearest to t, if it is within reach. */
export function sampleNear(rec: Recording, thread: number, t: number, reach: number): number {
  const [from, to] = rec.threads[thread]!.samples
  const i = lowerBound(rec.samples.t, from, to, t)
  let best = -1
  for (const j of [i - 1, i]) if (j >= from && j < to && abs(rec.samples.t[j]! - t) <= reach && (best < 0 || abs(rec.samples.t[j]! - t) < abs(rec.samples.t[best]! - t))) best = j
  return best
}

/* The next (1) or previous (-1) row of the same lane; null at its end. */
export function beside(rec: Recording, f: Focus, direction: 1 | -1): Focus | null {
  if (f.table === 'hold') {
    const rows = rec.locks[rec.holds.lock[f.row]!]!.holds
    const row = f.row + direction
    return row >= rows[0] && row < rows[1] ? { table: 'hold', row } : null
  }
  const thread = threadOf(rec, f)
  if (thread === NONE) return null
  const t = rec.threads[thread]!
  if (f.table === 'sample' || f.table === 'tally') {
    const rows = f.table === 'sample' ? t.samples : t.tallies
    const row = f.row + direction
    return row >= rows[0] && row < rows[1] ? { table: f.table, row } : null
  }
  const { t0, t1 } = rangeOf(rec, f)
  let row = f.row + direction
  if (f.table === 'wait') row = direction > 0 ? lowerBound(rec.intervals.t0, t.intervals[0], t.intervals[1], t1) : lowerBound(rec.intervals.t0, t.intervals[0], t.intervals[1], t0) - 1
  if (row < t.intervals[0] || row >= t.intervals[1]) return null
  return named(rec, thread, row)
}

/* The hand-off that ended a wait, or -1. */
export function handoffOf(rec: Recording, wait: number): number {
  const lock = rec.locks[rec.waits.lock[wait]!]
  if (!lock) return -1
  const { acquire, to } = rec.handoffs
  const end = rec.waits.t1[wait]!, thread = rec.waits.thread[wait]!
  const from = max(rec.waits.t0[wait]!, end - SLACK_NS)
  let best = -1
  for (let i = lowerBound(acquire, lock.handoffs[0], lock.handoffs[1], from); i < lock.handoffs[1] && acquire[i]! <= end + SLACK_NS; i++)
    if (to[i] === thread && (best < 0 || abs(acquire[i]! - end) < abs(acquire[best]! - end))) best = i
  return best
}

/* Who answers for most of a wait; NONE when nobody is known. */
export function mainHolder(rec: Recording, wait: number): number {
  const sums = new Map<number, number>()
  let best = NONE
  for (let c = rec.waits.credits[wait]!; c < rec.waits.credits[wait + 1]!; c++) {
    const holder = rec.credits.holder[c]!
    if (holder === NONE) continue
    sums.set(holder, (sums.get(holder) ?? 0) + rec.credits.ns[c]!)
    if (best === NONE || sums.get(holder)! > sums.get(best)!) best = holder
  }
  return best
}

/* The last hold of the lock by that thread which overlaps the range, or -1. */
function lastHold(rec: Recording, lock: number, thread: number, range: Range): number {
  const rows = rec.locks[lock]?.holds
  if (!rows) return -1
  const { t0, t1, thread: who } = rec.holds
  const before = lowerBound(t0, rows[0], rows[1], range.t1)
  for (let i = before - 1; i >= rows[0] && before - i < SEARCH_ROWS && t1[i]! >= range.t0; i--) if (who[i] === thread) return i
  return -1
}

/* One step along the convoy: from a wait to the hold that ended last before it had the lock (else to what its holder did),
 * from a hold to the wait of its thread that came before it. */
export function holderOf(rec: Recording, f: Focus): Focus | null {
  if (f.table === 'hold') return waitBefore(rec, f.row)
  if (f.table !== 'wait') return null
  const handoff = handoffOf(rec, f.row)
  const range = rangeOf(rec, f)
  const releaser = handoff >= 0 ? rec.handoffs.from[handoff]! : NONE
  for (const thread of [releaser, mainHolder(rec, f.row)]) {
    if (thread === NONE) continue
    const hold = lastHold(rec, rec.waits.lock[f.row]!, thread, range)
    if (hold >= 0) return { table: 'hold', row: hold }
    const interval = intervalAt(rec, thread, handoff >= 0 && thread === releaser && rec.handoffs.release[handoff]! > 0 ? rec.handoffs.release[handoff]! - 1 : range.t0)
    if (interval >= 0) return { table: 'interval', row: interval }
  }
  return null
}

function waitBefore(rec: Recording, hold: number): Focus | null {
  const thread = rec.threads[rec.holds.thread[hold]!]
  if (!thread) return null
  const begin = rec.holds.t0[hold]!
  const w = upperBound(rec.waits.t1, thread.waits[0], thread.waits[1], begin + SLACK_NS) - 1
  return w >= thread.waits[0] && rec.waits.lock[w] === rec.holds.lock[hold] && begin - rec.waits.t1[w]! <= SLACK_NS ? { table: 'wait', row: w } : null
}
