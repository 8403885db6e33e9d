/* Threads: what each does with its time, how long it waits for the GIL, holds it, and keeps others waiting. */
import type { ThreadSums } from '../data/aggregate'
import { filterOf, sums } from '../data/aggregate'
import type { Recording } from '../data/recording'
import { State } from '../data/recording'
import type { Key, ViewState } from '../state'
import { el, style } from '../ui/dom'
import { count, counted, duration, lockName, percent, processName, threadName } from '../ui/format'
import { segmented } from '../ui/segmented'
import { Table, lengths, numbers } from '../ui/table'
import type { Column } from '../ui/table'
import { STATE_LOOKS } from '../ui/theme'
import { View } from '../view'
import { showWait } from './findings'

const ORDER = [State.Gil, State.NoGil, State.WaitGil, State.WaitLock, State.Runnable, State.Blocked, State.Sleep, State.Unknown]
const TITLES: { [state: number]: string } = {
  [State.Gil]: 'GIL', [State.NoGil]: 'no GIL', [State.WaitGil]: 'waits for it', [State.WaitLock]: 'a lock', [State.Runnable]: 'a CPU', [State.Blocked]: 'syscall',
  [State.Sleep]: 'timer', [State.Unknown]: 'unseen',
}
export function stateBar(t: ThreadSums): HTMLElement {
  const bar = el('span.state-bar', { decor: true })
  for (const state of ORDER) {
    const share = t.stateNs[state]! / (t.lifeNs || 1)
    if (share < 0.002) continue
    const piece = el('i', { class: `s-${STATE_LOOKS[state].name}` })
    style(piece, 'flex-grow', String(share))
    bar.append(piece)
  }
  bar.title = ORDER.filter((s) => t.stateNs[s]! > 0).map((s) => `${STATE_LOOKS[s].label} ${percent(t.stateNs[s]!, t.lifeNs)}`).join('\n')
  return bar
}

export class Threads extends View {
  readonly id = 'threads' as const
  readonly title = 'Threads'
  private table!: Table<ThreadSums>
  private shownColumns: ViewState['columns'] = 'gil'
  private readonly choice = segmented('Columns', [{ value: 'gil', label: 'Waits and holds' }, { value: 'states', label: 'States' }], 'gil', (columns) => this.set({ columns }))
  private readonly note = el('p.quiet')

  protected build(): void {
    this.shownColumns = this.s.columns
    this.choice.set(this.shownColumns)
    this.table = this.makeTable()
    this.host.append(el('div.threads', el('div.bar-row above-table', this.choice.element, this.note), this.table.element, this.legend()))
    this.draw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (['selection', 'process', 'lock', 'search', 'view', 'columns'].some((k) => changed.has(k as Key))) this.draw()
    else if (changed.has('thread')) this.table.refresh()
  }

  private makeTable(): Table<ThreadSums> {
    return new Table<ThreadSums>({
      label: 'Threads', sort: this.s.columns === 'states' ? '-waited' : '-in all', empty: 'No thread lived then, or none matches.', key: (t) => t.thread, columns: this.columns(this.rec),
      open: (t) => this.set({ thread: this.s.thread === t.thread ? null : t.thread }), selected: (t) => this.s.thread === t.thread,
    })
  }

  private legend(): HTMLElement {
    return el('div.legend', { decor: true }, ...ORDER.map((s) => el('span', el('i', { class: `s-${STATE_LOOKS[s].name}` }), STATE_LOOKS[s].label)))
  }

  private columns(rec: Recording): Column<ThreadSums>[] {
    const state = (s: State) => numbers(TITLES[s]!, (t: ThreadSums) => t.stateNs[s]! / (t.lifeNs || 1), percent, `${STATE_LOOKS[s].label}, of its life`)
    const common: Column<ThreadSums>[] = [
      { title: 'thread', value: (t) => threadName(rec.threads[t.thread]), cell: (t) => [el('bdi', { title: threadName(rec.threads[t.thread]) }, threadName(rec.threads[t.thread]))] },
      { title: 'tid', number: true, value: (t) => rec.threads[t.thread]!.tid },
      ...(rec.processes.length > 1 ? [{ title: 'process', name: true, value: (t: ThreadSums) => processName(rec, rec.threads[t.thread]!.process) }] : []),
      { title: 'its life', help: 'Share of each state; sorts by waiting for the GIL', value: (t) => t.stateNs[State.WaitGil]! / (t.lifeNs || 1), text: (t) => percent(t.stateNs[State.WaitGil]!, t.lifeNs), cell: (t) => stateBar(t) },
    ]
    const show: Column<ThreadSums> = { title: 'show', help: 'Its longest wait on the timeline', value: (t) => t.max, text: () => '', cell: (t) => this.link(t) }
    const waited = numbers('in all', (t: ThreadSums) => t.waitNs, duration, 'Time it waited for the GIL')
    if (this.s.columns === 'states')
      return [...common, ...ORDER.filter((s) => s !== State.Unknown || this.anyUnknown(rec)).map(state), { ...waited, title: 'waited' }, numbers('lived', (t) => t.lifeNs, duration, 'Its life in the time that is shown'), show]
    return [
      ...common,
      numbers('waits', (t) => t.waits, count, 'How often it waited for the GIL'),
      waited,
      ...lengths<ThreadSums>(),
      numbers('holds', (t) => t.heldNs, duration, 'Time it held the GIL'),
      numbers('asleep', (t) => t.heldBlockedNs, duration, 'Held the GIL while asleep in a system call, for a time or on another lock'),
      numbers('no CPU', (t) => t.heldPreemptedNs, duration, 'Held the GIL while it waited for a CPU'),
      numbers('delays', (t) => t.causedNs, duration, 'Waiting of others during its holds'),
      numbers('spin', (t) => t.spinNs, duration, 'CPU time that went into taking the GIL without sleeping (sampled)'),
      show,
    ]
  }

  private anyUnknown(rec: Recording): boolean {
    return sums(rec, { range: null, process: null, thread: null, lock: null }).threads.some((t) => t.stateNs[State.Unknown]! > t.lifeNs * 0.001)
  }

  private link(t: ThreadSums): HTMLElement {
    return el('button.plain small', { title: t.max > 0 ? 'Its longest wait on the timeline' : 'The timeline', on: { click: () => this.show(t) } }, 'Timeline')
  }

  private show(t: ThreadSums): void {
    const { waits } = this.rec
    const { selection, lock } = this.s
    const [from, to] = this.rec.threads[t.thread]!.waits
    let best = -1
    for (let row = from; row < to; row++) {
      if (selection && (waits.t1[row]! <= selection.t0 || waits.t0[row]! >= selection.t1)) continue
      const gil = this.rec.locks[waits.lock[row]!]?.kind === 'gil'
      if ((lock === null ? gil : waits.lock[row] === lock) && (best < 0 || waits.t1[row]! - waits.t0[row]! > waits.t1[best]! - waits.t0[best]!)) best = row
    }
    this.set(best < 0 ? { view: 'timeline', thread: t.thread } : showWait(this.rec, best))
  }

  private draw(): void {
    const s = this.s
    if (s.columns !== this.shownColumns) {
      const table = this.makeTable()
      this.table.element.replaceWith(table.element)
      this.table = table
      this.shownColumns = s.columns
      this.choice.set(s.columns)
    }
    const rec = this.rec
    const wanted = s.search.toLowerCase()
    const all = sums(rec, filterOf({ ...s, thread: null })).threads
    const rows = all.filter((t) => !wanted || `${threadName(rec.threads[t.thread])} ${rec.threads[t.thread]!.tid}`.toLowerCase().includes(wanted))
    const what = s.lock === null ? 'the GIL' : lockName(rec, s.lock)
    this.note.textContent = `${wanted ? `${count(rows.length)} of ` : ''}${counted(all.length, 'thread')}; waits are those for ${what}. A click filters the other views by the thread.`
    this.table.setRows(rows)
  }
}
