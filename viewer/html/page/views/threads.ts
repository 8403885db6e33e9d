/* Threads: what each does with its time, how long it waits for the GIL, holds it, and keeps others waiting. */
import type { ThreadSums } from '../data/aggregate'
import { filterOf, sums } from '../data/aggregate'
import type { Recording } from '../data/recording'
import { State } from '../data/recording'
import type { Key, ViewState } from '../state'
import { el, style } from '../ui/dom'
import { count, counted, duration, lockName, percent, processName, threadName } from '../ui/format'
import { segmented } from '../ui/segmented'
import { Table } from '../ui/table'
import type { Column } from '../ui/table'
import { STATE_LOOKS } from '../ui/theme'
import type { Page, View } from '../view'
import { showWait } from './findings'

const ORDER = [State.Gil, State.NoGil, State.WaitGil, State.WaitLock, State.Runnable, State.Blocked, State.Sleep, State.Unknown]
const TITLES: { [state: number]: string } = {
  [State.Gil]: 'GIL', [State.NoGil]: 'no GIL', [State.WaitGil]: 'waits for it', [State.WaitLock]: 'a lock', [State.Runnable]: 'a CPU', [State.Blocked]: 'syscall',
  [State.Sleep]: 'timer', [State.Unknown]: 'unseen',
}
const some = (n: number, text: (n: number) => string): string => (n > 0 ? text(n) : '·')

export function stateBar(t: ThreadSums): HTMLElement {
  const bar = el('span.state-bar', { 'aria-hidden': 'true' })
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

class Threads implements View {
  readonly id = 'threads' as const
  readonly title = 'Threads'
  readonly keys = []
  private page!: Page
  private table!: Table<ThreadSums>
  private shownColumns: ViewState['columns'] = 'gil'
  private readonly choice = segmented('Columns', [{ value: 'gil', label: 'Waits and holds' }, { value: 'states', label: 'States' }], 'gil', (columns) => this.page.store.set({ columns }))
  private readonly note = el('p.quiet')

  mount(host: HTMLElement, page: Page): void {
    this.page = page
    this.shownColumns = page.store.get().columns
    this.choice.set(this.shownColumns)
    this.table = this.makeTable()
    host.append(el('div.threads', el('div.bar-row above-table', this.choice.element, this.note), this.table.element, this.legend()))
    this.draw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (['selection', 'process', 'lock', 'search', 'view', 'columns'].some((k) => changed.has(k as Key))) this.draw()
    else if (changed.has('thread')) this.table.refresh()
  }

  redraw(): void {}

  private makeTable(): Table<ThreadSums> {
    const { store, recording } = this.page
    return new Table<ThreadSums>({
      label: 'Threads', sort: '-ns', empty: 'No thread lived then, or none matches.', key: (t) => t.thread, columns: this.columns(recording),
      open: (t) => store.set({ thread: store.get().thread === t.thread ? null : t.thread }), selected: (t) => store.get().thread === t.thread,
    })
  }

  private legend(): HTMLElement {
    return el('div.legend', { 'aria-hidden': 'true' }, ...ORDER.map((s) => el('span', el('i', { class: `s-${STATE_LOOKS[s].name}` }), STATE_LOOKS[s].label)))
  }

  private columns(rec: Recording): Column<ThreadSums>[] {
    const state = (s: State): Column<ThreadSums> => ({
      id: `s${s}`, title: TITLES[s]!, help: `${STATE_LOOKS[s].label}, of its life`, number: true, value: (t) => t.stateNs[s]! / (t.lifeNs || 1),
      text: (t) => (t.stateNs[s]! > 0 ? percent(t.stateNs[s]!, t.lifeNs) : '·'),
    })
    const time = (id: string, title: string, help: string, of: (t: ThreadSums) => number): Column<ThreadSums> => ({ id, title, help, number: true, value: of, text: (t) => some(of(t), duration) })
    const common: Column<ThreadSums>[] = [
      { id: 'name', title: 'thread', value: (t) => threadName(rec.threads[t.thread]), cell: (t) => [el('bdi', { title: threadName(rec.threads[t.thread]) }, threadName(rec.threads[t.thread]))] },
      { id: 'tid', title: 'tid', number: true, value: (t) => rec.threads[t.thread]!.tid },
      ...(rec.processes.length > 1 ? [{ id: 'process', title: 'process', name: true, value: (t: ThreadSums) => processName(rec, rec.threads[t.thread]!.process) }] : []),
      { id: 'bar', title: 'its life', help: 'Share of each state; sorts by waiting for the GIL', value: (t) => t.stateNs[State.WaitGil]! / (t.lifeNs || 1), text: (t) => percent(t.stateNs[State.WaitGil]!, t.lifeNs), cell: (t) => stateBar(t) },
    ]
    const show: Column<ThreadSums> = { id: 'show', title: 'show', help: 'Its longest wait on the timeline', value: (t) => t.max, text: () => '', cell: (t) => this.link(t) }
    const waited = time('ns', 'in all', 'Time it waited for the GIL', (t) => t.waitNs)
    if (this.page.store.get().columns === 'states')
      return [...common, ...ORDER.filter((s) => s !== State.Unknown || this.anyUnknown(rec)).map(state), { ...waited, title: 'waited' }, time('life', 'lived', 'Its life in the time that is shown', (t) => t.lifeNs), show]
    return [
      ...common,
      { id: 'waits', title: 'waits', number: true, help: 'How often it waited for the GIL', value: (t) => t.waits, text: (t) => some(t.waits, count) },
      waited,
      time('p50', 'p50', 'Half of its waits are longer', (t) => t.p50),
      time('p99', 'p99', 'One in a hundred is longer', (t) => t.p99),
      time('max', 'longest', 'Its longest wait', (t) => t.max),
      time('held', 'holds', 'Time it held the GIL', (t) => t.heldNs),
      time('asleep', 'asleep', 'Held the GIL while asleep in a system call, for a time or on another lock', (t) => t.heldBlockedNs),
      time('nocpu', 'no CPU', 'Held the GIL while it waited for a CPU', (t) => t.heldPreemptedNs),
      time('caused', 'delays', 'Waiting of others during its holds', (t) => t.causedNs),
      time('spin', 'spin', 'CPU time that went into taking the GIL without sleeping (sampled)', (t) => t.spinNs),
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
    const { waits } = this.page.recording
    const { selection, lock } = this.page.store.get()
    const [from, to] = this.page.recording.threads[t.thread]!.waits
    let best = -1
    for (let row = from; row < to; row++) {
      if (selection && (waits.t1[row]! <= selection.t0 || waits.t0[row]! >= selection.t1)) continue
      const gil = this.page.recording.locks[waits.lock[row]!]?.kind === 'gil'
      if ((lock === null ? gil : waits.lock[row] === lock) && (best < 0 || waits.t1[row]! - waits.t0[row]! > waits.t1[best]! - waits.t0[best]!)) best = row
    }
    this.page.store.set(best < 0 ? { view: 'timeline', thread: t.thread } : showWait(this.page.recording, best))
  }

  private draw(): void {
    const s = this.page.store.get()
    if (s.columns !== this.shownColumns) {
      const table = this.makeTable()
      this.table.element.replaceWith(table.element)
      this.table = table
      this.shownColumns = s.columns
      this.choice.set(s.columns)
    }
    const rec = this.page.recording
    const wanted = s.search.toLowerCase()
    const all = sums(rec, filterOf({ ...s, thread: null })).threads
    const rows = all.filter((t) => !wanted || `${threadName(rec.threads[t.thread])} ${rec.threads[t.thread]!.tid}`.toLowerCase().includes(wanted))
    const what = s.lock === null ? 'the GIL' : lockName(rec, s.lock)
    this.note.textContent = `${wanted ? `${count(rows.length)} of ` : ''}${counted(all.length, 'thread')}; waits are those for ${what}. A click filters the other views by the thread.`
    this.table.setRows(rows)
  }
}

export function threadsView(): View {
  return new Threads()
}
