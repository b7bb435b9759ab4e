// Looks at the pages of `recipe ui` as a reader does: in Chromium, wide and narrow, light and dark, with the keyboard and on paper.
//
//     node tests/browser/ui.mjs PLACE CHROMIUM http://127.0.0.1:PORT PATH ...
//     node tests/browser/ui.mjs PLACE CHROMIUM --shots FOLDER WIDTH SCHEME http://127.0.0.1:PORT PATH ...
//
// Every page must make no error and ask no other host for anything; hold only what the templates make; fit its window; and give axe-core
// nothing serious to say. Then the keyboard alone compares two runs, opens every tab of a run, and predicts a row, and a run ends. What is wrong is
// printed, one line each, and the exit code is 1. With --shots each page is drawn into a PNG.
import path from 'node:path';
import { ATTRIBUTES, ELEMENTS, barriers, foreign, seen, start } from './browser.mjs';

const [place, chromium, ...rest] = process.argv.slice(2);
const { browser, axe } = await start(place, chromium);

/** What pages have beside what cards have, and where they may lead: to pages of this server alone. */
const MORE_ELEMENTS = 'link script article details summary form label select option button input datalist output progress ol'.split(' ');
const MORE_ATTRIBUTES = ('rel src defer action method value selected type for list inputmode placeholder autocomplete novalidate max form data-live data-runs '
  + 'aria-sort aria-describedby aria-invalid aria-hidden').split(' ');
const LINKS = '^(#[a-z0-9-]*|/|/[a-zA-Z0-9_./?&=%~-]*|data:,)$';

const wrong = [];
const say = (at, context, text) => wrong.push(`${at} ${context}: ${text}`);

/** Hears what a page must not do. */
function hear(page, base, where) {
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && say(where.at, where.context, `console: ${message.text()}`));
  page.on('pageerror', (error) => say(where.at, where.context, `error: ${error.message}`));
  page.on('dialog', (dialog) => { say(where.at, where.context, `dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${base}/`) && url !== 'about:blank' && url !== 'data:,') say(where.at, where.context, `asks for ${url}`);
  });
}

async function look(page, base, at, where) {
  where.at = at;
  const isCard = at.endsWith('.html');
  for (const [width, scheme] of [[1440, 'light'], [1440, 'dark'], [390, 'light'], [390, 'dark']]) {
    where.context = `${width} ${scheme}`;
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ media: 'screen', colorScheme: scheme });
    await page.goto(base + at);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) say(at, where.context, `${over} px wider than the window`);
    if (isCard) continue;
    if (where.context === '1440 light') {
      for (const what of await foreign(page, [...ELEMENTS, ...MORE_ELEMENTS], [...ATTRIBUTES, ...MORE_ATTRIBUTES], LINKS)) {
        say(at, where.context, `not of a template: ${what}`);
      }
      if ((await page.locator('main').count()) !== 1 || (await page.locator('h1').count()) !== 1) say(at, where.context, 'not one main part and one heading');
    }
    // Structure is the same at every size, and colours at every width.
    const rules = { '1440 light': null, '390 dark': ['color-contrast'] }[where.context];
    if (rules !== undefined) for (const what of await barriers(page, axe, rules)) say(at, where.context, what);
  }
  where.context = 'print';
  await page.emulateMedia({ media: 'print', colorScheme: 'light' });
  const panels = await page.$$eval('.panel', (all) => all.length);
  if ((await seen(page)).length !== panels) say(at, 'print', 'a tab is missing on paper');
}

/** Presses Tab until something has the focus; false where it never has. */
async function reach(page, selector) {
  for (let i = 0; i < 80; i += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return true;
    await page.keyboard.press('Tab');
  }
  return false;
}

/** What a reader without a mouse does. */
async function keyboard(page, base, where) {
  Object.assign(where, { at: 'keyboard', context: '1440 light' });
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  const must = (is, text) => is || say('keyboard', new URL(page.url()).pathname, text);

  await page.goto(`${base}/`);
  await page.keyboard.press('Tab');
  must(await page.evaluate(() => document.activeElement.matches('.skip')), 'the first Tab does not reach the link to the content');
  must(await reach(page, '.pages a[href="/runs"]'), 'Tab does not reach the runs');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/runs');

  // Two runs that trained: those with a score.
  const scored = await page.$$eval('tbody tr', (rows) => rows.filter((row) => row.cells[2].innerText.trim() !== '–').map((row) => row.cells[0].firstChild.value));
  for (const run of scored.slice(0, 2)) {
    must(await reach(page, `input[value="${run}"]`), `Tab does not reach the box of run ${run}`);
    await page.keyboard.press('Space');
  }
  must(await reach(page, '.below-table button'), 'Tab does not reach the button that compares');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/compare?**');
  must((await page.locator('.tab-list a').count()) > 2, 'two runs are not compared');

  await page.goto(`${base}/runs/${scored[0]}`);
  for (const href of await page.$$eval('.tab-list a', (links) => links.map((link) => link.getAttribute('href')))) {
    must(await reach(page, `.tab-list a[href="${href}"]`), `Tab does not reach ${href}`);
    await page.keyboard.press('Enter');
    const panel = href.replace('#tab-', 'panel-');
    must((await seen(page)).join() === panel, `Enter on ${href} shows ${(await seen(page)).join()}`);
    must((await page.innerText(`#${panel}`)).trim(), `${panel} is empty`);
  }

  // A row: a number that is none, then one that is.
  await page.goto(`${base}/models`);
  await page.click('tbody th a');
  await page.click('.links a');
  const field = await page.locator('.field input[inputmode="decimal"], .field input[inputmode="numeric"]').first().getAttribute('id');
  const before = await page.innerText('h1');
  must(await reach(page, `#${field}`), 'Tab does not reach a field');
  await page.keyboard.type('many');
  await Promise.all([page.waitForResponse((answer) => answer.request().method() === 'POST'), page.keyboard.press('Enter')]);
  await page.waitForSelector(`#${field}[aria-invalid="true"]`);
  must((await page.inputValue(`#${field}`)) === 'many', 'what was typed is gone');
  must((await page.innerText(`#${field}-hint`)).includes('is no '), 'the field does not say what is wrong');
  for (const what of await barriers(page, axe, null)) say('a field that is wrong', where.context, what);
  await page.focus(`#${field}`);
  await page.keyboard.press('Control+A');
  await page.keyboard.type('77');
  await Promise.all([page.waitForResponse((answer) => answer.request().method() === 'POST'), page.keyboard.press('Enter')]);
  await page.waitForSelector('output');
  must((await page.innerText('h1')) !== before, 'another row gives the same prediction');
  must((await page.locator('.reasons figure svg').count()) === 1, 'no reasons are drawn');
  const summary = page.locator('.reasons summary');
  await summary.focus();
  await page.keyboard.press('Enter');
  must(await summary.evaluate((element) => element.parentElement.open), 'the numbers behind the reasons do not open');
}

/** The script shows what runs, and draws the page anew when that is over. */
async function progress(page, base, where) {
  Object.assign(where, { at: 'progress', context: '1440 light' });
  let [isOver, loads] = [false, 0];
  page.on('load', () => { loads += 1; });
  await page.route((url) => url.pathname === '/live', (route) => {
    const [run, what] = isOver ? ['', ''] : ['a', '<section class="under-way"><p class="doing">train</p></section>'];
    return route.fulfill({ contentType: 'text/html', body: `<div class="live" data-runs="${run}">${what}</div>` });
  });
  await page.goto(`${base}/`);
  await page.waitForSelector('.live-place .under-way .doing');
  isOver = true;
  for (let i = 0; i < 2400 && loads < 2; i += 1) await page.waitForTimeout(50);
  if (loads !== 2) say('progress', where.context, `the page was loaded ${loads} times while a run ended`);
  await page.waitForTimeout(200);
  if (await page.locator('.under-way').count()) say('progress', where.context, 'a run that is over is shown');
}

async function open(base, where) {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  // A machine that does much else is slow, which is no fault of a page.
  page.setDefaultTimeout(120_000);
  hear(page, base, where);
  return page;
}

if (rest[0] === '--shots') {
  const [folder, width, scheme, base, ...paths] = rest.slice(1);
  const page = await open(base, { at: '', context: '' });
  await page.setViewportSize({ width: Number(width), height: 900 });
  await page.emulateMedia({ colorScheme: scheme });
  for (const at of paths) {
    await page.goto(base + at);
    const name = at.replace(/[^a-z0-9]+/gi, '-').replace(/^-|-$/g, '').slice(0, 60) || 'recipes';
    await page.screenshot({ path: path.join(folder, `${name}-${width}-${scheme}.png`), fullPage: true });
  }
} else {
  // Several pages at a time: most of the work is waiting for the browser.
  const [base, ...paths] = rest;
  let next = 0;
  const worker = async () => {
    const where = { at: '', context: '' };
    const page = await open(base, where);
    while (next < paths.length) await look(page, base, paths[next++], where);
  };
  const typist = async () => {
    const where = { at: '', context: '' };
    await keyboard(await open(base, where), base, where);
    await progress(await open(base, where), base, where);
  };
  await Promise.all([worker(), worker(), typist()]);
  wrong.sort().forEach((line) => console.log(line));
  console.log(`${paths.length} pages, ${wrong.length} faults`);
}
await browser.close();
process.exitCode = wrong.length ? 1 : 0;
