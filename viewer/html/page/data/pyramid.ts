/* Sums of what lanes show, at every zoom: so that a frame costs the width of the screen and not the number of rows, and
 * nothing that is shorter than a pixel disappears.
 *
 * A pyramid cuts the recording into equal buckets (a whole number of nanoseconds each) and keeps per bucket and channel
 * the nanoseconds of it; the last channel is a maximum instead.  Each further level has half as many buckets.  Only lanes
 * with many rows have one; the others, and all of them when one looks closely, are summed from the rows. */
import { ceil, f32, f64, floor, max, min } from './math'
import { HoldFlag, IntervalFlag, State, STATES } from './recording'
import type { Recording } from './recording'

export interface Level { bucketNs: number; n: number; data: Float64Array }
export interface Pyramid { channels: number; levels: Level[] /* finest first */ }

/* Channels of a thread: its states, then these. */
export const HELD = STATES /* held the lock while not running */
export const GC = STATES + 1
export const COUNTED = STATES + 2 /* known by its sum only */
export const WORST = STATES + 3 /* length of the longest wait that touches it */
export const CHANNELS = STATES + 4

/* Channels of a lock: the colour of who held it, weighted with the time, then these. */
export const RED = 0, GREEN = 1, BLUE = 2, HOLD = 3, OFF_CPU = 4, FORCED = 5, LONGEST = 6
export const LOCK_CHANNELS = 7

const ROWS_PER_BUCKET = 8
const MIN_ROWS = 2048
const MAX_BUCKETS = 32768
const MIN_BUCKETS = 64
const TALLIES_AT_ONCE = 64 /* more of one thread do not overlap */

/* First row in [from, to) whose value is not below it. */
export function lowerBound(values: ArrayLike<number>, from: number, to: number, value: number): number {
  while (from < to) {
    const middle = (from + to) >>> 1
    if (values[middle]! < value) from = middle + 1
    else to = middle
  }
  return from
}

export function upperBound(values: ArrayLike<number>, from: number, to: number, value: number): number {
  while (from < to) {
    const middle = (from + to) >>> 1
    if (values[middle]! <= value) from = middle + 1
    else to = middle
  }
  return from
}

function bucketsFor(rows: number): number {
  let n = MIN_BUCKETS
  while (n < MAX_BUCKETS && n * ROWS_PER_BUCKET < rows) n *= 2
  return n
}

function base(durationNs: number, rows: number, channels: number): Level {
  const n = bucketsFor(rows)
  return { bucketNs: max(1, ceil(durationNs / n)), n, data: f64(n * channels) }
}

/* Adds ns of each bucket that t0..t1 touches, times weight. */
function spread(level: Level, channels: number, channel: number, t0: number, t1: number, weight: number): void {
  const w = level.bucketNs
  const last = min(level.n - 1, floor(t1 / w))
  for (let b = max(0, floor(t0 / w)); b <= last; b++) {
    const part = min(t1, (b + 1) * w) - max(t0, b * w)
    if (part > 0) level.data[b * channels + channel]! += part * weight
  }
}

function raise(level: Level, channels: number, channel: number, t0: number, t1: number, value: number): void {
  const last = min(level.n - 1, floor(max(t0, t1 - 1) / level.bucketNs))
  for (let b = max(0, floor(t0 / level.bucketNs)); b <= last; b++) {
    const at = b * channels + channel
    if (level.data[at]! < value) level.data[at] = value
  }
}

function halve(base: Level, channels: number): Pyramid {
  const levels = [base]
  while (levels[levels.length - 1]!.n > MIN_BUCKETS) {
    const fine = levels[levels.length - 1]!
    const n = fine.n / 2
    const data = f64(n * channels)
    for (let b = 0; b < n; b++) {
      const to = b * channels, left = to * 2, right = left + channels
      for (let c = 0; c < channels - 1; c++) data[to + c] = fine.data[left + c]! + fine.data[right + c]!
      data[to + channels - 1] = max(fine.data[left + channels - 1]!, fine.data[right + channels - 1]!)
    }
    levels.push({ bucketNs: fine.bucketNs * 2, n, data })
  }
  return { channels, levels }
}

export function buildThread(rec: Recording, thread: number): Pyramid {
  const { t0, t1, state, flags } = rec.intervals
  const [from, to] = rec.threads[thread]!.intervals
  const level = base(rec.durationNs, to - from, CHANNELS)
  const { data, bucketNs } = level
  for (let i = from; i < to; i++) {
    const a = t0[i]!, b = t1[i]!, s = state[i]!, f = flags[i]!
    const first = floor(a / bucketNs)
    const held = f & IntervalFlag.Held && s !== State.Gil
    const waits = s === State.WaitGil || s === State.WaitLock
    if (b <= (first + 1) * bucketNs && first < level.n) {
      const at = first * CHANNELS, ns = b - a
      data[at + s]! += ns
      if (held) data[at + HELD]! += ns
      if (f & IntervalFlag.Gc) data[at + GC]! += ns
      if (waits && data[at + WORST]! < ns) data[at + WORST] = ns
      continue
    }
    spread(level, CHANNELS, s, a, b, 1)
    if (held) spread(level, CHANNELS, HELD, a, b, 1)
    if (f & IntervalFlag.Gc) spread(level, CHANNELS, GC, a, b, 1)
    if (waits) raise(level, CHANNELS, WORST, a, b, b - a)
  }
  const { tallies } = rec
  for (let i = rec.threads[thread]!.tallies[0]; i < rec.threads[thread]!.tallies[1]; i++) {
    const length = tallies.t1[i]! - tallies.t0[i]!
    if (!(length > 0)) continue
    const weight = tallies.ns[i]! / length
    spread(level, CHANNELS, tallies.state[i]!, tallies.t0[i]!, tallies.t1[i]!, weight)
    spread(level, CHANNELS, COUNTED, tallies.t0[i]!, tallies.t1[i]!, weight)
    if (tallies.flags[i]! & IntervalFlag.Held && tallies.state[i] !== State.Gil) spread(level, CHANNELS, HELD, tallies.t0[i]!, tallies.t1[i]!, weight)
  }
  return halve(level, CHANNELS)
}

/* rgb: three bytes a thread. */
export function buildLock(rec: Recording, lock: number, rgb: Uint8Array): Pyramid {
  const { t0, t1, thread, flags, blocked, preempted } = rec.holds
  const [from, to] = rec.locks[lock]!.holds
  const level = base(rec.durationNs, to - from, LOCK_CHANNELS)
  for (let i = from; i < to; i++) {
    const a = t0[i]!, b = t1[i]!, who = thread[i]! * 3, at = floor(a / level.bucketNs) * LOCK_CHANNELS
    if (b <= (at / LOCK_CHANNELS + 1) * level.bucketNs && at < level.data.length) {
      const { data } = level, ns = b - a
      for (let c = 0; c < 3; c++) data[at + c]! += (rgb[who + c]! || 0) * ns
      data[at + HOLD]! += ns
      data[at + OFF_CPU]! += min(ns, blocked[i]! + preempted[i]!)
      if (flags[i]! & HoldFlag.Forced) data[at + FORCED]! += ns
      if (data[at + LONGEST]! < ns) data[at + LONGEST] = ns
      continue
    }
    for (let c = 0; c < 3; c++) spread(level, LOCK_CHANNELS, c, a, b, rgb[who + c]! || 0)
    spread(level, LOCK_CHANNELS, HOLD, a, b, 1)
    const off = b > a ? min(1, (blocked[i]! + preempted[i]!) / (b - a)) : 0
    if (off > 0) spread(level, LOCK_CHANNELS, OFF_CPU, a, b, off)
    if (flags[i]! & HoldFlag.Forced) spread(level, LOCK_CHANNELS, FORCED, a, b, 1)
    raise(level, LOCK_CHANNELS, LONGEST, a, b, b - a)
  }
  return halve(level, LOCK_CHANNELS)
}

/* The coarsest level whose buckets are not wider than a pixel; null: look at the rows. */
export function levelFor(pyramid: Pyramid, pixelNs: number): Level | null {
  let found: Level | null = null
  for (const level of pyramid.levels) if (level.bucketNs <= pixelNs) found = level
  return found
}

/* A piece of the recording on a number of pixels. */
export interface Window { from: number /* ns of the left edge */; pixelNs: number; width: number }

/* Adds the share of each pixel, per channel; maxima stay nanoseconds. */
export function addLevel(level: Level, channels: number, win: Window, out: Float32Array): void {
  const { from, pixelNs, width } = win
  const w = level.bucketNs
  const first = max(0, floor(from / w))
  const last = min(level.n - 1, floor((from + width * pixelNs) / w))
  const top = channels - 1
  for (let b = first; b <= last; b++) {
    const left = (b * w - from) / pixelNs, right = left + w / pixelNs
    const x = floor(left)
    /* a bucket is not wider than a pixel: it lies in one, or in two */
    const here = right > x + 1 ? (x + 1 - left) / (right - left) : 1
    for (let part = 0; part < 2; part++) {
      const share = (part ? 1 - here : here) / pixelNs, px = x + part
      if (share <= 0 || px < 0 || px >= width) continue
      const at = px * channels, source = b * channels
      for (let c = 0; c < top; c++) out[at + c]! += level.data[source + c]! * share
      if (out[at + top]! < level.data[source + top]!) out[at + top] = level.data[source + top]!
    }
  }
}

/* Adds weight times the covered share to the pixels of [x0, x1), both in pixels and inside the window. */
export function addSpan(out: Float32Array, channels: number, channel: number, x0: number, x1: number, weight: number): void {
  const first = floor(x0), last = floor(x1)
  if (first === last) {
    out[first * channels + channel]! += (x1 - x0) * weight
    return
  }
  out[first * channels + channel]! += (first + 1 - x0) * weight
  for (let x = first + 1; x < last; x++) out[x * channels + channel]! += weight
  if (x1 > last) out[last * channels + channel]! += (x1 - last) * weight
}

function raiseSpan(out: Float32Array, channels: number, channel: number, x0: number, x1: number, value: number): void {
  const last = max(floor(x0), ceil(x1) - 1)
  for (let x = floor(x0); x <= last; x++) if (out[x * channels + channel]! < value) out[x * channels + channel] = value
}

export function visibleRows(t0: Float64Array, t1: Float64Array, rows: readonly [number, number], from: number, to: number): [number, number] {
  const first = upperBound(t1, rows[0], rows[1], from)
  return [first, max(first, lowerBound(t0, first, rows[1], to))]
}

export class Pyramids {
  private threads = new Map<number, Pyramid>()
  private locks = new Map<number, Pyramid>()
  private scratch = f32(0)

  constructor(readonly rec: Recording, rgb: Uint8Array) {
    rec.threads.forEach((t, i) => { if (t.intervals[1] - t.intervals[0] >= MIN_ROWS) this.threads.set(i, buildThread(rec, i)) })
    rec.locks.forEach((l, i) => { if (l.holds[1] - l.holds[0] >= MIN_ROWS) this.locks.set(i, buildLock(rec, i, rgb)) })
  }

  /* Adds a thread's shares (CHANNELS a pixel).  Counted stretches are spread evenly over their time; with `fill` (out must
   * be clear) they fill the gaps that the others leave, where single rows are looked at. */
  addThread(thread: number, win: Window, out: Float32Array, fill = false): void {
    const { intervals } = this.rec
    const t = this.rec.threads[thread]!
    const to = win.from + win.width * win.pixelNs
    const [first, last] = visibleRows(intervals.t0, intervals.t1, t.intervals, win.from, to)
    const pyramid = last - first > ROWS_PER_BUCKET * win.width ? this.threads.get(thread) : undefined
    const level = pyramid && levelFor(pyramid, win.pixelNs)
    if (level) {
      addLevel(level, CHANNELS, win, out)
      return
    }
    const { t0, t1, state, flags } = intervals
    const scale = 1 / win.pixelNs
    for (let i = first; i < last; i++) {
      const x0 = max(0, (t0[i]! - win.from) * scale), x1 = min(win.width - 1e-6, (t1[i]! - win.from) * scale)
      if (!(x1 > x0)) continue
      const s = state[i]!, f = flags[i]!, px = x0 | 0
      if (x1 <= px + 1 && !(f & (IntervalFlag.Held | IntervalFlag.Gc))) {
        /* most rows, where there are many: within one pixel */
        out[px * CHANNELS + s]! += x1 - x0
        if ((s === State.WaitGil || s === State.WaitLock) && out[px * CHANNELS + WORST]! < t1[i]! - t0[i]!) out[px * CHANNELS + WORST] = t1[i]! - t0[i]!
        continue
      }
      addSpan(out, CHANNELS, s, x0, x1, 1)
      if (f & IntervalFlag.Held && s !== State.Gil) addSpan(out, CHANNELS, HELD, x0, x1, 1)
      if (f & IntervalFlag.Gc) addSpan(out, CHANNELS, GC, x0, x1, 1)
      if (s === State.WaitGil || s === State.WaitLock) raiseSpan(out, CHANNELS, WORST, x0, x1, t1[i]! - t0[i]!)
    }
    this.addCounted(thread, win, out, fill)
  }

  private addCounted(thread: number, win: Window, out: Float32Array, fill: boolean): void {
    const { tallies } = this.rec
    const [from, to] = this.rec.threads[thread]!.tallies
    const last = lowerBound(tallies.t0, from, to, win.from + win.width * win.pixelNs)
    let into: Float32Array | null = fill ? null : out
    for (let i = last - 1; i >= from; i--) {
      const a = tallies.t0[i]!, b = tallies.t1[i]!
      if (b <= win.from && last - i > TALLIES_AT_ONCE) break
      const x0 = max(0, (a - win.from) / win.pixelNs), x1 = min(win.width - 1e-6, (b - win.from) / win.pixelNs)
      if (!(x1 > x0)) continue
      into ??= this.cleared(win.width * CHANNELS)
      const weight = tallies.ns[i]! / (b - a)
      addSpan(into, CHANNELS, tallies.state[i]!, x0, x1, weight)
      addSpan(into, CHANNELS, COUNTED, x0, x1, weight)
      if (tallies.flags[i]! & IntervalFlag.Held && tallies.state[i] !== State.Gil) addSpan(into, CHANNELS, HELD, x0, x1, weight)
    }
    if (!fill || !into) return
    for (let at = 0; at < win.width * CHANNELS; at += CHANNELS) {
      let free = 1
      for (let s = 0; s < STATES; s++) free -= out[at + s]!
      if (free < 1e-3 || !into[at + COUNTED]) continue
      const scale = free / into[at + COUNTED]!
      for (let c = 0; c <= COUNTED; c++) out[at + c]! += into[at + c]! * scale
    }
  }

  private cleared(length: number): Float32Array {
    if (this.scratch.length < length) this.scratch = f32(length)
    return this.scratch.fill(0, 0, length)
  }

  /* Adds a lock's shares (LOCK_CHANNELS a pixel); tells whether single holds may be drawn instead: their rows, or null. */
  addLock(lock: number, win: Window, rgb: Uint8Array, out: Float32Array): void {
    const { t0, t1, thread, flags, blocked, preempted } = this.rec.holds
    const [first, last] = visibleRows(t0, t1, this.rec.locks[lock]!.holds, win.from, win.from + win.width * win.pixelNs)
    const pyramid = last - first > ROWS_PER_BUCKET * win.width ? this.locks.get(lock) : undefined
    const level = pyramid && levelFor(pyramid, win.pixelNs)
    if (level) {
      addLevel(level, LOCK_CHANNELS, win, out)
      return
    }
    for (let i = first; i < last; i++) {
      const x0 = max(0, (t0[i]! - win.from) / win.pixelNs), x1 = min(win.width - 1e-6, (t1[i]! - win.from) / win.pixelNs)
      if (!(x1 > x0)) continue
      const who = thread[i]! * 3, length = t1[i]! - t0[i]!
      for (let c = 0; c < 3; c++) addSpan(out, LOCK_CHANNELS, c, x0, x1, rgb[who + c]! || 0)
      addSpan(out, LOCK_CHANNELS, HOLD, x0, x1, 1)
      const off = min(1, (blocked[i]! + preempted[i]!) / length)
      if (off > 0) addSpan(out, LOCK_CHANNELS, OFF_CPU, x0, x1, off)
      if (flags[i]! & HoldFlag.Forced) addSpan(out, LOCK_CHANNELS, FORCED, x0, x1, 1)
      raiseSpan(out, LOCK_CHANNELS, LONGEST, x0, x1, length)
    }
  }
}

/* What a thread did within a range: ns by channel (the last: the longest wait), from the rows.  Counted stretches are
 * shared out evenly over their time. */
export function sumsOf(rec: Recording, thread: number, from: number, to: number, out = f64(CHANNELS)): Float64Array {
  out.fill(0)
  const { t0, t1, state, flags } = rec.intervals
  const t = rec.threads[thread]!
  const [first, last] = visibleRows(t0, t1, t.intervals, from, to)
  for (let i = first; i < last; i++) {
    const ns = min(t1[i]!, to) - max(t0[i]!, from), s = state[i]!
    out[s]! += ns
    if (flags[i]! & IntervalFlag.Held && s !== State.Gil) out[HELD]! += ns
    if (flags[i]! & IntervalFlag.Gc) out[GC]! += ns
    if (s === State.WaitGil || s === State.WaitLock) out[WORST] = max(out[WORST]!, t1[i]! - t0[i]!)
  }
  const { tallies } = rec
  for (let i = t.tallies[0]; i < t.tallies[1]; i++) {
    const a = tallies.t0[i]!, b = tallies.t1[i]!
    const part = min(b, to) - max(a, from)
    if (!(part > 0)) continue
    const ns = (tallies.ns[i]! * part) / (b - a)
    out[tallies.state[i]!]! += ns
    out[COUNTED]! += ns
    if (tallies.flags[i]! & IntervalFlag.Held && tallies.state[i] !== State.Gil) out[HELD]! += ns
  }
  return out
}
