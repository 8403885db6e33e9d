/* The page of differences: flame graphs that zoom, search and change what their widths mean, tables that sort.  Everything is in
 * the markup already (viewer/diff/flame.c, tables.c); without this script it is all there and stands still. */
'use strict'
{
  const WIDTH = 1200, CHAR = 7, PAD = 3, NARROWEST = 0.5
  const WIDTHS = { 'base and head': (f) => f.b + f.h, base: (f) => f.b, head: (f) => f.h }
  const make = (tag, props = {}, ...children) => {
    const e = Object.assign(document.createElement(tag), props)
    e.append(...children)
    return e
  }

  /* --- flame graphs ---------------------------------------------------------- */
  const read = (svg) => {
    const frames = [], open = []
    for (const g of svg.querySelectorAll('g.f')) {
      const title = g.querySelector('title').textContent, rect = g.querySelector('rect')
      const f = { g, rect, text: g.querySelector('text'), title, name: title.slice(0, title.lastIndexOf(': ')), b: +g.dataset.b, h: +g.dataset.h, d: +g.dataset.d, children: [], parent: null }
      open.length = f.d
      f.parent = open[f.d - 1] ?? null
      f.parent?.children.push(f)
      open.push(f)
      frames.push(f)
      f.sign = g.classList.contains('new') ? '+ ' : g.classList.contains('gone') ? '− ' : ''
    }
    return frames
  }

  const label = (f, width) => {
    const room = Math.floor((width - 2 * PAD) / CHAR)
    /* "function (path:line)" without its place */
    const text = f.sign + f.name.replace(/ \([^()]*:\d+\)$/, '')
    return room < 3 ? '' : text.length <= room ? text : text.slice(0, room - 1) + '…'
  }

  function graph(section) {
    const svg = section.querySelector('svg.flame'), frames = read(svg)
    if (!frames.length) return
    const compares = frames.some((f) => f.b > 0)
    const state = { top: frames[0], now: null, size: WIDTHS['base and head'], needle: '' }
    const status = make('p', { className: 'status' })
    status.setAttribute('role', 'status')

    const lay = (f, x, width, above) => {
      const visible = width >= NARROWEST
      f.g.style.display = visible ? '' : 'none'
      f.visible = visible
      f.g.classList.toggle('above', above)
      if (!visible) return
      f.rect.setAttribute('x', x.toFixed(1))
      f.rect.setAttribute('width', Math.max(width - 0.5, 0.5).toFixed(1))
      const text = label(f, width)
      if (text && !f.text) {
        f.text = document.createElementNS('http://www.w3.org/2000/svg', 'text')
        f.text.setAttribute('y', +f.rect.getAttribute('y') + 12)
        f.g.append(f.text)
      }
      if (f.text) {
        f.text.textContent = text
        f.text.setAttribute('x', (x + PAD).toFixed(1))
      }
    }
    const below = (f, x, width) => {
      lay(f, x, width, false)
      const whole = state.size(f)
      for (const c of f.children) {
        const w = whole > 0 ? width * state.size(c) / whole : 0
        below(c, x, w)
        x += w
      }
    }
    const draw = () => {
      for (const f of frames) { f.g.style.display = 'none'; f.visible = false }
      for (let f = state.top.parent; f; f = f.parent) lay(f, 0, WIDTH, true)
      below(state.top, 0, state.size(state.top) > 0 ? WIDTH : 0)
      say()
    }
    const say = () => {
      let found = ''
      if (state.needle) {
        let b = 0, h = 0
        const sum = (f) => {
          if (f.g.classList.contains('hit')) { b += f.b; h += f.h } else f.children.forEach(sum)
        }
        sum(frames[0])
        const share = (part, whole) => (whole > 0 ? (100 * part / whole).toPrecision(3) + ' %' : '-')
        found = ` – found: ${compares ? share(b, frames[0].b) + ' of base, ' : ''}${share(h, frames[0].h)} of head`
      }
      status.textContent = (state.now ?? state.top).title + found
    }
    const point = (f) => {
      state.now?.g.classList.remove('now')
      state.now = f
      f?.g.classList.add('now')
      say()
    }
    const zoom = (f) => {
      state.top = f
      reset.disabled = f === frames[0]
      draw()
    }
    const search = (text) => {
      state.needle = text.trim().toLowerCase()
      for (const f of frames) f.g.classList.toggle('hit', state.needle !== '' && f.name.toLowerCase().includes(state.needle))
      say()
    }

    const reset = make('button', { type: 'button', textContent: 'Whole graph', disabled: true, onclick: () => zoom(frames[0]) })
    const find = make('input', { type: 'search', placeholder: 'Find function or file', oninput: () => search(find.value) })
    find.setAttribute('aria-label', 'Find function or file')
    const bar = make('div', { className: 'bar' }, reset, find)
    if (compares) {
      const widths = Object.keys(WIDTHS).map((name) => {
        const button = make('button', { type: 'button', textContent: name, onclick: () => {
          state.size = WIDTHS[name]
          for (const other of widths) other.setAttribute('aria-pressed', other === button)
          draw()
        } })
        button.setAttribute('aria-pressed', name === 'base and head')
        return button
      })
      bar.append(make('span', { textContent: 'Widths:' }), ...widths)
    }
    svg.before(bar)
    svg.after(status)

    const by = new Map(frames.map((f) => [f.g, f]))
    const under = (e) => by.get(e.target.closest?.('g.f'))
    svg.addEventListener('click', (e) => { const f = under(e); if (f) { point(f); zoom(f) } })
    svg.addEventListener('mousemove', (e) => { const f = under(e); if (f && f !== state.now) point(f) })
    svg.setAttribute('tabindex', '0')
    svg.addEventListener('keydown', (e) => {
      const f = state.now?.visible ? state.now : state.top
      const sibling = (step) => {
        const all = f.parent?.children.filter((c) => c.visible) ?? []
        return all[all.indexOf(f) + step]
      }
      const go = { ArrowDown: () => f.children.find((c) => c.visible), ArrowUp: () => f.parent, ArrowLeft: () => sibling(-1), ArrowRight: () => sibling(1) }[e.key]
      if (go) { const to = go(); if (to) point(to) }
      else if (e.key === 'Enter') zoom(f)
      else if (e.key === 'Escape') zoom(frames[0])
      else return
      e.preventDefault()
    })
    draw()
  }

  /* --- tables ---------------------------------------------------------------- */
  const value = (row, i) => {
    const cell = row.cells[i]
    return cell?.dataset.v !== undefined ? +cell.dataset.v : cell?.textContent ?? ''
  }
  function sortable(table) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells]
    if (body.rows.length < 2 || !body.querySelector('[data-v]')) return
    heads.forEach((th, i) => {
      const button = make('button', { type: 'button', textContent: th.textContent })
      th.replaceChildren(button)
      button.addEventListener('click', () => {
        const down = th.getAttribute('aria-sort') !== 'descending', sign = down ? -1 : 1
        for (const other of heads) other.removeAttribute('aria-sort')
        th.setAttribute('aria-sort', down ? 'descending' : 'ascending')
        const rows = [...body.rows].map((row) => ({ row, v: value(row, i) }))
        rows.sort((a, b) => sign * (typeof a.v === 'number' && typeof b.v === 'number' ? a.v - b.v : String(a.v).localeCompare(String(b.v))))
        body.append(...rows.map((r) => r.row))
      })
    })
  }

  document.querySelectorAll('section.graph').forEach(graph)
  document.querySelectorAll('table').forEach(sortable)
  document.documentElement.dataset.ready = ''
}
