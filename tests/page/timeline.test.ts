import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NONE, State } from '../../viewer/html/page/data/recording'
import type { Focus } from '../../viewer/html/page/state'
import { baseLabel, tickStep, ticksOf } from '../../viewer/html/page/views/timeline/axis'
import { Pattern, STATE_PATTERN, holderColors, palette } from '../../viewer/html/page/views/timeline/colors'
import { creditsOf, factsOf, spoken } from '../../viewer/html/page/views/timeline/describe'
import { laneAt, lanesOf, layoutOf, matcher, threadTotals } from '../../viewer/html/page/views/timeline/lanes'
import type { Lane, LaneOptions } from '../../viewer/html/page/views/timeline/lanes'
import { beside, exists, handoffOf, hitLock, hitThread, holderOf, intervalAt, mainHolder, rangeOf, sampleNear, threadOf, waitOf } from '../../viewer/html/page/views/timeline/navigate'
import { worstShare } from '../../viewer/html/page/views/timeline/paint'
import { Places } from '../../viewer/html/page/views/timeline/places'
import { ordered } from '../../viewer/html/page/views/timeline/pointer'
import { synthetic } from './synthetic'

const rec = synthetic({ threads: 24, intervals: 20000, seed: 5, locks: 2, processes: 2 })
const totals = threadTotals(rec)
const options: LaneOptions = { group: true, sort: 'wait', filter: '', hideIdle: false, process: null, collapsed: new Set() }
const lanes = (o: Partial<LaneOptions> = {}) => lanesOf(rec, totals, { ...options, ...o })
const threads = (list: Lane[]) => list.flatMap((l) => (l.kind === 'thread' ? [l.thread] : []))

test('ticks are round and no more than asked for, from hours to nanoseconds', () => {
  for (let span = 50; span < 1e15; span *= 3.7) {
    const ticks = ticksOf(span * 0.37, span * 1.37, 10)
    assert.ok(ticks.times.length >= 1 && ticks.times.length <= 11, `${ticks.times.length} in ${span}`)
    for (const t of ticks.times) assert.ok(Math.abs(t / ticks.step - Math.round(t / ticks.step)) < 1e-6)
    assert.equal(new Set(ticks.times.map((t) => ticks.label(t))).size, ticks.times.length, `the same label twice: ${ticks.times.map((t) => ticks.label(t))}`)
  }
  assert.equal(tickStep(36000e9, 10), 3600e9)
  assert.equal(tickStep(1000, 10), 100)
})

test('labels of ticks', () => {
  const labels = (from: number, to: number, most: number) => { const t = ticksOf(from, to, most); return t.times.map((at) => t.label(at)) }
  assert.deepEqual(labels(0, 10e9, 5), ['0', '2 s', '4 s', '6 s', '8 s', '10 s'])
  assert.deepEqual(labels(0, 2e6, 4), ['0', '500 us', '1.0 ms', '1.5 ms', '2.0 ms'])
  assert.deepEqual(labels(0, 4 * 3600e9, 4), ['0', '1:00:00', '2:00:00', '3:00:00', '4:00:00'])
  const deep = ticksOf(12.3450001e9, 12.3450011e9, 5)
  assert.equal(baseLabel(deep.base!), '12.345 s')
  assert.equal(deep.label(deep.times[0]!), '+200 ns')
})

test('lanes: a header, the CPUs, the locks with the GIL first, then the threads', () => {
  const { lanes: list, hidden } = lanes()
  assert.equal(hidden, 0)
  assert.equal(threads(list).length, 24)
  const first = list.slice(0, 4).map((l) => l.kind)
  assert.deepEqual(first, ['process', 'cpu', 'lock', 'lock'])
  const lock = list[2]!
  assert.ok(lock.kind === 'lock' && rec.locks[lock.lock]!.kind === 'gil')
  assert.equal(list.filter((l) => l.kind === 'process').length, 2)
})

test('order by waits, by name, by start', () => {
  const of = (sort: LaneOptions['sort']) => threads(lanes({ sort, group: false }).lanes)
  const wait = of('wait').map((t) => totals.wait[t]!)
  for (let i = 1; i < wait.length; i++) assert.ok(wait[i - 1]! >= wait[i]!)
  assert.deepEqual(of('process'), rec.threads.map((_, i) => i))
  const names = of('name').map((t) => rec.threads[t]!.name)
  assert.ok(names.indexOf('http-io-9') < names.indexOf('http-io-10'), names.join())
})

test('filter by part of a name, number or regular expression; what is left out is counted', () => {
  const io = lanes({ filter: 'HTTP-io' })
  assert.ok(threads(io.lanes).length > 0 && threads(io.lanes).every((t) => rec.threads[t]!.name.startsWith('http-io')))
  assert.equal(threads(io.lanes).length + io.hidden, 24)
  assert.deepEqual(threads(lanes({ filter: '/^http-io-(3|5) /' }).lanes).map((t) => rec.threads[t]!.name).filter((n) => !/^http-io-[35]$/.test(n)), [])
  assert.equal(threads(lanes({ filter: '/(/' }).lanes).length, 0)
  assert.equal(threads(lanes({ filter: String(rec.threads[3]!.tid) }).lanes).length, 1)
  assert.ok(matcher('  ')('anything'))
})

test('idle threads, one process, collapsed ones', () => {
  const idle = rec.threads.flatMap((_, i) => (totals.idle[i] ? [i] : []))
  assert.ok(idle.length > 0 && idle.every((i) => rec.threads[i]!.name.startsWith('ThreadPoolExecutor')))
  const busy = lanes({ hideIdle: true })
  assert.equal(busy.hidden, idle.length)
  assert.ok(threads(lanes({ process: 1 }).lanes).every((t) => rec.threads[t]!.process === 1))
  const collapsed = lanes({ collapsed: new Set([0]) })
  assert.ok(threads(collapsed.lanes).every((t) => rec.threads[t]!.process === 1))
  assert.equal(collapsed.lanes.filter((l) => l.kind === 'process').length, 2)
})

test('which lane is at a height', () => {
  const layout = layoutOf(lanes().lanes)
  assert.equal(layout.compact, false)
  for (let i = 0; i < layout.lanes.length; i++) {
    assert.equal(laneAt(layout, layout.top[i]!), i)
    assert.equal(laneAt(layout, layout.top[i + 1]! - 0.5), i)
  }
  assert.equal(laneAt(layout, -1), -1)
  assert.equal(laneAt(layout, layout.top[layout.lanes.length]!), -1)
  const many = layoutOf(Array.from({ length: 500 }, (_, i): Lane => ({ kind: 'thread', thread: i, process: 0, label: '' })))
  assert.ok(many.compact && many.top[500]! < 500 * 14)
})

test('a point of a lane hits the interval there, a wait as the wait', () => {
  let waits = 0
  for (const thread of [0, 5, 9]) {
    const [from, to] = rec.threads[thread]!.intervals
    for (let i = from + 1; i < Math.min(to, from + 400); i++) {
      const t0 = rec.intervals.t0[i]!, t1 = rec.intervals.t1[i]!
      if (t1 - t0 < 1000) continue
      const hit = hitThread(rec, thread, t0 + (t1 - t0) / 2, t0 + (t1 - t0) / 2 + 1)!
      assert.equal(intervalAt(rec, thread, t0), i)
      assert.equal(hit.rows, 1)
      const wait = waitOf(rec, thread, i)
      assert.deepEqual(hit.focus, wait >= 0 ? { table: 'wait', row: wait } : { table: 'interval', row: i })
      if (wait >= 0) {
        waits++
        assert.ok(rec.waits.t0[wait] === t0 && rec.waits.t1[wait] === t1 && rec.waits.thread[wait] === thread)
      }
      assert.equal(threadOf(rec, hit.focus), thread)
    }
  }
  assert.ok(waits > 20)
})

test('a pixel of many rows hits their longest wait', () => {
  const hit = hitThread(rec, 0, 0, rec.durationNs)!
  assert.equal(hit.rows, rec.threads[0]!.intervals[1] - rec.threads[0]!.intervals[0])
  assert.equal(hit.focus.table, 'wait')
  const [from, to] = rec.threads[0]!.waits
  for (let w = from; w < to; w++) assert.ok(rec.waits.t1[w]! - rec.waits.t0[w]! <= rangeOf(rec, hit.focus).t1 - rangeOf(rec, hit.focus).t0)
  assert.equal(hitLock(rec, 0, 0, rec.durationNs)!.focus.table, 'hold')
  assert.equal(hitThread(rec, 0, rec.durationNs + 1, rec.durationNs + 2), null)
})

test('next and previous walk a whole lane and come back', () => {
  const [from, to] = rec.threads[2]!.intervals
  let f: Focus | null = hitThread(rec, 2, rec.intervals.t0[from]!, rec.intervals.t0[from]! + 1)!.focus
  const seen: Focus[] = []
  for (; f; f = beside(rec, f, 1)) seen.push(f)
  assert.equal(seen.length, to - from)
  for (let i = 1; i < seen.length; i++) {
    assert.ok(rangeOf(rec, seen[i]!).t0 >= rangeOf(rec, seen[i - 1]!).t1)
    assert.deepEqual(beside(rec, seen[i]!, -1), seen[i - 1])
  }
  assert.equal(beside(rec, seen[0]!, -1), null)
  const holds = rec.locks[0]!.holds
  assert.deepEqual(beside(rec, { table: 'hold', row: holds[0] }, 1), { table: 'hold', row: holds[0] + 1 })
  assert.equal(beside(rec, { table: 'hold', row: holds[1] - 1 }, 1), null)
})

test('from a wait to its hand-off and its holder, and along the convoy', () => {
  let found = 0, steps = 0
  for (let w = 0; w < rec.waits.n; w += 7) {
    const focus: Focus = { table: 'wait', row: w }
    if (rec.locks[rec.waits.lock[w]!]!.kind !== 'gil' || rec.waits.end[w] === 2) continue
    const row = handoffOf(rec, w)
    assert.ok(row >= 0, `wait ${w}`)
    assert.ok(rec.handoffs.to[row] === rec.waits.thread[w] && rec.handoffs.acquire[row] === rec.waits.t1[w])
    const holder = holderOf(rec, focus)!
    assert.equal(holder.table, 'hold')
    assert.equal(rec.holds.thread[holder.row], rec.handoffs.from[row])
    assert.equal(rec.holds.t1[holder.row], rec.handoffs.release[row])
    found++
    const before = holderOf(rec, holder)
    if (!before) continue
    assert.equal(before.table, 'wait')
    assert.equal(rec.waits.thread[before.row], rec.holds.thread[holder.row])
    assert.ok(rec.waits.t1[before.row]! <= rec.holds.t0[holder.row]! + 1e6)
    steps++
  }
  assert.ok(found > 100 && steps > 50, `${found} ${steps}`)
})

test('the holder who answers for most of a wait', () => {
  for (let w = 0; w < 200; w++) {
    const holder = mainHolder(rec, w)
    const sums = new Map<number, number>()
    for (const c of creditsOf(rec, w)) if (c.holder !== NONE) sums.set(c.holder, (sums.get(c.holder) ?? 0) + c.ns)
    if (sums.size) assert.equal(sums.get(holder), Math.max(...sums.values()))
  }
})

test('samples near a moment; rows that do not exist', () => {
  const thread = rec.threads.findIndex((t) => t.samples[1] > t.samples[0] + 3)
  const row = rec.threads[thread]!.samples[0] + 2
  assert.equal(sampleNear(rec, thread, rec.samples.t[row]! + 10, 100), row)
  assert.equal(sampleNear(rec, thread, rec.samples.t[row]! + 1e5, 10), -1)
  assert.equal(threadOf(rec, { table: 'sample', row }), thread)
  assert.ok(!exists(rec, { table: 'wait', row: rec.waits.n }) && exists(rec, { table: 'wait', row: 0 }))
})

test('the way back is the way there', () => {
  const places = new Places()
  const stops = [1, 2, 3].map((row) => ({ focus: { table: 'wait' as const, row }, visible: null }))
  stops.forEach((s) => places.push(s))
  assert.deepEqual([places.pop(), places.pop(), places.pop(), places.pop()], [stops[2], stops[1], stops[0], null])
  assert.deepEqual(ordered(5, 2), { t0: 2, t1: 5 })
})

test('rows in words', () => {
  const text = spoken(rec, { table: 'wait', row: 3 }, rec.waits.thread[3]!)
  assert.match(text, /waiting for/)
  const held = rec.intervals.flags.findIndex((f, i) => (f & 1) !== 0 && rec.intervals.state[i] === State.Blocked)
  assert.ok(held >= 0)
  assert.match(spoken(rec, { table: 'interval', row: held }, threadOf(rec, { table: 'interval', row: held })), /holding the GIL/)
  assert.ok(factsOf(rec, { table: 'interval', row: held }).some(([name, value]) => name === 'system call' && /fsync|write/.test(value)))
})

test('no state is told by colour alone, and long waits keep their weight', () => {
  for (const dark of [false, true]) assert.equal(palette(dark).states.length, 8)
  assert.equal(STATE_PATTERN[State.WaitGil], Pattern.Hatch)
  assert.equal(STATE_PATTERN[State.Blocked], Pattern.Dots)
  assert.equal(STATE_PATTERN[State.Runnable], Pattern.Cross)
  assert.equal(holderColors(3).length, 9)
  assert.ok(worstShare(1e8, 5e6) > worstShare(1e7, 5e6) && worstShare(1e6, 5e6) === 0)
})
