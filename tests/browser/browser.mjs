/* What the browser tests share: recordings made from text, reports written from them by gilscope, a headless Chromium that is told
 * to reach nothing, pages that keep account of what they must not do, and the recording's own numbers by sqlite3.
 * GILSCOPE, B: the program and its build folder.  Pictures go to build/browser as artefacts to look at. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
export const root = resolve(here, '../..')
export const build = resolve(root, process.env.B ?? 'build/release')
const gilscope = process.env.GILSCOPE ?? join(build, 'gilscope')
export const artefacts = join(root, 'build/browser')
const need = createRequire(join(root, 'viewer/html/package.json'))
export const axeSource = () => need.resolve('axe-core/axe.min.js')
mkdirSync(artefacts, { recursive: true })

export const CHROMIUM = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find(existsSync)
export const why = CHROMIUM ? false : 'no chromium (Debian package chromium-headless-shell)'

export function report(recording) {
  const html = recording.replace(/\.gilscope$/, '.html')
  execFileSync(gilscope, ['report', recording, '-o', html])
  return html
}

/* Rows as tests/golden/report/make_recording.c takes them. */
export function fromRows(name, rows) {
  const text = join(artefacts, `${name}.rows`), recording = join(artefacts, `${name}.gilscope`)
  writeFileSync(text, rows)
  execFileSync('rm', ['-f', recording])
  execFileSync(join(build, 'tests/golden/report/make_recording'), [text, recording])
  return { recording, html: report(recording) }
}

export function synthetic(name, ...options) {
  const recording = join(artefacts, `${name}.gilscope`)
  execFileSync('rm', ['-f', recording])
  execFileSync(join(build, 'tests/bench/synthetic_recording'), [...options.map(String), recording])
  return { recording, html: report(recording) }
}

export function sql(recording, query) {
  return JSON.parse(execFileSync('sqlite3', ['-json', recording, query], { encoding: 'utf8', maxBuffer: 1 << 28 }) || '[]')
}

export const facts = (recording) => JSON.parse(execFileSync(gilscope, ['report', recording, '--format', 'json'], { encoding: 'utf8', maxBuffer: 1 << 28 }))

export async function launch() {
  const { chromium } = need('playwright-core')
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
}

/* A page on a report; page.sins is what it did wrong.  Nothing but the file itself can be loaded. */
export async function open(browser, html, { hash = '', width = 1280, height = 900, dark = false, script = true, motion = 'no-preference', ready = true, touch = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', javaScriptEnabled: script, reducedMotion: motion, offline: true, bypassCSP: false, hasTouch: touch,
  })
  const page = await context.newPage()
  page.sins = []
  page.on('pageerror', (e) => page.sins.push(`error: ${e.stack ?? e}`))
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && page.sins.push(`console: ${m.text()}`))
  page.on('dialog', (d) => (page.sins.push(`dialog: ${d.message()}`), d.dismiss()))
  page.on('request', (r) => r.url().split('#')[0] !== pathToFileURL(html).href && !/^(blob|data):/.test(r.url()) && page.sins.push(`request: ${r.url()}`))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => console.error(`csp: ${e.violatedDirective} ${e.blockedURI}`))
  })
  await page.goto(pathToFileURL(html).href + hash)
  if (script && ready) await page.waitForSelector('[role=tablist]', { timeout: 30000 })
  return page
}

/* Until the page has nothing more to do: three frames in a row that nothing held up. */
export const settle = (page) => page.evaluate(() => new Promise((done) => {
  let quiet = 0, last = performance.now()
  const end = last + 10000
  requestAnimationFrame(function look(now) {
    quiet = now - last < 40 ? quiet + 1 : 0
    last = now
    if (quiet >= 3 || now > end) done()
    else requestAnimationFrame(look)
  })
}))

export async function tab(page, name) {
  await page.getByRole('tab', { name, exact: true }).click()
  await settle(page)
}

export const TABS = ['Overview', 'Timeline', 'Flame graphs', 'Who blocks whom', 'Locks', 'Threads', 'What if']

export const picture = (page, name) => page.screenshot({ path: join(artefacts, `${name}.png`) })

/* As core/util/human.c: three significant digits and a unit. */
export function humanNs(ns) {
  const three = (v) => (v < 10 ? v.toFixed(2) : v < 100 ? v.toFixed(1) : v.toFixed(0))
  if (ns < 1000) return `${ns} ns`
  if (ns < 999500) return `${three(ns / 1e3)} us`
  if (ns < 999500000) return `${three(ns / 1e6)} ms`
  return `${three(ns / 1e9)} s`
}

/* A convoy with a thread that keeps the GIL in a system call: small enough to be checked by hand. */
export const CONVOY = `
meta collector=bpf cpus=2 hz=100 kernel=6.18 host=box
process id=0 pid=100 name=python3 command=app.py runtime=CPython\\s3.11.2 interval=5ms
thread id=0 proc=0 tid=100 comm=python3 name=MainThread main=1 from=0 to=1s
thread id=1 proc=0 tid=101 comm=python3 name=hog from=0 to=1s
thread id=2 proc=0 tid=102 comm=python3 name=api from=0 to=1s
stack id=1 f=handle@/srv/app.py:63 f=serve@/srv/app.py:20 f=run@/usr/lib/threading.py:982
stack id=2 f=crunch@/srv/app.py:40 f=work@/srv/app.py:33 f=run@/usr/lib/threading.py:982
stack id=3 f=read_slowly@/srv/slow.c.py:7 f=work@/srv/app.py:34 f=run@/usr/lib/threading.py:982
lock id=0 proc=0 kind=gil addr=0x1000 interp=0 stack=1
interval thread=0 state=sleep t=0 for=1s nr=35
interval thread=1 state=gil t=0 for=60ms lock=0 repeat=10 every=100ms
interval thread=1 state=blocked t=60ms for=30ms lock=0 held=1 nr=0 stack=3 repeat=10 every=100ms
interval thread=1 state=runnable t=90ms for=10ms repeat=10 every=100ms
interval thread=2 state=wait_gil t=0 for=90ms lock=0 repeat=10 every=100ms
interval thread=2 state=gil t=90ms for=2ms lock=0 repeat=10 every=100ms
interval thread=2 state=blocked t=92ms for=8ms nr=0 repeat=10 every=100ms
wait thread=2 lock=0 t=0 for=90ms stack=1 end=forced wake=50us credit=1,running,-1,2,60ms credit=1,blocked,0,3,30ms repeat=10 every=100ms
hold thread=1 lock=0 t=0 for=90ms stack=2 repeat=10 every=100ms
hold thread=2 lock=0 t=90ms for=2ms stack=1 repeat=10 every=100ms
handoff lock=0 from=1 to=2 t=90ms forced=1 stack=2 repeat=10 every=100ms
sample thread=1 t=10ms state=gil stack=2 repeat=100 every=10ms
end at=1s
`
