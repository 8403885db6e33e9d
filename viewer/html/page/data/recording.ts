/* A recording as the page has it: columns of typed arrays, one row an event, in memory once and never changed.
 * Times are nanoseconds since the begin of the recording, in Float64 (exact up to 104 days).  Ids are row numbers of the
 * tables they name; NONE means none or unknown.  Text may be anything a stranger chose: it goes into textContent only. */

import type { Facts, Process, Reduced } from './wire'

export type * from './wire'

export const NONE = 0xffffffff

/* The order of core/timeline/model.h. */
export enum State { Gil, NoGil, WaitGil, WaitLock, Blocked, Sleep, Runnable, Unknown }
export const STATES = 8
export enum IntervalFlag { Held = 1, Inferred = 2, Gc = 4, Unfinished = 8, AtStart = 16 }
export enum WaitEnd { Voluntary, Forced, Unfinished, GaveUp, Unknown }
export enum HolderState { Running, Blocked, Preempted, Unknown }
export enum HoldFlag { StartInferred = 1, EndInferred = 2, Forced = 4, Unfinished = 8, Gc = 16 }
export enum SampleFlag { WantsGil = 1, Kernel = 2, Gc = 4 }

export interface Range { t0: number; t1: number }

export interface Thread {
  process: number
  tid: number
  name: string
  main: boolean
  first: number
  last: number
  /* rows of this thread: [from, to) */
  intervals: [number, number]
  waits: [number, number]
  tallies: [number, number]
  samples: [number, number]
}
export interface Lock {
  process: number
  kind: string
  idle: boolean /* what is waited for is that something happens: nobody holds it */
  label: string /* what the program calls it, else its address, else where it is waited for */
  where: string /* first, outside the standard library; '' unknown */
  name: string /* "GIL", "GIL 1", "rlock __main__.GUARD", "futex 0x7f…" */
  holds: [number, number]
  handoffs: [number, number]
}

/* Every table with a thread is ordered by thread, then t0 (intervals, waits, tallies, samples). */
export interface Intervals {
  n: number
  t0: Float64Array
  t1: Float64Array
  state: Uint8Array
  flags: Uint8Array
  nr: Uint16Array /* system call + 1 of Blocked and Sleep, 0 none */
  lock: Uint32Array
  stack: Uint32Array /* 0 none */
}
export interface Waits {
  n: number
  thread: Uint32Array
  lock: Uint32Array
  t0: Float64Array
  t1: Float64Array
  stack: Uint32Array
  end: Uint8Array
  flags: Uint8Array
  sleeps: Uint32Array
  wakeLatency: Float64Array
  waker: Uint32Array
  credits: Uint32Array /* n + 1: credits of wait w are [credits[w], credits[w + 1]) */
}
export interface Credits { n: number; holder: Uint32Array; state: Uint8Array; nr: Uint16Array; stack: Uint32Array; ns: Float64Array }
/* Ordered by lock, then t0.  Of other locks than GILs a hold is what the waits for it tell: both its ends are inferred. */
export interface Holds {
  n: number
  lock: Uint32Array
  thread: Uint32Array
  t0: Float64Array
  t1: Float64Array
  blocked: Float64Array
  preempted: Float64Array
  flags: Uint8Array
  stack: Uint32Array
}
/* Ordered by lock, then acquire. release: NaN when not seen. */
export interface Handoffs {
  n: number
  lock: Uint32Array
  from: Uint32Array
  to: Uint32Array
  release: Float64Array
  acquire: Float64Array
  forced: Uint8Array
  stack: Uint32Array
}
export interface Samples { n: number; t: Float64Array; state: Uint8Array; flags: Uint8Array; stack: Uint32Array }
/* Stretches that were only counted: ns of the state belongs to t0..t1, not placed within it. */
export interface Tallies {
  n: number
  t0: Float64Array
  t1: Float64Array
  state: Uint8Array
  flags: Uint8Array
  lock: Uint32Array
  count: Float64Array
  ns: Float64Array
}

/* Stacks are leaves of a tree of nodes; node 0 and stack 0 are "none".  A caller has a smaller number. */
export interface Stacks {
  node: Uint32Array /* of a stack: its innermost node */
  flags: Uint8Array /* 1 truncated, 2 torn */
  parent: Uint32Array /* of a node */
  frame: Uint32Array /* of a node */
  function: Uint32Array /* of a frame: string */
  file: Uint32Array
  line: Uint32Array /* 0 unknown */
}

export interface Recording {
  facts: Facts
  durationNs: number
  sampleHz: number
  startRealNs: number
  strings: string[]
  processes: Process[]
  threads: Thread[]
  locks: Lock[]
  syscalls: string[] /* by number, "" unknown */
  stacks: Stacks
  intervals: Intervals
  waits: Waits
  credits: Credits
  holds: Holds
  handoffs: Handoffs
  samples: Samples
  tallies: Tallies
  reduced: Reduced | null
}
