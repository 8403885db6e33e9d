/* The report as a person uses it: clicks, keys, selections; what is shown is compared with the recording's own numbers. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CONVOY, TABS, axeSource, facts, fromRows, humanNs, launch, open, picture, root, sql, synthetic, tab, why } from './browser.mjs'

const skip = why
let browser, convoy, busy

before(async () => {
  if (skip) return
  convoy = fromRows('convoy', CONVOY)
  busy = synthetic('busy', '--intervals', 30000, '--threads', 12, '--seed', 7)
  browser = await launch()
})
after(() => browser?.close())

const hash = (page) => decodeURIComponent(new URL(page.url()).hash)
const clean = (page) => assert.deepEqual(page.sins, [])

test('every view opens by click and by key, alone with its file', { skip }, async () => {
  for (const [name, { html }] of Object.entries({ convoy, busy }))
    for (const dark of [false, true]) {
      const page = await open(browser, html, { dark })
      for (const [i, title] of TABS.entries()) {
        await tab(page, title)
        assert.ok(await page.getByRole('tabpanel', { name: title }).isVisible())
        await picture(page, `${name}-${i}-${title.toLowerCase().replace(/ /g, '-')}-${dark ? 'dark' : 'light'}`)
      }
      clean(page)
      await page.context().close()
    }
})

test('without script the file still tells: verdict, findings, tables', { skip }, async () => {
  const page = await open(browser, convoy.html, { script: false })
  const text = await page.locator('body').innerText()
  const f = facts(convoy.recording).processes[0]
  for (const finding of f.findings) assert.ok(text.includes(finding.title), finding.title)
  assert.match(text, /handle \(.*app\.py:63\)|handle/)
  assert.ok(text.includes('read_slowly'), 'the line that holds')
  for (const t of f.threads) assert.ok(text.includes(t.name), t.name)
  assert.ok((await page.locator('svg').count()) > 0, 'a picture of the states')
  assert.ok((await page.locator('table').count()) >= 3)
  await picture(page, 'no-script')
  await page.context().close()
})

test('the overview names the worst pair and what it costs', { skip }, async () => {
  const page = await open(browser, convoy.html)
  const text = await page.getByRole('tabpanel', { name: 'Overview' }).innerText()
  assert.match(text, /handle \(app\.py:63\)/)
  assert.match(text, /crunch \(app\.py:40\)/)
  const [{ ns }] = sql(convoy.recording, 'SELECT wait_ns AS ns FROM v_locks WHERE kind = \'gil\'')
  assert.ok(text.includes(humanNs(ns)), `${humanNs(ns)} in ${text}`)
  for (const finding of facts(convoy.recording).processes[0].findings) {
    assert.ok(text.includes(finding.title), finding.title)
    if (finding.wait_ns) assert.ok(text.includes(humanNs(finding.wait_ns)), `${finding.title}: ${humanNs(finding.wait_ns)}`)
  }
  clean(page)
  await page.context().close()
})

test('a finding leads to its place on the timeline', { skip }, async () => {
  const page = await open(browser, convoy.html)
  const finding = facts(convoy.recording).processes[0].findings.find((f) => f.place)
  assert.ok(finding, 'some finding has a place')
  const item = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: finding.title, exact: true }) })
  await item.getByRole('button').or(item.getByRole('link')).filter({ hasText: /timeline/i }).first().click()
  await page.waitForTimeout(200)
  assert.match(hash(page), /^#1\/timeline\?/)
  const [, t0, t1] = /visible=(\d+)-(\d+)/.exec(hash(page)).map(Number)
  assert.ok(t0 <= finding.place.from_ns && t1 >= finding.place.to_ns, `${t0}-${t1} around ${finding.place.from_ns}-${finding.place.to_ns}`)
  await page.goBack()
  await page.waitForTimeout(150)
  assert.ok(await page.getByRole('tabpanel', { name: 'Overview' }).isVisible(), 'Back leads back')
  clean(page)
  await page.context().close()
})

test('tables of locks and threads are the database', { skip }, async () => {
  const page = await open(browser, busy.html)
  await tab(page, 'Locks')
  const lock = sql(busy.recording, "SELECT waits, wait_ns, wait_max_ns FROM v_locks WHERE kind = 'gil'")[0]
  const row = await page.getByRole('table', { name: 'Locks' }).getByRole('row').filter({ hasText: 'GIL' }).nth(0).innerText()
  for (const text of [lock.waits.toLocaleString('en'), humanNs(lock.wait_ns), humanNs(lock.wait_max_ns)]) assert.ok(row.includes(text), `${text} in ${row}`)
  await tab(page, 'Threads')
  for (const t of sql(busy.recording, 'SELECT name, tid, gil_waits, gil_wait_max_ns AS max FROM v_threads WHERE gil_waits > 0')) {
    const cells = await page.getByRole('row').filter({ has: page.getByRole('cell', { name: String(t.tid), exact: true }) }).first().innerText()
    assert.ok(cells.includes(t.gil_waits.toLocaleString('en')), `${t.name}: ${t.gil_waits} in ${cells}`)
    assert.ok(cells.includes(humanNs(t.max)), `${t.name}: ${humanNs(t.max)} in ${cells}`)
  }
  clean(page)
  await page.context().close()
})

test('flame graphs: each total is the recording’s', { skip }, async () => {
  const page = await open(browser, busy.html)
  await tab(page, 'Flame graphs')
  const one = (query) => sql(busy.recording, query)[0].ns ?? 0
  const gil = "SELECT id FROM lock WHERE kind = (SELECT id FROM lock_kind WHERE name = 'gil')"
  const tallied = (states, more = '') => one(`SELECT coalesce(sum(ns), 0) AS ns FROM tally WHERE state IN (${states}) ${more}`)
  const totals = {
    Blame: one(`SELECT sum(dur_ns) AS ns FROM wait WHERE lock IN (${gil})`) + tallied('2'),
    'Waiting for the GIL': one(`SELECT sum(dur_ns) AS ns FROM wait WHERE lock IN (${gil})`) + tallied('2'),
    'Blocked by system call': one('SELECT sum(dur_ns) AS ns FROM interval WHERE state IN (4, 5)') + tallied('4, 5'),
  }
  for (const [name, ns] of Object.entries(totals)) {
    const button = page.getByRole('button', { name: new RegExp(`^${name}`) })
    await button.click()
    await page.waitForTimeout(150)
    assert.ok((await button.innerText()).includes(humanNs(ns)), `${name}: ${humanNs(ns)}, shown ${await button.innerText()}`)
  }
  clean(page)
  await page.context().close()
})

test('flame graphs: search, zoom, layouts by key', { skip }, async () => {
  const page = await open(browser, convoy.html, { hash: '#1/flame' })
  await page.waitForTimeout(200)
  const panel = page.getByRole('tabpanel', { name: 'Flame graphs' })
  assert.match(await panel.innerText(), /900 ms/)
  await page.keyboard.press('/')
  await page.keyboard.type('read_slowly')
  await page.keyboard.press('Enter')
  await page.waitForTimeout(300)
  assert.match(await panel.innerText(), /33 %|33\.3 %/, 'read_slowly has 300 of 900 ms')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Escape')
  await page.keyboard.press('i')
  await page.waitForTimeout(400)
  assert.match(hash(page), /inverted=1/)
  await page.keyboard.press('1')
  await page.waitForTimeout(400)
  assert.match(hash(page), /layout=time/)
  await page.keyboard.press('3')
  await page.waitForTimeout(400)
  assert.match(hash(page), /layout=sandwich/)
  await picture(page, 'flame-sandwich')
  clean(page)
  await page.context().close()
})

test('who blocks whom: a cell is the sum of its credits, its waits open on the timeline', { skip }, async () => {
  const page = await open(browser, convoy.html)
  await tab(page, 'Who blocks whom')
  const [{ ns }] = sql(convoy.recording, 'SELECT sum(ns) AS ns FROM credit WHERE stack = 3')
  const cell = page.getByRole('gridcell', { name: /handle.*waits for read_slowly/ })
  assert.ok((await cell.getAttribute('aria-label')).includes(humanNs(ns)), await cell.getAttribute('aria-label'))
  await cell.click()
  await page.waitForTimeout(200)
  const text = await page.getByRole('tabpanel', { name: 'Who blocks whom' }).innerText()
  assert.ok(text.includes('app.py:63') && text.includes('slow.c.py:7'), 'both stacks')
  assert.ok(text.includes('90.0 ms'), 'its waits')
  await picture(page, 'matrix-cell')
  await page.getByRole('tabpanel', { name: 'Who blocks whom' }).getByRole('row').filter({ hasText: '90.0 ms' }).first().getByRole('button').or(page.getByRole('link', { name: /^0\.000000 s$/ })).first().click()
  await page.waitForTimeout(200)
  assert.match(hash(page), /^#1\/timeline\?.*focus=wait:\d+/)
  clean(page)
  await page.context().close()
})

test('timeline: zoom, a wait in detail, to its holder and back', { skip }, async () => {
  const page = await open(browser, convoy.html, { hash: '#1/timeline?focus=wait:0' })
  await page.waitForTimeout(300)
  const panel = page.getByRole('tabpanel', { name: 'Timeline' })
  const text = await panel.innerText()
  assert.match(text, /90\.0 ms/)
  assert.ok(text.includes('app.py:63'), 'the stack that waits')
  assert.ok(/hog/.test(text) && /60\.0 ms/.test(text) && /30\.0 ms/.test(text), `the credits: ${text}`)
  await picture(page, 'timeline-wait')
  await page.keyboard.press('g')
  await page.waitForTimeout(200)
  assert.match(hash(page), /focus=hold:\d+/, 'g goes to the hold')
  await page.keyboard.press('b')
  await page.waitForTimeout(200)
  assert.match(hash(page), /focus=wait:0/, 'b comes back')
  await page.keyboard.press('w')
  await page.keyboard.press('w')
  await page.waitForTimeout(600)
  const [, t0, t1] = /visible=(\d+)-(\d+)/.exec(hash(page)).map(Number)
  assert.ok(t1 - t0 < 1e9, 'w zooms in')
  await page.keyboard.press('0')
  await page.waitForTimeout(600)
  assert.doesNotMatch(hash(page), /visible=/)
  clean(page)
  await page.context().close()
})

test('what if: each line with what vanishes, each bound with what it assumes', { skip }, async () => {
  const page = await open(browser, busy.html, { hash: '#1/whatif' })
  const told = facts(busy.recording).processes[0].what_if
  const rows = await page.getByRole('tabpanel').locator('tbody tr').allInnerTexts()
  assert.equal(rows.length, told.pairs.length)
  const at = (f) => `${f.function} (${f.file.split('/').pop()}:${f.line})`
  for (const p of told.pairs)
    assert.ok(rows.some((r) => r.includes(at(p.holder)) && r.includes(at(p.waiter)) && r.includes(humanNs(p.saved_ns))), `${at(p.holder)} in ${rows}`)
  const text = await page.getByRole('tabpanel').innerText()
  for (const b of told.bounds) for (const part of [b.title, ...b.assumes]) assert.ok(text.includes(part), part)
  clean(page)
  await page.context().close()
})

test('an area selected on the timeline filters every view', { skip }, async () => {
  const page = await open(browser, convoy.html, { hash: '#1/timeline' })
  await page.waitForTimeout(300)
  const canvas = page.getByRole('tabpanel', { name: 'Timeline' }).locator('canvas').first()
  const box = await canvas.boundingBox()
  await page.mouse.move(box.x + box.width * 0.5, box.y + 100)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.6, box.y + 100, { steps: 5 })
  await page.mouse.move(box.x + box.width * 0.8, box.y + 100, { steps: 5 })
  await page.mouse.up()
  await page.waitForTimeout(200)
  assert.match(hash(page), /selection=\d+-\d+/, 'a drag selects')
  await picture(page, 'timeline-selection')
  await page.context().close()

  const half = await open(browser, convoy.html, { hash: '#1/flame?selection=250000000-500000000' })
  await half.waitForTimeout(300)
  /* clipped: the wait at 200 ms lies in it from 250 to 290, those at 300 and 400 with 90 ms each */
  assert.match(await half.getByRole('button', { name: /^Blame/ }).innerText(), /220 ms/)
  await tab(half, 'Locks')
  assert.match(await half.getByRole('table', { name: 'Locks' }).innerText(), /220 ms/)
  await tab(half, 'Threads')
  assert.match(await half.getByRole('table', { name: 'Threads' }).innerText(), /220 ms/)
  await tab(half, 'Who blocks whom')
  assert.match(await half.getByRole('tabpanel', { name: 'Who blocks whom' }).innerText(), /220 ms/)
  clean(half)
  await half.context().close()
})

test('other locks: kind, name and owner in the locks view and on the timeline; idle waits apart', { skip }, async () => {
  const { recording, html } = fromRows('other-locks', readFileSync(join(root, 'tests/golden/report/cases/other_locks.rows'), 'utf8'))
  const page = await open(browser, html, { hash: '#1/locks' })
  const names = { false: await page.getByRole('table', { name: 'Locks' }).innerText(), true: await page.getByRole('table', { name: 'Idle waits' }).innerText() }
  for (const o of facts(recording).processes[0].other_locks) {
    const row = names[o.idle].split('\n').find((line) => line.includes(o.name ?? o.address ?? o.where.function) && line.includes(o.kind))
    assert.ok(row?.includes(humanNs(o.wait_ns)), `${o.kind} ${o.name}: ${row}`)
  }
  await page.getByRole('table', { name: 'Locks' }).getByRole('button', { name: '__main__.LOCK' }).click()
  await page.waitForTimeout(200)
  const detail = await page.getByRole('region', { name: 'The lock that is looked at' }).innerText()
  assert.match(detail, /thread_lock __main__\.LOCK/)
  assert.match(detail, /inferred: the lock does not say who has it/)
  await page.getByRole('searchbox').fill('guard')
  await page.waitForTimeout(200)
  assert.deepEqual((await page.getByRole('table', { name: 'Locks' }).locator('tbody tr').allInnerTexts()).map((t) => t.split(/\s/)[0]), ['app.Store.guard'])
  await tab(page, 'Timeline')
  assert.ok(await page.getByRole('row', { name: /^rlock app\.Store\.guard/ }).isVisible())
  await picture(page, 'other-locks-timeline')
  clean(page)
  await page.context().close()
})

test('a second selection makes the flame graph a difference', { skip }, async () => {
  const page = await open(browser, convoy.html, { hash: '#1/flame?selection=0-500000000&baseline=500000000-1000000000' })
  await page.waitForTimeout(400)
  assert.match(await page.getByRole('tabpanel', { name: 'Flame graphs' }).innerText(), /900 ms\/s, before 900 ms\/s/)
  await picture(page, 'flame-difference')
  clean(page)
  await page.context().close()
})

test('the address holds the whole view, and garbage in it does no harm', { skip }, async () => {
  const page = await open(browser, busy.html, { hash: '#1/flame?source=wait&layout=left&inverted=1&thread=3' })
  await page.waitForTimeout(300)
  const before = hash(page)
  await page.reload()
  await page.waitForSelector('[role=tablist]')
  await page.waitForTimeout(300)
  assert.equal(hash(page), before)
  assert.ok(await page.getByRole('tabpanel', { name: 'Flame graphs' }).isVisible())
  await page.context().close()
  for (const garbage of ['#1/nowhere?x', '#1/timeline?visible=9-1&thread=99999&focus=wait:123456789&selection=NaN-Infinity', '#%FF%FE', '#1/flame?root=%00..%5B&search=(((&source=constructor', '#1/timeline?thread=-1&lock=__proto__']) {
    const other = await open(browser, convoy.html, { hash: garbage })
    await other.waitForTimeout(200)
    clean(other)
    assert.ok(await other.getByRole('tab', { selected: true }).count())
    await other.context().close()
  }
})

test('fingers: one moves the time, two zoom it around what is under them, a tap looks at a row', { skip }, async () => {
  const page = await open(browser, convoy.html, { hash: '#1/timeline?visible=200000000-600000000', touch: true })
  await page.waitForTimeout(300)
  const touch = await page.context().newCDPSession(page)
  const box = await page.getByRole('tabpanel', { name: 'Timeline' }).locator('canvas').first().boundingBox()
  const put = (type, ...xs) => touch.send('Input.dispatchTouchEvent', { type, touchPoints: xs.map((part, id) => ({ id, x: box.x + part * box.width, y: box.y + 150 })) })
  const visible = async () => (await page.waitForTimeout(400), /visible=(\d+)-(\d+)/.exec(hash(page)).slice(1).map(Number))
  const near = (have, want) => have.forEach((t, i) => assert.ok(Math.abs(t - want[i]) < 3e6, `${have} is not ${want}`))

  await put('touchStart', 0.75)
  for (const x of [0.7, 0.6, 0.5]) await put('touchMove', x)
  await put('touchEnd')
  near(await visible(), [300e6, 700e6])
  assert.doesNotMatch(hash(page), /selection=/)

  await put('touchStart', 0.25, 0.75) /* 400 and 600 ms */
  for (const [a, b] of [[0.2, 0.8], [0.1, 0.9], [0, 1]]) await put('touchMove', a, b)
  await put('touchEnd')
  near(await visible(), [400e6, 600e6])
  assert.doesNotMatch(hash(page), /selection=|focus=/)

  const lane = await page.getByRole('row', { name: /^api/ }).boundingBox()
  await page.touchscreen.tap(box.x + box.width * 0.3, lane.y + lane.height / 2)
  await page.waitForTimeout(200)
  assert.match(hash(page), /focus=wait:/)
  assert.ok(await page.getByRole('region', { name: 'Details of the focused row' }).isVisible())
  clean(page)
  await page.context().close()
})

test('keys: overlay, tabs, none while typing', { skip }, async () => {
  const page = await open(browser, convoy.html)
  await page.keyboard.press('?')
  await page.waitForTimeout(150)
  const overlay = page.getByRole('dialog')
  assert.ok(await overlay.isVisible())
  assert.match(await overlay.innerText(), /[zZ]oom/)
  await picture(page, 'keys')
  await page.keyboard.press('Escape')
  assert.equal(await page.getByRole('dialog').filter({ visible: true }).count(), 0)
  await tab(page, 'Timeline')
  const box = page.getByRole('searchbox').first()
  await box.focus()
  await page.keyboard.type('wasd?0')
  assert.equal(await box.inputValue(), 'wasd?0')
  assert.doesNotMatch(hash(page), /visible=/)
  clean(page)
  await page.context().close()
})

test('no serious finding of axe-core in any view, light and dark', { skip }, async () => {
  const source = readFileSync(axeSource(), 'utf8')
  for (const dark of [false, true]) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: dark ? 'dark' : 'light', bypassCSP: true })
    const page = await context.newPage()
    await page.goto(`file://${convoy.html}#1/overview`)
    await page.waitForSelector('[role=tablist]')
    await page.addScriptTag({ content: source })
    for (const title of TABS) {
      await tab(page, title)
      const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
      const grave = result.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
      assert.deepEqual(grave.map((v) => `${title}: ${v.id}: ${v.nodes[0].html}`), [])
    }
    await context.close()
  }
})

test('odd recordings: empty, one thread, many threads, ten hours', { skip }, async () => {
  const end = 'end at=1s\n', head = 'meta collector=bpf cpus=2\nprocess id=0 pid=100 command=app.py runtime=CPython\\s3.11.2 interval=5ms\n'
  const odd = {
    empty: fromRows('odd-empty', head + 'end at=0\n'),
    one: fromRows('odd-one', head + 'thread id=0 proc=0 tid=100 name=MainThread main=1 from=0 to=1s\ninterval thread=0 state=gil t=0 for=1s\n' + end),
    hours: fromRows('odd-hours', head + 'thread id=0 proc=0 tid=100 name=MainThread main=1 from=0 to=10h\ninterval thread=0 state=sleep t=0 for=10h nr=35\nend at=10h\n'),
    many: synthetic('odd-many', '--intervals', 60000, '--threads', 2000),
  }
  for (const [name, { html }] of Object.entries(odd)) {
    const page = await open(browser, html, { motion: 'reduce' })
    for (const title of TABS) {
      await tab(page, title)
      await picture(page, `odd-${name}-${title.toLowerCase().replace(/ /g, '-')}`)
    }
    clean(page)
    await page.context().close()
  }
})
