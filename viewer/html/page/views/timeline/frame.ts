/* One picture of the lanes: coverage to pixels, then the text. */
import { ceil, f32, floor, max, min, round } from '../../data/math'
import { CHANNELS, LOCK_CHANNELS, lowerBound, visibleRows } from '../../data/pyramid'
import type { Pyramids, Window } from '../../data/pyramid'
import { HoldFlag, IntervalFlag, NONE, State } from '../../data/recording'
import type { Recording } from '../../data/recording'
import { duration, leafPlace, printable, threadName } from '../../ui/format'
import { cssOf, fillRect, fillText, mix, pixelOf } from './colors'
import type { Palette, Rgb } from './colors'
import { baseLabel, ticksOf } from './axis'
import type { Lane, Layout } from './lanes'
import { Columns, Pixels } from './paint'

export const AXIS_HEIGHT = 24
const KEPT_FLOATS = 4e6 /* 16 MB of sums at most */

export interface Geometry { width: number; height: number /* CSS pixels */; dpr: number; scroll: number; from: number; to: number }
interface Row { lane: Lane; y0: number; y1: number /* device pixels, may begin above the axis */ }

export class FramePainter {
  private pixels = new Pixels()
  private columns = new Columns()
  private cov = f32(0)

  constructor(private rec: Recording, private pyramids: Pyramids, private rgb: Uint8Array) {}

  draw(ctx: CanvasRenderingContext2D, g: Geometry, layout: Layout, p: Palette): void {
    const width = max(1, round(g.width * g.dpr)), height = max(1, round(g.height * g.dpr))
    const win: Window = { from: g.from, pixelNs: (g.to - g.from) / width, width }
    this.pixels.resize(width, height)
    this.columns.resize(width)
    this.pixels.clear(pixelOf(p.background))
    const rows = visibleLanes(layout, g)
    this.keep(win)
    for (const row of rows) this.lane(row, win, p, layout.compact, g.dpr)
    ctx.setTransform(1, 0, 0, 1, 0, 0)
    ctx.putImageData(this.pixels.image!, 0, 0)
    ctx.setTransform(g.dpr, 0, 0, g.dpr, 0, 0)
    for (const row of rows) this.text(ctx, row, win, p, g, layout.compact)
    drawAxis(ctx, g, p)
  }

  private clear(channels: number, width: number): Float32Array {
    const length = channels * width
    if (this.cov.length < length) this.cov = f32(length)
    return this.cov.fill(0, 0, length)
  }

  private lane({ lane, y0, y1 }: Row, win: Window, p: Palette, compact: boolean, dpr: number): void {
    const px = (n: number) => max(1, round(n * dpr))
    const phase = round(win.from / win.pixelNs) & 7
    const { pixels, columns } = this
    if (lane.kind === 'process') {
      pixels.fill(0, y0, win.width, y1, pixelOf(mix(p.background, p.line, 0.6)))
    } else if (lane.kind === 'cpu') {
      this.cpu(lane.process, win, p, y0 + px(2), y1 - px(2))
    } else if (lane.kind === 'lock') {
      const cov = this.clear(LOCK_CHANNELS, win.width)
      this.pyramids.addLock(lane.lock, win, this.rgb, cov)
      columns.lock(cov, win.width, p)
      const top = y0 + px(2), bottom = y1 - px(2)
      pixels.columns(columns, top, bottom, phase)
      pixels.strip(columns.head, top, top + px(compact ? 2 : 3))
      pixels.strip(columns.foot, bottom - px(compact ? 3 : 4), bottom)
      this.holds(lane.lock, win, p, top, bottom, dpr)
    } else {
      const cov = this.cover(lane.thread, win)
      const top = y0 + px(compact ? 1 : 2), bottom = y1 - px(compact ? 1 : 5)
      columns.thread(cov, pixels, top, bottom, p, this.rec.processes[lane.process]?.switchIntervalNs || 5e6, phase)
      pixels.strip(columns.head, top, top + px(compact ? 2 : 3))
      pixels.strip(columns.foot, bottom - px(compact ? 3 : 5), bottom)
      this.marks(lane.thread, win, p, top, bottom, dpr, compact)
    }
    if (!compact) pixels.fill(0, y1 - 1, win.width, y1, pixelOf(p.line))
  }

  /* How many threads run with the GIL, without it, and want a CPU: stacked from the foot. */
  private cpu(process: number | null, win: Window, p: Palette, y0: number, y1: number): void {
    const cov = this.crowd(process, win)
    let most = 1
    for (let x = 0, at = 0; x < win.width; x++, at += CHANNELS) most = max(most, cov[at + State.Gil]! + cov[at + State.NoGil]! + cov[at + State.Runnable]!)
    this.cpuScale.set(process, most)
    const scale = (y1 - y0) / ceil(most - 0.05)
    const { words, width, height } = this.pixels
    const lane = pixelOf(p.lane)
    const colors = [State.Gil, State.NoGil, State.Runnable].map((s) => pixelOf(p.states[s]!))
    const cross = pixelOf(mix(p.states[State.Runnable]!, [0, 0, 0], 0.3))
    for (let x = 0; x < win.width; x++) {
      const at = x * CHANNELS
      const a = y1 - cov[at + State.Gil]! * scale, b = a - cov[at + State.NoGil]! * scale, c = b - cov[at + State.Runnable]! * scale
      for (let y = max(0, y0); y < min(height, y1); y++) {
        const middle = y + 0.5
        words[y * width + x] = middle > a ? colors[0]! : middle > b ? colors[1]! : middle > c ? ((x + y) & 7) === 0 || ((x - y) & 7) === 0 ? cross : colors[2]! : lane
      }
    }
  }
  private readonly cpuScale = new Map<number | null, number>()

  /* What is summed for a window is kept: scrolling the lanes does not change it. */
  private keep(win: Window): void {
    const key = `${win.from} ${win.pixelNs} ${win.width}`
    if (this.keptKey === key) return
    this.keptKey = key
    this.crowds.clear()
    for (const cov of this.covers.values()) if (cov.length === CHANNELS * win.width && this.spare.length < this.rec.threads.length) this.spare.push(cov)
    if (this.spare[0]?.length !== CHANNELS * win.width) this.spare = []
    this.covers.clear()
  }
  private keptKey = ''
  private readonly crowds = new Map<number | null, Float32Array>()
  private readonly covers = new Map<number, Float32Array>()
  private spare: Float32Array[] = []

  private cover(thread: number, win: Window): Float32Array {
    const length = CHANNELS * win.width
    if (this.rec.threads.length * length > KEPT_FLOATS) {
      const cov = this.clear(CHANNELS, win.width)
      this.pyramids.addThread(thread, win, cov, true)
      return cov
    }
    let cov = this.covers.get(thread)
    if (cov) return cov
    cov = this.spare.pop()?.fill(0) ?? f32(length)
    this.covers.set(thread, cov)
    this.pyramids.addThread(thread, win, cov, true)
    return cov
  }

  /* All threads of a process together. */
  private crowd(process: number | null, win: Window): Float32Array {
    let sum = this.crowds.get(process)
    if (sum) return sum
    sum = f32(CHANNELS * win.width)
    this.crowds.set(process, sum)
    for (let i = 0; i < this.rec.threads.length; i++) {
      if (process !== null && this.rec.threads[i]!.process !== process) continue
      if (this.rec.threads.length * sum.length > KEPT_FLOATS) {
        this.pyramids.addThread(i, win, sum)
        continue
      }
      const cov = this.cover(i, win)
      for (let at = 0; at < sum.length; at++) sum[at]! += cov[at]!
    }
    return sum
  }

  /* Ends of holds that a drop request forced, where single holds can be told apart. */
  private holds(lock: number, win: Window, p: Palette, y0: number, y1: number, dpr: number): void {
    const h = this.rec.holds
    const [first, last] = visibleRows(h.t0, h.t1, this.rec.locks[lock]!.holds, win.from, win.from + win.width * win.pixelNs)
    if ((last - first) * 6 * dpr > win.width) return
    const forced = pixelOf(p.forced), line = pixelOf(p.background)
    for (let i = first; i < last; i++) {
      const x = round((h.t1[i]! - win.from) / win.pixelNs), wide = max(1, round(dpr))
      if (h.flags[i]! & HoldFlag.Forced) this.pixels.fill(x - 2 * wide, y0, x, y1, forced)
      else this.pixels.fill(x - wide, y0, x, y1, line)
    }
  }

  /* Borders of intervals, starts of waits, samples: each where there is room for it. */
  private marks(thread: number, win: Window, p: Palette, y0: number, y1: number, dpr: number, compact: boolean): void {
    const { rec, pixels } = this
    const t = rec.threads[thread]!, end = win.from + win.width * win.pixelNs, one = max(1, round(dpr))
    const xOf = (at: number) => floor((at - win.from) / win.pixelNs)
    const { intervals, waits, samples } = rec
    const [first, last] = visibleRows(intervals.t0, intervals.t1, t.intervals, win.from, end)
    if ((last - first) * 8 * dpr < win.width) {
      const border = pixelOf(p.lane)
      for (let i = max(first, t.intervals[0] + 1); i < last; i++)
        if (intervals.state[i] === intervals.state[i - 1]) this.pixels.fill(xOf(intervals.t0[i]!), y0, xOf(intervals.t0[i]!) + one, y1, border)
    }
    if (compact) return
    const [w0, w1] = visibleRows(waits.t0, waits.t1, t.waits, win.from, end)
    if ((w1 - w0) * 14 * dpr < win.width) {
      const color = pixelOf(mix(p.states[State.WaitGil]!, p.dark ? [255, 255, 255] : [0, 0, 0], 0.55))
      for (let i = w0; i < w1; i++) {
        const x = xOf(waits.t0[i]!)
        for (let row = 0; row < 5 * one; row++) pixels.fill(x, y0 + row, x + 5 * one - row, y0 + row + 1, color)
      }
    }
    const s0 = lowerBound(samples.t, t.samples[0], t.samples[1], win.from), s1 = lowerBound(samples.t, s0, t.samples[1], end)
    if ((s1 - s0) * 2 * dpr > win.width) return
    const tick = pixelOf(p.sample)
    for (let i = s0; i < s1; i++) pixels.fill(xOf(samples.t[i]!), y1, xOf(samples.t[i]!) + one, y1 + 3 * one, tick)
  }

  private text(ctx: CanvasRenderingContext2D, row: Row, win: Window, p: Palette, g: Geometry, compact: boolean): void {
    const { lane } = row
    const y0 = row.y0 / g.dpr, y1 = row.y1 / g.dpr
    ctx.textBaseline = 'middle'
    ctx.font = `${compact ? 10 : 11}px system-ui, sans-serif`
    if (lane.kind === 'process') {
      fillText(ctx, p.dim, lane.locks, 6, (y0 + y1) / 2)
    } else if (lane.kind === 'cpu') {
      const most = ceil((this.cpuScale.get(lane.process) ?? 1) - 0.05)
      ctx.textAlign = 'right'
      tag(ctx, `${most} thread${most === 1 ? '' : 's'}`, g.width - 4, y0 + 8, p.dim, p.background)
      ctx.textAlign = 'left'
    } else if (lane.kind === 'lock') this.holdLabels(ctx, lane.lock, win, g, (y0 + y1) / 2)
    else if (lane.kind === 'thread' && !compact) this.intervalLabels(ctx, lane.thread, win, p, g, (y0 + y1) / 2 - 1.5)
  }

  private holdLabels(ctx: CanvasRenderingContext2D, lock: number, win: Window, g: Geometry, y: number): void {
    const h = this.rec.holds, to = win.from + win.width * win.pixelNs, scale = g.width / (to - win.from)
    const [first, last] = visibleRows(h.t0, h.t1, this.rec.locks[lock]!.holds, win.from, to)
    if (last - first > g.width) return
    ctx.fillStyle = '#111'
    for (let i = first; i < last; i++) {
      const x0 = max(0, (h.t0[i]! - win.from) * scale), x1 = min(g.width, (h.t1[i]! - win.from) * scale)
      if (x1 - x0 < 34) continue
      label(ctx, h.thread[i] === NONE ? '?' : threadName(this.rec.threads[h.thread[i]!]), x0, x1, y)
    }
  }

  private intervalLabels(ctx: CanvasRenderingContext2D, thread: number, win: Window, p: Palette, g: Geometry, y: number): void {
    const v = this.rec.intervals, to = win.from + win.width * win.pixelNs, scale = g.width / (to - win.from)
    const [first, last] = visibleRows(v.t0, v.t1, this.rec.threads[thread]!.intervals, win.from, to)
    if (last - first > g.width / 2) return
    for (let i = first; i < last; i++) {
      const x0 = max(0, (v.t0[i]! - win.from) * scale), x1 = min(g.width, (v.t1[i]! - win.from) * scale)
      if (x1 - x0 < 48) continue
      const text = this.intervalText(i)
      if (!text) continue
      const color = p.states[v.state[i]!]!
      if (v.state[i] !== State.Gil && v.state[i] !== State.NoGil) {
        fillRect(ctx, cssOf(color), x0 + 3, y - 6, min(x1 - x0 - 6, text.length * 6.2 + 4), 12)
      }
      ctx.fillStyle = luminance(color) > 0.2 ? '#111' : '#fff'
      label(ctx, text, x0, x1, y)
    }
  }

  private intervalText(i: number): string {
    const v = this.rec.intervals, state = v.state[i]! as State
    switch (state) {
      case State.Gil:
      case State.NoGil: return v.flags[i]! & IntervalFlag.Gc ? 'garbage collector' : printable(leafPlace(this.rec, v.stack[i]!)?.function ?? '')
      case State.WaitGil:
      case State.WaitLock: return `waits ${duration(v.t1[i]! - v.t0[i]!)}`
      case State.Blocked:
      case State.Sleep: return v.nr[i] ? printable(this.rec.syscalls[v.nr[i]! - 1] || `system call ${v.nr[i]! - 1}`) : ''
      case State.Runnable: return 'wants a CPU'
      default: return ''
    }
  }
}

function visibleLanes(layout: Layout, g: Geometry): Row[] {
  const rows: Row[] = []
  for (let i = 0; i < layout.lanes.length; i++) {
    const top = AXIS_HEIGHT + layout.top[i]! - g.scroll, bottom = AXIS_HEIGHT + layout.top[i + 1]! - g.scroll
    if (bottom <= AXIS_HEIGHT || top >= g.height) continue
    rows.push({ lane: layout.lanes[i]!, y0: round(top * g.dpr), y1: round(bottom * g.dpr) })
  }
  return rows
}

/* Text inside x0..x1, cut to fit. */
function label(ctx: CanvasRenderingContext2D, text: string, x0: number, x1: number, y: number): void {
  const room = floor((x1 - x0 - 7) / 5.9)
  if (room < 3) return
  ctx.fillText(text.length > room ? `${text.slice(0, room - 1)}…` : text, x0 + 5, y, x1 - x0 - 8)
}

function tag(ctx: CanvasRenderingContext2D, text: string, right: number, y: number, color: string, back: Rgb): void {
  const wide = ctx.measureText(text).width
  fillRect(ctx, `rgb(${back[0]} ${back[1]} ${back[2]} / .8)`, right - wide - 3, y - 7, wide + 6, 14)
  fillText(ctx, color, text, right, y)
}

export function luminance(c: Rgb): number {
  const f = (v: number) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)
  return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2])
}

export function drawAxis(ctx: CanvasRenderingContext2D, g: { width: number; height: number; from: number; to: number }, p: Palette): void {
  fillRect(ctx, cssOf(p.background), 0, 0, g.width, AXIS_HEIGHT)
  const ticks = ticksOf(g.from, g.to, g.width / 90)
  const scale = g.width / (g.to - g.from)
  ctx.font = '11px system-ui, sans-serif'
  ctx.textBaseline = 'middle'
  ctx.textAlign = 'left'
  let clearFrom = 0
  if (ticks.base !== null) {
    ctx.fillStyle = p.text
    const text = baseLabel(ticks.base)
    ctx.fillText(text, 4, AXIS_HEIGHT / 2)
    clearFrom = ctx.measureText(text).width + 12
  }
  for (const t of ticks.times) {
    const x = round((t - g.from) * scale)
    fillRect(ctx, p.grid, x, AXIS_HEIGHT - 6, 1, 6)
    const text = ticks.label(t)
    if (x < clearFrom - 4 || x + ctx.measureText(text).width + 4 > g.width) continue
    fillText(ctx, p.dim, text, x + 4, AXIS_HEIGHT / 2)
  }
  fillRect(ctx, p.grid, 0, AXIS_HEIGHT - 1, g.width, 1)
}

