// Looks at cards as a reader does: in Chromium, wide and narrow, light and dark, with the keyboard and on paper.
//
//     node tests/browser/check.mjs PLACE CHROMIUM FILE.html ...
//     node tests/browser/check.mjs PLACE CHROMIUM --shots FOLDER WIDTH SCHEME FILE.html[#tab-ID] ...
//
// PLACE is where setup.sh installed playwright-core and axe-core. Every page must make no error and ask no other host for anything;
// hold only what the templates make; fit its window; answer the keyboard; show every tab on paper; and give axe-core nothing serious
// to say. What is wrong is printed, one line each, and the exit code is 1. With --shots each tab is drawn into a PNG.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [place, chromium, ...rest] = process.argv.slice(2);
const require = createRequire(path.join(place, 'package.json'));
const browser = await require('playwright-core').chromium.launch({
  executablePath: chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** What the templates make. Whatever else is in a page came out of data. */
const ELEMENTS = new Set(('html head meta title style body header nav main section footer div span p a ul ol li dl dt dd h1 h2 h3 b i small code pre '
  + 'table thead tbody tr th td svg desc path text figure figcaption details summary wbr').split(' '));
const ATTRIBUTES = new Set(('lang charset http-equiv content name class id href title viewBox preserveAspectRatio d x y role tabindex scope colspan '
  + 'data-label aria-label aria-labelledby aria-current').split(' '));
const MOST_BYTES = 1_000_000;

const wrong = [];

/** Lines about a page; `context` says in which window. */
const say = (file, context, text) => wrong.push(`${path.basename(path.dirname(file))}/${path.basename(file)} ${context}: ${text}`);

async function open(width, scheme, media) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  await page.emulateMedia({ media, colorScheme: scheme });
  return page;
}

/** What is in the page that no template made. */
const foreign = (page) => page.evaluate(([elements, attributes]) => {
  const found = [];
  for (const element of document.querySelectorAll('*')) {
    if (!elements.includes(element.localName)) found.push(`<${element.localName}>`);
    for (const { name, value } of element.attributes) {
      const isWeight = name === 'style' && /^--weight:[0-9.]+$/.test(value);
      if (!attributes.includes(name) && !isWeight) found.push(`${element.localName} ${name}`);
      if (name === 'href' && !/^(#[a-z0-9-]*|[a-z_]+\.html)$/.test(value)) found.push(`href ${value}`);
    }
  }
  return [...new Set(found)];
}, [[...ELEMENTS], [...ATTRIBUTES]]);

/** Serious things that axe-core sees with every tab open at once. */
async function barriers(page, rules) {
  await page.addStyleTag({ content: '.panel{display:block!important}*{transition:none!important}' }).catch(() => {});
  await page.evaluate(() => document.querySelectorAll('.panel').forEach((panel) => panel.style.setProperty('display', 'block', 'important')));
  await page.evaluate(axe);
  const found = await page.evaluate((only) => globalThis.axe.run(document, {
    resultTypes: ['violations'],
    ...(only ? { runOnly: { type: 'rule', values: only } } : {}),
  }), rules);
  return found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id} (${nodes.length}), such as ${nodes[0].html.slice(0, 160)}`);
}

/** Which panels are seen. */
const seen = (page) => page.$$eval('.panel', (panels) => panels.filter((panel) => getComputedStyle(panel).display !== 'none').map((panel) => panel.id));

async function keyboard(page, file) {
  const tabs = await page.$$eval('.tab-list a', (links) => links.map((link) => link.getAttribute('href')));
  const panels = await page.$$eval('.panel', (all) => all.map((panel) => ({ id: panel.id, text: panel.innerText.trim().length })));
  if (tabs.length !== panels.length) say(file, 'keyboard', `${tabs.length} tabs, ${panels.length} panels`);
  if (tabs.length && (await seen(page)).join() !== panels[0].id) say(file, 'keyboard', 'the first tab is not the one that is open');
  for (const href of tabs) {
    const panel = href.replace('#tab-', 'panel-');
    await page.focus(`.tab-list a[href="${href}"]`);
    await page.keyboard.press('Enter');
    const shown = (await seen(page)).join();
    if (shown !== panel) say(file, 'keyboard', `Enter on ${href} shows ${shown}`);
    if (!(await page.innerText(`#${panel}`)).trim()) say(file, 'keyboard', `${panel} is empty`);
    // The numbers behind each chart open with the keyboard, and there are some.
    const charts = await page.$$eval(`#${panel} figure:has(svg)`, (all) => all.filter((figure) => !figure.querySelector('details tbody tr')).length);
    if (charts) say(file, 'keyboard', `${charts} charts in ${panel} have no table behind them`);
    const summary = page.locator(`#${panel} summary`).first();
    if (await summary.count()) {
      await summary.focus();
      await page.keyboard.press('Enter');
      if (!(await summary.evaluate((element) => element.parentElement.open))) say(file, 'keyboard', `the numbers in ${panel} do not open`);
    }
  }
  // From the top of the page the Tab key reaches the tabs.
  if (tabs.length) {
    await page.goto(pathToFileURL(file).href);
    let reached = false;
    for (let i = 0; i < 40 && !reached; i += 1) {
      await page.keyboard.press('Tab');
      reached = await page.evaluate(() => document.activeElement?.matches('.tab-list a') ?? false);
    }
    if (!reached) say(file, 'keyboard', 'the Tab key does not reach the tabs');
  }
}

async function look(file) {
  const url = pathToFileURL(file).href;
  if (fs.statSync(file).size > MOST_BYTES) say(file, 'file', `larger than ${MOST_BYTES} bytes`);
  for (const [width, scheme] of [[1440, 'light'], [390, 'light'], [1440, 'dark'], [390, 'dark']]) {
    const page = await open(width, scheme, 'screen');
    const context = `${width} ${scheme}`;
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && say(file, context, `console: ${message.text()}`));
    page.on('pageerror', (error) => say(file, context, `error: ${error.message}`));
    page.on('dialog', (dialog) => { say(file, context, `dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on('request', (request) => request.url().split('#')[0] !== url && say(file, context, `asks for ${request.url()}`));
    await page.goto(url);
    if (width === 1440 && scheme === 'light') {
      for (const what of await foreign(page)) say(file, context, `not of a template: ${what}`);
      await keyboard(page, file);
      await page.goto(url);
    }
    const tabs = await page.$$eval('.panel', (panels) => panels.map((panel) => panel.id.replace('panel-', 'tab-')));
    for (const tab of width === 390 && scheme === 'light' ? tabs : []) {
      await page.goto(`${url}#${tab}`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) say(file, context, `#${tab} is ${over} px wider than the window`);
    }
    // Structure is the same at every size; contrast is not.
    for (const what of await barriers(page, width === 1440 && scheme === 'light' ? null : ['color-contrast'])) say(file, context, what);
    await page.context().close();
  }
  const page = await open(1440, 'light', 'print');
  await page.goto(url);
  const panels = await page.$$eval('.panel', (all) => all.length);
  if ((await seen(page)).length !== panels) say(file, 'print', 'a tab is missing on paper');
  await page.context().close();
}

async function shoot(folder, width, scheme, files) {
  const page = await open(Number(width), scheme, 'screen');
  for (const name of files) {
    const [file, only] = name.split('#');
    const url = pathToFileURL(path.resolve(file)).href;
    await page.goto(url);
    const tabs = only ? [only] : await page.$$eval('.panel', (panels) => panels.map((panel) => panel.id.replace('panel-', 'tab-')));
    for (const tab of tabs.length ? tabs : ['']) {
      await page.goto(`${url}#${tab}`);
      await page.evaluate(() => scrollTo(0, 0));
      const name = [path.basename(path.dirname(path.resolve(file))), path.basename(file, '.html'), tab.replace('tab-', ''), width, scheme];
      await page.screenshot({ path: path.join(folder, `${name.filter(Boolean).join('-')}.png`), fullPage: true });
    }
  }
}

if (rest[0] === '--shots') {
  await shoot(...rest.slice(1, 4), rest.slice(4));
} else {
  // Several pages at a time: most of the work is waiting for the browser.
  const files = rest.map((file) => path.resolve(file));
  let next = 0;
  const worker = async () => {
    while (next < files.length) await look(files[next++]);
  };
  await Promise.all([worker(), worker(), worker()]);
  wrong.sort().forEach((line) => console.log(line));
  console.log(`${files.length} pages, ${wrong.length} faults`);
}
await browser.close();
process.exitCode = wrong.length ? 1 : 0;
