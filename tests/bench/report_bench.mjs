/* The HTML report, measured: how long it takes to write, how large it is, when a browser has it usable, how long a frame and a
 * selection take.  Results go to build/bench/report.json; make bench-report.
 *
 *     report_bench.mjs [--only NAME]… [--keep] [--docs] [--strict]
 *
 * --only: of those below (default all); --keep: recordings of the last run are used again; --docs: only write the section of
 * docs/benchmarks.md from the last results; --strict: exit 1 when a limit is missed. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { CHROMIUM, TABS, build, launch, open, root, settle, tab, why } from '../browser/browser.mjs'

const out = join(root, 'build/bench')
const results = join(out, 'report.json')
const gilscope = process.env.GILSCOPE ?? join(build, 'gilscope')
const CASES = {
  million: { what: '1,000,000 intervals, 32 threads', options: ['--intervals', 1e6, '--threads', 32], runs: 5,
    limits: { write_s: 2, rss_mb: 64, file_mb: 6, usable_ms: 1500, frame_ms: 33, selection_ms: 200 } },
  ten_million: { what: '10,000,000 intervals, 32 threads', options: ['--intervals', 1e7, '--threads', 32], runs: 1, limits: { write_s: 20 } },
  threads: { what: '60,000 intervals, 2,000 threads', options: ['--intervals', 60000, '--threads', 2000], runs: 3, limits: {} },
  hours: { what: '100,000 intervals in ten hours', options: ['--intervals', 100000, '--threads', 8, '--hours', 10], runs: 3, limits: {} },
  empty: { what: 'no interval', options: ['--intervals', 0, '--threads', 1], runs: 3, limits: {} },
}
const UNITS = {
  write_s: ['written in', 's'], rss_mb: ['its most memory', 'MB'], file_mb: ['size', 'MB'], usable_ms: ['usable after', 'ms'],
  frame_ms: ['frame of the whole timeline', 'ms'], selection_ms: ['selection to the slowest view', 'ms'],
}
/* getrusage of the one child: exec keeps what python itself had used out of it only if the child uses more, and it does */
const MEASURE = `
import os, resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.call(sys.argv[1:])
print(time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)`

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
const late = (list) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * 0.95))]
const rounded = (n) => Number(n.toPrecision(4))

function write(recording, html, runs) {
  const times = [], peaks = []
  for (let i = 0; i < runs; i++) {
    const [s, bytes] = execFileSync('python3', ['-c', MEASURE, gilscope, 'report', recording, '-o', html], { encoding: 'utf8' }).trim().split(' ').map(Number)
    times.push(s)
    peaks.push(bytes)
  }
  return { write_s: median(times), write_s_all: times, rss_mb: Math.max(...peaks) / 1e6, file_mb: statSync(html).size / 1e6 }
}

/* From a change until the main thread has nothing left to do for it: the end of its last stretch of work of 12 ms and more
 * (shorter ones are those of the browser itself). */
const untilQuiet = (page, change) => page.evaluate((hash) => new Promise((done) => {
  const channel = new MessageChannel()
  const start = performance.now()
  let last = start, busy = start
  channel.port1.onmessage = () => {
    const now = performance.now()
    if (now - last >= 12) busy = now
    last = now
    if (now - Math.max(busy, start) > 400) done(busy - start)
    else channel.port2.postMessage(0)
  }
  location.hash = hash
  channel.port2.postMessage(0)
}), change)

async function usable(browser, html, runs) {
  const times = []
  for (let i = 0; i < runs; i++) {
    const page = await open(browser, html)
    await page.waitForFunction(() => performance.getEntriesByName('usable').length, null, { timeout: 120000 })
    times.push(await page.evaluate(() => performance.getEntriesByName('usable')[0].startTime))
    await page.context().close()
  }
  return { usable_ms: median(times), usable_ms_all: times }
}

async function frames(page) {
  await tab(page, 'Timeline')
  return page.evaluate(() => new Promise((done) => {
    const seen = []
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (entry.name === 'frame') seen.push(entry.duration)
      if (seen.length < 40) again()
      else done(seen)
    }).observe({ type: 'measure' })
    /* a window as wide as all but some nanoseconds, each time another: nothing that was summed up before is of use */
    const end = Number(document.documentElement.dataset.end) || 0
    let n = 0
    const again = () => requestAnimationFrame(() => { location.hash = `#1/timeline?visible=${++n}-${end - n}` })
    again()
  }))
}

async function views(browser, html, duration) {
  const page = await open(browser, html)
  await page.evaluate((end) => { document.documentElement.dataset.end = end }, duration)
  const figures = {}
  if (duration > 1000) {
    const all = (await frames(page)).slice(5)
    Object.assign(figures, { frame_ms: median(all), frame_p95_ms: late(all) })
  }
  figures.selections = {}
  const ids = ['overview', 'timeline', 'flame', 'blame', 'locks', 'threads', 'whatif']
  for (const [i, title] of TABS.entries()) {
    await tab(page, title)
    await settle(page)
    const times = []
    for (let k = 0; k < 5 && duration > 1000; k++) {
      /* each another: sums of the last few are kept */
      const from = Math.round(duration * (0.1 + 0.05 * k + 0.003 * i)), to = from + Math.round(duration / 2)
      times.push(await untilQuiet(page, `#1/${ids[i]}?selection=${from}-${to}`))
    }
    if (times.length) figures.selections[title] = median(times)
    await page.evaluate((id) => { location.hash = `#1/${id}` }, ids[i])
    await settle(page)
  }
  if (duration > 1000) figures.selection_ms = Math.max(...Object.values(figures.selections))
  figures.sins = page.sins
  await page.context().close()
  return figures
}

async function measure(name, { what, options, runs, limits }, keep) {
  const recording = join(out, `report-${name}.gilscope`), html = join(out, `report-${name}.html`)
  if (!keep || !existsSync(recording)) {
    rmSync(recording, { force: true })
    execFileSync(join(build, 'tests/bench/synthetic_recording'), [...options.map(String), recording])
  }
  const duration = JSON.parse(execFileSync('sqlite3', ['-json', recording, 'SELECT coalesce(max(t0_ns + dur_ns), 0) AS ns FROM interval'], { encoding: 'utf8' }))[0].ns
  const figures = { what, limits, ...write(recording, html, runs) }
  const browser = await launch()
  try {
    Object.assign(figures, await usable(browser, html, runs), await views(browser, html, duration))
  } finally {
    await browser.close()
  }
  if (!keep) rmSync(recording)
  return figures
}

const misses = (all) => Object.values(all).flatMap((r) => [
  ...Object.entries(r.limits).filter(([key, limit]) => !(r[key] <= limit)).map(([key, limit]) => `${r.what}: ${UNITS[key][0]} ${r[key]?.toFixed(1)} ${UNITS[key][1]}, limit ${limit}`),
  ...r.sins.map((sin) => `${r.what}: ${sin}`),
])

function section({ machine, cases }) {
  const keys = Object.keys(UNITS)
  const cell = (r, key) => {
    if (r[key] === undefined) return '-'
    const more = key === 'frame_ms' ? ` (p95 ${rounded(r.frame_p95_ms)})` : ''
    const limit = r.limits[key] ? ` of ${r.limits[key]}` : ''
    const text = `${key === 'selection_ms' && !r[key] ? 'under 12' : rounded(r[key])}${more}${limit} ${UNITS[key][1]}`
    return r[key] > r.limits[key] ? `**${text}**` : text
  }
  const rows = Object.values(cases).map((r) => `| ${r.what} | ${keys.map((k) => cell(r, k)).join(' | ')} |`)
  const million = cases.million?.selections
  return [
    '## Report', '',
    'The HTML report of made-up recordings (`tests/bench/synthetic_recording`) in headless Chromium without a GPU, 1280 by 900 pixels. Medians; ' +
      'a limit stands after "of", in bold where it is missed. Usable: from navigation until the views take input. A frame is all of the ' +
      'timeline drawn anew. A selection counts from its being set until the page has nothing left to do for the view that is shown; ' +
      'views that are not shown are brought up to date when they are.', '',
    `\`make bench-report\`, on ${machine}.`, '',
    `| recording | ${keys.map((k) => UNITS[k][0]).join(' | ')} |`, `|${'---|'.repeat(keys.length + 1)}`, ...rows, '',
    ...(million ? [`A selection in 1,000,000 intervals, by view: ${Object.entries(million).map(([v, ms]) => `${v} ${ms ? Math.round(ms) : 'under 12'} ms`).join(', ')}.`, ''] : []),
  ].join('\n')
}

/* The section of the page that make bench writes; the others stay as they are. */
function docs(all) {
  const path = join(root, 'docs/benchmarks.md')
  const parts = readFileSync(path, 'utf8').trimEnd().split(/\n(?=## )/).filter((p) => !p.startsWith('## Report\n'))
  writeFileSync(path, `${parts.map((p) => p.trimEnd()).join('\n\n')}\n\n${section(all).trimEnd()}\n`)
}

const argv = process.argv.slice(2)
const only = argv.flatMap((a, i) => (a === '--only' ? [argv[i + 1]] : []))
const has = (flag) => argv.includes(flag)
mkdirSync(out, { recursive: true })
const all = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : { cases: {} }
if (has('--docs')) {
  docs(all)
} else if (why) {
  console.error(`bench-report: skipped: ${why}`)
} else {
  all.machine = `${cpus()[0].model}, ${cpus().length} CPUs, Linux ${release()}, ${execFileSync(CHROMIUM, ['--version'], { encoding: 'utf8' }).trim().split(' built')[0]}, ${new Date().toISOString().slice(0, 10)}`
  for (const [name, what] of Object.entries(CASES)) {
    if (only.length && !only.includes(name)) continue
    const r = all.cases[name] = await measure(name, what, has('--keep'))
    console.log(`${r.what}: ${Object.entries(UNITS).map(([k, [label, unit]]) => `${label} ${r[k]?.toFixed(k === 'write_s' ? 2 : 1) ?? '-'} ${unit}`).join(', ')}`)
    console.log(`  selection by view, ms: ${Object.entries(r.selections).map(([v, ms]) => `${v} ${ms.toFixed(0)}`).join(', ') || '-'}`)
    for (const sin of r.sins) console.log(`  ${sin}`)
    writeFileSync(results, JSON.stringify(all, null, 1))
  }
  const missed = misses(all.cases)
  for (const text of missed) console.log(`missed: ${text}`)
  if (missed.length && has('--strict')) process.exitCode = 1
}
