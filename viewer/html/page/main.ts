/* The shell: reads the recording, lays out header, range bar, tabs and views, and keeps view state, address and keyboard
 * together.  Views are mounted when first shown and fail alone. */
import './page.css'
import './views/overview.css'
import './views/tables.css'
import './ui/stack.css'
import './views/timeline/timeline.css'
import type { Recording } from './data/recording'
import { decodeRecording } from './data/decode'
import { listen, overlay } from './keys'
import type { Key, ViewId, ViewState } from './state'
import { INITIAL, Store } from './state'
import { clear, el, on, style } from './ui/dom'
import { drawFilterBar } from './ui/filterbar'
import { duration, printable, processName } from './ui/format'
import { isDark, STATE_LOOKS } from './ui/theme'
import { boundsOf, decode, encode, isStep } from './url'
import type { KeyBinding, Page, View } from './view'
import { VIEWS } from './views/all'
import { gravest, severityMark } from './views/findings'
import { mountRangeBar } from './views/rangebar'

const ALL_KEYS: ReadonlySet<Key> = new Set(Object.keys(INITIAL) as Key[])
const SEARCHED: ReadonlySet<ViewId> = new Set(['flame', 'blame', 'locks', 'threads'])
const URL_DELAY_MS = 200

class Shell implements Page {
  readonly store = new Store()
  private readonly views: View[] = VIEWS.map((Made) => new Made())
  private readonly tabs = new Map<ViewId, HTMLButtonElement>()
  private readonly panels = new Map<ViewId, HTMLElement>()
  private readonly mounted = new Set<ViewId>()
  private readonly live = el('div.offscreen', { role: 'status', 'aria-live': 'polite' })
  private readonly filters = el('div.filters', { role: 'region', label: 'Filters', hidden: true })
  private readonly rangeBar = el('div.rangebar', { role: 'region', label: 'The whole recording' })
  private readonly search = el('input', { type: 'search', placeholder: 'Search (/)', label: 'Search in this view' })
  private readonly theme = el('button.plain', { on: { click: () => this.nextTheme() } })
  private shown: View | null = null
  private before: Readonly<ViewState> = INITIAL
  private urlTimer = 0

  constructor(readonly rec: Recording) {}

  start(host: HTMLElement): void {
    const bounds = boundsOf(this.rec)
    this.store.set(decode(location.hash, bounds))
    this.before = this.store.get()
    host.append(this.layout())
    this.applyTheme()
    this.store.on((changed) => this.onChange(changed))
    on(window, 'popstate', () => this.fromAddress())
    on(window, 'hashchange', () => this.fromAddress())
    on(matchMedia('(prefers-color-scheme: dark)'), 'change', () => this.applyTheme())
    on(matchMedia('(forced-colors: active)'), 'change', () => this.redraw())
    listen(document, () => [...(this.shown?.keys ?? []), ...this.globalKeys()])
    mountRangeBar(this.rangeBar, this)
    drawFilterBar(this.filters, this.rec, this.store)
    this.show(this.store.get().view)
    let first = true
    new ResizeObserver(() => { if (!first) this.redraw(); first = false }).observe(this.panels.get('overview')!.parentElement!)
  }

  say(text: string): void {
    this.live.textContent = text
  }

  private layout(): HTMLElement {
    const list = el('div', { role: 'tablist', label: 'Views', on: { keydown: (e: KeyboardEvent) => this.onTabKey(e) } })
    const panels = el('main.views')
    this.views.forEach((view, i) => {
      const tab = el('button', {
        role: 'tab', id: `tab-${view.id}`, 'aria-controls': `panel-${view.id}`, 'aria-selected': 'false', tabindex: -1,
        title: `${view.title} (Alt+${i + 1})`, on: { click: () => this.store.set({ view: view.id, search: '' }) },
      }, view.title)
      const panel = el('section', {
        role: 'tabpanel', id: `panel-${view.id}`, 'aria-labelledby': `tab-${view.id}`, hidden: true,
        class: view.id === 'timeline' || view.id === 'flame' ? 'panel' : 'panel scroll', tabindex: 0,
      })
      this.tabs.set(view.id, tab)
      this.panels.set(view.id, panel)
      list.append(tab)
      panels.append(panel)
    })
    on(this.search, 'input', () => this.store.set({ search: this.search.value }))
    return el('div.app', this.header(), this.rangeBar,
      el('nav.tabs', { label: 'Views' }, list, el('span.grow'), this.search), this.filters, panels, this.live)
  }

  private header(): HTMLElement {
    const { facts, processes, durationNs } = this.rec
    const p = processes[0]
    const title = processes.length === 1 && p ? processName(this.rec, 0) : `${processes.length} processes`
    const when = facts.recording.start_realtime_ns ? new Date(facts.recording.start_realtime_ns / 1e6).toISOString().replace('T', ' ').slice(0, 19) + ' UTC' : ''
    const about = [this.rec.facts.processes.some((f) => f.estimated) ? 'estimates' : '', processes.length === 1 && p?.runtime ? printable(p.runtime) : '', duration(durationNs), when].filter((t) => t).join(' · ')
    document.title = `${title} – gilscope`
    return el('header.top',
      el('h1', el('b', 'gilscope'), el('bdi.target', { title }, title)),
      el('span.about', { title: about }, about), this.verdictChip(), el('span.grow'), this.processPicker(), this.theme,
      el('button.plain', { title: 'Keys (?)', label: 'Keys', on: { click: () => this.showKeys() } }, '?'))
  }

  private verdictChip(): HTMLElement | null {
    const worst = gravest(this.rec, null)[0]
    if (!worst) return null
    const { severity, title } = worst.finding
    return el('button', {
      class: `verdict-chip ${severity}`, title: `${severity}: ${title}`, on: { click: () => this.store.set({ view: 'overview' }) },
    }, severityMark(severity), el('bdi', title))
  }

  private processPicker(): HTMLElement | null {
    if (this.rec.processes.length < 2) return null
    const select = el('select', { label: 'Process' }, el('option', { value: '' }, 'All processes'),
      ...this.rec.processes.map((_, i) => el('option', { value: i }, processName(this.rec, i))))
    const follow = () => { select.value = String(this.store.get().process ?? '') }
    on(select, 'change', () => this.store.set({ process: select.value === '' ? null : Number(select.value), thread: null, lock: null }))
    this.store.on((changed) => { if (changed.has('process')) follow() })
    follow()
    return select
  }

  private globalKeys(): KeyBinding[] {
    return [
      { keys: ['?'], help: 'This list', run: () => this.showKeys() },
      ...(this.search.hidden ? [] : [{ keys: ['/', 'Ctrl+f'], help: 'Search in this view', run: () => this.focusSearch() }]),
      { keys: ['Escape'], help: 'Let go: of what is focused, then the search, then the selection', run: () => this.letGo() },
      ...this.views.map((view, i): KeyBinding => ({ keys: [`Alt+${i + 1}`], help: view.title, run: () => this.store.set({ view: view.id, search: '' }) })),
    ]
  }

  private showKeys(): void {
    if (document.querySelector('dialog.keys')) return
    const here = this.shown
    const views = [...this.views].sort((a, b) => Number(b === here) - Number(a === here))
    const dialog = overlay([{ title: 'Everywhere', keys: this.globalKeys() }, ...views.map((v) => ({ title: v.title, keys: v.keys }))])
    document.body.append(dialog)
    dialog.showModal()
  }

  private focusSearch(): void {
    this.search.focus()
    this.search.select()
  }

  private letGo(): void {
    const s = this.store.get()
    if (s.focus) this.store.set({ focus: null })
    else if (s.search) this.store.set({ search: '' })
    else if (s.selection || s.baseline) this.store.set({ selection: null, baseline: null })
    else if (s.thread !== null || s.lock !== null) this.store.set({ thread: null, lock: null })
  }

  private onTabKey(e: KeyboardEvent): void {
    const at = this.views.findIndex((v) => v.id === this.store.get().view)
    const n = this.views.length
    const to = { ArrowLeft: (at + n - 1) % n, ArrowRight: (at + 1) % n, Home: 0, End: n - 1 }[e.key]
    if (to === undefined) return
    e.preventDefault()
    this.store.set({ view: this.views[to]!.id, search: '' })
    this.tabs.get(this.views[to]!.id)!.focus()
  }

  private show(id: ViewId): void {
    const view = this.views.find((v) => v.id === id) ?? this.views[0]!
    for (const [other, tab] of this.tabs) {
      tab.setAttribute('aria-selected', String(other === view.id))
      tab.tabIndex = other === view.id ? 0 : -1
      this.panels.get(other)!.hidden = other !== view.id
    }
    this.tabs.get(view.id)!.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    this.shown = view
    this.search.hidden = !SEARCHED.has(view.id)
    const panel = this.panels.get(view.id)!
    this.guard(view, () => {
      if (this.mounted.has(view.id)) return view.update(ALL_KEYS)
      this.mounted.add(view.id)
      view.mount(panel, this)
    })
  }

  /* A view that fails says so, and the others go on. */
  private guard(view: View, run: () => void): void {
    try {
      run()
    } catch (error) {
      console.error(error)
      const panel = this.panels.get(view.id)!
      clear(panel)
      panel.append(el('div.failed', { role: 'alert' }, el('h2', 'This view could not be shown.'),
        el('pre', String((error as Error)?.stack ?? error))))
    }
  }

  private onChange(changed: ReadonlySet<Key>): void {
    const now = this.store.get()
    this.writeAddress(changed, now)
    if (changed.has('theme')) this.applyTheme()
    if (changed.has('search') && this.search.value !== now.search) this.search.value = now.search
    if (['selection', 'baseline', 'process', 'thread', 'lock'].some((k) => changed.has(k as Key))) {
      drawFilterBar(this.filters, this.rec, this.store)
    }
    if (changed.has('view')) this.show(now.view)
    else if (this.shown) this.guard(this.shown, () => this.shown!.update(changed))
  }

  private writeAddress(changed: ReadonlySet<Key>, now: Readonly<ViewState>): void {
    const step = isStep(changed, this.before, now)
    this.before = now
    clearTimeout(this.urlTimer)
    const write = (push: boolean) => {
      const hash = encode(this.store.get())
      if (hash === location.hash || (location.hash === '' && hash === encode(INITIAL))) return
      try {
        history[push ? 'pushState' : 'replaceState'](null, '', hash)
      } catch {
        /* a sandboxed document may not: the page works without */
      }
    }
    if (step) write(true)
    else this.urlTimer = window.setTimeout(() => write(false), URL_DELAY_MS)
  }

  private fromAddress(): void {
    const state = decode(location.hash, boundsOf(this.rec))
    if (encode(state) !== encode(this.store.get())) this.store.set(state)
  }

  private nextTheme(): void {
    const order = ['auto', 'light', 'dark'] as const
    this.store.set({ theme: order[(order.indexOf(this.store.get().theme) + 1) % 3]! })
  }

  private applyTheme(): void {
    const { theme } = this.store.get()
    const root = document.documentElement
    if (theme === 'auto') delete root.dataset.theme
    else root.dataset.theme = theme
    const dark = isDark()
    for (const look of Object.values(STATE_LOOKS)) style(root, `--state-${look.name}`, dark ? look.dark : look.light)
    this.theme.textContent = { auto: 'Auto', light: 'Light', dark: 'Dark' }[theme]
    this.theme.title = `Colours: ${theme}; press for the next of auto, light, dark`
    this.redraw()
  }

  private redraw(): void {
    if (this.shown && this.mounted.has(this.shown.id)) this.guard(this.shown, () => this.shown!.redraw())
  }
}

async function boot(): Promise<void> {
  const progress = el('p.boot', { role: 'status' }, 'Reading the recording…')
  document.body.prepend(progress)
  try {
    const recording = await decodeRecording()
    const page = new Shell(recording)
    const host = el('div')
    document.getElementById('static')?.remove()
    progress.remove()
    document.body.prepend(host)
    document.documentElement.dataset.ready = ''
    page.start(host)
    performance.mark('usable')
  } catch (error) {
    console.error(error)
    progress.className = 'failed'
    progress.setAttribute('role', 'alert')
    progress.textContent = `The recording in this page could not be read: ${(error as Error)?.message ?? error}. What follows is its summary.`
  }
}

void boot()
