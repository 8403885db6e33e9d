/* A plausible recording of any size, for tests and measurements: a small simulation of threads around a GIL.  Not for
 * statistics about Python; for rows that obey every rule of page/data/recording.ts.  The same options give the same rows. */
import { HoldFlag, HolderState, IntervalFlag, NONE, SampleFlag, State, WaitEnd } from '../../viewer/html/page/data/recording'
import type { Lock, Process, Recording, Thread } from '../../viewer/html/page/data/recording'
import { factsOf } from './synthetic_facts'
import { StackMaker, random } from './synthetic_stacks'
import type { Random } from './synthetic_stacks'

export interface SyntheticOptions { threads: number; intervals: number; seed: number; locks?: number; processes?: number }

const SWITCH_NS = 5e6
const SAMPLE_HZ = 99
const SLICE_NS = 1e8
const CREDITS_KEPT = 6
const READ = 0, WRITE = 1, FSYNC = 74, FUTEX = 202, NANOSLEEP = 35, RECV = 45, EPOLL = 232

type Kind = 'cpu' | 'io' | 'native' | 'logger' | 'counted' | 'idle'
/* Columns while they grow. */
type Rows = number[][]
const rows = (columns: number): Rows => Array.from({ length: columns }, () => [])
function push(into: Rows, ...values: number[]): void {
  for (let i = 0; i < values.length; i++) into[i]!.push(values[i]!)
}

interface Actor { id: number; kind: Kind; at: number; left: number; intervals: Rows; waits: Rows; credits: number[][]; tallies: Rows; samples: Rows; nextSample: number }
interface Segment { t0: number; t1: number; holder: number; state: HolderState; nr: number; stack: number }

class Simulation {
  readonly actors: Actor[] = []
  private waiters: { actor: Actor; since: number; afterForced: boolean }[] = []
  private outside: Actor[] = []
  private segments: Segment[] = []
  private locksFree: number[]
  private last = NONE
  private lastForced = false
  now = 0
  intervals = 0
  readonly holds: Rows[]
  readonly handoffs: Rows[]

  constructor(kinds: Kind[], firstThread: number, readonly gil: number, readonly others: number[], private rnd: Random, private stacks: StackMaker) {
    this.holds = [gil, ...others].map(() => rows(8))
    this.handoffs = [gil, ...others].map(() => rows(7))
    this.locksFree = others.map(() => 0)
    kinds.forEach((kind, i) => {
      const actor: Actor = { id: firstThread + i, kind, at: Math.floor(rnd.next() * 2e6), left: 0, intervals: rows(7), waits: rows(10), credits: [], tallies: rows(7), samples: rows(4), nextSample: Math.floor(rnd.next() * 1e9 / SAMPLE_HZ) }
      this.actors.push(actor)
      if (kind === 'idle') return
      if (actor.at > 0) this.interval(actor, 0, actor.at, State.Sleep, IntervalFlag.AtStart, NANOSLEEP + 1, NONE, this.stack(actor))
      this.outside.push(actor)
    })
  }

  private stack(actor: Actor): number {
    return this.stacks.of(actor.kind, actor.id)
  }

  private interval(a: Actor, t0: number, t1: number, state: State, flags: number, nr: number, lock: number, stack: number): void {
    if (t1 <= t0) return
    push(a.intervals, t0, t1, state, flags, nr, lock, stack)
    this.intervals++
    if (state !== State.Gil && state !== State.NoGil) return
    const period = Math.round(1e9 / SAMPLE_HZ)
    if (a.nextSample < t0) a.nextSample += Math.ceil((t0 - a.nextSample) / period) * period
    for (; a.nextSample < t1; a.nextSample += period)
      push(a.samples, a.nextSample, state, (flags & IntervalFlag.Gc ? SampleFlag.Gc : 0) | (this.rnd.next() < 0.1 ? SampleFlag.Kernel : 0), this.stack(a))
  }

  /* Which holders answer for [since, until), in whole nanoseconds; what nobody held goes to an unknown holder. */
  private credit(since: number, until: number): number[] {
    const parts = new Map<number, number[]>()
    let left = until - since
    for (let i = this.segments.length - 1; i >= 0 && this.segments[i]!.t1 > since; i--) {
      const s = this.segments[i]!
      const ns = Math.min(s.t1, until) - Math.max(s.t0, since)
      if (ns <= 0) continue
      const key = (s.holder * 4 + s.state) * 65536 + s.stack
      const part = parts.get(key)
      if (part) part[4]! += ns
      else parts.set(key, [s.holder, s.state, s.nr, s.stack, ns])
      left -= ns
    }
    const out = [...parts.values()].sort((a, b) => b[4]! - a[4]!)
    for (const part of out.splice(CREDITS_KEPT)) left += part[4]!
    if (left > 0) out.push([NONE, HolderState.Unknown, 0, 0, left])
    return out.flat()
  }

  private wait(a: Actor, lock: number, t0: number, t1: number, stack: number, end: WaitEnd, waker: number, credits: number[]): void {
    push(a.waits, lock, t0, t1, stack, end, 0, 1 + Math.floor((t1 - t0) / SWITCH_NS), Math.min(t1 - t0, 3000 + this.rnd.below(40000)), waker, a.id)
    a.credits.push(credits)
  }

  private arrive(): void {
    for (let i = 0; i < this.outside.length; i++) {
      const actor = this.outside[i]!
      if (actor.at > this.now) continue
      this.waiters.push({ actor, since: actor.at, afterForced: false })
      this.outside[i--] = this.outside[this.outside.length - 1]!
      this.outside.pop()
    }
  }

  private nextArrival(): number {
    let at = Infinity
    for (const actor of this.outside) if (actor.at < at) at = actor.at
    return at
  }

  /* One hold, from taking the GIL to letting it go. */
  private turn(): void {
    if (!this.waiters.length) this.now = Math.max(this.now, this.nextArrival())
    this.arrive()
    this.waiters.sort((x, y) => x.since - y.since)
    const pick = this.waiters.length > 1 && (this.rnd.next() < 0.2 || this.waiters[0]!.actor.id === this.last) ? 1 : 0
    const { actor, since } = this.waiters.splice(pick, 1)[0]!
    let begin = since
    if (since < this.now) {
      begin = this.now + 3000 + this.rnd.below(25000)
      const stack = this.stack(actor)
      this.interval(actor, since, begin, State.WaitGil, 0, 0, this.gil, stack)
      this.wait(actor, this.gil, since, begin, stack, this.lastForced ? WaitEnd.Forced : WaitEnd.Voluntary, this.last, this.credit(since, begin))
      push(this.handoffs[0]!, this.gil, this.last, actor.id, this.now, begin, this.lastForced ? 1 : 0, this.segments.at(-1)?.stack ?? 0)
    }
    this.hold(actor, begin)
  }

  private burst(actor: Actor): number {
    const r = this.rnd
    switch (actor.kind) {
      case 'cpu': return 5e7 + r.below(2e8)
      case 'native': return 2e5 + r.below(3e6)
      case 'logger': return 1e5 + r.below(4e5)
      default: return 8000 + r.below(r.next() < 0.05 ? 3e6 : 120000)
    }
  }

  private hold(actor: Actor, t0: number): void {
    const r = this.rnd
    if (actor.left <= 0) actor.left = this.burst(actor)
    const request = this.waiters.length ? t0 + SWITCH_NS : this.nextArrival() + SWITCH_NS
    /* a holder asleep in a system call does not see the request */
    const blocked = actor.kind === 'logger' && r.next() < 0.6 ? 2e5 + r.below(r.next() < 0.1 ? 3e7 : 2e6) : 0
    const ready = Math.max(request, t0) + r.below(40000)
    const forced = !blocked && ready < t0 + actor.left
    const t1 = forced ? ready : t0 + actor.left + blocked
    actor.left -= t1 - t0
    if (!forced) actor.left = 0
    const stack = this.stack(actor)
    let preempted = 0
    const segment = (from: number, to: number, state: State, flags: number, nr: number, seen: HolderState) => {
      if (to <= from) return
      this.interval(actor, from, to, state, flags, nr, this.gil, stack)
      this.segments.push({ t0: from, t1: to, holder: actor.id, state: seen, nr, stack })
    }
    const length = t1 - t0
    let flags = 0
    if (blocked) {
      const middle = t0 + Math.floor((length - blocked) / 2)
      segment(t0, middle, State.Gil, 0, 0, HolderState.Running)
      segment(middle, middle + blocked, State.Blocked, IntervalFlag.Held, (r.next() < 0.5 ? FSYNC : WRITE) + 1, HolderState.Blocked)
      segment(middle + blocked, t1, State.Gil, 0, 0, HolderState.Running)
    } else if (length > 1e6 && r.next() < 0.03) {
      const middle = t0 + Math.floor(length * 0.4)
      preempted = Math.floor(length * 0.3)
      segment(t0, middle, State.Gil, 0, 0, HolderState.Running)
      segment(middle, middle + preempted, State.Runnable, IntervalFlag.Held, 0, HolderState.Preempted)
      segment(middle + preempted, t1, State.Gil, IntervalFlag.Inferred, 0, HolderState.Running)
    } else {
      const gc = length > 1e6 && r.next() < 0.03
      if (gc) flags |= HoldFlag.Gc
      segment(t0, t1, State.Gil, gc ? IntervalFlag.Gc : 0, 0, HolderState.Running)
    }
    if (this.segments.length > 20000) this.segments.splice(0, 10000)
    push(this.holds[0]!, this.gil, actor.id, t0, t1, blocked, preempted, flags | (forced ? HoldFlag.Forced : 0), stack)
    this.now = t1
    this.last = actor.id
    this.lastForced = forced
    if (forced) this.waiters.push({ actor, since: t1, afterForced: true })
    else this.leave(actor, t1)
  }

  /* What a thread does without the GIL until it wants it again. */
  private leave(actor: Actor, from: number): void {
    const r = this.rnd
    const stack = this.stack(actor)
    let t = from
    const then = (ns: number, state: State, nr: number) => {
      this.interval(actor, t, t + ns, state, 0, nr, NONE, stack)
      t += ns
    }
    if (actor.kind === 'counted') t = this.count(actor, t)
    else if (actor.kind === 'native') then(1e6 + r.below(2e7), State.NoGil, 0)
    else if (actor.kind === 'cpu') then(1e6 + r.below(4e6), State.Blocked, READ + 1)
    else {
      then(2000 + r.below(8000), State.NoGil, 0)
      if (this.others.length && r.next() < 0.06) t = this.otherLock(actor, t)
      const idle = (actor.kind === 'logger' ? 5e6 : 1e6) * Math.max(8, this.actors.length)
      then(50000 + r.below(idle), r.next() < 0.05 ? State.Sleep : State.Blocked, (r.next() < 0.5 ? RECV : EPOLL) + 1)
      if (r.next() < 0.2) then(2000 + r.below(60000), State.Runnable, 0)
    }
    actor.at = t
    this.outside.push(actor)
  }

  private otherLock(actor: Actor, from: number): number {
    const index = this.rnd.below(this.others.length)
    const lock = this.others[index]!
    const to = from + 20000 + this.rnd.below(2e6)
    const stack = this.stack(actor)
    const holder = this.actors[this.rnd.below(this.actors.length)]!.id
    const since = Math.max(this.locksFree[index]!, from - 100000)
    this.interval(actor, from, to, State.WaitLock, 0, FUTEX + 1, lock, stack)
    this.wait(actor, lock, from, to, stack, WaitEnd.Voluntary, holder, [holder, HolderState.Running, 0, stack, to - from])
    if (since < to) {
      push(this.holds[1 + index]!, lock, holder, since, to, 0, 0, 0, stack)
      push(this.handoffs[1 + index]!, lock, holder, actor.id, to, to, 0, stack)
      this.locksFree[index] = to
    }
    return to
  }

  /* 100 ms of which only the sums are known. */
  private count(a: Actor, from: number): number {
    const to = from + 1e8
    push(a.tallies, from, to, State.Gil, 0, this.gil, 900, 9e6)
    push(a.tallies, from, to, State.NoGil, 0, NONE, 900, 4e6)
    push(a.tallies, from, to, State.WaitGil, 0, this.gil, 700 + this.rnd.below(200), 3e7)
    push(a.tallies, from, to, State.Blocked, 0, NONE, 800, 5.7e7)
    return to
  }

  run(until: number): void {
    while (this.now < until && (this.waiters.length || this.outside.length)) this.turn()
    this.now = Math.max(this.now, until)
  }

  /* The waits that never ended, and the threads that never did anything. */
  finish(end: number): void {
    for (const { actor, since } of this.waiters) {
      if (since >= end) continue
      const stack = this.stack(actor)
      this.interval(actor, since, end, State.WaitGil, IntervalFlag.Unfinished, 0, this.gil, stack)
      this.wait(actor, this.gil, since, end, stack, WaitEnd.Unfinished, NONE, this.credit(since, end))
    }
    for (const a of this.actors)
      if (a.kind === 'idle') this.interval(a, 0, end, State.Sleep, IntervalFlag.AtStart | IntervalFlag.Unfinished, NANOSLEEP + 1, NONE, this.stack(a))
  }
}

function kindsOf(n: number): Kind[] {
  const cpu = Math.max(1, Math.min(2, Math.floor(n / 5)))
  const some = Math.min(8, Math.floor(n / 8))
  const kinds: Kind[] = []
  for (let i = 0; i < n; i++)
    kinds.push(i < cpu ? 'cpu' : i < cpu + some ? 'native' : i < cpu + 2 * some ? 'logger'
      : i < cpu + 2 * some + Math.min(2, Math.floor(n / 12)) ? 'counted' : n > 8 && (i % 7 === 0 || i > 200) ? 'idle' : 'io')
  return kinds
}

const NAMES: Record<Kind, string> = { cpu: 'compute', io: 'http-io', native: 'numpy', logger: 'logger', counted: 'pinger', idle: 'ThreadPoolExecutor' }

/* Rows of all threads, cut at the end of the recording. */
function join(parts: Rows[], columns: number, t0: number, t1: number, end: number): { ranges: [number, number][]; out: Rows; kept: number[][] } {
  const out = rows(columns)
  const ranges: [number, number][] = []
  const kept: number[][] = []
  for (const part of parts) {
    const from = out[0]!.length
    const mine: number[] = []
    for (let i = 0; i < part[0]!.length; i++) {
      if (part[t0]![i]! >= end) continue
      mine.push(i)
      for (let c = 0; c < columns; c++) out[c]!.push(c === t1 ? Math.min(part[c]![i]!, end) : part[c]![i]!)
    }
    ranges.push([from, out[0]!.length])
    kept.push(mine)
  }
  return { ranges, out, kept }
}

const f64 = (a: number[]) => Float64Array.from(a)
const u32 = (a: number[]) => Uint32Array.from(a)
const u16 = (a: number[]) => Uint16Array.from(a)
const u8 = (a: number[]) => Uint8Array.from(a)

function syscallNames(): string[] {
  const names: string[] = new Array<string>(300).fill('')
  for (const [nr, name] of [[READ, 'read'], [WRITE, 'write'], [FSYNC, 'fsync'], [FUTEX, 'futex'], [NANOSLEEP, 'nanosleep'], [RECV, 'recvfrom'], [EPOLL, 'epoll_wait']] as const) names[nr] = name
  return names
}

export function synthetic(options: SyntheticOptions): Recording {
  const processCount = Math.max(1, Math.min(options.processes ?? 1, options.threads))
  const rnd = random(options.seed)
  const maker = new StackMaker(rnd)
  const processes: Process[] = [], threads: Thread[] = [], locks: Lock[] = []
  const simulations: Simulation[] = []
  for (let p = 0; p < processCount; p++) {
    const n = Math.floor((options.threads * (p + 1)) / processCount) - Math.floor((options.threads * p) / processCount)
    const kinds = kindsOf(n)
    processes.push({ pid: 4000 + 17 * p, name: p ? `worker-${p}` : 'server.py', runtime: 'CPython 3.12.3', switchIntervalNs: SWITCH_NS })
    const gil = locks.length
    const lock = (kind: string, name: string, addr: string) => locks.push({ process: p, kind, idle: false, label: kind === 'gil' ? name : addr, where: '', name, holds: [0, 0], handoffs: [0, 0] })
    lock('gil', 'GIL', '0x7f31c0a4' + (4096 + p).toString(16))
    const others: number[] = []
    for (let i = 0; i < (options.locks ?? 0); i++) {
      const addr = '0x7f31' + (0x20000000 + i * 64 + p * 4096).toString(16)
      others.push(locks.length)
      lock('futex', 'futex ' + addr, addr)
    }
    simulations.push(new Simulation(kinds, threads.length, gil, others, rnd, maker))
    kinds.forEach((kind, i) => threads.push({ process: p, tid: 4000 + 17 * p + i, name: i ? `${NAMES[kind]}-${i}` : 'MainThread', main: i === 0, first: 0, last: 0, intervals: [0, 0], waits: [0, 0], tallies: [0, 0], samples: [0, 0] }))
  }
  let end = 0
  const count = () => simulations.reduce((n, s) => n + s.intervals, 0)
  /* small recordings end in the middle of a slice */
  const slice = Math.max(1e6, Math.min(SLICE_NS, options.intervals * 2e4))
  do {
    end += slice
    for (const s of simulations) s.run(end)
  } while (count() < options.intervals)
  for (const s of simulations) s.finish(end)
  return assemble(end, processes, threads, locks, simulations, maker)
}

function assemble(end: number, processes: Process[], threads: Thread[], locks: Lock[], simulations: Simulation[], maker: StackMaker): Recording {
  const actors = simulations.flatMap((s) => s.actors)
  const iv = join(actors.map((a) => a.intervals), 7, 0, 1, end)
  const wt = join(actors.map((a) => a.waits), 10, 1, 2, end)
  const tl = join(actors.map((a) => a.tallies), 7, 0, 1, end)
  const sm = join(actors.map((a) => a.samples), 4, 0, -1, end)
  threads.forEach((t, i) => {
    t.intervals = iv.ranges[i]!
    t.waits = wt.ranges[i]!
    t.tallies = tl.ranges[i]!
    t.samples = sm.ranges[i]!
    t.last = end
  })
  for (let i = 0; i < tl.out[0]!.length; i++) tl.out[6]![i] = Math.min(tl.out[6]![i]!, Math.floor((tl.out[1]![i]! - tl.out[0]![i]!) / 4))
  const credits = creditRows(actors, wt.kept, wt.out)
  const perLock = (part: Rows[], columns: number, t0: number, t1: number, key: 'holds' | 'handoffs') => {
    const joined = join(part, columns, t0, t1, end)
    joined.ranges.forEach((range, i) => { locks[i]![key] = range })
    return joined.out
  }
  const holds = perLock(simulations.flatMap((s) => s.holds), 8, 2, 3, 'holds')
  const handoffs = perLock(simulations.flatMap((s) => s.handoffs), 7, 4, -1, 'handoffs')
  const [i, w, t, s] = [iv.out, wt.out, tl.out, sm.out]
  const recording: Recording = {
    facts: null as never,
    durationNs: end, sampleHz: SAMPLE_HZ, startRealNs: 1763725200e9,
    strings: maker.strings, processes, threads, locks, syscalls: syscallNames(), stacks: maker.done(),
    intervals: { n: i[0]!.length, t0: f64(i[0]!), t1: f64(i[1]!), state: u8(i[2]!), flags: u8(i[3]!), nr: u16(i[4]!), lock: u32(i[5]!), stack: u32(i[6]!) },
    waits: { n: w[0]!.length, thread: u32(w[9]!), lock: u32(w[0]!), t0: f64(w[1]!), t1: f64(w[2]!), stack: u32(w[3]!), end: u8(w[4]!), flags: u8(w[5]!), sleeps: u32(w[6]!), wakeLatency: f64(w[7]!), waker: u32(w[8]!), credits: u32(credits.offsets) },
    credits: { n: credits.out[0]!.length, holder: u32(credits.out[0]!), state: u8(credits.out[1]!), nr: u16(credits.out[2]!), stack: u32(credits.out[3]!), ns: f64(credits.out[4]!) },
    holds: { n: holds[0]!.length, lock: u32(holds[0]!), thread: u32(holds[1]!), t0: f64(holds[2]!), t1: f64(holds[3]!), blocked: f64(holds[4]!), preempted: f64(holds[5]!), flags: u8(holds[6]!), stack: u32(holds[7]!) },
    handoffs: { n: handoffs[0]!.length, lock: u32(handoffs[0]!), from: u32(handoffs[1]!), to: u32(handoffs[2]!), release: f64(handoffs[3]!), acquire: f64(handoffs[4]!), forced: u8(handoffs[5]!), stack: u32(handoffs[6]!) },
    samples: { n: s[0]!.length, t: f64(s[0]!), state: u8(s[1]!), flags: u8(s[2]!), stack: u32(s[3]!) },
    tallies: { n: t[0]!.length, t0: f64(t[0]!), t1: f64(t[1]!), state: u8(t[2]!), flags: u8(t[3]!), lock: u32(t[4]!), count: f64(t[5]!), ns: f64(t[6]!) },
    reduced: null,
  }
  recording.facts = factsOf(recording)
  return recording
}

/* The credits of a wait that was cut at the end shrink with it, so that they still add up to its length. */
function creditRows(actors: Actor[], kept: number[][], waits: Rows): { offsets: number[]; out: Rows } {
  const out = rows(5)
  const offsets = [0]
  let row = 0
  actors.forEach((a, k) => {
    for (const i of kept[k]!) {
      let left = waits[2]![row]! - waits[1]![row]!
      const list = a.credits[i]!
      for (let c = 0; c < list.length && left > 0; c += 5) {
        const ns = Math.min(list[c + 4]!, left)
        push(out, list[c]!, list[c + 1]!, list[c + 2]!, list[c + 3]!, ns)
        left -= ns
      }
      offsets.push(out[0]!.length)
      row++
    }
  })
  return { offsets, out }
}
