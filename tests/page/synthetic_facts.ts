/* The facts of a synthetic recording, summed straight from its columns, so that a test may compare the two. */
import { HolderState, IntervalFlag, NONE, State, STATES, WaitEnd } from '../../viewer/html/page/data/recording'
import type { Facts, FactsBlame, FactsFrame, FactsLock, FactsProcess, FactsThread, Finding, Recording } from '../../viewer/html/page/data/recording'

const STATE_NAMES = ['gil', 'nogil', 'wait_gil', 'wait_lock', 'blocked', 'sleep', 'runnable', 'unknown']
const HOLDER_NAMES = ['running', 'blocked', 'preempted', 'unknown']

/* Leaf first, as in the text report. */
export function framesOf(r: Recording, stack: number): FactsFrame[] {
  const out: FactsFrame[] = []
  for (let node = r.stacks.node[stack]!; node; node = r.stacks.parent[node]!) {
    const frame = r.stacks.frame[node]!
    out.push({ function: r.strings[r.stacks.function[frame]!]!, file: r.strings[r.stacks.file[frame]!]!, line: r.stacks.line[frame]! || null })
  }
  return out
}

const at = (sorted: Float64Array, share: number): number | null => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]! : null)

function waitsWhere(r: Recording, from: number, to: number, lock: number): Float64Array {
  const out: number[] = []
  for (let i = from; i < to; i++) if (r.waits.lock[i] === lock) out.push(r.waits.t1[i]! - r.waits.t0[i]!)
  return Float64Array.from(out).sort()
}

const sum = (values: ArrayLike<number>) => Array.prototype.reduce.call(values, (a: any, b: any) => a + b, 0) as number

function threadFacts(r: Recording, thread: number, caused: Float64Array, gil: number): FactsThread {
  const t = r.threads[thread]!
  const ns = new Float64Array(STATES)
  let held = 0, blocked = 0, preempted = 0
  for (let i = t.intervals[0]; i < t.intervals[1]; i++) {
    const state = r.intervals.state[i]!, d = r.intervals.t1[i]! - r.intervals.t0[i]!
    ns[state]! += d
    const has = state === State.Gil || (r.intervals.flags[i]! & IntervalFlag.Held) !== 0
    if (has) held += d
    if (has && (state === State.Blocked || state === State.Sleep)) blocked += d
    if (has && state === State.Runnable) preempted += d
  }
  let counted = 0, countedNs = 0
  for (let i = t.tallies[0]; i < t.tallies[1]; i++) {
    ns[r.tallies.state[i]!]! += r.tallies.ns[i]!
    if (r.tallies.state[i] === State.Gil) held += r.tallies.ns[i]!
    if (r.tallies.state[i] !== State.WaitGil) continue
    counted += r.tallies.count[i]!
    countedNs += r.tallies.ns[i]!
  }
  const waits = waitsWhere(r, t.waits[0], t.waits[1], gil)
  return {
    tid: t.tid, name: t.name, main: t.main, states_ns: Object.fromEntries(STATE_NAMES.map((name, s) => [name, ns[s]!])),
    gil_held_ns: held, gil_held_blocked_ns: blocked, gil_held_preempted_ns: preempted, gil_waits: waits.length + counted, gil_wait_ns: sum(waits) + countedNs,
    gil_wait_p50_ns: at(waits, 0.5), gil_wait_p99_ns: at(waits, 0.99), gil_wait_max_ns: at(waits, 1), caused_wait_ns: caused[thread]!, gil_spin_ns: null,
  }
}

function lockFacts(r: Recording, lock: number): FactsLock {
  const l = r.locks[lock]!
  const waits = waitsWhere(r, 0, r.waits.n, lock)
  let forced = 0, held = 0
  for (let i = l.handoffs[0]; i < l.handoffs[1]; i++) forced += r.handoffs.forced[i]!
  for (let i = l.holds[0]; i < l.holds[1]; i++) held += r.holds.t1[i]! - r.holds.t0[i]!
  return {
    id: lock, kind: l.kind, interpreter: l.kind === 'gil' ? 0 : null, address: l.label, name: l.name, waits: waits.length, wait_ns: sum(waits), wait_p50_ns: at(waits, 0.5),
    wait_p99_ns: at(waits, 0.99), wait_max_ns: at(waits, 1), handoffs: l.handoffs[1] - l.handoffs[0], forced_handoffs: forced, utilisation: held / r.durationNs,
  }
}

function blameFacts(r: Recording, process: number): FactsBlame[] {
  const pairs = new Map<string, { blame: FactsBlame; waiters: Set<number>; holders: Set<number> }>()
  for (let w = 0; w < r.waits.n; w++) {
    const waiter = r.threads[r.waits.thread[w]!]!
    if (waiter.process !== process || r.waits.end[w] === WaitEnd.GaveUp) continue
    for (let c = r.waits.credits[w]!; c < r.waits.credits[w + 1]!; c++) {
      const holder = r.credits.holder[c]!
      if (holder === NONE) continue
      const key = `${r.waits.lock[w]} ${r.waits.stack[w]} ${r.credits.stack[c]} ${r.credits.state[c]}`
      let pair = pairs.get(key)
      if (!pair) {
        const nr = r.credits.nr[c]!
        const blame: FactsBlame = {
          lock: r.waits.lock[w]!, wait_ns: 0, waits: 0, waiter: { tids: [], stack: framesOf(r, r.waits.stack[w]!) },
          holder: { tids: [], stack: framesOf(r, r.credits.stack[c]!), state: HOLDER_NAMES[r.credits.state[c]!]!, syscall: r.credits.state[c] === HolderState.Blocked && nr ? r.syscalls[nr - 1]! : null },
        }
        pairs.set(key, (pair = { blame, waiters: new Set(), holders: new Set() }))
      }
      pair.blame.wait_ns += r.credits.ns[c]!
      pair.blame.waits++
      pair.waiters.add(waiter.tid)
      pair.holders.add(r.threads[holder]!.tid)
    }
  }
  const top = [...pairs.values()].sort((a, b) => b.blame.wait_ns - a.blame.wait_ns).slice(0, 20)
  return top.map(({ blame, waiters, holders }) => ({ ...blame, waiter: { ...blame.waiter, tids: [...waiters].sort() }, holder: { ...blame.holder, tids: [...holders].sort() } }))
}

function findingsOf(r: Recording, process: number, locks: FactsLock[]): Finding[] {
  const gil = locks[0]!
  let worst = -1, blocked = -1
  for (let w = 0; w < r.waits.n; w++)
    if (r.waits.lock[w] === gil.id && (worst < 0 || r.waits.t1[w]! - r.waits.t0[w]! > r.waits.t1[worst]! - r.waits.t0[worst]!)) worst = w
  for (let h = r.locks[gil.id]!.holds[0]; h < r.locks[gil.id]!.holds[1]; h++)
    if (r.holds.blocked[h]! > (blocked < 0 ? 0 : r.holds.blocked[blocked]!)) blocked = h
  const out: Finding[] = []
  if (worst >= 0)
    out.push({
      id: 'gil-saturated', severity: 'critical', certainty: 'measured', title: `the GIL was held ${Math.round(100 * gil.utilisation!)} % of the time`,
      detail: `${gil.waits} waits of threads of ${r.processes[process]!.name}.`, advice: 'Move work out of the GIL.', wait_ns: gil.wait_ns, share: null,
      place: { from_ns: r.waits.t0[worst]!, to_ns: r.waits.t1[worst]!, tid: r.threads[r.waits.thread[worst]!]!.tid, lock: gil.id },
    })
  if (blocked >= 0)
    out.push({
      id: 'held-blocked', severity: 'warning', certainty: 'measured', title: 'the GIL was held in a blocking system call', detail: 'fsync was called with the GIL held.',
      advice: 'Release the GIL around it.', wait_ns: r.holds.blocked[blocked]!, share: null,
      place: { from_ns: r.holds.t0[blocked]!, to_ns: r.holds.t1[blocked]!, tid: r.threads[r.holds.thread[blocked]!]!.tid, lock: gil.id },
    })
  return out
}

export function factsOf(r: Recording): Facts {
  const caused = new Float64Array(r.threads.length)
  for (let c = 0; c < r.credits.n; c++) if (r.credits.holder[c] !== NONE) caused[r.credits.holder[c]!]! += r.credits.ns[c]!
  const processes = r.processes.map((p, process): FactsProcess => {
    const locks = r.locks.flatMap((l, id) => (l.process === process ? [lockFacts(r, id)] : []))
    const blame = blameFacts(r, process)
    return {
      pid: p.pid, name: p.name, command: `python3 ${p.name} --port 8080`, runtime: p.runtime, collector: 'bpf', estimated: false, looks: null, free_threaded: false, switch_interval_ns: p.switchIntervalNs, locks,
      threads: r.threads.flatMap((t, id) => (t.process === process ? [threadFacts(r, id, caused, locks[0]!.id)] : [])),
      blame, findings: findingsOf(r, process, locks),
      what_if: {
        pairs: blame.slice(0, 5).map((b) => ({ waiter: b.waiter.stack[0] ?? null, holder: b.holder.stack[0] ?? null, wait_ns: b.wait_ns, saved_ns: Math.floor(b.wait_ns * 0.7), holds: b.waits })),
        bounds: [{ id: 'processes', title: 'more processes', speedup: 1.8, assumes: ['the work divides', 'there are CPUs enough'] }],
      },
    }
  })
  return {
    gilscope: '0.0-synthetic',
    recording: {
      collector: 'bpf', start_realtime_ns: r.startRealNs, duration_ns: r.durationNs, complete: true, levels: [{ from_ns: 0, level: 0, reason: 'start' }],
      lost_events: 0, torn_stacks: 0, truncated_stacks: 0, notes: [], own: null,
    },
    processes,
  }
}
