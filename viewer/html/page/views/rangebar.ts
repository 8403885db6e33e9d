/* The whole recording in small, always in sight: how many threads wait for the GIL, run with the GIL, run without it.
 * A brush over it is the selection, with Ctrl the baseline; what the timeline shows is outlined. */
import { abs, f32, floor, max, min, round } from '../data/math'
import { CHANNELS } from '../data/pyramid'
import type { Pyramids } from '../data/pyramid'
import { State } from '../data/recording'
import type { Range } from '../data/recording'
import type { Key } from '../state'
import { el, on, take } from '../ui/dom'
import { duration, range } from '../ui/format'
import { isDark } from '../ui/theme'
import type { Page } from '../view'
import { cssOf, fillRect, fillText, palette, pixelOf } from './timeline/colors'
import type { Palette } from './timeline/colors'
import { MASKS, Pattern } from './timeline/colors'
import { ordered } from './timeline/pointer'
import { clock, ticksOf } from './timeline/axis'
import { pyramidsOf } from './timeline/shared'

const AXIS = 13
const EDGE_PX = 6
const STEP = 0.01 /* of the recording, a key press */

type Which = 'selection' | 'baseline'
interface Drag { which: Which; at: number; move: Range | null; x: number; moved: boolean }

export function mountRangeBar(host: HTMLElement, page: Page): void {
  new RangeBar(host, page)
}

class RangeBar {
  private canvas = el('canvas.rb-canvas', { decor: true })
  private surface: HTMLElement
  private picture: ImageData | null = null
  private crowd = f32(0)
  private most = 1
  private pyramids: Pyramids
  private drag: Drag | null = null
  private pending = 0
  private palette: Palette = palette(false)
  private dark: boolean | null = null

  constructor(host: HTMLElement, private page: Page) {
    this.pyramids = pyramidsOf(page.rec)
    this.surface = el('div.rb-surface', {
      tabindex: 0, role: 'slider', 'aria-orientation': 'horizontal', label: 'Selected range of the recording', 'aria-valuemin': 0,
      'aria-valuemax': max(1, round(page.rec.durationNs / 1e6)), 'aria-valuenow': 0,
      title: 'Drag: select. Ctrl+drag: baseline. Double-click: nothing selected. Arrows move the selection, Shift+arrows resize it.',
    }, this.canvas)
    const key = (name: string, text: string) => el('span', el('span', { class: `tl-swatch s-${name}`, decor: true }), text)
    host.append(el('div.rb', this.surface, el('div.rb-key', { decor: true }, key('wait_gil', 'wait for the GIL'), key('nogil', 'run without the GIL'), key('gil', 'run with the GIL'))))
    this.listen()
    page.store.on((changed) => this.onChange(changed))
    on(matchMedia('(prefers-color-scheme: dark)'), 'change', () => this.draw())
    new ResizeObserver(() => this.resize()).observe(this.surface)
    this.tell()
  }

  private get all(): number {
    return max(1, this.page.rec.durationNs)
  }

  private onChange(changed: ReadonlySet<Key>): void {
    if (changed.has('process')) this.sum()
    if (changed.has('selection')) this.tell()
    if (['selection', 'baseline', 'visible', 'theme', 'process'].some((k) => changed.has(k as Key))) this.draw()
  }

  private resize(): void {
    const dpr = devicePixelRatio || 1
    const width = round(this.surface.clientWidth * dpr), height = round(this.surface.clientHeight * dpr)
    if (width < 2 || height < 2) return
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width
      this.canvas.height = height
      this.picture = null
      this.sum()
    }
    this.draw()
  }

  /* How many threads do what, per pixel. */
  private sum(): void {
    const { rec, store } = this.page
    const width = this.canvas.width, process = store.get().process
    this.crowd = f32(width * CHANNELS)
    rec.threads.forEach((t, i) => {
      if (process === null || t.process === process) this.pyramids.addThread(i, { from: 0, pixelNs: this.all / width, width }, this.crowd)
    })
    this.most = 1
    for (let at = 0; at < this.crowd.length; at += CHANNELS) {
      const c = this.crowd
      this.most = max(this.most, c[at + State.Gil]! + c[at + State.NoGil]! + c[at + State.WaitGil]!)
    }
    this.picture = null
  }

  private draw(): void {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.paint())
  }

  private paint(): void {
    this.pending = 0
    if (this.canvas.width < 2 || this.canvas.height < 2) return
    const dark = isDark()
    if (dark !== this.dark) {
      this.dark = dark
      this.palette = palette(dark)
      this.picture = null
    }
    const ctx = this.canvas.getContext('2d', { alpha: false })!
    const dpr = devicePixelRatio || 1
    this.picture ??= this.render(dpr)
    ctx.setTransform(1, 0, 0, 1, 0, 0)
    ctx.putImageData(this.picture, 0, 0)
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0)
    this.marks(ctx, this.canvas.width / dpr, this.canvas.height / dpr)
  }

  /* Stacked from the foot: with the GIL, without it, waiting. */
  private render(dpr: number): ImageData {
    const { width, height } = this.canvas
    const p = this.palette
    const image = new ImageData(width, height)
    const words = new Uint32Array(image.data.buffer).fill(pixelOf(p.background))
    const top = round((AXIS + 1) * dpr), scale = (height - top) / this.most
    const lane = pixelOf(p.lane), gil = pixelOf(p.states[State.Gil]!), nogil = pixelOf(p.states[State.NoGil]!), wait = pixelOf(p.states[State.WaitGil]!)
    const [r, g, b] = p.states[State.WaitGil]!
    const hatch = pixelOf([r * 0.78, g * 0.78, b * 0.78])
    for (let x = 0; x < width; x++) {
      const at = x * CHANNELS, c = this.crowd
      /* what is there is at least a pixel high */
      const tall = (ns: number) => (ns > 0 ? max(1, ns * scale) : 0)
      const a = height - tall(c[at + State.Gil]!), n = a - tall(c[at + State.NoGil]!), w = n - tall(c[at + State.WaitGil]!)
      for (let y = top; y < height; y++) {
        const m = y + 0.5
        words[y * width + x] = m > a ? gil : m > n ? nogil : m > w ? ((MASKS[Pattern.Hatch]![y & 7]! >> (x & 7)) & 1 ? hatch : wait) : lane
      }
    }
    return image
  }

  private marks(ctx: CanvasRenderingContext2D, width: number, height: number): void {
    const { selection, baseline, visible } = this.page.store.get()
    const p = this.palette
    const xOf = (t: number) => (t / this.all) * width
    const ticks = ticksOf(0, this.all, width / 90)
    ctx.font = '10px system-ui, sans-serif'
    ctx.textBaseline = 'middle'
    for (const t of ticks.times) {
      const x = round(xOf(t))
      fillRect(ctx, p.grid, x, 0, 1, AXIS)
      const text = ticks.label(t)
      if (x + ctx.measureText(text).width + 4 > width) continue
      fillText(ctx, p.dim, text, x + 3, AXIS / 2 + 0.5)
    }
    const shade = (r: Range, color: string, dashed: boolean) => {
      const x0 = xOf(r.t0), x1 = max(x0 + 1, xOf(r.t1))
      ctx.fillStyle = color
      ctx.globalAlpha = p.dark ? 0.34 : 0.24
      ctx.fillRect(x0, 0, x1 - x0, height)
      ctx.globalAlpha = 1
      ctx.strokeStyle = color
      ctx.lineWidth = 2
      ctx.setLineDash(dashed ? [4, 3] : [])
      ctx.beginPath()
      for (const x of [x0, x1]) {
        ctx.moveTo(x, 0)
        ctx.lineTo(x, height)
      }
      ctx.stroke()
      ctx.setLineDash([])
      if (dashed) return
      for (const x of [x0, x1]) ctx.fillRect(x - 3, height / 2 - 6, 6, 12)
    }
    if (baseline) shade(baseline, p.baseline, true)
    if (selection) shade(selection, p.accent, false)
    if (!visible) return
    /* outside of what is visible is veiled */
    const x0 = xOf(visible.t0), x1 = max(x0 + 2, xOf(visible.t1))
    ctx.fillStyle = cssOf(p.background)
    ctx.globalAlpha = 0.5
    ctx.fillRect(0, AXIS, x0, height)
    ctx.fillRect(x1, AXIS, width - x1, height)
    ctx.globalAlpha = 1
    ctx.strokeStyle = p.text
    ctx.lineWidth = 1
    ctx.strokeRect(floor(x0) + 0.5, AXIS + 0.5, max(2, round(x1 - x0) - 1), height - AXIS - 1)
  }

  /* --- brush ------------------------------------------------------------------------------------------------ */

  private timeAt(x: number): number {
    return max(0, min(1, x / max(1, this.surface.clientWidth))) * this.all
  }

  private edge(x: number): { fixed: number } | null {
    const r = this.page.store.get().selection
    if (!r) return null
    const xOf = (t: number) => (t / this.all) * this.surface.clientWidth
    if (abs(x - xOf(r.t0)) <= EDGE_PX) return { fixed: r.t1 }
    return abs(x - xOf(r.t1)) <= EDGE_PX ? { fixed: r.t0 } : null
  }

  private inside(x: number): Range | null {
    const r = this.page.store.get().selection
    const t = this.timeAt(x)
    return r && t > r.t0 && t < r.t1 ? r : null
  }

  private listen(): void {
    const { surface } = this
    const xOf = (e: MouseEvent) => e.clientX - surface.getBoundingClientRect().left
    on(surface, 'pointerdown', (e) => {
      if (e.button !== 0) return
      const x = xOf(e)
      const edge = this.edge(x)
      const which: Which = (e.ctrlKey || e.metaKey) && !edge ? 'baseline' : 'selection'
      this.drag = { which, at: edge?.fixed ?? this.timeAt(x), move: edge || which === 'baseline' ? null : this.inside(x), x, moved: false }
      surface.setPointerCapture(e.pointerId)
    })
    on(surface, 'pointermove', (e) => {
      const x = xOf(e), d = this.drag
      if (!d) {
        surface.classList.toggle('rb-edge', this.edge(x) !== null)
        surface.classList.toggle('rb-move', this.edge(x) === null && this.inside(x) !== null)
        return
      }
      if (!d.moved && abs(x - d.x) < 3) return
      d.moved = true
      if (d.move) this.moveTo(d.move, d.move.t0 + this.timeAt(x) - d.at)
      else this.page.store.set({ [d.which]: ordered(d.at, this.timeAt(x)) })
    })
    const end = () => { this.drag = null }
    on(surface, 'pointerup', end)
    on(surface, 'pointercancel', end)
    on(surface, 'dblclick', () => this.page.store.set({ selection: null }))
    on(surface, 'keydown', (e) => this.onKey(e))
  }

  private moveTo(r: Range, t0: number): void {
    const span = r.t1 - r.t0
    const at = max(0, min(this.all - span, t0))
    this.page.store.set({ selection: { t0: at, t1: at + span } })
  }

  private onKey(e: KeyboardEvent): void {
    const { selection, visible } = this.page.store.get()
    if (e.ctrlKey || e.altKey || e.metaKey) return
    const step = this.all * STEP
    const r = selection ?? visible ?? { t0: this.all * 0.4, t1: this.all * 0.6 }
    const by = e.key === 'ArrowLeft' || e.key === 'ArrowDown' ? -1 : e.key === 'ArrowRight' || e.key === 'ArrowUp' ? 1 : 0
    if (by && e.shiftKey) this.page.store.set({ selection: { t0: r.t0, t1: max(r.t0 + step / 10, min(this.all, r.t1 + by * step)) } })
    else if (by) this.moveTo(r, selection ? r.t0 + by * step : r.t0)
    else if (e.key === 'PageDown' || e.key === 'PageUp') this.moveTo(r, r.t0 + (e.key === 'PageUp' ? 10 : -10) * step)
    else if (e.key === 'Home') this.moveTo(r, 0)
    else if (e.key === 'End') this.moveTo(r, this.all)
    else if (e.key === 'Enter' || e.key === ' ') this.moveTo(r, r.t0)
    else if (e.key === 'Delete' || (e.key === 'Escape' && selection)) this.page.store.set({ selection: null })
    else return
    take(e)
  }

  private tell(): void {
    const { selection } = this.page.store.get()
    this.surface.setAttribute('aria-valuenow', String(round((selection?.t0 ?? 0) / 1e6)))
    this.surface.setAttribute('aria-valuetext', selection ? `${range(selection.t0, selection.t1)}, ${duration(selection.t1 - selection.t0)}` : `nothing selected, all ${this.all >= 60e9 ? clock(this.all) : duration(this.all)}`)
  }
}
