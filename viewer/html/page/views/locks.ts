/* Locks: how often and how long each is waited for, how it changes hands; of one of them how long waits last and who holds it. */
import { min } from '../data/math'
import type { HolderSums, LockSums } from '../data/aggregate'
import { filterOf, holderSums, sums, waitHistogram } from '../data/aggregate'
import type { Recording } from '../data/recording'
import type { Key } from '../state'
import { clear, el, style } from '../ui/dom'
import { count, counted, duration, leafPlace, lockName, percent, place, printable, processName, rate, threadName } from '../ui/format'
import { histogramTable } from '../ui/histogram'
import { segmented } from '../ui/segmented'
import { Table, lengths, numbers } from '../ui/table'
import type { Column } from '../ui/table'
import { View } from '../view'

function shareBar(share: number): HTMLElement {
  const bar = el('span.use-bar', { decor: true })
  style(bar, '--share', `${min(100, 100 * share)}%`)
  return bar
}

/* The program's own line that waited first. */
function firstPlace(rec: Recording, l: LockSums): string {
  return printable(rec.locks[l.lock]!.where) || (l.stack ? place(leafPlace(rec, l.stack)) : '')
}

const GIL_ONLY = ['hand-offs', 'forced', 'held']

export class Locks extends View {
  readonly id = 'locks' as const
  readonly title = 'Locks'
  private tables: Table<LockSums>[] = [] /* of contention; of waiting for something to happen */
  private readonly detail = el('section.lock-detail', { label: 'The lock that is looked at' })
  private readonly by = segmented('Bars show', [{ value: 'count', label: 'Number' }, { value: 'time', label: 'Time' }], 'count', (v) => this.set({ byTime: v === 'time' }))

  protected build(): void {
    const idle = el('div.idle-waits', el('div.section-head', el('h2', 'Waiting for something to happen'), el('span.quiet', 'no contention: nobody held it back')))
    this.tables = ['Locks', 'Idle waits'].map((label, i) => new Table<LockSums>({
      label, sort: '-in all', empty: i ? 'Nobody did.' : 'No lock was waited for.', key: (l) => l.lock, columns: this.columns(this.rec).filter((c) => !i || !GIL_ONLY.includes(c.title)),
      open: (l) => this.set({ lock: this.s.lock === l.lock ? null : l.lock }), selected: (l) => l.lock === this.looked()?.lock,
    }))
    idle.append(this.tables[1]!.element)
    idle.hidden = this.rec.locks.every((l) => !l.idle)
    this.host.append(el('div.locks',
      el('p.quiet above-table', 'Other locks than the GIL are told by the stacks that wait for them and by the objects themselves; a futex may be anything.'),
      this.tables[0]!.element, idle, this.detail))
    this.draw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (['selection', 'process', 'thread', 'lock', 'search', 'view'].some((k) => changed.has(k as Key))) this.draw()
    else if (changed.has('byTime')) this.drawDetail()
  }

  private columns(rec: Recording): Column<LockSums>[] {
    return [
      { title: 'lock', value: (l) => printable(rec.locks[l.lock]!.label) + (rec.processes.length > 1 ? ` of ${processName(rec, rec.locks[l.lock]!.process)}` : '') },
      { title: 'kind', value: (l) => printable(rec.locks[l.lock]!.kind) },
      { title: 'first waited for at', wide: true, value: (l) => firstPlace(rec, l) },
      numbers('waits', (l) => l.waits, count),
      numbers('in all', (l) => l.waitNs, duration, 'Thread-seconds spent waiting for it'),
      ...lengths<LockSums>(),
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
      return !wanted || `${lockName(rec, l.lock)} ${firstPlace(rec, l)}`.toLowerCase().includes(wanted)
    })
  }

  /* The lock of the filter, else the GIL most waited for, else another lock. */
  private looked(): LockSums | null {
    const s = this.s
    const all = sums(this.rec, filterOf({ ...s, lock: null })).locks
    if (s.lock !== null) return all.find((l) => l.lock === s.lock) ?? null
    const worth = ({ waitNs, lock }: LockSums) => waitNs + (this.rec.locks[lock]!.kind === 'gil' ? 1e18 : this.rec.locks[lock]!.idle ? -1e18 : 0)
    return all.filter((l) => l.waits).sort((a, b) => worth(b) - worth(a))[0] ?? null
  }

  private draw(): void {
    const rows = this.rows()
    this.tables.forEach((t, i) => t.setRows(rows.filter((l) => this.rec.locks[l.lock]!.idle === !!i)))
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
    if (holders.length) this.detail.append(this.holders(rec.locks[l.lock]!.kind === 'gil', holders, this.inferred(l.lock)))
  }

  private inferred(lock: number): boolean {
    const { waits } = this.rec
    return waits.flags.some((flags, row) => flags & 16 && waits.lock[row] === lock)
  }

  private holders(gil: boolean, holders: HolderSums[], inferred: boolean): HTMLElement {
    const rec = this.rec
    const all = holders.reduce((ns, h) => ns + h.ns, 0)
    const said = gil ? '' : `seen only while others waited${inferred ? '; inferred: the lock does not say who has it, who woke a waiter had it until then' : '; the lock names its owner'}`
    const table = new Table<HolderSums>({
      label: 'Holders', sort: '-in all', empty: '', key: (h) => h.thread,
      open: (h) => this.set({ thread: this.s.thread === h.thread ? null : h.thread }), selected: (h) => this.s.thread === h.thread,
      columns: [
        { title: 'holder', value: (h) => threadName(rec.threads[h.thread]) },
        numbers('holds', (h) => h.holds, count),
        numbers('in all', (h) => h.ns, duration),
        { title: 'share', number: true, value: (h) => h.ns, text: (h) => percent(h.ns, all) },
        numbers('asleep', (h) => h.blocked, duration, 'Held while it slept in a system call or on another lock'),
        numbers('no CPU', (h) => h.preempted, duration, 'Held while it waited for a CPU'),
        numbers('longest', (h) => h.max, duration),
      ],
    })
    table.setRows(holders)
    return el('div.lock-holders', el('div.section-head', el('h2', 'Who holds it'), el('span.quiet', said)), table.element)
  }
}
