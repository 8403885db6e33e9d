/* Sums over a piece of the recording: what every view shows while an area is selected.  Pure; a scan of the rows, at most
 * some tens of milliseconds for a million.  A wait that lies partly in the range counts with that part of its time; its
 * credits in proportion. */
import type { HolderState, Range, Recording } from './recording'

export interface Filter {
  range: Range | null
  process: number | null
  thread: number | null
  lock: number | null
}

export interface ThreadSums {
  thread: number
  stateNs: Float64Array /* by State; counted stretches are shared out evenly over their time */
  heldNs: number
  heldBlockedNs: number
  heldPreemptedNs: number
  waits: number
  waitNs: number
  p50: number
  p99: number
  max: number
  causedNs: number
}

export interface LockSums {
  lock: number
  waits: number
  waitNs: number
  p50: number
  p99: number
  max: number
  handoffs: number
  forced: number
  heldNs: number
  utilisation: number
  countedWaits: number /* of waits: known by number only */
}

/* One waiter line by one holder line.  stacks of the largest part of it are shown. */
export interface PairSums {
  lock: number
  waiterStack: number
  holderStack: number
  ns: number
  waits: number
  byState: Float64Array /* HolderState */
  worstWait: number /* the row of the longest wait in it */
}
export type { HolderState, Recording }
