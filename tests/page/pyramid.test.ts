import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHANNELS, COUNTED, FORCED, GC, HELD, HOLD, LOCK_CHANNELS, LONGEST, OFF_CPU, Pyramids, RED, WORST, addLevel, addSpan, buildLock, buildThread, levelFor, lowerBound, sumsOf, upperBound, visibleRows } from '../../viewer/html/page/data/pyramid'
import { HoldFlag, IntervalFlag, State, STATES } from '../../viewer/html/page/data/recording'
import { holderColors } from '../../viewer/html/page/views/timeline/colors'
import { synthetic } from './synthetic'

const rec = synthetic({ threads: 20, intervals: 120000, seed: 3, locks: 1 })
const near = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)), `${what}: ${a} instead of ${b}`)

/* Straight from the rows, without the module under test. */
function exact(thread: number, from: number, to: number): Float64Array {
  const out = new Float64Array(CHANNELS)
  const t = rec.threads[thread]!
  const overlap = (a: number, b: number) => Math.max(0, Math.min(b, to) - Math.max(a, from))
  for (let i = t.intervals[0]; i < t.intervals[1]; i++) {
    const ns = overlap(rec.intervals.t0[i]!, rec.intervals.t1[i]!), s = rec.intervals.state[i]!
    if (ns === 0) continue
    out[s]! += ns
    if (rec.intervals.flags[i]! & IntervalFlag.Held && s !== State.Gil) out[HELD]! += ns
    if (rec.intervals.flags[i]! & IntervalFlag.Gc) out[GC]! += ns
    if (s === State.WaitGil || s === State.WaitLock) out[WORST] = Math.max(out[WORST]!, rec.intervals.t1[i]! - rec.intervals.t0[i]!)
  }
  for (let i = t.tallies[0]; i < t.tallies[1]; i++) {
    const ns = (overlap(rec.tallies.t0[i]!, rec.tallies.t1[i]!) * rec.tallies.ns[i]!) / (rec.tallies.t1[i]! - rec.tallies.t0[i]!)
    out[rec.tallies.state[i]!]! += ns
    out[COUNTED]! += ns
  }
  return out
}

test('every bucket of every level is the sum of the rows in it', () => {
  let worst = 0, counted = 0
  for (const thread of [0, 4, 6, rec.threads.findIndex((t) => t.name.startsWith('pinger'))]) {
    const pyramid = buildThread(rec, thread)
    assert.ok(pyramid.levels.length >= (thread < 7 ? 2 : 1), `${pyramid.levels.length}`)
    for (const level of pyramid.levels) {
      for (let b = 0; b < level.n; b += Math.max(1, level.n >> 5)) {
        const want = exact(thread, b * level.bucketNs, (b + 1) * level.bucketNs)
        for (let c = 0; c < CHANNELS; c++) near(level.data[b * CHANNELS + c]!, want[c]!, `thread ${thread} bucket ${b} of ${level.n} channel ${c}`)
        worst = Math.max(worst, want[WORST]!)
        counted += want[COUNTED]!
      }
      const all = exact(thread, 0, rec.durationNs)
      for (let c = 0; c < WORST; c++) {
        let sum = 0
        for (let b = 0; b < level.n; b++) sum += level.data[b * CHANNELS + c]!
        near(sum, all[c]!, `thread ${thread} level of ${level.n} channel ${c}`)
      }
    }
  }
  assert.ok(worst > 0 && counted > 0)
})

test('the longest wait is found at every level, wherever it lies', () => {
  for (let thread = 0; thread < rec.threads.length; thread++) {
    const [from, to] = rec.threads[thread]!.waits
    let longest = 0
    for (let w = from; w < to; w++) longest = Math.max(longest, rec.waits.t1[w]! - rec.waits.t0[w]!)
    for (const level of buildThread(rec, thread).levels) {
      let most = 0
      for (let b = 0; b < level.n; b++) most = Math.max(most, level.data[b * CHANNELS + WORST]!)
      assert.equal(most, longest)
    }
  }
})

test('a lock: time held, by forced holds, off the CPU', () => {
  const rgb = new Uint8Array(rec.threads.length * 3).fill(100)
  const { t0, t1, blocked, preempted, flags } = rec.holds
  const [from, to] = rec.locks[0]!.holds
  let held = 0, off = 0, forced = 0, longest = 0
  for (let i = from; i < to; i++) {
    held += t1[i]! - t0[i]!
    off += Math.min(t1[i]! - t0[i]!, blocked[i]! + preempted[i]!)
    if (flags[i]! & HoldFlag.Forced) forced += t1[i]! - t0[i]!
    longest = Math.max(longest, t1[i]! - t0[i]!)
  }
  assert.ok(off > 0 && forced > 0)
  for (const level of buildLock(rec, 0, rgb).levels) {
    const sum = new Float64Array(LOCK_CHANNELS)
    for (let b = 0; b < level.n; b++)
      for (let c = 0; c < LOCK_CHANNELS; c++) sum[c] = c === LONGEST ? Math.max(sum[c]!, level.data[b * LOCK_CHANNELS + c]!) : sum[c]! + level.data[b * LOCK_CHANNELS + c]!
    near(sum[HOLD]!, held, 'held')
    near(sum[RED]!, held * 100, 'colour')
    near(sum[OFF_CPU]!, off, 'off the CPU')
    near(sum[FORCED]!, forced, 'forced')
    assert.equal(sum[LONGEST], longest)
  }
})

test('pixels of a level and pixels of the rows show the same', () => {
  const pyramids = new Pyramids(rec, holderColors(rec.threads.length))
  for (const thread of [0, 4]) {
    for (const [from, span, width] of [[0, rec.durationNs, 200], [rec.durationNs * 0.3, rec.durationNs * 0.4, 97]] as const) {
      const win = { from, pixelNs: span / width, width }
      const level = levelFor(buildThread(rec, thread), win.pixelNs)
      assert.ok(level)
      const a = new Float32Array(width * CHANNELS), b = new Float32Array(width * CHANNELS)
      addLevel(level, CHANNELS, win, a)
      pyramids.addThread(thread, { ...win, width: width }, b)
      let sumA = 0, sumB = 0
      for (let x = 1; x < width - 1; x++)
        for (let s = 0; s < STATES; s++) {
          sumA += a[x * CHANNELS + s]!
          sumB += b[x * CHANNELS + s]!
        }
      assert.ok(Math.abs(sumA - sumB) < 0.01 * sumB, `${sumA} and ${sumB}`)
      for (let x = 0; x < width; x++) {
        let covered = 0
        for (let s = 0; s < STATES; s++) covered += a[x * CHANNELS + s]!
        assert.ok(covered < 1.0001, `pixel ${x} is covered ${covered}`)
      }
    }
  }
})

test('looked at closely, a pixel holds just its interval', () => {
  const pyramids = new Pyramids(rec, holderColors(rec.threads.length))
  const i = rec.threads[0]!.intervals[0] + 50
  const t0 = rec.intervals.t0[i]!, t1 = rec.intervals.t1[i]!
  const out = new Float32Array(100 * CHANNELS)
  pyramids.addThread(0, { from: t0, pixelNs: (t1 - t0) / 100, width: 100 }, out, true)
  for (let x = 0; x < 99; x++) assert.ok(Math.abs(out[x * CHANNELS + rec.intervals.state[i]!]! - 1) < 1e-4)
})

test('counted stretches fill the gaps and nothing else', () => {
  const thread = rec.threads.findIndex((t) => t.name.startsWith('pinger'))
  const pyramids = new Pyramids(rec, holderColors(rec.threads.length))
  const tally = rec.threads[thread]!.tallies[0]
  const from = rec.tallies.t0[tally]!, span = rec.tallies.t1[tally]! - from
  const out = new Float32Array(50 * CHANNELS)
  pyramids.addThread(thread, { from, pixelNs: span / 50, width: 50 }, out, true)
  for (let x = 1; x < 49; x++) {
    let covered = 0
    for (let s = 0; s < STATES; s++) covered += out[x * CHANNELS + s]!
    assert.ok(Math.abs(covered - 1) < 1e-3 && Math.abs(out[x * CHANNELS + COUNTED]! - 1) < 1e-3, `pixel ${x}: ${covered}`)
  }
  const before = rec.threads[thread]!.intervals[0]
  const clear = new Float32Array(50 * CHANNELS)
  pyramids.addThread(thread, { from: rec.intervals.t0[before]!, pixelNs: (rec.intervals.t1[before]! - rec.intervals.t0[before]!) / 50, width: 50 }, clear, true)
  assert.equal(clear[10 * CHANNELS + COUNTED], 0)
})

test('sums of a range', () => {
  for (const [from, to] of [[0, rec.durationNs], [1e9, 1.5e9], [rec.durationNs - 1e6, rec.durationNs]] as const)
    for (const thread of [0, 9, 11]) {
      const got = sumsOf(rec, thread, from, to), want = exact(thread, from, to)
      for (let c = 0; c < CHANNELS; c++) near(got[c]!, want[c]!, `channel ${c}`)
    }
})

test('spans, bounds and rows at their edges', () => {
  const out = new Float32Array(4)
  addSpan(out, 1, 0, 0.25, 2.5, 1)
  assert.deepEqual([...out], [0.75, 1, 0.5, 0])
  addSpan(out, 1, 0, 3.25, 3.5, 2)
  assert.equal(out[3], 0.5)
  assert.equal(lowerBound([1, 3, 3, 5], 0, 4, 3), 1)
  assert.equal(upperBound([1, 3, 3, 5], 0, 4, 3), 3)
  const t0 = Float64Array.of(0, 10, 20), t1 = Float64Array.of(10, 20, 30)
  assert.deepEqual(visibleRows(t0, t1, [0, 3], 10, 20), [1, 2])
  assert.deepEqual(visibleRows(t0, t1, [0, 3], 30, 40), [3, 3])
})
