/* Colours and patterns of the states: the Okabe-Ito set, readable with the common colour blindnesses, and never colour
 * alone: a wait is hatched, a held GIL has a bar at its foot.  CSS has the same colours as custom properties. */
import { State } from '../data/recording'

export interface StateLook { name: string; label: string; light: string; dark: string; pattern: 'solid' | 'hatch' | 'dots' | 'empty' | 'cross' }

export const STATE_LOOKS: Record<State, StateLook> = {
  [State.Gil]: { name: 'gil', label: 'running with the GIL', light: '#009e73', dark: '#19b98c', pattern: 'solid' },
  [State.NoGil]: { name: 'nogil', label: 'running without the GIL', light: '#0072b2', dark: '#3d9ed8', pattern: 'solid' },
  [State.WaitGil]: { name: 'wait_gil', label: 'waiting for the GIL', light: '#d55e00', dark: '#ee7a1c', pattern: 'hatch' },
  [State.WaitLock]: { name: 'wait_lock', label: 'waiting for another lock', light: '#cc79a7', dark: '#dd93bb', pattern: 'hatch' },
  [State.Blocked]: { name: 'blocked', label: 'blocked in a system call', light: '#b3b3b3', dark: '#6b6b6b', pattern: 'dots' },
  [State.Sleep]: { name: 'sleep', label: 'sleeping', light: '#dedede', dark: '#484848', pattern: 'empty' },
  [State.Runnable]: { name: 'runnable', label: 'wants a CPU', light: '#e69f00', dark: '#f0b429', pattern: 'cross' },
  [State.Unknown]: { name: 'unknown', label: 'not observed', light: '#f5f5f5', dark: '#2a2a2a', pattern: 'empty' },
}

export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme
  return chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
}

export function stateColor(state: State): string {
  return isDark() ? STATE_LOOKS[state].dark : STATE_LOOKS[state].light
}

/* A stable colour for a name (file of a frame): the same on every repaint and in every report. */
export function nameColor(name: string, dark = isDark()): string {
  let hash = 2166136261
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619)
  const hue = 20 + (((hash >>> 0) % 1000) / 1000) * 200
  return dark ? `hsl(${hue} 42% 34%)` : `hsl(${hue} 58% 76%)`
}
