/* Colours of the canvas as 32-bit pixels, for the light and the dark page. */
import { max, min, round, u8 } from '../../data/math'
import { STATES } from '../../data/recording'
import { STATE_LOOKS } from '../../ui/theme'
import type { State } from '../../data/recording'

export type Rgb = [number, number, number]
export enum Pattern { Solid, Hatch, Dots, Cross, Lines }

export interface Palette {
  dark: boolean
  background: Rgb
  lane: Rgb /* under a thread while it lives */
  line: Rgb
  states: Rgb[]
  held: Rgb /* the GIL is held while not running */
  gc: Rgb
  forced: Rgb
  sample: Rgb
  text: string
  dim: string
  grid: string
  accent: string
  baseline: string
}

export function parseRgb(hex: string): Rgb {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Rgb
}

export const pixel = (r: number, g: number, b: number): number => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
export const pixelOf = (c: Rgb): number => pixel(c[0], c[1], c[2])
export const cssOf = (c: Rgb): string => `rgb(${c[0]} ${c[1]} ${c[2]})`
export const mix = (a: Rgb, b: Rgb, share: number): Rgb => [0, 1, 2].map((i) => round(a[i]! + (b[i]! - a[i]!) * share)) as Rgb

const PATTERNS: { [name: string]: Pattern } = { solid: Pattern.Solid, empty: Pattern.Solid, hatch: Pattern.Hatch, dots: Pattern.Dots, cross: Pattern.Cross }
export const STATE_PATTERN: Pattern[] = Array.from({ length: STATES }, (_, s) => PATTERNS[STATE_LOOKS[s as State].pattern]!)

export function palette(dark: boolean): Palette {
  const states = Array.from({ length: STATES }, (_, s) => parseRgb(dark ? STATE_LOOKS[s as State].dark : STATE_LOOKS[s as State].light))
  return dark
    ? { dark, background: [22, 24, 27], lane: [30, 33, 37], line: [44, 48, 53], states, held: [255, 69, 96], gc: [178, 132, 255], forced: [255, 120, 120], sample: [210, 214, 220], text: '#e2e5e9', dim: '#9aa3ad', grid: '#33383e', accent: '#6cb2ff', baseline: '#c79bff' }
    : { dark, background: [255, 255, 255], lane: [247, 248, 249], line: [228, 231, 234], states, held: [176, 0, 46], gc: [104, 52, 196], forced: [160, 20, 20], sample: [40, 44, 50], text: '#1d2126', dim: '#5f6872', grid: '#e2e5e9', accent: '#0b62c4', baseline: '#7a3fc0' }
}

/* A colour for each thread, told apart by hue from its neighbours; the same in both themes. */
export function holderColors(threads: number): Uint8Array {
  const out = u8(threads * 3)
  for (let i = 0; i < threads; i++) {
    const hue = (i * 137.508 + 190) % 360, light = 0.6 + 0.08 * ((i % 3) - 1)
    for (let c = 0; c < 3; c++) {
      const k = ([0, 8, 4][c]! + hue / 30) % 12
      out[i * 3 + c] = round(255 * (light - 0.46 * min(light, 1 - light) * max(-1, min(k - 3, 9 - k, 1))))
    }
  }
  return out
}

/* Bit x of masks[pattern][y] is set where the pattern's own colour is; 8 by 8 pixels, repeated. */
function masksOf(draw: (x: number, y: number) => boolean): Uint8Array {
  const rows = u8(8)
  for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) if (draw(x, y)) rows[y]! |= 1 << x
  return rows
}
export const MASKS: Uint8Array[] = [
  masksOf(() => false),
  masksOf((x, y) => (x + y) % 8 < 2),
  masksOf((x, y) => x % 4 === (y % 8 < 4 ? 0 : 2) && y % 4 === 1),
  masksOf((x, y) => (x + y) % 8 === 0 || (x - y + 8) % 8 === 0),
  masksOf((_, y) => y % 4 === 1),
]

type Context = CanvasRenderingContext2D

export function fillRect(ctx: Context, color: string, x: number, y: number, width: number, height: number): void {
  ctx.fillStyle = color
  ctx.fillRect(x, y, width, height)
}

export function fillText(ctx: Context, color: string, text: string, x: number, y: number): void {
  ctx.fillStyle = color
  ctx.fillText(text, x, y)
}
