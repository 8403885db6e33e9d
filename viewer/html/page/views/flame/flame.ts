/* The flame graphs: which source, which layout, the picture, and the same as a table.  Everything shown follows from the
 * view state; what the person does becomes view state. */
import { max, min, round } from '../../data/math'
import './flame.css'
import { SOURCES, SOURCE_ORDER, unitNs, whyEmpty } from '../../data/flame_sources'
import { findBoxes, type Matches } from '../../data/flame_search'
import { ROOT_SYMBOL } from '../../data/flame_symbols'
import { ancestors, boxAt, pathOf } from '../../data/flame_tree'
import { NONE } from '../../data/recording'
import type { FlameLayout, FlameSource, Key, ViewState } from '../../state'
import { clear, el, on, style, take } from '../../ui/dom'
import { counted, duration, percent } from '../../ui/format'
import { segmented } from '../../ui/segmented'
import { isDark } from '../../ui/theme'
import { type KeyBinding, View } from '../../view'
import { diffColor, FlameCanvas } from './canvas'
import { FunctionTable } from './functions'
import { amount, changeWord, isDiff, itemsText, nameOf, perSecond, placeOf, rates, selfAmount, share, spoken, stackOf, type Graph } from './graph'
import { Graphs } from './graphs'
import { closeMenu, copyOrShow, openMenu, type Item } from './menu'
import { TreeGrid } from './treegrid'

const DATA: Key[] = ['selection', 'baseline', 'process', 'thread', 'lock', 'source', 'layout', 'inverted', 'lines', 'byThread', 'collapse', 'hidden']
const CRUMBS = 7 /* of the way to the zoomed box that are shown */
const LAYOUTS: { value: FlameLayout; label: string; title: string }[] = [
  { value: 'time', label: 'Time order', title: 'In time order, merged only with neighbours (1)' },
  { value: 'left', label: 'Left heavy', title: 'Merged, widest first (2)' },
  { value: 'sandwich', label: 'Sandwich', title: 'Callers and callees of one function (3)' },
]
type Switch = 'inverted' | 'byThread' | 'lines' | 'collapse'
const SWITCHES: { key: Switch; label: string; title: string }[] = [
  { key: 'inverted', label: 'Inverted', title: 'Innermost functions on top, their callers below (i)' },
  { key: 'byThread', label: 'By thread', title: 'One outermost box for each thread (t)' },
  { key: 'lines', label: 'Lines', title: 'One box for each line, else for each function (l)' },
  { key: 'collapse', label: 'Collapse recursion', title: 'A function that is in a stack several times is one box (r)' },
]

export class FlameView extends View {
  readonly id = 'flame'
  readonly title = 'Flame graphs'
  private graphs!: Graphs
  private parts: Graph[] = []
  private tops: number[] = []
  private part = 0
  private current = -1
  private matches: Matches[] = []
  private match = -1
  private totals = 0 /* timer */

  private readonly sources = new Map<FlameSource, HTMLButtonElement>()
  private readonly layout = segmented('Layout', LAYOUTS, 'left', (layout) => this.set({ layout, root: '' }))
  private readonly switches = new Map<Switch, HTMLButtonElement>()
  private readonly found = el('span.flame-found')
  private readonly tableSwitch = el('button.plain', { 'aria-pressed': 'true', title: 'The same as rows, below the picture', on: { click: () => this.showGrid(!this.gridShown) } }, 'Table')
  private gridShown = true
  private readonly note = el('p.flame-note')
  private readonly crumbs = el('nav.flame-crumbs', { label: 'Way to the zoomed box' })
  private readonly tooltip = el('div.flame-tip', { role: 'tooltip', hidden: true })
  private readonly stages = el('div.flame-stages')
  private readonly empty = el('p.flame-empty', { hidden: true })
  private readonly body = el('div.flame-body')
  private canvases: FlameCanvas[] = []
  private table!: FunctionTable
  private grid!: TreeGrid

  protected build(): void {
    this.graphs = new Graphs(this.rec)
    this.table = new FunctionTable((symbol) => this.centreOn(symbol))
    this.grid = new TreeGrid({
      current: (part, box) => this.setCurrent(part, box, false),
      zoom: (part, box) => this.zoom(part, box),
      menu: (part, box, x, y) => this.menu(part, box, x, y),
    })
    this.canvases = [0, 1].map((part) => this.makeCanvas(part))
    this.body.append(this.table.element, this.stages)
    this.host.append(el('div.flame', this.picker(), this.options(), this.note, this.crumbs, this.empty, this.body, this.grid.element, this.tooltip))
    this.update(new Set(DATA))
  }

  update(changed: ReadonlySet<Key>): void {
    const s = this.s
    if (DATA.some((k) => changed.has(k))) this.rebuild(s)
    else if (changed.has('root')) this.show(s)
    else if (changed.has('search')) this.search(s, true)
  }

  redraw(): void {
    for (const canvas of this.canvases) canvas.redraw()
    this.grid.redraw()
    if (this.page) this.drawNote(this.s)
  }

  /* Parts of the view */

  private makeCanvas(part: number): FlameCanvas {
    const canvas = new FlameCanvas('Flame graph', {
      hover: (box, x, y) => this.hover(part, box, x, y),
      zoom: (box) => this.zoom(part, box),
      menu: (box, x, y) => this.menu(part, box, x, y),
    })
    on(canvas.element, 'keydown', (e) => this.onStageKey(part, e))
    on(canvas.element, 'focus', () => this.enter(part))
    return canvas
  }

  private picker(): HTMLElement {
    const bar = el('div.flame-sources', { role: 'group', label: 'What the flame graph shows' })
    for (const source of SOURCE_ORDER) {
      const button = el('button', { 'aria-pressed': 'false', on: { click: () => this.set({ source, root: '' }) } })
      this.sources.set(source, button)
      bar.append(button)
    }
    return bar
  }

  private options(): HTMLElement {
    const row = el('div.flame-options', this.layout.element)
    for (const { key, label, title } of SWITCHES) {
      const button = el('button.plain', { 'aria-pressed': 'false', title, on: { click: () => this.flip(key) } }, label)
      this.switches.set(key, button)
      row.append(button)
    }
    row.append(el('span.grow'), this.found, this.tableSwitch)
    return row
  }

  private showGrid(shown: boolean): void {
    this.gridShown = shown
    this.tableSwitch.setAttribute('aria-pressed', String(shown))
    this.grid.element.hidden = !shown || this.body.hidden
    this.grid.redraw()
  }

  private flip(key: Switch): void {
    this.set({ [key]: !this.s[key], ...(key === 'lines' || this.s.layout === 'sandwich' ? {} : { root: '' }) })
  }

  /* From state to picture */

  private rebuild(s: Readonly<ViewState>): void {
    closeMenu()
    this.layout.set(s.layout)
    for (const [key, button] of this.switches) {
      button.setAttribute('aria-pressed', String(s[key]))
      button.disabled = s.layout === 'sandwich' && (key === 'inverted' || key === 'byThread')
    }
    this.parts = []
    this.show(s)
    this.drawTotals(s)
  }

  private show(s: Readonly<ViewState>): void {
    const sandwich = s.layout === 'sandwich'
    if (sandwich) {
      const fn = this.graphs.centre(s)
      this.parts = fn < 0 ? [] : [true, false].map((callers) => this.graphs.sandwich(s, fn, callers))
      this.tops = this.parts.map(() => 0)
      this.table.show(s, this.graphs, fn)
    } else {
      const g = this.graphs.graph(s)
      this.parts = [g]
      this.tops = [boxAt(g.tree, g.symbols, s.root)]
    }
    const shows = this.parts.some((g) => g.tree.width[0]! > 0)
    this.empty.hidden = shows
    this.empty.textContent = shows ? '' : this.whyNothing(s)
    this.body.hidden = !shows
    this.grid.element.hidden = !shows || !this.gridShown
    this.body.classList.toggle('sandwich', sandwich)
    this.table.element.hidden = !sandwich
    this.placeStages(this.parts.length)
    this.part = sandwich ? 1 : 0
    this.current = this.tops[this.part] ?? -1
    this.hover(0, -1, 0, 0)
    this.search(s, false)
    this.drawNote(s)
    this.drawCrumbs(s)
    this.grid.show(this.parts, this.tops)
    this.parts.forEach((g, i) => {
      this.canvases[i]!.show(g, this.tops[i]!)
      this.canvases[i]!.describe(this.description(g, this.tops[i]!))
    })
  }

  /* Left alone when they are there: moving an element takes its focus and scroll position. */
  private placeStages(parts: number): void {
    if (this.stages.querySelectorAll('.flame-stage').length === parts) return
    const between = parts > 1 ? [el('div.flame-between', { decor: true }, el('span', '▴ callers'), el('span', '▾ callees'))] : []
    this.stages.replaceChildren(...this.canvases.slice(0, parts).flatMap((canvas, i) => (i ? [...between, canvas.element] : [canvas.element])))
  }

  private whyNothing(s: Readonly<ViewState>): string {
    const why = whyEmpty(this.rec, s.source, this.graphs.filterOf(s))
    const hidden = this.parts[0]?.tree.hidden
    return hidden ? 'all of it is hidden' : `Nothing to show: ${why}.`
  }

  private description(g: Graph, top: number): string {
    const { tree } = g, widest = [...tree.order.subarray(tree.from[top]!, tree.from[top + 1]!)].sort((a, b) => tree.width[b]! - tree.width[a]!).slice(0, 3)
    return `Flame graph, ${SOURCES[g.source].title}. ${spoken(g, top)}. Widest: ${widest.map((b) => `${nameOf(g, b)} ${share(g, b, 0)}`).join(', ') || 'nothing inside'}.`
  }

  /* The totals of the other sources come after the picture. */
  private drawTotals(s: Readonly<ViewState>): void {
    clearTimeout(this.totals)
    const filter = this.graphs.filterOf(s), rec = this.rec
    const draw = (source: FlameSource) => {
      const { total } = this.graphs.size(source, filter), ns = total * unitNs(rec, source), button = this.sources.get(source)!
      const text = total ? `${SOURCES[source].sampled ? '~' : ''}${duration(ns)}` : 'none'
      button.replaceChildren(el('span', SOURCES[source].title), ' ', el('b', text))
      button.title = total ? `Width of a box: ${SOURCES[source].width}${SOURCES[source].sampled ? ' (sampled)' : ''}` : whyEmpty(rec, source, filter)
      button.classList.toggle('none', !total)
    }
    for (const source of SOURCE_ORDER) {
      this.sources.get(source)!.setAttribute('aria-pressed', String(source === s.source))
      if (!this.sources.get(source)!.firstChild) this.sources.get(source)!.replaceChildren(el('span', SOURCES[source].title), ' ', el('b', '…'))
    }
    const rest = [s.source, ...SOURCE_ORDER.filter((source) => source !== s.source)]
    const next = () => {
      draw(rest.shift()!)
      if (rest.length) this.totals = window.setTimeout(next)
    }
    this.totals = window.setTimeout(next)
  }

  private drawNote(s: Readonly<ViewState>): void {
    clear(this.note)
    const g = this.parts[this.parts.length - 1]
    if (!g || !(g.tree.width[0]! > 0)) return
    const look = SOURCES[s.source], { tree } = g, rec = this.rec
    const said = [isDiff(g) ? `Width: ${look.width}, both ranges together, per second of each.` : `Width: ${look.width}.`]
    if (look.sampled) said.push(`Sampled at ${rec.sampleHz} Hz: each sample stands for ${duration(g.unitNs)}.`)
    if (s.layout !== 'sandwich') said.push(`${isDiff(g) ? amount(g, 0) : duration(tree.total[0]! * g.unitNs)} in ${itemsText(g, 0)}.`)
    if (s.source === 'blame' && (s.thread !== null || s.selection)) said.push(s.thread !== null ? 'Of the waits of the chosen thread.' : 'A wait that lies partly in the selection counts in proportion.')
    if (s.layout === 'time' && tree.merged) said.push(`Many rows: merged within slices of up to ${percent(tree.merged)} of the width; select less, or one thread, for more detail.`)
    if (s.layout === 'time' && s.baseline) said.push('Time order shows the selection only, without the baseline.')
    if (tree.torn[0]) said.push(`${percent(tree.torn[0], tree.total[0]!)} of it has stacks that were readable only in part.`)
    if (rec.reduced) said.push(rec.reduced.note)
    this.note.append(said.join(' '))
    if (isDiff(g)) this.note.append(' ', legend())
    const symbols = g.symbols
    for (const symbol of this.graphs.hiddenOf(s))
      this.note.append(' ', el('span.chip', el('span.chip-label', 'Hidden'), el('bdi', symbols.name(symbol)),
        el('button', { label: `Show ${symbols.name(symbol)} again`, on: { click: () => this.set({ hidden: s.hidden.split('.').filter((k) => symbols.ofKey(k) !== symbol).join('.') }) } }, '×')))
    if (tree.hidden) this.note.append(` ${duration(tree.hidden * g.unitNs)} hidden.`)
  }

  private drawCrumbs(s: Readonly<ViewState>): void {
    clear(this.crumbs)
    const g = this.parts[0], top = this.tops[0] ?? 0
    this.crumbs.hidden = !g || s.layout === 'sandwich' || top === 0
    if (this.crumbs.hidden) return
    const way = ancestors(g!.tree, top)
    const shown = way.length <= CRUMBS ? way : [way[0]!, -1, ...way.slice(2 - CRUMBS)]
    shown.forEach((box, i) => {
      if (i) this.crumbs.append(el('span.quiet', { decor: true }, ' › '))
      if (box < 0) this.crumbs.append(el('span.quiet', `… ${way.length - shown.length + 1} more`))
      else if (box === top) this.crumbs.append(el('b', { 'aria-current': 'true' }, el('bdi', nameOf(g!, box))), el('span.quiet', ` ${amount(g!, box)}, ${share(g!, box, 0)}`))
      else this.crumbs.append(el('button.link', { on: { click: () => this.zoom(0, box) } }, el('bdi', nameOf(g!, box))))
    })
    this.crumbs.append(' ', el('button.plain', { title: '0 or Esc', on: { click: () => this.reset() } }, 'Reset zoom'))
  }

  /* Search: the field is the page's */

  private search(s: Readonly<ViewState>, say: boolean): void {
    this.matches = s.search ? this.parts.map((g) => findBoxes(g.tree, g.symbols, s.search)) : []
    this.match = -1
    this.parts.forEach((_, i) => {
      const m = this.matches[i]
      this.canvases[i]!.look.isMatch = m && !m.error ? m.isMatch : null
      this.canvases[i]!.drawSoon()
    })
    this.table.filter(s.search)
    const m = this.matches[this.matches.length - 1], g = this.parts[this.parts.length - 1]
    this.found.replaceChildren()
    if (!m || !g) return
    const boxes = this.matches.reduce((sum, one) => sum + one.boxes.length, 0)
    const whole = g.tree.total[0]! || 1
    const text = m.error || (boxes ? `${percent(m.total, whole)} matched (${duration(m.total * g.unitNs)} in ${counted(boxes, 'box', 'boxes')})` : 'no match')
    this.found.append(text)
    if (boxes) this.found.append(' ', el('button.plain', { title: 'Previous match (N)', label: 'Previous match', on: { click: () => this.nextMatch(-1) } }, '‹'),
      el('button.plain', { title: 'Next match (n)', label: 'Next match', on: { click: () => this.nextMatch(1) } }, '›'))
    if (say) this.page.say(text)
  }

  private nextMatch(by: number): void {
    const all = this.matches.flatMap((m, part) => m.boxes.map((box) => ({ part, box })))
    if (!all.length) return this.page.say(this.s.search ? 'no match' : 'nothing searched for')
    this.match = this.match < 0 && by < 0 ? all.length - 1 : (this.match + by + all.length) % all.length
    const { part, box } = all[this.match]!
    if (!this.inView(part, box)) {
      this.set({ root: '' })
      this.match = all.findIndex((m) => m.part === part && m.box === box)
    }
    this.setCurrent(part, box, true)
    this.page.say(`match ${this.match + 1} of ${all.length}: ${spoken(this.parts[part]!, box)}`)
  }

  private inView(part: number, box: number): boolean {
    const top = this.tops[part]!
    return ancestors(this.parts[part]!.tree, box).includes(top) || ancestors(this.parts[part]!.tree, top).includes(box)
  }

  /* What the person does */

  private hover(part: number, box: number, x: number, y: number): void {
    this.canvases.forEach((canvas, i) => {
      const to = i === part ? box : -1
      if (canvas.look.hover === to) return
      canvas.look.hover = to
      canvas.drawSoon()
    })
    this.tooltip.hidden = box < 0
    if (box >= 0) this.showTip(this.parts[part]!, part, box, x, y)
  }

  private showTip(g: Graph, part: number, box: number, x: number, y: number): void {
    const { tree } = g, parent = tree.parent[box]!, top = this.tops[part]!
    const rows: [string, string][] = []
    if (isDiff(g)) {
      const [now, base] = rates(g, box)
      rows.push(['Selection', perSecond(now)], ['Baseline', perSecond(base)], ['Change', changeWord(g, box)])
    } else rows.push(['Total', `${amount(g, box)} in ${itemsText(g, box)}`])
    if (tree.self[box] && !(g.callers && box) && !(tree.inverted && tree.depth[box]! > 1)) rows.push(['Self', selfAmount(g, box)])
    const shares = [`${share(g, box, 0)} of all`]
    if (top && tree.depth[box]! >= tree.depth[top]!) shares.push(`${share(g, box, top)} of what is shown`)
    if (parent > 0) shares.push(`${share(g, box, parent)} of its parent`)
    if (box) rows.push(['Share', shares.join(', ')])
    if (tree.row[box] !== NONE && !SOURCES[g.source].sampled) rows.push([g.source === 'blocked' ? 'Longest' : 'Longest part', duration(tree.largest[box]!)])
    if (tree.torn[box]) rows.push(['Stacks', `${percent(tree.torn[box]!, tree.total[box]!)} readable only in part`])
    const place = placeOf(g, box, true)
    this.tooltip.replaceChildren(el('b', el('bdi', nameOf(g, box))), place ? el('div.quiet', el('bdi', place)) : '',
      el('dl', ...rows.flatMap(([k, v]) => [el('dt', k), el('dd', v)])))
    const origin = this.host.getBoundingClientRect(), { width, height } = this.tooltip.getBoundingClientRect()
    style(this.tooltip, 'left', `${max(4, min(x + 14, innerWidth - width - 8)) - origin.left}px`)
    style(this.tooltip, 'top', `${(y + 18 + height > innerHeight ? max(4, y - height - 10) : y + 18) - origin.top}px`)
  }

  private enter(part: number): void {
    if (this.part !== part || this.current < 0) this.setCurrent(part, this.tops[part] ?? 0, true)
    else this.mark()
  }

  private mark(): void {
    this.canvases.forEach((canvas, i) => {
      canvas.look.current = i === this.part ? this.current : -1
      canvas.drawSoon()
    })
  }

  private setCurrent(part: number, box: number, fromPicture: boolean): void {
    this.part = part
    this.current = box
    this.mark()
    this.canvases[part]!.reveal(box)
    if (fromPicture) this.grid.reveal(part, box)
  }

  private moveTo(box: number): void {
    const g = this.parts[this.part]!
    if (box < 0 || box >= g.tree.n) return
    this.setCurrent(this.part, box, true)
    this.page.say(spoken(g, box))
  }

  private onStageKey(part: number, e: KeyboardEvent): void {
    const g = this.parts[part]
    if (!g || e.ctrlKey || e.altKey || e.metaKey) return
    const { tree } = g, box = this.current, up = g.callers
    const inward = () => this.firstChild(g, part, box), outward = () => tree.parent[box]!
    const run: { [key: string]: () => void } = {
      ArrowDown: () => this.moveTo(up ? outward() : inward()),
      ArrowUp: () => this.moveTo(up ? inward() : outward()),
      ArrowLeft: () => this.moveTo(this.sibling(g, part, box, -1)),
      ArrowRight: () => this.moveTo(this.sibling(g, part, box, 1)),
      Enter: () => this.zoom(part, box),
      ContextMenu: () => this.menuHere(part),
    }
    const name = e.key === 'F10' && e.shiftKey ? 'ContextMenu' : e.key
    if (!run[name] || (e.shiftKey && e.key !== 'F10')) return
    take(e)
    run[name]!()
  }

  private menuHere(part: number): void {
    const at = this.canvases[part]!.place(this.current)
    this.menu(part, this.current, at.x, at.y)
  }

  private firstChild({ tree }: Graph, part: number, box: number): number {
    const top = this.tops[part]!
    if (tree.depth[box]! < tree.depth[top]!) return ancestors(tree, top)[tree.depth[box]! + 1]!
    let widest = -1
    for (let i = tree.from[box]!; i < tree.from[box + 1]!; i++) if (widest < 0 || tree.width[tree.order[i]!]! > tree.width[widest]!) widest = tree.order[i]!
    return widest
  }

  /* The next box that is drawn beside this one. */
  private sibling({ tree }: Graph, part: number, box: number, by: number): number {
    const parent = tree.parent[box]!
    if (parent < 0 || tree.depth[box]! <= tree.depth[this.tops[part]!]!) return -1
    for (let i = tree.order.indexOf(box, tree.from[parent]!) + by; i >= tree.from[parent]! && i < tree.from[parent + 1]!; i += by)
      if (this.canvases[part]!.isDrawn(tree.order[i]!)) return tree.order[i]!
    return -1
  }

  private zoom(part: number, box: number): void {
    const g = this.parts[part]!
    if (this.s.layout === 'sandwich') return this.centreOn(g.symbols.functionSymbol(g.tree.symbol[box]!))
    this.set({ root: pathOf(g.tree, g.symbols, box) })
    this.setCurrent(part, box, false)
    this.page.say(box ? `zoomed to ${spoken(g, box)}` : 'zoom reset')
  }

  private centreOn(symbol: number): void {
    const s = this.s, symbols = this.graphs.symbolsOf(s)
    if (symbol === ROOT_SYMBOL) return
    this.set({ layout: 'sandwich', root: symbols.key(symbol) })
    this.page.say(`callers and callees of ${symbols.name(symbol)}`)
  }

  private hide(symbol: number): void {
    const s = this.s, symbols = this.graphs.symbolsOf(s)
    this.set({ hidden: [...s.hidden.split('.').filter((k) => k), symbols.key(symbol)].join('.'), root: '' })
    this.page.say(`hidden: stacks through ${symbols.name(symbol)}`)
  }

  private reset(): void {
    this.set({ root: '' })
    this.page.say('zoom reset')
  }

  private menu(part: number, box: number, x: number, y: number): void {
    const g = this.parts[part]!, symbol = g.tree.symbol[box]!, sandwich = this.s.layout === 'sandwich'
    const row = g.tree.row[box]!, { items, table } = SOURCES[g.source]
    const items_: Item[] = []
    if (!sandwich) items_.push({ label: 'Zoom to this box', run: () => this.zoom(part, box) })
    if (symbol !== ROOT_SYMBOL)
      items_.push({ label: 'Callers and callees (sandwich)', run: () => this.centreOn(g.symbols.functionSymbol(symbol)) },
        { label: 'Hide all stacks through it', run: () => this.hide(g.symbols.functionSymbol(symbol)) },
        { label: 'Search for it', run: () => this.set({ search: placeOf(g, box) ? g.symbols.name(symbol) : nameOf(g, box) }) },
        { label: 'Copy stack', run: () => void copyOrShow(stackOf(g, box), () => this.page.say('stack copied')) })
    if (row !== NONE) {
      const which = { wait: 'worst wait', interval: 'longest stretch', sample: 'a sample' }[table as string] ?? items[0]
      items_.push({ label: `Show ${which} on the timeline`, run: () => this.jump(g, row) })
    }
    if (!items_.length) return
    this.hover(part, -1, 0, 0)
    this.setCurrent(part, box, false)
    openMenu(this.host, nameOf(g, box), items_, x, y)
  }

  /* The timeline, with the row and as much again on both sides. */
  private jump(g: Graph, row: number): void {
    const { table } = SOURCES[g.source], rec = this.rec
    const [t0, t1] = table === 'wait' ? [rec.waits.t0[row]!, rec.waits.t1[row]!] : table === 'interval' ? [rec.intervals.t0[row]!, rec.intervals.t1[row]!] : [rec.samples.t[row]! - 5e6, rec.samples.t[row]! + 5e6]
    const pad = max(1e5, t1 - t0)
    this.set({ view: 'timeline', focus: { table, row }, visible: { t0: max(0, round(t0 - pad)), t1: min(rec.durationNs, round(t1 + pad)) }, search: '' })
  }

  override get keys(): KeyBinding[] {
    const set = (patch: Partial<ViewState>) => () => this.set(patch)
    const s = this.page && this.s
    const keys: KeyBinding[] = [
      { keys: ['1'], help: 'Time order', run: set({ layout: 'time', root: '' }) },
      { keys: ['2'], help: 'Left heavy', run: set({ layout: 'left', root: '' }) },
      { keys: ['3'], help: 'Sandwich: callers and callees of one function', run: () => (this.current > 0 ? this.centreOn(this.currentFunction()) : this.set({ layout: 'sandwich', root: '' })) },
      { keys: ['i'], help: 'Inverted: innermost functions on top', run: () => this.flip('inverted') },
      { keys: ['t'], help: 'By thread', run: () => this.flip('byThread') },
      { keys: ['l'], help: 'Lines or functions', run: () => this.flip('lines') },
      { keys: ['r'], help: 'Collapse recursion', run: () => this.flip('collapse') },
      { keys: ['n'], help: 'Next match', run: () => this.nextMatch(1) },
      { keys: ['Shift+N'], help: 'Previous match', run: () => this.nextMatch(-1) },
      { keys: ['['], help: 'Source before', run: () => this.step(-1) },
      { keys: [']'], help: 'Source after', run: () => this.step(1) },
      { keys: ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight'], help: 'In the picture: caller, callee, neighbour', run: (e) => this.focusStage(e) },
      { keys: ['Enter'], help: 'Zoom to the box', run: (e) => this.focusStage(e) },
      { keys: ['ContextMenu', 'Shift+F10'], help: 'Menu of the box: hide, copy, timeline', run: (e) => this.focusStage(e) },
      { keys: ['0'], help: 'Reset zoom (Esc too)', run: () => this.reset() },
    ]
    if (s?.root && s.layout !== 'sandwich') keys.push({ keys: ['Escape'], help: 'Reset zoom', run: () => this.reset() })
    return keys
  }

  private currentFunction(): number {
    const g = this.parts[this.part]!
    return g.symbols.functionSymbol(g.tree.symbol[this.current]!)
  }

  private focusStage(e: KeyboardEvent): void {
    if (!this.parts.length) return
    this.canvases[this.part]!.element.focus()
    this.onStageKey(this.part, e)
  }

  private step(by: number): void {
    const at = SOURCE_ORDER.indexOf(this.s.source), n = SOURCE_ORDER.length
    const source = SOURCE_ORDER[(at + by + n) % n]!
    this.set({ source, root: '' })
    this.page.say(SOURCES[source].title)
  }
}

function legend(): HTMLElement {
  const swatch = (by: number, text: string) => {
    const box = el('i', { decor: true })
    style(box, 'background', diffColor(by, isDark()))
    return el('span.flame-swatch', box, text)
  }
  return el('span.flame-legend', swatch(-1, 'gone'), swatch(-0.4, 'less'), swatch(0, 'unchanged'), swatch(0.4, 'more'), swatch(1, 'new'))
}

