/* What filters the views, each a chip that can be taken away. */
import type { Recording } from '../data/recording'
import type { Store, ViewState } from '../state'
import { clear, el } from './dom'
import { duration, lockName, processName, range, threadName } from './format'

interface Chip { label: string; value: string; off: Partial<ViewState> }

function chips(rec: Recording, s: Readonly<ViewState>): Chip[] {
  const all: Chip[] = []
  if (s.selection)
    all.push({ label: 'Selection', value: `${range(s.selection.t0, s.selection.t1)}, ${duration(s.selection.t1 - s.selection.t0)}`, off: { selection: null } })
  if (s.baseline)
    all.push({ label: 'Baseline', value: `${range(s.baseline.t0, s.baseline.t1)}, ${duration(s.baseline.t1 - s.baseline.t0)}`, off: { baseline: null } })
  if (s.process !== null && rec.processes.length > 1) all.push({ label: 'Process', value: processName(rec, s.process), off: { process: null } })
  if (s.thread !== null) all.push({ label: 'Thread', value: threadName(rec.threads[s.thread]), off: { thread: null } })
  if (s.lock !== null) all.push({ label: 'Lock', value: lockName(rec, s.lock), off: { lock: null } })
  return all
}

export function drawFilterBar(host: HTMLElement, rec: Recording, store: Store): void {
  const all = chips(rec, store.get())
  const had = host.contains(document.activeElement)
  clear(host)
  host.hidden = all.length === 0
  for (const chip of all)
    host.append(el('span.chip', el('span.chip-label', chip.label), el('bdi', chip.value),
      el('button', { label: `Remove the filter ${chip.label.toLowerCase()} ${chip.value}`, on: { click: () => store.set(chip.off) } }, '×')))
  if (all.length > 1)
    host.append(el('button.plain', {
      on: { click: () => store.set({ selection: null, baseline: null, process: null, thread: null, lock: null }) },
    }, 'Clear all'))
  if (had) (host.querySelector('button') as HTMLElement | null)?.focus()
}
