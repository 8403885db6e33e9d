/* The names beside the lanes, which are also the lanes for those who do not use a mouse: a tree grid with a row for each
 * visible lane and the shares of its states in the visible range.  One row has the tab stop. */
import { f64, floor, max, min } from '../../data/math'
import { CHANNELS, HELD, sumsOf, visibleRows } from '../../data/pyramid'
import { State } from '../../data/recording'
import type { Recording } from '../../data/recording'
import { el, on, style, take } from '../../ui/dom'
import { percent } from '../../ui/format'
import { laneAt, laneKey } from './lanes'
import type { Lane, Layout } from './lanes'

const COLUMNS: { title: string; shown: boolean; state: State | null }[] = [
  { title: 'waits for GIL', shown: true, state: State.WaitGil },
  { title: 'waits for another lock', shown: false, state: State.WaitLock },
  { title: 'running with the GIL', shown: false, state: State.Gil },
  { title: 'running without the GIL', shown: false, state: State.NoGil },
  { title: 'blocked or asleep', shown: false, state: State.Blocked },
  { title: 'wants a CPU', shown: false, state: State.Runnable },
  { title: 'held the GIL while not running', shown: false, state: null },
]
const QUIET_MS = 120 /* after the last movement the shares are summed */

export interface GridEvents { open(lane: Lane): void; toggle(process: number): void; scrollTo(lane: number): void; active(lane: Lane): void; hover(lane: number): void }

interface RowElement { element: HTMLElement; cells: HTMLElement[]; lane: Lane }

export class LaneGrid {
  readonly element = el('div.tl-gutter', { role: 'treegrid', label: 'Lanes of the timeline', 'aria-colcount': COLUMNS.length + 1 })
  private head = el('div.tl-row tl-row-head', { role: 'row', 'aria-rowindex': 1 },
    el('span', { role: 'columnheader' }, 'Thread'), ...COLUMNS.map((c) => el('span', { role: 'columnheader', class: c.shown ? 'tl-cell' : 'offscreen' }, c.title)))
  private body = el('div.tl-rows', { role: 'rowgroup' })
  private rows = new Map<string, RowElement>()
  private active = ''
  private layout: Layout | null = null
  private collapsed: ReadonlySet<number> = new Set()
  private timer = 0
  private sums = f64(CHANNELS)

  constructor(private rec: Recording, private events: GridEvents) {
    this.element.append(el('div.tl-head-group', { role: 'rowgroup' }, this.head), this.body)
    on(this.body, 'keydown', (e) => this.onKey(e))
    on(this.body, 'click', (e) => this.onClick(e))
    on(this.body, 'pointermove', (e) => events.hover(this.indexOf(e.target)))
    on(this.body, 'pointerleave', () => events.hover(-1))
    on(this.body, 'focusin', (e) => this.makeActive(this.indexOf(e.target)))
  }

  private indexOf(target: EventTarget | null): number {
    const row = target instanceof Element ? target.closest('[data-lane]') : null
    return row ? Number((row as HTMLElement).dataset.lane) : -1
  }

  /* The rows that are in sight; range for the shares.  marked: lanes of the filtered thread or lock. */
  draw(layout: Layout, scroll: number, height: number, from: number, to: number, collapsed: ReadonlySet<number>, hovered: number, marked: (lane: Lane) => boolean): void {
    this.layout = layout
    this.collapsed = collapsed
    this.element.setAttribute('aria-rowcount', String(layout.lanes.length + 1))
    const wanted = new Set<string>()
    const first = max(0, laneAt(layout, scroll))
    for (let i = first; i < layout.lanes.length && layout.top[i]! < scroll + height; i++) {
      const lane = layout.lanes[i]!, key = laneKey(lane)
      wanted.add(key)
      let row = this.rows.get(key)
      if (!row) this.rows.set(key, (row = this.make(lane)))
      this.place(row, i, layout, scroll)
      row.element.classList.toggle('tl-hovered', i === hovered)
      row.element.classList.toggle('tl-marked', marked(lane))
    }
    const focused = document.activeElement
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue
      const at = layout.lanes.findIndex((l) => laneKey(l) === key)
      if (row.element === focused && at >= 0) this.place(row, at, layout, scroll)
      else {
        row.element.remove()
        this.rows.delete(key)
      }
    }
    this.element.classList.toggle('tl-compact', layout.compact)
    this.tabStop(layout.lanes[first])
    clearTimeout(this.timer)
    this.timer = window.setTimeout(() => this.shares(from, to), QUIET_MS)
  }

  private make(lane: Lane): RowElement {
    const name = el('span.tl-name', { role: 'rowheader', title: lane.kind === 'thread' ? `${lane.label}, tid ${this.rec.threads[lane.thread]!.tid}` : lane.label }, el('bdi', lane.label))
    const cells = COLUMNS.map((c) => el('span', { role: 'gridcell', class: c.shown ? 'tl-cell' : 'offscreen' }))
    const element = el('div', { class: `tl-row tl-row-${lane.kind}`, role: 'row', tabindex: -1, 'aria-level': lane.kind === 'process' ? 1 : 2 }, name, ...cells)
    if (lane.kind === 'process') {
      cells[0]!.textContent = lane.note
      cells[1]!.textContent = lane.locks
    }
    this.body.append(element)
    return { element, cells, lane }
  }

  private place(row: RowElement, i: number, layout: Layout, scroll: number): void {
    const { element } = row
    element.dataset.lane = String(i)
    element.setAttribute('aria-rowindex', String(i + 2))
    if (row.lane.kind === 'process') element.setAttribute('aria-expanded', String(!this.collapsed.has(row.lane.process)))
    style(element, 'transform', `translateY(${layout.top[i]! - scroll}px)`)
    style(element, 'height', `${layout.top[i + 1]! - layout.top[i]!}px`)
  }

  private tabStop(first: Lane | undefined): void {
    const has = this.rows.has(this.active)
    for (const [key, row] of this.rows) row.element.tabIndex = (has ? key === this.active : first && key === laneKey(first)) ? 0 : -1
  }

  private makeActive(index: number): void {
    const lane = this.layout?.lanes[index]
    if (!lane) return
    this.active = laneKey(lane)
    this.tabStop(lane)
    this.events.active(lane)
  }

  /* Moves the keyboard's focus to a lane, which scrolls it into sight. */
  focus(index: number): void {
    const lane = this.layout?.lanes[index]
    if (!lane) return
    this.active = laneKey(lane)
    this.events.scrollTo(index)
    this.rows.get(this.active)?.element.focus({ preventScroll: true })
  }

  /* The keyboard comes back from elsewhere. */
  refocus(): void {
    const at = this.layout?.lanes.findIndex((l) => laneKey(l) === this.active) ?? -1
    this.focus(max(0, at))
  }

  get activeLane(): Lane | null {
    return this.layout?.lanes.find((l) => laneKey(l) === this.active) ?? null
  }

  private onClick(e: Event): void {
    const lane = this.layout?.lanes[this.indexOf(e.target)]
    if (!lane) return
    this.focus(this.indexOf(e.target))
    if (lane.kind === 'process') this.events.toggle(lane.process)
  }

  private onKey(e: KeyboardEvent): void {
    const layout = this.layout
    const at = this.indexOf(e.target)
    const lane = layout?.lanes[at]
    if (!layout || !lane || e.ctrlKey || e.altKey || e.metaKey || e.shiftKey) return
    const page = max(1, floor(this.body.clientHeight / 24) - 1)
    const to: { [key: string]: number } = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: layout.lanes.length - 1 }
    if (e.key in to) this.focus(max(0, min(layout.lanes.length - 1, to[e.key]!)))
    else if (e.key === 'Enter' || e.key === ' ') {
      if (lane.kind === 'process') this.events.toggle(lane.process)
      else this.events.open(lane)
    } else if (e.key === 'ArrowRight' && lane.kind === 'process') {
      if (this.collapsed.has(lane.process)) this.events.toggle(lane.process)
    } else if (e.key === 'ArrowLeft' && lane.kind === 'process') {
      if (!this.collapsed.has(lane.process)) this.events.toggle(lane.process)
    } else return
    take(e)
  }

  /* Sums of what is in sight. */
  private shares(from: number, to: number): void {
    const all = max(1, to - from)
    for (const { lane, cells } of this.rows.values()) {
      if (lane.kind === 'lock') cells[0]!.textContent = `held ${this.rec.locks[lane.lock]!.kind === 'gil' ? '' : '≥ '}${percent(this.heldNs(lane.lock, from, to), all)}`
      if (lane.kind !== 'thread') continue
      const sums = sumsOf(this.rec, lane.thread, from, to, this.sums)
      COLUMNS.forEach((c, i) => {
        const ns = c.state === null ? sums[HELD]! : c.state === State.Blocked ? sums[State.Blocked]! + sums[State.Sleep]! : sums[c.state]!
        cells[i]!.textContent = ns > 0 || !c.shown ? percent(ns, all) : ''
      })
    }
  }

  private heldNs(lock: number, from: number, to: number): number {
    const { t0, t1 } = this.rec.holds
    const [first, last] = visibleRows(t0, t1, this.rec.locks[lock]!.holds, from, to)
    let ns = 0
    for (let i = first; i < last; i++) ns += min(t1[i]!, to) - max(t0[i]!, from)
    return ns
  }
}

