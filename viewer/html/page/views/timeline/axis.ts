/* Ticks of the time axis: round numbers, from hours to nanoseconds. */
import { abs, ceil, floor, max, min, round } from '../../data/math'
const STEPS_S = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400]

export function tickStep(spanNs: number, most: number): number {
  const wanted = spanNs / max(1, most)
  if (wanted > 5e8) {
    for (const s of STEPS_S) if (s * 1e9 >= wanted) return s * 1e9
    return ceil(wanted / 864e11) * 864e11
  }
  const power = 10 ** floor(Math.log10(max(wanted, 1)))
  for (const m of [1, 2, 5, 10]) if (m * power >= wanted * (1 - 1e-9)) return m * power
  return 10 * power
}

const two = (n: number) => String(n).padStart(2, '0')

/* 1.25 ms and the like, with just the digits that a step needs. */
function inUnit(ns: number, step: number): string {
  const size = abs(ns)
  const [unit, per] = size >= 1e9 ? ['s', 1e9] as const : size >= 1e6 ? ['ms', 1e6] as const : size >= 1e3 ? ['us', 1e3] as const : ['ns', 1] as const
  const digits = max(0, min(9, ceil(-Math.log10(step / per) - 1e-9)))
  return `${(ns / per).toFixed(digits)} ${unit}`
}

export function clock(ns: number): string {
  const s = round(ns / 1e9)
  const h = floor(s / 3600), m = floor(s / 60) % 60
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`
}

export interface Ticks { step: number; times: number[]; label(t: number): string; base: number | null /* labels count from here when not null */ }

export function ticksOf(from: number, to: number, most: number): Ticks {
  const step = tickStep(to - from, most)
  const times: number[] = []
  for (let i = ceil(from / step); i * step <= to && times.length < 500; i++) times.push(i * step)
  /* deep down only what differs is written: the rest is the base, told once */
  const base = from > 0 && step < 1e8 && to / step > 20000 ? floor(from / baseStep(to - from)) * baseStep(to - from) : null
  const label = (t: number): string => {
    if (base !== null) return t === base ? '0' : `+${inUnit(t - base, step)}`
    if (t === 0) return '0'
    return step >= 1e9 && to >= 120e9 ? clock(t) : inUnit(t, step)
  }
  return { step, times, label, base }
}

/* A round moment at or before the left edge, coarser than the span. */
function baseStep(span: number): number {
  return 10 ** ceil(Math.log10(max(span, 1)))
}

export function baseLabel(base: number): string {
  const digits = base % 1e9 === 0 ? 0 : base % 1e6 === 0 ? 3 : base % 1e3 === 0 ? 6 : 9
  return `${(base / 1e9).toFixed(digits)} s`
}
