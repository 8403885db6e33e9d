/* Columns of coverage to pixels: one 32-bit write a pixel, no path, no fillRect.  A column shows every state that touches
 * it: what is short is drawn larger than it is rather than not at all. */
import { f32, max, min, round, u32, u8 } from '../../data/math'
import { CHANNELS, COUNTED, GC, HELD, HOLD, LOCK_CHANNELS, OFF_CPU, WORST, BLUE, FORCED, GREEN, RED } from '../../data/pyramid'
import { State, STATES } from '../../data/recording'
import { MASKS, Pattern, STATE_PATTERN, mix, pixel, pixelOf } from './colors'
import type { Palette, Rgb } from './colors'

/* The least share of a pixel that a state gets which touches it; long waits more, see worstShare(). */
const LEAST = f32(STATES)
LEAST[State.Gil] = LEAST[State.NoGil] = LEAST[State.Runnable] = 0.07
LEAST[State.WaitGil] = LEAST[State.WaitLock] = 0.12

/* A long wait in a pixel of much more time must not average away. */
export function worstShare(worstNs: number, switchNs: number): number {
  return worstNs >= 10 * switchNs ? 0.5 : worstNs >= 1.5 * switchNs ? 0.3 : 0
}

/* From the foot of a lane: what runs, what is off the CPU, what waits on top. */
const STACK_ORDER = [State.Gil, State.NoGil, State.Runnable, State.Blocked, State.Sleep, State.Unknown, State.WaitLock, State.WaitGil]

/* Colours of the states and of their patterns' lines. */
function inks(p: Palette): { base: number[]; alt: number[] } {
  return { base: p.states.map(pixelOf), alt: p.states.map((c) => pixelOf(mix(c, [0, 0, 0], p.dark ? 0.34 : 0.26))) }
}

function blend(under: Rgb, c: Rgb, share: number): number {
  return pixelOf(mix(under, c, share))
}

export class Columns {
  base = u32(0)
  alt = u32(0)
  pattern = u8(0)
  foot = u32(0) /* 0: none */
  head = u32(0)

  resize(width: number): void {
    if (this.base.length === width) return
    this.base = u32(width)
    this.alt = u32(width)
    this.pattern = u8(width)
    this.foot = u32(width)
    this.head = u32(width)
  }

  private put(x: number, r: number, g: number, b: number, shade: number, pattern: Pattern): void {
    this.base[x] = pixel(r, g, b)
    this.alt[x] = pixel(r * shade, g * shade, b * shade)
    this.pattern[x] = pattern
  }

  /* A thread's columns, rows y0..y1: each pixel is a small stack of the states that touch it, their heights the shares. */
  thread(cov: Float32Array, pixels: Pixels, y0: number, y1: number, p: Palette, switchNs: number, phase: number): void {
    const { words, width, height } = pixels
    const share = f32(STATES)
    const tall = y1 - y0, top = max(0, y0), bottom = min(height, y1)
    const lane = pixelOf(p.lane)
    const { base, alt } = inks(p)
    for (let x = 0, at = 0; x < width; x++, at += CHANNELS) {
      let total = 0, real = 0
      const worst = cov[at + WORST]! > 0 ? worstShare(cov[at + WORST]!, switchNs) : 0
      for (let s = 0; s < STATES; s++) {
        let v = cov[at + s]!
        if (v > 0) {
          real += v
          if (v < LEAST[s]!) v = LEAST[s]!
          if (worst > v && (s === State.WaitGil || s === State.WaitLock)) v = worst
          total += v
        }
        share[s] = v
      }
      const held = cov[at + HELD]!, gc = cov[at + GC]!
      this.foot[x] = held > 0 ? blend(p.lane, p.held, max(0.7, min(1, held))) : 0
      this.head[x] = gc > 0 ? blend(p.lane, p.gc, max(0.6, min(1, gc))) : 0
      /* what nothing covers stays bare */
      const scale = total > 0 ? (tall * min(1, max(0.12, real))) / total : 0
      const counted = cov[at + COUNTED]! > 0.5 * real
      const bit = (x + phase) & 7
      let level = y1, y = bottom - 1
      for (let k = 0; k < STATES && total > 0; k++) {
        const s = STACK_ORDER[k]!
        if (share[s] === 0) continue
        level -= share[s]! * scale
        const end = max(top, round(level)), mask = MASKS[counted ? Pattern.Lines : STATE_PATTERN[s]!]!
        for (; y >= end; y--) words[y * width + x] = (mask[(y - y0) & 7]! >> bit) & 1 ? alt[s]! : base[s]!
      }
      for (; y >= top; y--) words[y * width + x] = lane
    }
  }

  lock(cov: Float32Array, width: number, p: Palette): void {
    const light = p.dark ? 0.78 : 1
    for (let x = 0, at = 0; x < width; x++, at += LOCK_CHANNELS) {
      const held = cov[at + HOLD]!
      this.foot[x] = this.head[x] = 0
      if (held <= 0) {
        this.put(x, p.lane[0], p.lane[1], p.lane[2], 1, Pattern.Solid)
        continue
      }
      const share = min(1, max(held, 0.15)), k = (share * light) / held, bare = 1 - share
      const r = p.lane[0] * bare + cov[at + RED]! * k, g = p.lane[1] * bare + cov[at + GREEN]! * k, b = p.lane[2] * bare + cov[at + BLUE]! * k
      this.put(x, r, g, b, 1, Pattern.Solid)
      if (cov[at + OFF_CPU]! > 0.001) this.foot[x] = over(r, g, b, p.held, min(1, 0.35 + cov[at + OFF_CPU]! / held))
      if (cov[at + FORCED]! > 0) this.head[x] = over(r, g, b, p.forced, min(0.9, 0.15 + 0.75 * cov[at + FORCED]! / held))
    }
  }
}

function over(r: number, g: number, b: number, c: Rgb, share: number): number {
  return pixel(r + (c[0] - r) * share, g + (c[1] - g) * share, b + (c[2] - b) * share)
}

/* An image of the size of the canvas; y of its rows in device pixels. */
export class Pixels {
  image: ImageData | null = null
  words = u32(0)
  width = 0
  height = 0

  resize(width: number, height: number): void {
    if (this.width === width && this.height === height && this.image) return
    this.image = new ImageData(width, height)
    this.words = new Uint32Array(this.image.data.buffer)
    this.width = width
    this.height = height
  }

  clear(color: number): void {
    this.words.fill(color)
  }

  fill(x0: number, y0: number, x1: number, y1: number, color: number): void {
    const left = max(0, x0), right = min(this.width, x1)
    if (right <= left) return
    for (let y = max(0, y0); y < min(this.height, y1); y++) this.words.fill(color, y * this.width + left, y * this.width + right)
  }

  /* Rows y0..y1 of patterned columns.  phase: where the pattern begins, so that it moves with the time. */
  columns(c: Columns, y0: number, y1: number, phase: number): void {
    const { words, width } = this
    const { base, alt, pattern } = c
    for (let y = max(0, y0); y < min(this.height, y1); y++) {
      const rows = MASKS.map((m) => m[(y - y0) & 7]!)
      for (let x = 0, at = y * width; x < width; x++, at++) words[at] = (rows[pattern[x]!]! >> ((x + phase) & 7)) & 1 ? alt[x]! : base[x]!
    }
  }

  /* Only where a column has a colour. */
  strip(colors: Uint32Array, y0: number, y1: number): void {
    const top = max(0, y0), bottom = min(this.height, y1)
    if (bottom <= top) return
    for (let x = 0; x < this.width; x++) {
      const color = colors[x]!
      if (color) for (let y = top, at = top * this.width + x; y < bottom; y++, at += this.width) this.words[at] = color
    }
  }
}
