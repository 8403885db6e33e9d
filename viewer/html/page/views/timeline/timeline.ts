/* The timeline: lanes of threads, locks and CPUs over time. */
import { f32, floor, max, min, round } from '../../data/math'
import { CHANNELS } from '../../data/pyramid'
import type { Pyramids } from '../../data/pyramid'
import { NONE, State } from '../../data/recording'
import type { Range } from '../../data/recording'
import type { Focus, Key } from '../../state'
import { el, style } from '../../ui/dom'
import { duration } from '../../ui/format'
import { isDark } from '../../ui/theme'
import { type KeyBinding, View } from '../../view'
import { holderColors, palette } from './colors'
import type { Palette } from './colors'
import { spoken } from './describe'
import { DetailPanel } from './detail'
import { AXIS_HEIGHT, FramePainter } from './frame'
import type { Geometry } from './frame'
import { LaneGrid } from './grid'
import { laneAt, laneOfLock, laneOfThread, lanesOf, layoutOf, threadTotals } from './lanes'
import type { Lane, Layout, ThreadTotals } from './lanes'
import { beside, exists, hitLock, hitThread, holderOf, rangeOf, sampleNear, threadOf } from './navigate'
import type { Hit } from './navigate'
import { OverlayPainter } from './overlay'
import { Places } from './places'
import { listenTo } from './pointer'
import { LaneList } from './list'
import { pyramidsOf } from './shared'
import { Legend, Toolbar } from './toolbar'
import { Tooltip } from './tooltip'

const MIN_SPAN_NS = 50
const RELAYOUT: Key[] = ['group', 'sort', 'filter', 'hideIdle', 'process']

export class TimelineView extends View {
  readonly id = 'timeline' as const
  readonly title = 'Timeline'
  private rgb!: Uint8Array
  private pyramids!: Pyramids
  private totals!: ThreadTotals
  private frame!: FramePainter
  private overlay!: OverlayPainter
  private layout: Layout = layoutOf([])
  private palette: Palette = palette(false)
  private collapsed = new Set<number>()
  private places = new Places()
  private root!: HTMLElement
  private scroller!: HTMLElement
  private spacer = el('div.tl-spacer')
  private stage!: HTMLElement
  private surface!: HTMLElement
  private base = el('canvas.tl-canvas', { role: 'img' })
  private top = el('canvas.tl-canvas', { decor: true })
  private grid!: LaneGrid
  private toolbar!: Toolbar
  private legend = new Legend()
  private detail!: DetailPanel
  private list!: LaneList
  private tip!: Tooltip
  private hover: { x: number; y: number } | null = null
  private hoverLane = -1
  private dragging = false
  private pending = 0
  private stale = { base: true, overlay: true, grid: true }

  protected build(): void {
    const { rec } = this
    this.rgb = holderColors(rec.threads.length)
    this.pyramids = pyramidsOf(rec)
    this.totals = threadTotals(rec)
    this.frame = new FramePainter(rec, this.pyramids, this.rgb)
    this.overlay = new OverlayPainter(rec)
    this.tip = new Tooltip(rec)
    this.toolbar = new Toolbar(this.page.store, { zoom: (f) => this.zoom(f), all: () => this.setVisible(null), fit: () => this.fit() })
    this.detail = new DetailPanel(rec, {
      holder: () => this.goToHolder(), back: () => this.goBack(), previous: () => this.step(-1), next: () => this.step(1), zoom: () => this.fit(),
      select: () => this.selectFocus(), thread: () => this.filterFocus(), close: () => this.closeDetail(),
    })
    this.list = new LaneList(rec, this.detail, (f) => this.setFocus(f))
    this.grid = new LaneGrid(rec, {
      open: (lane) => {
        this.tip.hide()
        this.list.open(lane, this.visible)
      },
      toggle: (process) => this.toggle(process),
      scrollTo: (lane) => this.scrollTo(lane),
      active: (lane) => this.say(lane),
      hover: (lane) => this.setHover(null, lane),
    })
    this.surface = el('div.tl-surface', this.base, this.top)
    this.stage = el('div.tl-stage', this.grid.element, this.surface)
    this.scroller = el('div.tl-scroll', { on: { scroll: () => this.invalidate(true) } }, this.stage, this.spacer)
    if (this.rec.reduced) this.legend.element.append(el('li.tl-note', this.rec.reduced.note))
    this.root = el('div.tl', this.toolbar.element, this.scroller, this.legend.element, this.detail.element, this.tip.element)
    this.host.append(this.root)
    this.listen()
    new ResizeObserver(() => this.redraw()).observe(this.scroller)
    this.update(new Set<Key>([...RELAYOUT, 'focus']))
    this.redraw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (RELAYOUT.some((k) => changed.has(k))) this.relayout()
    if (changed.has('theme')) this.redraw()
    if (changed.has('focus')) this.showFocus()
    if (changed.has('focus') || changed.has('visible')) this.tip.hide()
    const all = changed.has('visible') || RELAYOUT.some((k) => changed.has(k)) || changed.has('thread') || changed.has('lock')
    this.invalidate(all)
  }

  redraw(): void {
    if (!this.root) return
    this.palette = palette(isDark())
    this.legend.draw(this.palette, devicePixelRatio || 1)
    this.spaceOut()
    this.invalidate(true)
  }

  /* --- what is in sight ------------------------------------------------------------------------------------- */

  private get whole(): Range {
    return { t0: 0, t1: max(1, this.rec.durationNs) }
  }

  private get visible(): Range {
    const v = this.s.visible
    return v ? this.clamped(v) : this.whole
  }

  private clamped(r: Range): Range {
    const end = this.whole.t1
    const span = min(end, max(MIN_SPAN_NS, r.t1 - r.t0))
    const t0 = max(0, min(end - span, r.t0))
    return { t0, t1: t0 + span }
  }

  private setVisible(r: Range | null): void {
    const to = r && this.clamped(r)
    this.set({ visible: to && to.t1 - to.t0 < this.whole.t1 ? to : null })
  }

  private timeAt(x: number): number {
    const v = this.visible
    return v.t0 + (x / max(1, this.width)) * (v.t1 - v.t0)
  }

  private get width(): number {
    return this.surface.clientWidth
  }

  /* x: where it stays, in pixels; the mouse if it is there, else the middle. */
  private zoom(factor: number, x = this.hover?.x ?? this.width / 2): void {
    const v = this.visible
    const span = min(this.whole.t1, max(MIN_SPAN_NS, (v.t1 - v.t0) * factor))
    const at = this.timeAt(x)
    const t0 = at - (x / max(1, this.width)) * span
    this.setVisible({ t0, t1: t0 + span })
  }

  private pan(share: number): void {
    const v = this.visible
    const by = (v.t1 - v.t0) * share
    this.setVisible({ t0: v.t0 + by, t1: v.t1 + by })
  }

  private fit(): void {
    const { focus, selection } = this.s
    const r = focus && exists(this.rec, focus) ? rangeOf(this.rec, focus) : selection
    if (!r) return
    const margin = max(25, (r.t1 - r.t0) * (focus ? 0.35 : 0.02))
    this.setVisible({ t0: r.t0 - margin, t1: r.t1 + margin })
  }

  private scrollTo(lane: number): void {
    const top = this.layout.top[lane]!, bottom = this.layout.top[lane + 1]!
    const height = this.scroller.clientHeight - AXIS_HEIGHT
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top
    else if (bottom > this.scroller.scrollTop + height) this.scroller.scrollTop = bottom - height
    this.stale = { base: true, overlay: true, grid: true }
    this.paint()
  }

  private relayout(): void {
    const s = this.s
    const { lanes, hidden } = lanesOf(this.rec, this.totals, { ...s, collapsed: this.collapsed })
    this.layout = layoutOf(lanes)
    this.toolbar.update(hidden)
    this.spaceOut()
    const threads = lanes.filter((l) => l.kind === 'thread').length
    this.base.setAttribute('aria-label', `Timeline: states of ${threads} threads over ${duration(this.rec.durationNs)}. The grid beside it has the same lanes as rows.`)
  }

  private spaceOut(): void {
    const content = AXIS_HEIGHT + this.layout.top[this.layout.lanes.length]!
    style(this.spacer, 'height', `${max(0, content - this.scroller.clientHeight)}px`)
  }

  private toggle(process: number): void {
    if (!this.collapsed.delete(process)) this.collapsed.add(process)
    this.relayout()
    this.invalidate(true)
  }

  /* --- painting --------------------------------------------------------------------------------------------- */

  private invalidate(all: boolean): void {
    this.stale.overlay = true
    if (all) this.stale.base = this.stale.grid = true
    if (!this.pending) this.pending = requestAnimationFrame(() => this.paint())
  }

  private geometry(): Geometry {
    const v = this.visible
    return { width: this.width, height: this.stage.clientHeight, dpr: devicePixelRatio || 1, scroll: round(this.scroller.scrollTop), from: v.t0, to: v.t1 }
  }

  private paint(): void {
    cancelAnimationFrame(this.pending)
    this.pending = 0
    const g = this.geometry()
    if (g.width < 10 || g.height < 10) return
    for (const canvas of [this.base, this.top]) {
      const w = round(g.width * g.dpr), h = round(g.height * g.dpr)
      if (canvas.width === w && canvas.height === h) continue
      canvas.width = w
      canvas.height = h
      this.stale.base = this.stale.overlay = true
    }
    if (this.stale.base) {
      const start = performance.now()
      this.frame.draw(this.base.getContext('2d', { alpha: false })!, g, this.layout, this.palette)
      /* the last one only: the browser keeps them all otherwise */
      performance.clearMeasures('frame')
      performance.measure('frame', { start })
    }
    const s = this.s
    if (this.stale.grid)
      this.grid.draw(this.layout, g.scroll, g.height - AXIS_HEIGHT, g.from, g.to, this.collapsed, this.hoverLane,
        (lane) => (lane.kind === 'thread' && lane.thread === s.thread) || (lane.kind === 'lock' && lane.lock === s.lock))
    const focus = s.focus && exists(this.rec, s.focus) ? s.focus : null
    this.overlay.draw(this.top.getContext('2d')!, g, this.layout, this.palette, { selection: s.selection, baseline: s.baseline, focus, hoverX: this.hover?.x ?? null, lane: this.hoverLane })
    this.stale = { base: false, overlay: false, grid: false }
  }

  /* --- mouse ------------------------------------------------------------------------------------------------ */

  private listen(): void {
    const view = this
    const store = this.page.store
    listenTo({
      element: this.surface,
      timeAt: (x) => this.timeAt(x),
      spanNs: () => this.visible.t1 - this.visible.t0,
      width: () => this.width,
      visible: () => this.visible,
      selection: () => store.get().selection,
      setSelection: (selection) => store.set({ selection }),
      setBaseline: (baseline) => store.set({ baseline }),
      pan: (ns) => this.setVisible({ t0: this.visible.t0 + ns, t1: this.visible.t1 + ns }),
      show: (r) => this.setVisible(r),
      zoom: (factor, x) => this.zoom(factor, x),
      click: (x, y) => this.click(x, y),
      open(x, y) {
        const hit = view.hit(x, y)
        if (hit) view.zoomTo(hit.focus)
      },
      hover: (x, y) => this.setHover({ x, y }, this.laneAtY(y)),
      leave: () => this.setHover(null, -1),
      dragging: (on) => {
        this.dragging = on
        if (on) this.tip.hide()
        else if (store.get().selection) this.page.say(`selected ${duration(store.get().selection!.t1 - store.get().selection!.t0)}`)
      },
    })
  }

  private laneAtY(y: number): number {
    return y < AXIS_HEIGHT ? -1 : laneAt(this.layout, y - AXIS_HEIGHT + round(this.scroller.scrollTop))
  }

  private hit(x: number, y: number): Hit | null {
    const lane = this.layout.lanes[this.laneAtY(y)]
    if (!lane) return null
    const from = this.timeAt(floor(x)), to = this.timeAt(floor(x) + 1)
    if (lane.kind === 'lock') return hitLock(this.rec, lane.lock, from, to)
    if (lane.kind !== 'thread') return null
    const top = this.layout.top[this.laneAtY(y)]! - round(this.scroller.scrollTop) + AXIS_HEIGHT
    /* the foot of a lane is where the samples are */
    if (!this.layout.compact && y - top >= 17 && (to - from) * 2 < 1e9 / max(1, this.rec.sampleHz)) {
      const sample = sampleNear(this.rec, lane.thread, (from + to) / 2, (to - from) * 3)
      if (sample >= 0) return { focus: { table: 'sample', row: sample }, rows: 1 }
    }
    return hitThread(this.rec, lane.thread, from, to)
  }

  private click(x: number, y: number): void {
    const lane = this.layout.lanes[this.laneAtY(y)]
    if (lane?.kind === 'process') this.toggle(lane.process)
    else this.setFocus(this.hit(x, y)?.focus ?? null)
  }

  private setHover(at: { x: number; y: number } | null, lane: number): void {
    this.hover = at
    if (lane !== this.hoverLane) this.stale.grid = true
    this.hoverLane = lane
    this.invalidate(false)
    if (!at || this.dragging) {
      this.tip.hide()
      return
    }
    const hit = this.hit(at.x, at.y)
    const from = this.timeAt(floor(at.x)), to = this.timeAt(floor(at.x) + 1)
    const here = this.layout.lanes[lane]
    if (hit?.focus.table === 'tally') this.tip.tally(hit.focus)
    else if (hit) this.tip.row(hit.focus, hit.rows, from, to)
    else if (here?.kind === 'cpu') this.cpuTip(here.process, from, to)
    else {
      this.tip.hide()
      return
    }
    const box = this.root.getBoundingClientRect(), mine = this.surface.getBoundingClientRect()
    this.tip.at(at.x + mine.left - box.left, at.y + mine.top - box.top, box.width, box.height)
  }

  private cpuTip(process: number | null, from: number, to: number): void {
    const cov = f32(CHANNELS)
    this.rec.threads.forEach((t, i) => { if (process === null || t.process === process) this.pyramids.addThread(i, { from, pixelNs: to - from, width: 1 }, cov) })
    this.tip.cpu({ gil: cov[State.Gil]!, nogil: cov[State.NoGil]!, runnable: cov[State.Runnable]! }, from, to)
  }

  /* --- focus ------------------------------------------------------------------------------------------------ */

  private setFocus(focus: Focus | null): void {
    const listed = this.list.isOpen
    this.set({ focus })
    /* the list lay over the details of that same row */
    if (listed && this.list.isOpen) this.showFocus()
  }

  private showFocus(): void {
    const { focus } = this.s
    if (!focus || !exists(this.rec, focus)) {
      this.detail.hide()
      return
    }
    this.list.close()
    this.detail.show(focus, { holder: holderOf(this.rec, focus) !== null, back: this.places.length > 0 })
    this.page.say(spoken(this.rec, focus, threadOf(this.rec, focus)))
    this.reveal(focus)
  }

  /* Brings a row into sight without moving more than needed. */
  private reveal(f: Focus): void {
    const r = rangeOf(this.rec, f), v = this.visible
    if (r.t1 < v.t0 || r.t0 > v.t1) {
      const span = v.t1 - v.t0, middle = (r.t0 + r.t1) / 2
      this.setVisible({ t0: middle - span / 2, t1: middle + span / 2 })
    }
    const thread = threadOf(this.rec, f)
    const lane = thread === NONE ? -1 : laneOfThread(this.layout, thread)
    const shown = lane >= 0 ? lane : f.table === 'hold' ? laneOfLock(this.layout, this.rec.holds.lock[f.row]!) : -1
    if (shown >= 0 && this.scroller.clientHeight > 0) {
      this.spaceOut()
      this.scrollTo(shown)
    }
  }

  private zoomTo(f: Focus): void {
    this.setFocus(f)
    this.fit()
  }

  private step(direction: 1 | -1): void {
    const { focus } = this.s
    if (!focus || !exists(this.rec, focus)) {
      this.focusFirst()
      return
    }
    const next = beside(this.rec, focus, direction)
    if (next) this.setFocus(next)
    else this.page.say(direction > 0 ? 'the last of its lane' : 'the first of its lane')
  }

  /* Without a focus: the row in the middle of the active lane, else of the first thread in sight. */
  private focusFirst(): void {
    const lane = this.grid.activeLane ?? this.layout.lanes.find((l) => l.kind === 'thread')
    const v = this.visible
    const hit = lane?.kind === 'thread' ? hitThread(this.rec, lane.thread, v.t0, v.t1) : lane?.kind === 'lock' ? hitLock(this.rec, lane.lock, v.t0, v.t1) : null
    if (hit) this.setFocus(hit.focus)
  }

  private goToHolder(): void {
    const s = this.s
    if (!s.focus || !exists(this.rec, s.focus)) return
    const to = holderOf(this.rec, s.focus)
    if (!to) {
      this.page.say('no holder is known')
      return
    }
    this.places.push({ focus: s.focus, visible: s.visible })
    this.setFocus(to)
  }

  private goBack(): void {
    const stop = this.places.pop()
    if (stop) this.set(stop)
    else this.page.say('nowhere to go back to')
  }

  private selectFocus(): void {
    const { focus } = this.s
    if (!focus) return
    const r = rangeOf(this.rec, focus)
    if (r.t1 > r.t0) this.set({ selection: r })
  }

  private filterFocus(): void {
    const { focus } = this.s
    const thread = focus ? threadOf(this.rec, focus) : NONE
    if (thread !== NONE) this.set({ thread })
  }

  private closeDetail(): void {
    const inside = this.detail.element.contains(document.activeElement)
    this.list.close()
    this.detail.hide()
    this.setFocus(null)
    if (inside) this.grid.refocus()
  }

  /* Esc takes away one thing at a time. */
  private escape(): void {
    const s = this.s
    if (this.list.isOpen || s.focus) this.closeDetail()
    else if (s.selection) this.set({ selection: null })
    else if (s.baseline) this.set({ baseline: null })
  }

  private say(lane: Lane): void {
    this.page.say(lane.kind === 'thread' ? `thread ${lane.label}` : lane.kind === 'lock' ? `lock ${lane.label}` : lane.label)
  }

  override get keys(): KeyBinding[] {
    const key = (keys: string[], help: string, run: () => void): KeyBinding => ({ keys, help, run })
    return [
      key(['w', '+', '='], 'zoom in, at the mouse; also Ctrl+wheel, two fingers', () => this.zoom(0.6)),
      key(['s', '-'], 'zoom out', () => this.zoom(1 / 0.6)),
      key(['a', 'ArrowLeft'], 'to the left; also Shift+wheel, Shift+drag, a finger', () => this.pan(-0.2)),
      key(['d', 'ArrowRight'], 'to the right', () => this.pan(0.2)),
      key(['ArrowUp'], 'lanes up', () => { this.scroller.scrollTop -= 66 }),
      key(['ArrowDown'], 'lanes down', () => { this.scroller.scrollTop += 66 }),
      key(['f'], 'fit the focused row, else the selection', () => this.fit()),
      key(['0'], 'the whole recording', () => this.setVisible(null)),
      key(['.'], 'next row of the lane', () => this.step(1)),
      key([','], 'previous row of the lane', () => this.step(-1)),
      key(['g'], 'from a wait to the hold it waited for; from a hold to the wait before it', () => this.goToHolder()),
      key(['b'], 'back', () => this.goBack()),
      key(['/'], 'filter the threads by name', () => this.toolbar.filter.focus()),
      key(['Escape'], 'clear the focus, then the selection, then the baseline', () => this.escape()),
    ]
  }
}

export const timelineView = (): View => new TimelineView()
