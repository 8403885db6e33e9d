/* Numbers and names as the text report writes them (core/util/human.c, escape.c): three significant digits and a unit;
 * nothing invisible, nothing that reorders its surroundings. */
import { ceil, floor, max, min, round } from '../data/math'
import type { Recording, Thread } from '../data/recording'
import { NONE } from '../data/recording'

function three(value: number, unit: string): string {
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${unit}`
}

const two = (n: number): string => String(floor(n)).padStart(2, '0')

/* 870 ns, 12.3 us, 5.23 ms, 1.50 s, 12m 05s, 3h 02m */
export function duration(ns: number): string {
  if (!Number.isFinite(ns)) return '-'
  if (ns < 0) return `-${duration(-ns)}`
  if (ns < 1e3) return `${ns > 0 && ns < 1 ? '<1' : round(ns)} ns`
  if (ns < 1e6 - 500) return three(ns / 1e3, 'us')
  if (ns < 1e9 - 5e5) return three(ns / 1e6, 'ms')
  if (ns < 100e9) return three(ns / 1e9, 's')
  const s = floor(ns / 1e9)
  return s < 3600 ? `${floor(s / 60)}m ${two(s % 60)}s` : `${floor(s / 3600)}h ${two((s / 60) % 60)}m`
}

export function count(n: number): string {
  return Number.isFinite(n) ? round(n).toLocaleString('en-US') : '-'
}

/* "1 wait", "2 waits" */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${round(n) === 1 ? one : many}`
}

export function rate(perSecond: number): string {
  if (!Number.isFinite(perSecond) || perSecond < 0.05) return '0/s'
  return perSecond < 99.95 ? `${perSecond.toFixed(1)}/s` : `${count(perSecond)}/s`
}

/* 0 %, <0.1 %, 3.4 %, 62 %; "-" of nothing */
export function percent(part: number, whole = 1): string {
  const pct = (100 * part) / whole
  if (!(whole > 0) || !Number.isFinite(pct)) return '-'
  if (pct > 0 && pct < 0.05) return '<0.1 %'
  return `${pct.toFixed(pct !== 0 && pct < 9.95 ? 1 : 0)} %`
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`
  let value = n / 1024
  let unit = 0
  for (; value >= 1023.5 && unit < 5; unit++) value /= 1024
  return three(value, ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'][unit]!)
}

/* A moment of the recording, so precise that moments `span` apart look different: 1.2345 s, 12:05.3, 3:02:11. */
export function moment(ns: number, span: number): string {
  const digits = min(9, max(0, ceil(-Math.log10(max(span, 1) / 1e9)) + 2))
  const s = Number((ns / 1e9).toFixed(digits)) /* first rounded, then split: never 60 seconds */
  if (s < 100) return `${s.toFixed(digits)} s`
  const rest = (s % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, '0')
  const minutes = floor(s / 60)
  return minutes < 60 ? `${minutes}:${rest}` : `${floor(minutes / 60)}:${two(minutes % 60)}:${rest}`
}

export function range(t0: number, t1: number): string {
  return `${moment(t0, t1 - t0)} – ${moment(t1, t1 - t0)}`
}

/* The table of core/util/escape.c: what is invisible, or moves or reorders text. */
const HIDDEN = new RegExp('[\\0-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e' +
  '\\u2060-\\u206f\\u3164\\ud800-\\udfff\\ue000-\\uf8ff\\ufdd0-\\ufdef\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\uffff\\u{1bca0}-\\u{1bca3}' +
  '\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}\\u{f0000}-\\u{10ffff}]', 'gu')
const TEXT_MAX = 4096

export function printable(text: string): string {
  const cut = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text
  return cut.replace(HIDDEN, (c) => {
    const code = c.codePointAt(0)!
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

/* The last `keep` components of a path. */
export function shortPath(path: string, keep = 1): string {
  let at = path.length
  for (let slashes = 0; at > 0; at--) if (path[at - 1] === '/' && at < path.length && ++slashes === keep) break
  return path.slice(at) || path
}

export interface Place { function: string; file: string | null; line: number | null }

/* "serve (contended.py:56)" */
export function place(at: Place | null | undefined, keep = 1): string {
  if (!at) return '(no Python stack)'
  if (at.file === null || (!at.function && !at.file)) return '(unreadable code)'
  if (!at.file) return printable(at.function)
  return `${printable(at.function)} (${fileLine(at, keep)})`
}

/* "contended.py:56" */
export function fileLine(at: Place, keep = 1): string {
  return `${printable(shortPath(at.file ?? '', keep))}${at.line ? `:${at.line}` : ''}`
}

export function framePlace(rec: Recording, frame: number): Place {
  const s = rec.stacks
  return { function: rec.strings[s.function[frame]!] ?? '', file: rec.strings[s.file[frame]!] ?? '', line: s.line[frame] || null }
}

/* The innermost frame of a stack; null without one. */
export function leafPlace(rec: Recording, stack: number): Place | null {
  const node = stack ? rec.stacks.node[stack] : 0
  return node ? framePlace(rec, rec.stacks.frame[node]!) : null
}

export function threadName(t: Thread | undefined): string {
  return t ? printable(t.name) || `(unnamed ${t.tid})` : '(unknown)'
}

/* "api, resize-1 and 7 more" */
export function threadNames(rec: Recording, threads: number[], most = 2): string {
  const shown = threads.length <= most + 1 ? threads.length : most
  const names = threads.slice(0, shown).map((t) => t === NONE ? '(not seen)' : threadName(rec.threads[t]))
  return names.join(', ') + (threads.length > shown ? ` and ${threads.length - shown} more` : '')
}

export function processName(rec: Recording, process: number): string {
  const p = rec.processes[process]
  return p ? `${printable(p.name) || '(unnamed)'} (${p.pid})` : '(unknown)'
}

/* "GIL", "GIL of worker (123)" where there is more than one process, "rlock __main__.GUARD" */
export function lockName(rec: Recording, lock: number): string {
  const k = rec.locks[lock]
  if (!k) return '(unknown)'
  const name = printable(k.name)
  return rec.processes.length > 1 ? `${name} of ${processName(rec, k.process)}` : name
}
