// speedscope.mjs FILE: opens FILE in the real speedscope, in headless Chromium, by the way its own command line takes (a
// script that hands over base64), and prints what it made of it: the page's title, the profile's name and position, any error.
import { mkdtempSync, readFileSync, writeFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const file = process.argv[2]
const here = dirname(fileURLToPath(import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'speedscope-'))
const script = join(dir, 'profile.js')
const name = basename(file)
writeFileSync(script, `speedscope.loadFileFromBase64(${JSON.stringify(name)}, ${JSON.stringify(readFileSync(file).toString('base64'))})`)
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--use-gl=swiftshader', '--enable-unsafe-swiftshader'] })
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 800 } })
  const errors = []
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(`file://${here}/node_modules/speedscope/dist/release/index.html#localProfilePath=${script}`)
  await page.waitForFunction(() => document.title !== 'speedscope' || document.body.innerText.includes('Something went wrong'), null, { timeout: 60000 })
  const text = await page.evaluate(() => document.body.innerText)
  if (process.argv[3]) await page.screenshot({ path: process.argv[3] })
  console.log(JSON.stringify({ title: await page.title(), text, errors }))
} finally {
  await browser.close()
  rmSync(dir, { recursive: true })
}
