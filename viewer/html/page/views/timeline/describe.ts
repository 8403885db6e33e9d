/* Rows of the recording in words: for tooltip, detail panel, list and the spoken text. */
import { HolderState, HoldFlag, IntervalFlag, NONE, SampleFlag, State, WaitEnd } from '../../data/recording'
import type { Recording } from '../../data/recording'
import type { Focus } from '../../state'
import { count, duration, lockName, printable, threadName } from '../../ui/format'
import { STATE_LOOKS } from '../../ui/theme'
import { rangeOf } from './navigate'

export const stateLabel = (state: number): string => STATE_LOOKS[state as State]?.label ?? 'unknown'

export function syscall(rec: Recording, nr: number): string {
  return nr ? printable(rec.syscalls[nr - 1] || `system call ${nr - 1}`) : ''
}

export function who(rec: Recording, thread: number): string {
  return thread === NONE ? 'not known' : threadName(rec.threads[thread])
}

const HOLDER_LABEL: { [s in HolderState]: string } = {
  [HolderState.Running]: 'running', [HolderState.Blocked]: 'blocked', [HolderState.Preempted]: 'had no CPU', [HolderState.Unknown]: 'not known',
}
export const END_LABEL: { [s in WaitEnd]: string } = {
  [WaitEnd.Voluntary]: 'the holder let go by itself', [WaitEnd.Forced]: 'the holder was made to let go (drop request)', [WaitEnd.Unfinished]: 'still waiting at the end of the recording',
  [WaitEnd.GaveUp]: 'gave up', [WaitEnd.Unknown]: 'not known',
}

/* The colour of a row as a state, if it has one. */
export function stateOf(rec: Recording, f: Focus): State {
  switch (f.table) {
    case 'interval': return rec.intervals.state[f.row]!
    case 'wait': return rec.locks[rec.waits.lock[f.row]!]?.kind === 'gil' ? State.WaitGil : State.WaitLock
    case 'sample': return rec.samples.state[f.row]!
    case 'tally': return rec.tallies.state[f.row]!
    case 'hold': return State.Gil
  }
}

export function stackOf(rec: Recording, f: Focus): number {
  switch (f.table) {
    case 'interval': return rec.intervals.stack[f.row]!
    case 'wait': return rec.waits.stack[f.row]!
    case 'hold': return rec.holds.stack[f.row]!
    case 'sample': return rec.samples.stack[f.row]!
    case 'tally': return 0
  }
}

export function titleOf(rec: Recording, f: Focus): string {
  switch (f.table) {
    case 'hold': return `holds ${lockName(rec, rec.holds.lock[f.row]!)}`
    case 'tally': return `counted: ${stateLabel(rec.tallies.state[f.row]!)}`
    case 'sample': return `sample: ${stateLabel(rec.samples.state[f.row]!)}`
    default: {
      const state = stateOf(rec, f)
      const heldOff = f.table === 'interval' && rec.intervals.flags[f.row]! & IntervalFlag.Held && state !== State.Gil
      return stateLabel(state) + (heldOff ? ', holding the GIL' : '')
    }
  }
}

/* What is worth telling besides state, duration and times: name and value. */
export function factsOf(rec: Recording, f: Focus): [string, string][] {
  const facts: [string, string][] = []
  const add = (name: string, value: string | false | 0 | undefined) => { if (value) facts.push([name, value]) }
  const flags = (names: [number, string][], value: number) => names.filter(([bit]) => value & bit).map(([, name]) => name).join(', ')
  if (f.table === 'interval') {
    const v = rec.intervals, row = f.row, state = v.state[row]!
    add('lock', v.lock[row] !== NONE && (state === State.WaitGil || state === State.WaitLock || state === State.Gil || (v.flags[row]! & IntervalFlag.Held) !== 0) && lockName(rec, v.lock[row]!))
    add('system call', syscall(rec, v.nr[row]!))
    add('remarks', flags([[IntervalFlag.Gc, 'garbage collector'], [IntervalFlag.Inferred, 'inferred'], [IntervalFlag.Unfinished, 'cut by the end'], [IntervalFlag.AtStart, 'cut by the begin']], v.flags[row]!))
  } else if (f.table === 'wait') {
    const w = rec.waits, row = f.row
    add('lock', lockName(rec, w.lock[row]!))
    add('ended', END_LABEL[w.end[row]! as WaitEnd])
    add('sleeps', w.sleeps[row]! > 0 && count(w.sleeps[row]!))
    add('wake-up latency', w.wakeLatency[row]! > 0 && duration(w.wakeLatency[row]!))
    add('woken by', w.waker[row] !== NONE && who(rec, w.waker[row]!))
    add('remarks', flags([[1, 'waiting since before the begin'], [2, 'after a forced hand-off'], [4, 'stack of an earlier wait'], [8, 'events were lost inside'], [16, 'holder inferred: who woke a waiter next'], [32, 'estimated from samples']], w.flags[row]!))
  } else if (f.table === 'hold') {
    const h = rec.holds, row = f.row
    add('of it blocked', h.blocked[row]! > 0 && duration(h.blocked[row]!))
    add('of it without a CPU', h.preempted[row]! > 0 && duration(h.preempted[row]!))
    add('ended', h.flags[row]! & HoldFlag.Forced ? 'forced by a drop request' : h.flags[row]! & HoldFlag.Unfinished ? 'not before the end' : 'voluntarily')
    add('seen', rec.locks[h.lock[row]!]!.kind !== 'gil' && 'only while others waited for it')
    add('remarks', flags([[HoldFlag.Gc, 'garbage collector'], [HoldFlag.StartInferred, 'start inferred'], [HoldFlag.EndInferred, 'end inferred']], h.flags[row]!))
  } else if (f.table === 'sample') {
    add('remarks', flags([[SampleFlag.WantsGil, 'wants the GIL'], [SampleFlag.Kernel, 'in the kernel'], [SampleFlag.Gc, 'garbage collector']], rec.samples.flags[f.row]!))
  } else {
    const y = rec.tallies, row = f.row
    add('known', `${count(y.count[row]!)} stretches, ${duration(y.ns[row]!)} in all; their places are not recorded`)
    add('lock', y.lock[row] !== NONE && lockName(rec, y.lock[row]!))
  }
  return facts
}

export interface Credit { holder: number; state: HolderState; nr: number; stack: number; ns: number }

/* How the holder was: running, blocked in fsync; '' when nothing is known. */
export function holding(rec: Recording, c: Credit): string {
  return c.state === HolderState.Unknown ? '' : HOLDER_LABEL[c.state] + (c.nr ? ` in ${syscall(rec, c.nr)}` : '')
}

/* Who held the lock while it waited, most first. */
export function creditsOf(rec: Recording, wait: number): Credit[] {
  const c = rec.credits
  const out: Credit[] = []
  for (let i = rec.waits.credits[wait]!; i < rec.waits.credits[wait + 1]!; i++)
    out.push({ holder: c.holder[i]!, state: c.state[i]!, nr: c.nr[i]!, stack: c.stack[i]!, ns: c.ns[i]! })
  return out.sort((a, b) => b.ns - a.ns)
}

/* One sentence, for those who hear it. */
export function spoken(rec: Recording, f: Focus, thread: number): string {
  const { t0, t1 } = rangeOf(rec, f)
  const facts = factsOf(rec, f).slice(0, 3).map(([name, value]) => `${name} ${value}`)
  return [who(rec, thread), titleOf(rec, f), f.table === 'sample' ? '' : duration(t1 - t0), `at ${duration(t0)}`, ...facts].filter((s) => s).join(', ')
}
