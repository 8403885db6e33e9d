/* A small menu at a place of the window, and the text that could not be copied by itself. */
import { max, min } from '../../data/math'
import { el, on, style, take } from '../../ui/dom'

export interface Item { label: string; run(): void }

let open: HTMLElement | null = null
const outside = (e: Event): void => { if (open && !open.contains(e.target as Node)) closeMenu() }

export function closeMenu(): void {
  const menu = open
  open = null
  menu?.remove()
  document.removeEventListener('pointerdown', outside)
}

export function openMenu(host: HTMLElement, title: string, items: Item[], x: number, y: number): void {
  closeMenu()
  const back = document.activeElement as HTMLElement | null
  const done = (run?: () => void) => {
    closeMenu()
    back?.focus({ preventScroll: true })
    run?.()
  }
  const buttons = items.map((item) => el('button', { role: 'menuitem', tabindex: -1, on: { click: () => done(item.run) } }, item.label))
  const menu = el('div.flame-menu', { role: 'menu', label: title }, el('div.flame-menu-title', { role: 'presentation' }, el('bdi', title)), ...buttons)
  on(menu, 'keydown', (e) => {
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement), n = buttons.length
    const to = { ArrowDown: (at + 1) % n, ArrowUp: (at + n - 1) % n, Home: 0, End: n - 1 }[e.key]
    if (to !== undefined) buttons[to]!.focus()
    else if (e.key === 'Escape' || e.key === 'Tab') done()
    else return
    take(e)
  })
  on(menu, 'focusout', (e) => { if (open === menu && e.relatedTarget && !menu.contains(e.relatedTarget as Node)) closeMenu() })
  host.append(menu)
  open = menu
  on(document, 'pointerdown', outside)
  const { width, height } = menu.getBoundingClientRect(), origin = host.getBoundingClientRect()
  style(menu, 'left', `${max(4, min(x, innerWidth - width - 8)) - origin.left}px`)
  style(menu, 'top', `${max(4, min(y, innerHeight - height - 8)) - origin.top}px`)
  buttons[0]?.focus({ preventScroll: true })
}


/* The clipboard may be refused, as for a page from a file: then the text is shown, marked, to be copied by hand. */
export async function copyOrShow(text: string, copied: () => void): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    copied()
  } catch {
    const area = el('textarea', { rows: 14, readonly: true, label: 'Stack' })
    area.value = text
    const dialog = el('dialog.flame-copy', { label: 'Copy the stack' }, el('p', 'This page may not write to the clipboard. The text is marked: copy it with Ctrl+C.'), area,
      el('button.plain', { on: { click: () => dialog.close() } }, 'Close'))
    on(dialog, 'close', () => dialog.remove())
    on(dialog, 'keydown', (e) => {
      e.stopPropagation() /* the page's keys are not meant, Esc in a field neither */
      if (e.key === 'Escape') dialog.close()
    })
    document.body.append(dialog)
    dialog.showModal()
    area.select()
  }
}
