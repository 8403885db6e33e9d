/* The keyboard: which binding a key event means, and the overlay that lists them all.  A view's keys come before the
 * page's; none is taken while somebody types, or from a control that uses the key itself. */
import { el, on } from './ui/dom'
import type { KeyBinding } from './view'

/* 'n', 'Shift+N', 'Ctrl+f', '/', 'ArrowLeft', 'Space'.  Shift is named with letters and named keys only. */
export function eventName(e: KeyboardEvent): string {
  const letter = e.key.length === 1 && e.key.toLowerCase() !== e.key.toUpperCase()
  let key = e.key === ' ' ? 'Space' : e.key
  /* Alt changes the character on some layouts: take the key that is pressed */
  if (e.altKey && /^Digit\d$/.test(e.code)) key = e.code.slice(5)
  if (letter) key = e.shiftKey ? key.toUpperCase() : key.toLowerCase()
  const shift = e.shiftKey && (letter || key.length > 1)
  return `${e.ctrlKey || e.metaKey ? 'Ctrl+' : ''}${e.altKey ? 'Alt+' : ''}${shift ? 'Shift+' : ''}${key}`
}

export function bindingName(key: string): string {
  const parts = key.split('+').filter((p) => p !== '')
  let last = key.endsWith('+') ? '+' : parts.pop()!
  const mods = new Set(parts.map((p) => (p === 'Meta' || p === 'Cmd' ? 'Ctrl' : p)))
  if (/^[A-Z]$/.test(last) && !mods.has('Shift')) mods.add('Shift')
  if (/^[a-zA-Z]$/.test(last)) last = mods.has('Shift') ? last.toUpperCase() : last.toLowerCase()
  return ['Ctrl', 'Alt', 'Shift'].filter((m) => mods.has(m)).map((m) => `${m}+`).join('') + (last === ' ' ? 'Space' : last)
}

/* Keys that a control under the focus uses itself. */
function isTaken(e: KeyboardEvent, name: string): boolean {
  const at = e.target instanceof Element ? e.target : null
  if (!at) return false
  if (at.matches('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]')) return true
  if (/^(Enter|Space)$/.test(name)) return at.closest('a, button, summary, input, label, [role=button], [role=tab]') !== null
  return /^Arrow|^Home$|^End$/.test(name) && at.closest('input, [role=tab], [role=radio], [role=gridcell], [role=menu]') !== null
}

export function find(bindings: readonly KeyBinding[], name: string): KeyBinding | undefined {
  return bindings.find((b) => b.keys.some((k) => bindingName(k) === name))
}

export function listen(target: Document, bindings: () => readonly KeyBinding[]): void {
  on(target, 'keydown', (e) => {
    if (e.defaultPrevented || e.isComposing) return
    /* a modal dialog has the keyboard; taking its Escape would keep it open */
    if (target.querySelector('dialog[open]')) return
    const name = eventName(e)
    if (name === 'Escape' && e.target instanceof HTMLElement && e.target.matches('input, textarea, select')) {
      e.target.blur()
      e.preventDefault()
      return
    }
    if (isTaken(e, name)) return
    const binding = find(bindings(), name)
    if (!binding) return
    e.preventDefault()
    binding.run(e)
  })
}

const SHOWN: { [key: string]: string } = {
  ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', Space: 'Space', Delete: 'Del', ContextMenu: 'Menu',
}

function keyCaps(keys: readonly string[]): HTMLElement {
  const row = el('span.keycaps')
  for (const key of keys) {
    const caps = key.split('+').filter((p) => p !== '')
    if (key.endsWith('+')) caps.push('+')
    row.append(...caps.map((cap) => el('kbd', SHOWN[cap] ?? cap)))
    row.append(' ')
  }
  return row
}

/* A modal list of all keys, by view. */
export function overlay(sections: { title: string; keys: readonly KeyBinding[] }[]): HTMLDialogElement {
  const close = el('button.plain', { on: { click: () => dialog.close() } }, 'Close')
  const dialog = el('dialog.keys', { 'aria-labelledby': 'keys-title' },
    el('div.keys-head', el('h2', { id: 'keys-title' }, 'Keys'), close),
    el('div.keys-body',
      ...sections.filter((s) => s.keys.length).map((s) => el('section', {},
        el('h3', s.title),
        el('dl', ...s.keys.map((k) => el('div', el('dt', keyCaps(k.keys)), el('dd', k.help.slice(0, 1).toUpperCase() + k.help.slice(1)))))))))
  on(dialog, 'close', () => dialog.remove())
  on(dialog, 'click', (e) => { if (e.target === dialog) dialog.close() })
  return dialog
}
