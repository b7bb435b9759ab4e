// Looks at cards as a reader does: in Chromium, wide and narrow, light and dark, with the keyboard and on paper.
//
//     node tests/browser/check.mjs PLACE CHROMIUM FILE.html ...
//     node tests/browser/check.mjs PLACE CHROMIUM --shots FOLDER WIDTH SCHEME FILE.html[#tab-ID] ...
//
// PLACE is where setup.sh installed playwright-core and axe-core. Every page must make no error and ask no other host for anything;
// hold only what the templates make; fit its window; answer the keyboard; show every tab on paper; and give axe-core nothing serious
// to say. What is wrong is printed, one line each, and the exit code is 1. With --shots each tab is drawn into a PNG.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ATTRIBUTES, ELEMENTS, barriers, foreign, seen, start } from './browser.mjs';

const [place, chromium, ...rest] = process.argv.slice(2);
const { browser, axe } = await start(place, chromium);

/** Where a card may lead. */
const LINKS = '^(#[a-z0-9-]*|[a-z_]+\\.html)$';
const MOST_BYTES = 1_000_000;

const wrong = [];

/** Lines about a page; `context` says in which window. */
const say = (file, context, text) => wrong.push(`${path.basename(path.dirname(file))}/${path.basename(file)} ${context}: ${text}`);

async function open() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  return context.newPage();
}

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
    const inTabs = () => page.evaluate(() => document.activeElement?.matches('.tab-list a') ?? false);
    for (let i = 0; i < 20 && !(await inTabs()); i += 1) await page.keyboard.press('Tab');
    if (!(await inTabs())) say(file, 'keyboard', 'the Tab key does not reach the tabs');
  }
}

async function look(page, file) {
  const url = pathToFileURL(file).href;
  let context = '';
  const heard = [
    ['console', (message) => ['error', 'warning'].includes(message.type()) && say(file, context, `console: ${message.text()}`)],
    ['pageerror', (error) => say(file, context, `error: ${error.message}`)],
    ['dialog', (dialog) => { say(file, context, `dialog: ${dialog.message()}`); dialog.dismiss(); }],
    ['request', (request) => ![url, 'about:blank'].includes(request.url().split('#')[0]) && say(file, context, `asks for ${request.url()}`)],
  ];
  heard.forEach(([event, hear]) => page.on(event, hear));
  if (fs.statSync(file).size > MOST_BYTES) say(file, 'file', `larger than ${MOST_BYTES} bytes`);
  for (const [width, scheme] of [[1440, 'light'], [1440, 'dark'], [390, 'light'], [390, 'dark']]) {
    context = `${width} ${scheme}`;
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ media: 'screen', colorScheme: scheme });
    await page.goto('about:blank');
    await page.goto(url);
    if (width === 1440 && scheme === 'light') {
      for (const what of await foreign(page, ELEMENTS, ATTRIBUTES, LINKS)) say(file, context, `not of a template: ${what}`);
      await keyboard(page, file);
    }
    if (width === 390 && scheme === 'light') {
      for (const panel of await page.$$eval('.panel', (panels) => panels.map(({ id }) => id))) {
        const over = await page.evaluate((id) => {
          location.hash = id.replace('panel-', 'tab-');
          return document.documentElement.scrollWidth - innerWidth;
        }, panel);
        if (over > 0) say(file, context, `${panel} is ${over} px wider than the window`);
      }
    }
    // Structure is the same at every size, and colours at every width.
    const rules = { '1440 light': null, '390 dark': ['color-contrast'] }[context];
    if (rules !== undefined) for (const what of await barriers(page, axe, rules)) say(file, context, what);
  }
  context = 'print';
  await page.emulateMedia({ media: 'print', colorScheme: 'light' });
  await page.goto('about:blank');
  await page.goto(url);
  const panels = await page.$$eval('.panel', (all) => all.length);
  if ((await seen(page)).length !== panels) say(file, context, 'a tab is missing on paper');
  heard.forEach(([event, hear]) => page.off(event, hear));
}

async function shoot(folder, width, scheme, files) {
  const page = await open();
  await page.setViewportSize({ width: Number(width), height: 900 });
  await page.emulateMedia({ colorScheme: scheme });
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
    const page = await open();
    while (next < files.length) await look(page, files[next++]);
  };
  await Promise.all([worker(), worker()]);
  wrong.sort().forEach((line) => console.log(line));
  console.log(`${files.length} pages, ${wrong.length} faults`);
}
await browser.close();
process.exitCode = wrong.length ? 1 : 0;
