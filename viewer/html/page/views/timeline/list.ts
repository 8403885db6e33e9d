/* The rows of one lane as pages of a table: what is on the canvas, without a mouse. */
import { max, min } from '../../data/math'
import { visibleRows } from '../../data/pyramid'
import type { Range, Recording } from '../../data/recording'
import type { Focus } from '../../state'
import type { DetailPanel } from './detail'
import type { Lane } from './lanes'
import { waitOf } from './navigate'

const PAGE = 200

export class LaneList {
  isOpen = false
  private from = 0

  constructor(private rec: Recording, private panel: DetailPanel, private focus: (f: Focus) => void) {}

  open(lane: Lane, range: Range, from = 0): void {
    if (lane.kind !== 'thread' && lane.kind !== 'lock') return
    const { intervals, holds, threads, locks } = this.rec
    const [first, last] = lane.kind === 'lock'
      ? visibleRows(holds.t0, holds.t1, locks[lane.lock]!.holds, range.t0, range.t1)
      : visibleRows(intervals.t0, intervals.t1, threads[lane.thread]!.intervals, range.t0, range.t1)
    const all = last - first
    this.from = max(0, min(from, all - 1))
    const rows: Focus[] = []
    for (let i = first + this.from; i < min(last, first + this.from + PAGE); i++) rows.push(this.named(lane, i))
    this.isOpen = true
    this.panel.list(`Rows of ${lane.label}`, rows, this.from, all, this.focus, (by) => this.open(lane, range, this.from + by * PAGE))
  }

  private named(lane: Lane, row: number): Focus {
    if (lane.kind === 'lock') return { table: 'hold', row }
    const wait = lane.kind === 'thread' ? waitOf(this.rec, lane.thread, row) : -1
    return wait >= 0 ? { table: 'wait', row: wait } : { table: 'interval', row }
  }

  close(): void {
    this.isOpen = false
  }
}
