/* Where flame graphs come from: pieces of the recording as weighted stacks, thread by thread, each in time order.  Pure.
 *
 * Weights are nanoseconds, of samples their number (unitNs turns both into time); all are whole numbers, so that sums are
 * exact in any order.  A row that lies partly in the range counts with that part; the credits of such a wait are cut in
 * proportion and still add up to the part.  A range, process and thread say whose rows count: of Blame the *waiters'*.  A
 * lock restricts waits to it, blocked time to that spent holding it, samples (which know no lock) to its process. */
import { f64, i32, max, min, round, u32 } from './math'
import type { Filter } from './aggregate'
import { printable, lockName, threadName } from '../ui/format'
import { HolderState, IntervalFlag, NONE, SampleFlag, State, type Recording, type Tallies } from './recording'
import type { FlameSource, Focus } from '../state'

/* What a box at the end of a stack says beyond its frames.  Numbers are part of the URL (zoom path): append only. */
export const LEAF_NONE = 0
export const LEAF_COUNTED = 1
export const LEAF_KERNEL = 2
export const LEAF_GC = 3
export const LEAF_WANTS_GIL = 4
export const LEAF_PREEMPTED = 5
export const LEAF_STATE_UNSEEN = 6
export const LEAF_HOLDER_UNSEEN = 7
/* Not leaves, but of the same kind: boxes without a frame. */
export const BOX_NO_STACK = 8
export const BOX_OUTER_MISSING = 9
const LEAF_SYSCALL = 16 /* + 4 * nr + CALL_… */
const CALL_HELD = 1
const CALL_SLEEP = 2
const LEAF_LOCK = 1 << 20
export const BOX_THREAD = 1 << 24
export const BOXES_END = 1 << 25

function syscallLeaf(nr: number, sleep: boolean, held: boolean): number {
  return LEAF_SYSCALL + 4 * nr + (sleep ? CALL_SLEEP : 0) + (held ? CALL_HELD : 0)
}

/* Which look a box has that is no frame. */
export type BoxKind = 'blocked' | 'preempted' | 'thread' | 'lock' | 'other'

export function boxKind(code: number): BoxKind {
  if (code >= BOX_THREAD) return 'thread'
  if (code >= LEAF_LOCK) return 'lock'
  if (code >= LEAF_SYSCALL) return 'blocked'
  return code === LEAF_PREEMPTED ? 'preempted' : 'other'
}

const BOX_TEXT: Record<number, string> = {
  [LEAF_COUNTED]: 'short ones that were only counted',
  [LEAF_KERNEL]: 'in the kernel',
  [LEAF_GC]: 'garbage collection',
  [LEAF_WANTS_GIL]: 'spinning for the GIL',
  [LEAF_PREEMPTED]: 'preempted: without a CPU',
  [LEAF_STATE_UNSEEN]: 'state not seen',
  [LEAF_HOLDER_UNSEEN]: 'holder not seen',
  [BOX_NO_STACK]: '(no stack taken)',
  [BOX_OUTER_MISSING]: '(outer frames not read)',
}

export function boxText(rec: Recording, code: number): string {
  if (code >= BOX_THREAD) {
    const thread = rec.threads[code - BOX_THREAD]
    return thread ? `${threadName(thread)} (${thread.tid})` : '(thread not known)'
  }
  if (code >= LEAF_LOCK) return `waiting for ${lockName(rec, code - LEAF_LOCK)}`
  if (code < LEAF_SYSCALL) return BOX_TEXT[code] ?? '?'
  const nr = (code - LEAF_SYSCALL) >> 2
  const verb = (code & CALL_SLEEP) !== 0 ? 'sleeping' : 'blocked'
  const held = (code & CALL_HELD) !== 0 ? ', GIL held' : ''
  if (nr === 0) return `${verb} outside a system call${held}`
  return `${verb} in ${rec.syscalls[nr - 1] ? `${printable(rec.syscalls[nr - 1]!)}()` : `system call ${nr - 1}`}${held}`
}

export interface SourceLook { title: string; width: string; items: [string, string]; table: Focus['table']; sampled: boolean }

/* title: of the picker; width: what the width of a box means; items: what is counted (one, many). */
export const SOURCES: Record<FlameSource, SourceLook> = {
  blame: { title: 'Blame', width: 'waiting for the GIL that its holder caused there', items: ['part of a wait', 'parts of waits'], table: 'wait', sampled: false },
  wait: { title: 'Waiting for the GIL', width: 'time spent waiting for the GIL there', items: ['wait', 'waits'], table: 'wait', sampled: false },
  gil: { title: 'Running with the GIL', width: 'time on a CPU with the GIL', items: ['sample', 'samples'], table: 'sample', sampled: true },
  nogil: { title: 'Running without it', width: 'time on a CPU without the GIL', items: ['sample', 'samples'], table: 'sample', sampled: true },
  blocked: { title: 'Blocked by system call', width: 'time blocked or sleeping in that call', items: ['stretch', 'stretches'], table: 'interval', sampled: false },
  locks: { title: 'Other locks', width: 'time spent waiting for locks that are no GIL', items: ['wait', 'waits'], table: 'wait', sampled: false },
}
export const SOURCE_ORDER: FlameSource[] = ['blame', 'wait', 'gil', 'nogil', 'blocked', 'locks']

export function unitNs(rec: Recording, source: FlameSource): number {
  return SOURCES[source].sampled ? (rec.sampleHz > 0 ? 1e9 / rec.sampleHz : 0) : 1
}

/* Takes the stacks of a source.  thread: whose stack it is (of Blame the holder, NONE when not seen); row: of the source's
 * table, NONE of what was only counted; items: how many of them it stands for.  group: the rows of this thread follow (of
 * Blame the waiter's). */
export interface Sink { group(thread: number): void; add(stack: number, leaf: number, weight: number, thread: number, row: number, items: number): void }

interface Clip { t0: number; t1: number }

function clipOf(filter: Filter): Clip {
  return filter.range ? { t0: round(filter.range.t0), t1: round(filter.range.t1) } : { t0: -Infinity, t1: Infinity }
}

function isGil(rec: Recording, lock: number): boolean {
  return rec.locks[lock]?.kind === 'gil'
}

/* The threads whose rows count. */
export function threadsOf(rec: Recording, filter: Filter): number[] {
  const ofLock = filter.lock === null ? null : (rec.locks[filter.lock]?.process ?? null)
  const threads: number[] = []
  rec.threads.forEach((thread, id) => {
    if (filter.thread !== null && filter.thread !== id) return
    if (filter.process !== null && filter.process !== thread.process) return
    if (ofLock === null || ofLock === thread.process) threads.push(id)
  })
  return threads
}

/* First row of [from, to) whose end is after t: rows of a thread follow each other. */
function firstEndingAfter(t1: Float64Array, from: number, to: number, t: number): number {
  while (from < to) {
    const mid = (from + to) >>> 1
    if (t1[mid]! > t) to = mid
    else from = mid + 1
  }
  return from
}

function addSamples(rec: Recording, threads: number[], clip: Clip, state: State, sink: Sink): void {
  const { t, state: states, flags, stack } = rec.samples
  for (const thread of threads) {
    sink.group(thread)
    const [from, to] = rec.threads[thread]!.samples
    for (let i = from; i < to; i++) {
      if (states[i] !== state || t[i]! < clip.t0 || t[i]! >= clip.t1) continue
      const f = flags[i]!
      const leaf = (f & SampleFlag.WantsGil) !== 0 && state === State.NoGil ? LEAF_WANTS_GIL
        : (f & SampleFlag.Gc) !== 0 ? LEAF_GC : (f & SampleFlag.Kernel) !== 0 ? LEAF_KERNEL : LEAF_NONE
      sink.add(stack[i]!, leaf, 1, thread, i, 1)
    }
  }
}

function addTallies(rec: Recording, thread: number, clip: Clip, lock: number | null, wanted: (t: Tallies, i: number) => boolean, owner: number, sink: Sink): void {
  const tallies = rec.tallies
  const [from, to] = rec.threads[thread]!.tallies
  for (let i = from; i < to; i++) {
    if (!wanted(tallies, i) || (lock !== null && tallies.lock[i] !== lock)) continue
    const t0 = tallies.t0[i]!, t1 = tallies.t1[i]!
    const part = t1 > t0 ? max(0, min(t1, clip.t1) - max(t0, clip.t0)) / (t1 - t0) : t0 >= clip.t0 && t0 < clip.t1 ? 1 : 0
    const weight = round(tallies.ns[i]! * part)
    if (weight > 0) sink.add(0, LEAF_COUNTED, weight, owner, NONE, max(1, round(tallies.count[i]! * part)))
  }
}

function addWaits(rec: Recording, threads: number[], clip: Clip, lock: number | null, gil: boolean, sink: Sink): void {
  const { t0, t1, lock: locks, stack } = rec.waits
  const wanted = rec.locks.map((l, id) => (l.kind === 'gil') === gil && (lock === null || lock === id))
  for (const thread of threads) {
    sink.group(thread)
    const [from, to] = rec.threads[thread]!.waits
    for (let i = firstEndingAfter(t1, from, to, clip.t0); i < to && t0[i]! < clip.t1; i++) {
      const weight = min(t1[i]!, clip.t1) - max(t0[i]!, clip.t0)
      if (weight > 0 && (wanted[locks[i]!] ?? !gil)) sink.add(stack[i]!, gil ? LEAF_NONE : LEAF_LOCK + locks[i]!, weight, thread, i, 1)
    }
    const state = gil ? State.WaitGil : State.WaitLock
    addTallies(rec, thread, clip, lock, (t, k) => t.state[k] === state, thread, sink)
  }
}

function creditLeaf(rec: Recording, c: number): number {
  const { state, nr, holder } = rec.credits
  if (holder[c] === NONE) return LEAF_HOLDER_UNSEEN
  if (state[c] === HolderState.Blocked) return syscallLeaf(nr[c]!, false, false)
  return state[c] === HolderState.Preempted ? LEAF_PREEMPTED : state[c] === HolderState.Running ? LEAF_NONE : LEAF_STATE_UNSEEN
}

function addBlame(rec: Recording, threads: number[], clip: Clip, lock: number | null, sink: Sink): void {
  const { t0, t1, lock: locks, credits } = rec.waits
  const { ns, stack, holder } = rec.credits
  const wanted = rec.locks.map((l, id) => l.kind === 'gil' && (lock === null || lock === id))
  for (const thread of threads) {
    sink.group(thread)
    const [from, to] = rec.threads[thread]!.waits
    for (let i = firstEndingAfter(t1, from, to, clip.t0); i < to && t0[i]! < clip.t1; i++) {
      if (!wanted[locks[i]!]) continue
      const length = t1[i]! - t0[i]!
      const share = length > 0 ? (min(t1[i]!, clip.t1) - max(t0[i]!, clip.t0)) / length : 0
      let before = 0, upTo = 0
      for (let c = credits[i]!; c < credits[i + 1]!; c++) {
        upTo += ns[c]!
        const cut = share === 1 ? upTo : round(upTo * share)
        if (cut > before) sink.add(stack[c]!, creditLeaf(rec, c), cut - before, holder[c]!, i, 1)
        before = cut
      }
    }
    addTallies(rec, thread, clip, lock, (t, k) => t.state[k] === State.WaitGil, NONE, sink)
  }
}

function addBlocked(rec: Recording, threads: number[], clip: Clip, lock: number | null, sink: Sink): void {
  const { t0, t1, state, flags, nr, lock: locks, stack } = rec.intervals
  for (const thread of threads) {
    sink.group(thread)
    const [from, to] = rec.threads[thread]!.intervals
    for (let i = firstEndingAfter(t1, from, to, clip.t0); i < to && t0[i]! < clip.t1; i++) {
      const s = state[i]!
      if ((s !== State.Blocked && s !== State.Sleep) || (lock !== null && locks[i] !== lock)) continue
      const weight = min(t1[i]!, clip.t1) - max(t0[i]!, clip.t0)
      if (weight > 0) sink.add(stack[i]!, syscallLeaf(nr[i]!, s === State.Sleep, (flags[i]! & IntervalFlag.Held) !== 0), weight, thread, i, 1)
    }
    addTallies(rec, thread, clip, lock, (t, k) => t.state[k] === State.Blocked || t.state[k] === State.Sleep, thread, sink)
  }
}

export function readSource(rec: Recording, source: FlameSource, filter: Filter, sink: Sink): void {
  const threads = threadsOf(rec, filter), clip = clipOf(filter)
  if (source === 'gil') addSamples(rec, threads, clip, State.Gil, sink)
  else if (source === 'nogil') addSamples(rec, threads, clip, State.NoGil, sink)
  else if (source === 'wait') addWaits(rec, threads, clip, filter.lock, true, sink)
  else if (source === 'blame') addBlame(rec, threads, clip, filter.lock, sink)
  else if (source === 'blocked') addBlocked(rec, threads, clip, filter.lock, sink)
  else addWaits(rec, threads, clip, filter.lock, false, sink)
}

/* total: in the source's unit */
export function sourceSize(rec: Recording, source: FlameSource, filter: Filter): { total: number; rows: number; threads: number } {
  let total = 0, rows = 0
  readSource(rec, source, filter, {
    group: () => {},
    add: (_stack, _leaf, weight) => {
      total += weight
      rows++
    },
  })
  return { total, rows, threads: threadsOf(rec, filter).length }
}

/* Why a source has nothing to show. */
export function whyEmpty(rec: Recording, source: FlameSource, filter: Filter): string {
  const filtered = filter.range || filter.process !== null || filter.thread !== null || filter.lock !== null
  if (SOURCES[source].sampled) {
    if (!(rec.sampleHz > 0)) return 'no samples: recorded with -r 0'
    if (!rec.samples.n) return 'no samples: no thread was seen on a CPU'
    return `no samples of threads running ${source === 'gil' ? 'with' : 'without'} the GIL${filtered ? ' in what is selected' : ''}`
  }
  if (source === 'locks' && filter.lock !== null && isGil(rec, filter.lock)) return 'the chosen lock is a GIL: its waits are under Waiting for the GIL'
  if ((source === 'wait' || source === 'blame') && filter.lock !== null && !isGil(rec, filter.lock)) return 'the chosen lock is no GIL: its waits are under Other locks'
  const what = source === 'blocked' ? 'was blocked in a system call' : source === 'locks' ? 'waited for another lock' : 'waited for the GIL'
  return `no thread ${what}${filtered ? ' in what is selected' : ''}`
}

/* Pairs of numbers to dense numbers in order of appearance: open addressing, as a Map of a million keys is too slow. */
export class PairIndex {
  n = 0
  a = i32(512)
  b = i32(512)
  private slots = i32(1024)
  private mask = 1023

  /* -1: not there */
  find(a: number, b: number): number {
    for (let at = this.hash(a, b); ; at = (at + 1) & this.mask) {
      const i = this.slots[at]! - 1
      if (i < 0) return -1
      if (this.a[i] === a && this.b[i] === b) return i
    }
  }

  of(a: number, b: number): number {
    let at = this.hash(a, b)
    for (; ; at = (at + 1) & this.mask) {
      const i = this.slots[at]! - 1
      if (i < 0) break
      if (this.a[i] === a && this.b[i] === b) return i
    }
    if (this.n === this.a.length) {
      this.rehash()
      for (at = this.hash(a, b); this.slots[at]; at = (at + 1) & this.mask);
    }
    this.a[this.n] = a
    this.b[this.n] = b
    this.slots[at] = ++this.n
    return this.n - 1
  }

  private hash(a: number, b: number): number {
    const h = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0x9e3779b1)
    return (h ^ (h >>> 15)) & this.mask
  }

  private rehash(): void {
    const a = i32(this.n * 2), b = i32(this.n * 2)
    a.set(this.a)
    b.set(this.b)
    this.a = a
    this.b = b
    this.slots = i32(this.n * 4)
    this.mask = this.n * 4 - 1
    for (let i = 0; i < this.n; i++) {
      let at = this.hash(a[i]!, b[i]!)
      while (this.slots[at]) at = (at + 1) & this.mask
      this.slots[at] = i + 1
    }
  }
}

/* Equal stacks are one, with the row of the largest: for the merged layouts.  byThread: those of two threads are two. */
export class StackSums implements Sink {
  total = 0
  items = 0
  private readonly pairs = new PairIndex()
  private readonly ends = new PairIndex() /* (leaf, thread) */
  private sums = f64(512)
  private counts = f64(512)
  private largest = f64(512)
  private rows = u32(512)

  constructor(private readonly byThread: boolean) {}

  group(): void {}

  add(stack: number, leaf: number, weight: number, thread: number, row: number, items: number): void {
    const i = this.pairs.of(stack, this.byThread ? this.ends.of(leaf, thread | 0) : leaf)
    if (i >= this.sums.length) this.grow()
    this.sums[i]! += weight
    this.counts[i]! += items
    this.total += weight
    this.items += items
    if (weight > this.largest[i]! && row !== NONE) {
      this.largest[i] = weight
      this.rows[i] = row
    }
  }

  get n(): number {
    return this.pairs.n
  }
  stack(i: number): number {
    return this.pairs.a[i]!
  }
  leaf(i: number): number {
    return this.byThread ? this.ends.a[this.pairs.b[i]!]! : this.pairs.b[i]!
  }
  /* NONE: not asked for, or not known. */
  thread(i: number): number {
    return this.byThread ? this.ends.b[this.pairs.b[i]!]! >>> 0 : NONE
  }
  weight(i: number): number {
    return this.sums[i]!
  }
  count(i: number): number {
    return this.counts[i]!
  }
  /* The largest single one, and its row (NONE: only counted). */
  largestOf(i: number): number {
    return this.largest[i]!
  }
  rowOf(i: number): number {
    return this.largest[i]! > 0 ? this.rows[i]! : NONE
  }

  private grow(): void {
    const size = this.sums.length * 2
    const widen = <T extends Uint32Array | Float64Array>(old: T, wide: T): T => (wide.set(old), wide)
    this.sums = widen(this.sums, f64(size))
    this.counts = widen(this.counts, f64(size))
    this.largest = widen(this.largest, f64(size))
    this.rows = widen(this.rows, u32(size))
  }
}
