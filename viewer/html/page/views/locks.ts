/* Locks: how often and how long each is waited for, how it changes hands; of one of them how long waits last and who holds it. */
import { min } from '../data/math'
import type { HolderSums, LockSums } from '../data/aggregate'
import { filterOf, holderSums, sums, waitHistogram } from '../data/aggregate'
import type { Recording } from '../data/recording'
import type { Key } from '../state'
import { clear, el, style } from '../ui/dom'
import { count, counted, duration, leafPlace, lockName, percent, place, printable, rate, threadName } from '../ui/format'
import { histogramTable } from '../ui/histogram'
import { segmented } from '../ui/segmented'
import { Table, numbers } from '../ui/table'
import type { Column } from '../ui/table'
import { View } from '../view'

function shareBar(share: number): HTMLElement {
  const bar = el('span.use-bar', { decor: true })
  style(bar, '--share', `${min(100, 100 * share)}%`)
  return bar
}

function kindName(rec: Recording, lock: number): string {
  const kind = rec.locks[lock]!.kind
  return kind === 'gil' ? 'GIL' : printable(kind)
}

export class Locks extends View {
  readonly id = 'locks' as const
  readonly title = 'Locks'
  private table!: Table<LockSums>
  private readonly detail = el('section.lock-detail', { label: 'The lock that is looked at' })
  private readonly by = segmented('Bars show', [{ value: 'count', label: 'Number' }, { value: 'time', label: 'Time' }], 'count', (v) => this.set({ byTime: v === 'time' }))

  protected build(): void {
    this.table = new Table<LockSums>({
      label: 'Locks', sort: '-in all', empty: 'No lock was waited for.', key: (l) => l.lock, columns: this.columns(this.rec),
      open: (l) => this.set({ lock: this.s.lock === l.lock ? null : l.lock }), selected: (l) => l.lock === this.looked()?.lock,
    })
    this.host.append(el('div.locks',
      el('p.quiet above-table', 'Other locks than the GIL are known by the futex a thread slept on; such sleep may be idleness (a queue that is empty) as well as contention.'),
      this.table.element, this.detail))
    this.draw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (['selection', 'process', 'thread', 'lock', 'search', 'view'].some((k) => changed.has(k as Key))) this.draw()
    else if (changed.has('byTime')) this.drawDetail()
  }

  private columns(rec: Recording): Column<LockSums>[] {
    const first = (l: LockSums) => (l.stack ? place(leafPlace(rec, l.stack)) : '')
    return [
      { title: 'lock', value: (l) => lockName(rec, l.lock) },
      { title: 'kind', value: (l) => kindName(rec, l.lock) },
      { title: 'first waited for at', wide: true, value: first },
      numbers('waits', (l) => l.waits, count),
      numbers('in all', (l) => l.waitNs, duration, 'Thread-seconds spent waiting for it'),
      numbers('p50', (l) => l.p50, duration, 'Half of the waits are longer'),
      numbers('p99', (l) => l.p99, duration, 'One in a hundred is longer'),
      numbers('longest', (l) => l.max, duration),
      numbers('hand-offs', (l) => l.handoffs, count),
      { title: 'forced', help: 'Demanded by a waiter after a switch interval', number: true, value: (l) => l.forced / (l.handoffs || NaN), text: (l) => (l.handoffs ? percent(l.forced, l.handoffs) : '·') },
      { title: 'held', help: 'Share of the time in which somebody held it; not seen of other locks than GILs', number: true, value: (l) => l.utilisation,
        text: (l) => (Number.isNaN(l.utilisation) ? '·' : percent(l.utilisation)), cell: (l) => (Number.isNaN(l.utilisation) ? '·' : [shareBar(l.utilisation), percent(l.utilisation)]) },
    ]
  }

  private rows(): LockSums[] {
    const s = this.s
    const rec = this.rec
    const wanted = s.search.toLowerCase()
    return sums(rec, filterOf({ ...s, lock: null })).locks.filter((l) => {
      if (!l.waits && !l.heldNs && s.lock !== l.lock) return false
      return !wanted || `${lockName(rec, l.lock)} ${kindName(rec, l.lock)} ${l.stack ? place(leafPlace(rec, l.stack)) : ''}`.toLowerCase().includes(wanted)
    })
  }

  /* The lock of the filter, else the GIL most waited for. */
  private looked(): LockSums | null {
    const s = this.s
    const all = sums(this.rec, filterOf({ ...s, lock: null })).locks
    if (s.lock !== null) return all.find((l) => l.lock === s.lock) ?? null
    const worth = (l: LockSums) => l.waitNs + (this.rec.locks[l.lock]!.kind === 'gil' ? 1e18 : 0)
    return all.filter((l) => l.waits).sort((a, b) => worth(b) - worth(a))[0] ?? null
  }

  private draw(): void {
    this.table.setRows(this.rows())
    this.drawDetail()
  }

  private drawDetail(): void {
    const s = this.s
    const rec = this.rec
    const l = this.looked()
    clear(this.detail)
    this.detail.hidden = !l
    if (!l) return
    const filter = filterOf({ ...s, lock: null })
    const seconds = sums(rec, filter).spanNs / 1e9 || 1
    const interval = rec.locks[l.lock]!.kind === 'gil' ? rec.processes[rec.locks[l.lock]!.process]?.switchIntervalNs : 0
    this.by.set(s.byTime ? 'time' : 'count')
    const said = [
      l.handoffs ? `hand-offs ${rate(l.handoffs / seconds)}, ${rate(l.forced / seconds)} of them by force (an interval ran out)` : '',
      l.recordedWaits && l.wakeNs ? `waking up takes ${duration(l.wakeNs / l.recordedWaits)} on average` : '',
      l.countedWaits ? `${counted(l.countedWaits, 'short wait')} only counted: their lengths are known on average` : '',
    ].filter((t) => t).join('; ')
    this.detail.append(
      el('div.lock-waits', el('div.section-head', el('h2', `How long waits for ${rec.locks[l.lock]!.kind === 'gil' ? 'the ' : ''}${lockName(rec, l.lock)} last`),
        el('span.quiet', interval ? `switch interval ${duration(interval)}` : ''), el('span.grow'), this.by.element),
      histogramTable(waitHistogram(rec, filter, l.lock), s.byTime, 'Lengths of waits'), el('p.quiet', said)))
    const holders = holderSums(rec, filter, l.lock)
    if (holders.length) this.detail.append(this.holders(l, holders))
  }

  private holders(l: LockSums, holders: HolderSums[]): HTMLElement {
    const rec = this.rec
    const table = new Table<HolderSums>({
      label: 'Holders', sort: '-in all', empty: '', key: (h) => h.thread,
      open: (h) => this.set({ thread: this.s.thread === h.thread ? null : h.thread }), selected: (h) => this.s.thread === h.thread,
      columns: [
        { title: 'holder', value: (h) => threadName(rec.threads[h.thread]) },
        numbers('holds', (h) => h.holds, count),
        numbers('in all', (h) => h.ns, duration),
        { title: 'share', number: true, value: (h) => h.ns, text: (h) => percent(h.ns, l.heldNs) },
        numbers('asleep', (h) => h.blocked, duration, 'Held while it slept in a system call or on another lock'),
        numbers('no CPU', (h) => h.preempted, duration, 'Held while it waited for a CPU'),
        numbers('longest', (h) => h.max, duration),
      ],
    })
    table.setRows(holders)
    return el('div.lock-holders', el('div.section-head', el('h2', 'Who holds it')), table.element)
  }
}
