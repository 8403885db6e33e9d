/* Opens a report in headless Chromium and writes pictures of it; prints what a page must not do: console errors,
 * violations of its content security policy, requests.  For looking at a view while one works on it, and for test artefacts.
 *
 *   node tests/browser/shot.mjs FILE.html [-o OUT.png] [--size 1280x800] [--theme light|dark] [--hash '#1/timeline']
 *        [--step STEP]... [--wait MS] [--full] [--scale 2] [--no-script] [--reduced] [--forced] [--print]
 *
 * Steps run in order before the picture: click:SELECTOR, hover:X,Y, drag:X,Y,X2,Y2, key:Shift+N, type:TEXT, focus:SELECTOR, wait:MS,
 * eval:EXPRESSION (its value is printed), shot:OUT.png (a picture in between), hash:#…, size:1000x700, theme:dark. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { resolve, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const { chromium } = createRequire(resolve(here, '../../viewer/html/package.json'))('playwright-core')

function options(argv) {
  const o = { file: '', out: 'shot.png', size: '1280x800', theme: 'light', hash: '', steps: [], wait: 0, full: false, scale: 1, script: true }
  for (let i = 0; i < argv.length; i++) {
    const next = () => argv[++i]
    switch (argv[i]) {
      case '-o': o.out = next(); break
      case '--size': o.size = next(); break
      case '--theme': o.theme = next(); break
      case '--hash': o.hash = next(); break
      case '--step': o.steps.push(next()); break
      case '--wait': o.wait = Number(next()); break
      case '--full': o.full = true; break
      case '--scale': o.scale = Number(next()); break
      case '--no-script': o.script = false; break
      case '--reduced': o.reduced = true; break
      case '--forced': o.forced = true; break
      case '--print': o.print = true; break
      default:
        if (argv[i].startsWith('-') || o.file) throw new Error(`what is ${argv[i]}?`)
        o.file = argv[i]
    }
  }
  if (!o.file) throw new Error('usage: shot.mjs FILE.html [-o OUT.png] …, see the head of this script')
  return o
}

function size(text) {
  const [width, height] = text.split('x').map(Number)
  return { width, height }
}

async function run(page, step, o) {
  const at = step.indexOf(':'), what = step.slice(0, at), arg = step.slice(at + 1), n = arg.split(',').map(Number)
  switch (what) {
    case 'click': return page.click(arg, { timeout: 5000 })
    case 'hover': return page.mouse.move(n[0], n[1])
    case 'drag':
      await page.mouse.move(n[0], n[1])
      await page.mouse.down()
      await page.mouse.move((n[0] + n[2]) / 2, (n[1] + n[3]) / 2, { steps: 4 })
      await page.mouse.move(n[2], n[3], { steps: 4 })
      return page.mouse.up()
    case 'key': return page.keyboard.press(arg)
    case 'type': return page.keyboard.type(arg)
    case 'focus': return page.focus(arg, { timeout: 5000 })
    case 'wait': return page.waitForTimeout(Number(arg))
    case 'eval': return console.log(JSON.stringify(await page.evaluate(arg)))
    case 'hash': return page.evaluate((h) => { location.hash = h }, arg)
    case 'size': return page.setViewportSize(size(arg))
    case 'theme': return page.emulateMedia({ colorScheme: arg })
    case 'shot': await page.waitForTimeout(150); return page.screenshot({ path: arg, fullPage: o.full })
    default: throw new Error(`unknown step ${step}`)
  }
}

const o = options(process.argv.slice(2))
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium-headless-shell', args: ['--no-sandbox', '--force-color-profile=srgb'],
})
let faults = 0
try {
  const context = await browser.newContext({
    viewport: size(o.size), colorScheme: o.theme, deviceScaleFactor: o.scale, javaScriptEnabled: o.script,
    reducedMotion: o.reduced ? 'reduce' : 'no-preference', forcedColors: o.forced ? 'active' : 'none',
  })
  const page = await context.newPage()
  page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') { faults++; console.log(`console ${m.type()}: ${m.text()}`) } })
  page.on('pageerror', (e) => { faults++; console.log(`page error: ${e.stack || e}`) })
  page.on('request', (r) => { if (!/^(file|data|blob):/.test(r.url())) { faults++; console.log(`request: ${r.url()}`) } })
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) =>
    console.error(`CSP ${e.violatedDirective}: ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`)))
  const began = Date.now()
  await page.goto(pathToFileURL(resolve(o.file)).href + o.hash)
  if (o.script) await page.waitForSelector('html[data-ready]', { state: 'attached', timeout: 60000 })
  console.log(`ready after ${Date.now() - began} ms`)
  await page.waitForTimeout(200 + o.wait)
  if (o.print) await page.emulateMedia({ media: 'print' })
  for (const step of o.steps) await run(page, step, o)
  await page.waitForTimeout(150)
  await page.screenshot({ path: o.out, fullPage: o.full })
} finally {
  await browser.close()
}
process.exitCode = faults ? 1 : 0
