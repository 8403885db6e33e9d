/* A choice of a few, side by side: radio buttons that look like one bar. */
import { el } from './dom'

export interface Choice<T extends string> { value: T; label: string; title?: string }

let made = 0

export function segmented<T extends string>(label: string, choices: Choice<T>[], value: T, change: (value: T) => void): {
  element: HTMLElement
  set(value: T): void
} {
  const name = `segmented-${++made}`
  const inputs = choices.map((c) => el('input', {
    type: 'radio', name, value: c.value, checked: c.value === value, on: { change: () => change(c.value) },
  }))
  const element = el('div.segmented', { role: 'radiogroup', label: label },
    ...choices.map((c, i) => el('label', { title: c.title }, inputs[i]!, el('span', c.label))))
  return {
    element,
    set(next) {
      for (const input of inputs) input.checked = input.value === next
    },
  }
}
