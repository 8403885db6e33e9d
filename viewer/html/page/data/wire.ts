/* What the program writes into the page, JSON by JSON: the names here are those of data.c, report/json and reduce.c, and the bundle
 * leaves them as they are (names.mjs). */

/* The directory of the data blocks. */
export interface Block { bytes: number; rows?: number; columns?: [string, string][] }
export interface Directory { format: number; blocks: Record<string, Block>; reduced?: unknown }

/* What was left out to keep the page usable; null: nothing. */
export interface Reduced { note: string }

export interface Process { pid: number; name: string; runtime: string | null; switchIntervalNs: number }
export interface Model {
  durationNs: number
  sampleHz: number
  startRealNs: number
  strings: string[]
  processes: Process[]
  threads: { process: number; tid: number; name: string; main: boolean; first: number; last: number; n: number[] }[]
  locks: { process: number; kind: string; idle: boolean; label: string; where: string; n: number[] }[]
  syscalls: Record<string, string>
  kinds: number[][]
}

/* The summary, as `gilscope report --format json` prints it: same keys, same numbers. */
export interface Facts {
  gilscope: string
  recording: {
    collector: string
    start_realtime_ns: number
    duration_ns: number
    complete: boolean
    levels: { from_ns: number; level: number; reason: string }[]
    lost_events: number
    torn_stacks: number
    truncated_stacks: number
    notes: string[]
    own: Record<string, number | null> | null
  }
  processes: FactsProcess[]
}
export interface FactsProcess {
  pid: number
  name: string
  command: string
  runtime: string | null
  collector: string
  estimated: boolean
  looks: { n: number; distance_p50_ns: number; distance_p99_ns: number; handoffs: number; handoffs_unseen: number } | null
  free_threaded: boolean
  switch_interval_ns: number | null
  locks: FactsLock[]
  threads: FactsThread[]
  blame: FactsBlame[]
  findings: Finding[]
  what_if: WhatIf | null
}
export interface FactsLock {
  id: number
  kind: string
  interpreter: number | null
  address: string
  name: string | null
  waits: number
  wait_ns: number
  wait_p50_ns: number | null
  wait_p99_ns: number | null
  wait_max_ns: number | null
  handoffs: number
  forced_handoffs: number
  utilisation: number | null
}
export interface FactsThread {
  tid: number
  name: string
  main: boolean
  states_ns: Record<string, number>
  gil_held_ns: number
  gil_held_blocked_ns: number
  gil_held_preempted_ns: number
  gil_waits: number
  gil_wait_ns: number
  gil_wait_p50_ns: number | null
  gil_wait_p99_ns: number | null
  gil_wait_max_ns: number | null
  caused_wait_ns: number
  gil_spin_ns: number | null
}
export interface FactsFrame { function: string; file: string | null /* null: the code could not be read */; line: number | null }
export interface FactsBlame {
  lock: number
  wait_ns: number
  waits: number
  waiter: { tids: number[]; stack: FactsFrame[] }
  holder: { tids: number[]; stack: FactsFrame[]; state: string; syscall: string | null }
}
/* Where a finding is seen best: a piece of the timeline. */
export interface Place { from_ns: number; to_ns: number; tid: number | null; lock: number | null }
export interface Finding {
  id: string
  severity: 'info' | 'warning' | 'critical'
  certainty: 'measured' | 'inferred' | 'sampled'
  title: string
  detail: string
  advice: string
  wait_ns: number | null
  share: number | null
  place: Place | null
}
/* What would be gained.  pairs: the waiting that vanishes when the holds of that line released the GIL (replay of the
 * recorded waits without them).  bounds: by how much the work could be done faster at most, with what is assumed. */
export interface WhatIf {
  pairs: { waiter: FactsFrame | null; holder: FactsFrame | null; wait_ns: number; saved_ns: number; queue_ns?: number; holds: number }[]
  bounds: { id: string; title: string; speedup: number; assumes: string[] }[]
  /* How far to believe it; only when trusted are there pairs. */
  replay?: { recorded_wait_ns: number; replayed_wait_ns: number; error: number; trusted: boolean; until_ns: number | null }
}
