/* The page of `gilscope diff`: what a reader does with it, that it keeps to its policy, and that it can be read without its script. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { artefacts, axeSource, build, launch, open, picture, root, why } from './browser.mjs'

const skip = why
const gilscope = process.env.GILSCOPE ?? join(build, 'gilscope')
let browser, html

const recording = (name, side) => {
  const file = join(artefacts, `diff-${name}-${side}.gilscope`)
  execFileSync('rm', ['-f', file])
  execFileSync(join(build, 'tests/golden/report/make_recording'), [join(root, `tests/golden/diff/cases/${name}.${side}.rows`), file])
  return file
}
const difference = (name) => {
  const page = join(artefacts, `diff-${name}.html`)
  execFileSync(gilscope, ['diff', recording(name, 'base'), recording(name, 'head'), '-o', page])
  return page
}
before(async () => {
  if (skip) return
  html = difference('changes')
  browser = await launch()
})
after(() => browser?.close())

async function shown(options = {}) {
  const page = await open(browser, options.html ?? html, { ready: false, ...options })
  if (options.script !== false) await page.waitForSelector('html[data-ready]')
  return page
}
const done = async (page) => {
  assert.deepEqual(page.sins, [])
  await page.context().close()
}
const frame = (page, section, name) => page.locator(`#${section} g.f`, { has: page.locator('title', { hasText: name }) }).first()
const box = (page, section, name) => frame(page, section, name).locator('rect').evaluate((r) => ({ x: +r.getAttribute('x'), width: +r.getAttribute('width') }))
const status = (page, section) => page.locator(`#${section} .status`).textContent()
const near = (a, b) => assert.ok(Math.abs(a - b) < 2, `${a} is not ${b}`)

test('widths are base and head together, or either', { skip }, async () => {
  const page = await shown()
  near((await box(page, 'wait', 'log (')).width, 1200 * 10 / 715) // 160 + 555 ms a second, log 10 of it
  await page.locator('#wait').getByRole('button', { name: 'base', exact: true }).click()
  near((await box(page, 'wait', 'log (')).width, 1200 * 10 / 160)
  await page.locator('#wait').getByRole('button', { name: 'head', exact: true }).click()
  assert.equal(await frame(page, 'wait', 'log (').isVisible(), false)
  assert.equal(await page.locator('#wait button[aria-pressed=true]').textContent(), 'head')
  await picture(page, 'diff')
  await done(page)
})

test('a click zooms, the button and Escape go back, keys walk', { skip }, async () => {
  const page = await shown()
  await frame(page, 'hold', 'encode (').click()
  near((await box(page, 'hold', 'encode (')).width, 1200)
  assert.equal(await frame(page, 'hold', 'tick (').isVisible(), false)
  near((await box(page, 'hold', 'run (')).width, 1200) // what calls it stays in sight
  await page.locator('#hold').getByRole('button', { name: 'Whole graph' }).click()
  near((await box(page, 'hold', 'encode (')).width, 1200 * 100 / 715)
  await page.locator('#hold svg').focus()
  for (const key of ['Escape', 'ArrowUp', 'ArrowUp', 'ArrowUp', 'ArrowUp', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key)
  assert.match(await status(page, 'hold'), /^encode \(\/head\/json\.py:3\): 0 ns → 100 ms per second, new/)
  await page.keyboard.press('Enter')
  near((await box(page, 'hold', 'encode (')).width, 1200)
  await page.keyboard.press('Escape')
  near((await box(page, 'hold', 'encode (')).width, 1200 * 100 / 715)
  await done(page)
})

test('search marks, and says what was found of either side', { skip }, async () => {
  const page = await shown()
  await page.locator('#hold').getByRole('searchbox').fill('APP.py')
  assert.match(await status(page, 'hold'), /found: 100 % of base, 100 % of head/)
  await page.locator('#hold').getByRole('searchbox').fill('encode')
  assert.match(await status(page, 'hold'), /found: 0.00 % of base, 18.0 % of head/)
  assert.equal(await page.locator('#hold g.hit').count(), 1)
  await done(page)
})

test('tables sort by what their cells mean', { skip }, async () => {
  const page = await shown()
  const table = page.locator('table').nth(1), names = () => table.locator('tbody tr td:first-child').allTextContents()
  await table.getByRole('button', { name: 'p99, base' }).click()
  assert.deepEqual((await names()).slice(0, 2), ['old', 'api'])
  assert.equal(await table.locator('th[aria-sort=descending]').textContent(), 'p99, base')
  await table.getByRole('button', { name: 'thread' }).click()
  await table.getByRole('button', { name: 'thread' }).click()
  assert.deepEqual(await names(), ['api', 'fresh', 'hog', 'old'])
  await done(page)
})

test('without a script it is all there', { skip }, async () => {
  const page = await shown({ script: false })
  assert.equal(await page.locator('table').first().isVisible(), true)
  assert.ok(await frame(page, 'hold', 'encode (').isVisible())
  near((await box(page, 'hold', 'encode (')).width, 1200 * 100 / 715)
  assert.equal(await frame(page, 'hold', 'encode (').locator('text').textContent(), '+ encode')
  assert.equal(await page.locator('button').count(), 0) // nothing that would not work
  await done(page)
})

test('names do what text does', { skip }, async () => {
  const page = await shown({ html: difference('hostile') })
  await page.evaluate(() => { window.x = () => { window.owned = 1 } })
  await page.locator('#wait').getByRole('searchbox').fill('<script>')
  await frame(page, 'wait', '</text></svg>').click()
  assert.match(await status(page, 'wait'), /^<\/text><\/svg><script>x\(\)<\/script> /)
  assert.deepEqual(await page.evaluate(() => [document.scripts.length, document.images.length, document.links.length, window.owned]), [1, 0, 0, undefined])
  await done(page)
})

for (const dark of [false, true])
  test(`nothing that an accessibility checker minds, ${dark ? 'dark' : 'light'}`, { skip }, async () => {
    const page = await shown({ dark })
    await page.locator('details').first().evaluate((d) => { d.open = true })
    await page.evaluate(readFileSync(axeSource(), 'utf8'))
    const { violations } = await page.evaluate(() => window.axe.run(document))
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3)}`), [])
    await done(page)
  })
