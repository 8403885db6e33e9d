/* Findings of the facts: in which order they are told, how they are marked, and how one gets from them to the timeline. */
import { ceil, floor, max, min } from '../data/math'
import type { FactsProcess, Finding, Place, Recording } from '../data/recording'
import type { ViewState } from '../state'
import { el } from '../ui/dom'

export interface Told { process: number; finding: Finding }

const GRAVITY = { critical: 0, warning: 1, info: 2 }
const MARKS = { critical: '‼', warning: '!', info: '·' }
const NAMES = { critical: 'critical', warning: 'warning', info: 'remark' }
/* Room around a place on the timeline, as a share of it. */
const MARGIN = 0.6

export function severityMark(severity: Finding['severity']): HTMLElement {
  return el('span', { class: `mark ${severity}`, role: 'img', label: NAMES[severity] ?? 'remark' }, MARKS[severity] ?? MARKS.info)
}

/* The facts leave out processes of which nothing is known. */
export function processRow(rec: Recording, p: FactsProcess, at: number): number {
  return rec.processes[at]?.pid === p.pid ? at : rec.processes.findIndex((row) => row.pid === p.pid)
}

/* Gravest first, then costliest; what is said of the whole recording stands in every process and is told once. */
export function gravest(rec: Recording, process: number | null): Told[] {
  const seen = new Set<string>()
  const all: Told[] = []
  rec.facts.processes.forEach((p, i) => {
    const row = processRow(rec, p, i)
    if (process !== null && process !== row) return
    for (const finding of p.findings) {
      const key = JSON.stringify(finding)
      if (seen.has(key)) continue
      seen.add(key)
      all.push({ process: row, finding })
    }
  })
  if (rec.facts.processes.length < 2 || process !== null) return all
  return all.sort((a, b) => (GRAVITY[a.finding.severity] ?? 2) - (GRAVITY[b.finding.severity] ?? 2) || (b.finding.wait_ns ?? 0) - (a.finding.wait_ns ?? 0))
}

/* The longest wait there, of that thread, for that lock; null without one. */
function waitAt(rec: Recording, process: number, place: Place): number | null {
  const { waits } = rec
  let best = -1
  let most = 0
  rec.threads.forEach((t, i) => {
    if (t.process !== process || (place.tid !== null && place.tid !== t.tid)) return
    for (let row = t.waits[0]; row < t.waits[1]; row++) {
      const ns = min(waits.t1[row]!, place.to_ns) - max(waits.t0[row]!, place.from_ns)
      if (ns > most && waits.thread[row] === i && (place.lock === null || waits.lock[row] === place.lock)) {
        most = ns
        best = row
      }
    }
  })
  return best < 0 ? null : best
}

function around(rec: Recording, t0: number, t1: number): { t0: number; t1: number } {
  const room = max((t1 - t0) * MARGIN, 1000)
  return { t0: max(0, floor(t0 - room)), t1: min(rec.durationNs, ceil(t1 + room)) }
}

export function showPlace(rec: Recording, process: number, place: Place): Partial<ViewState> {
  const row = waitAt(rec, process, place)
  return { view: 'timeline', visible: around(rec, place.from_ns, place.to_ns), focus: row === null ? null : { table: 'wait', row } }
}

export function showWait(rec: Recording, row: number): Partial<ViewState> {
  const { t0, t1 } = rec.waits
  return { view: 'timeline', visible: around(rec, t0[row]!, t1[row]!), focus: { table: 'wait', row } }
}
