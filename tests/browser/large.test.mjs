/* A recording beyond what a page can hold: the page says what it only counted, and its sums are the recording's all the same. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, test } from 'node:test'
import { artefacts, launch, open, picture, settle, sql, synthetic, tab, why } from './browser.mjs'

const ROWS = 3010000 /* the page's limit is 3,000,000 intervals (viewer/html/reduce.c) */
let browser
after(async () => {
  await browser?.close()
  for (const ending of ['gilscope', 'html']) rmSync(`${artefacts}/large.${ending}`, { force: true })
})

test('fewer details are kept of a very large recording, and the page says so', { skip: why }, async () => {
  browser = await launch()
  const { recording, html } = synthetic('large', '--intervals', ROWS, '--threads', 32)
  const page = await open(browser, html)
  const overview = page.getByRole('tabpanel', { name: 'Overview' })
  const note = (await overview.innerText()).match(/This recording is larger than a page can hold: .* are counted, not placed.*/)?.[0]
  assert.ok(note, 'the overview has a note')
  const shown = Number((await overview.innerText()).match(/contents\s+([\d,]+) intervals/)[1].replaceAll(',', ''))
  assert.ok(shown < ROWS * 0.7, `${shown} intervals of ${ROWS} kept`)
  const [{ ns }] = sql(recording, 'SELECT wait_ns AS ns FROM v_locks WHERE kind = \'gil\'')
  const minutes = Math.floor(ns / 60e9), waited = `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`
  assert.ok(minutes > 60 && (await overview.innerText()).includes(waited), `all waiting, ${waited}`)
  await picture(page, 'large-overview')
  for (const view of ['Timeline', 'Flame graphs']) {
    await tab(page, view)
    await settle(page)
    assert.ok((await page.getByRole('tabpanel', { name: view }).innerText()).includes(note.trim().slice(0, 40)), `${view} says so`)
    await picture(page, `large-${view.toLowerCase().replace(' ', '-')}`)
  }
  assert.deepEqual(page.sins, [])
})
