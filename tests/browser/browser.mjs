// What the looks at cards and at pages share: the browser, the reader's barriers, and what is heard while a page is open.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

/** The browser of `place` and axe-core's text. */
export async function start(place, chromium) {
  const require = createRequire(path.join(place, 'package.json'));
  const browser = await require('playwright-core').chromium.launch({
    executablePath: chromium,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  return { browser, axe: fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8') };
}

/** What the templates make. Whatever else is in a page came out of data. */
export const ELEMENTS = ('html head meta title style body header nav main section footer div span p a ul ol li dl dt dd h1 h2 h3 b i small code pre '
  + 'table thead tbody tr th td svg desc path text figure figcaption details summary wbr').split(' ');
export const ATTRIBUTES = ('lang charset http-equiv content name class id href title viewBox preserveAspectRatio d x y role tabindex scope colspan '
  + 'data-label aria-label aria-labelledby aria-current').split(' ');

/** What is in the page that no template made; `links` says what links look like. */
export const foreign = (page, elements, attributes, links) => page.evaluate(([elements, attributes, links]) => {
  const found = [];
  for (const element of document.querySelectorAll('*')) {
    if (!elements.includes(element.localName)) found.push(`<${element.localName}>`);
    for (const { name, value } of element.attributes) {
      const isWeight = name === 'style' && /^--weight:[0-9.]+$/.test(value);
      if (!attributes.includes(name) && !isWeight) found.push(`${element.localName} ${name}`);
      if (name === 'href' && !new RegExp(links).test(value)) found.push(`href ${value}`);
    }
  }
  return [...new Set(found)];
}, [elements, attributes, links]);

/** Serious things that axe-core sees with every tab open at once. Later rows of a table are made as its first ones are. */
export async function barriers(page, axe, rules) {
  await page.evaluate(() => document.querySelectorAll('.panel').forEach((panel) => panel.style.setProperty('display', 'block', 'important')));
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe);
  const found = await page.evaluate((only) => globalThis.axe.run({ include: [['html']], exclude: [['tbody tr:nth-child(n+7)']] }, {
    resultTypes: ['violations'],
    ...(only ? { runOnly: { type: 'rule', values: only } } : {}),
  }), rules);
  return found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id} (${nodes.length}), such as ${nodes[0].html.slice(0, 160)}`);
}

/** Which panels are seen. */
export const seen = (page) =>
  page.$$eval('.panel', (panels) => panels.filter((panel) => getComputedStyle(panel).display !== 'none').map((panel) => panel.id));
