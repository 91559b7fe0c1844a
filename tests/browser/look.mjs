// What every page must hold to, whoever looks at it: structure, labels, contrast, focus, width, and
// the headers it came with. Takes a picture of each look.
import { join } from 'node:path';
import { focused } from './person.mjs';

const CONTRAST = 4.5;
const LOOKS = [
  { name: 'light', colorScheme: 'light', width: 1024 },
  { name: 'dark', colorScheme: 'dark', width: 1024 },
  { name: 'phone', colorScheme: 'light', width: 360 },
  { name: 'phone-dark', colorScheme: 'dark', width: 360 },
];

// Every fault of the page as it stands, in words. The page is left as it was, in light.
export async function faultsOf(page, name, folder) {
  const faults = await page.evaluate(structure);
  for (const look of LOOKS) {
    await page.emulateMedia({ colorScheme: look.colorScheme });
    await page.setViewportSize({ width: look.width, height: look.width < 500 ? 740 : 768 });
    await page.screenshot({ path: join(folder, `${name}.${look.name}.png`), fullPage: true });
    await page.evaluate(() => { for (const part of document.querySelectorAll('details')) part.open = true; });
    const seen = [...await page.evaluate(contrast, CONTRAST), ...await page.evaluate(width)];
    await page.evaluate(() => { for (const part of document.querySelectorAll('details')) part.open = false; });
    faults.push(...seen.map((fault) => `${look.name}: ${fault}`));
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1024, height: 768 });
  faults.push(...await unfocusable(page));
  return faults;
}

// What the answer that brought a page must say.
export function headerFaults(headers) {
  const policy = (headers['content-security-policy'] ?? '').split(';').map((part) => part.trim());
  const must = {
    "default-src 'none'": policy.includes("default-src 'none'"),
    "frame-ancestors 'none'": policy.includes("frame-ancestors 'none'"),
    "base-uri 'none'": policy.includes("base-uri 'none'"),
    'no unsafe source': !/unsafe-|\*|data:/.test(policy.join(';')),
    // Chromium holds the whole chain of redirects to it: a desktop program's own scheme would be cut off.
    'no form-action': !policy.some((part) => part.startsWith('form-action')),
    'not cached': /\bno-store\b/.test(headers['cache-control'] ?? ''),
    'no sniffing': headers['x-content-type-options'] === 'nosniff',
    'no referrer': headers['referrer-policy'] === 'no-referrer',
    'frames denied to old browsers': /^deny$/i.test(headers['x-frame-options'] ?? ''),
  };
  return Object.entries(must).filter(([, holds]) => !holds).map(([rule]) => `header: ${rule}`);
}

// Every control that can be seen must be reached by Tab, and be seen to have the focus then.
async function unfocusable(page) {
  const wanted = new Set(await page.evaluate(controls));
  const faults = [];
  await page.evaluate(() => document.activeElement.blur());
  for (let left = wanted.size + 5; left > 0; left -= 1) {
    await page.keyboard.press('Tab');
    const now = await focused(page);
    if (wanted.delete(now.path) && !now.ring) faults.push(`the focus on ${now.tag} "${now.words}" cannot be seen`);
  }
  return [...faults, ...[...wanted].map((path) => `Tab does not reach the control at ${path}`)];
}

// ---- what follows runs inside the page ----

function structure() {
  const faults = [];
  const hold = (holds, fault) => { if (!holds) faults.push(fault); };
  const all = (what) => [...document.querySelectorAll(what)];
  hold(document.documentElement.lang, 'no language');
  hold(document.title.trim(), 'no title');
  hold(document.querySelector('meta[name=viewport]'), 'no viewport');
  hold(all('h1').length === 1, `${all('h1').length} first headings`);
  hold(all('main').length === 1, `${all('main').length} main parts`);
  hold(!all('script').length, 'a script');
  hold(!all('[style]').length && !all('style').length, 'a style in the page');
  const handlers = all('*').filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name)));
  hold(!handlers.length, `an event handler on ${handlers[0]?.tagName}`);
  for (const input of all('input:not([type=hidden]), select, textarea')) {
    hold(input.labels?.length && input.labels[0].innerText.trim(), `no label for ${input.name || input.type}`);
  }
  for (const e of all('button, a[href], summary')) hold((e.innerText || e.getAttribute('aria-label') || '').trim(), `a nameless ${e.tagName}`);
  for (const image of all('img')) hold(image.hasAttribute('alt'), 'a picture without words');
  for (const svg of all('svg')) {
    const named = svg.getAttribute('aria-label') || svg.getAttribute('aria-labelledby') || svg.querySelector('title') || svg.closest('[aria-hidden=true]');
    hold(named, 'a drawing without words');
  }
  const levels = all('h1, h2, h3, h4').map((h) => Number(h.tagName[1]));
  hold(levels.every((level, i) => i === 0 || level <= levels[i - 1] + 1), `headings jump: ${levels}`);
  const ids = all('[id]').map((e) => e.id);
  hold(new Set(ids).size === ids.length, 'an id twice');
  return faults;
}

function controls() {
  const path = (node) => (node.parentElement ? `${path(node.parentElement)}/${[...node.parentElement.children].indexOf(node)}` : '');
  return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
    .filter((e) => e.checkVisibility() && !e.disabled).map(path);
}

function width() {
  const faults = [];
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`${scrollWidth} pixels wide on ${clientWidth}`);
  for (const e of document.querySelectorAll('button, input:not([type=hidden])')) {
    const { width: wide, height } = e.getBoundingClientRect();
    if (e.checkVisibility() && (wide < 24 || height < 24)) faults.push(`${e.tagName} of ${Math.round(wide)} by ${Math.round(height)} is too small to hit`);
  }
  return faults;
}

function contrast(least) {
  const faults = [];
  const canvas = matchMedia('(prefers-color-scheme: dark)').matches && /dark/.test(getComputedStyle(document.documentElement).colorScheme)
    ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const done = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() && !done.has(e) && e.checkVisibility()) { done.add(e); judge(e, getComputedStyle(e)); }
  }
  for (const input of document.querySelectorAll('input:not([type=hidden]):not([type=checkbox]), textarea')) {
    judge(input, getComputedStyle(input));
    if (input.placeholder) judge(input, getComputedStyle(input, '::placeholder'));
  }
  return faults;

  function judge(e, style) {
    const under = background(e);
    if (!under) return void faults.push(`a picture lies under "${words(e)}"`);
    const over = blend(parse(e instanceof SVGElement ? style.fill : style.color), under);
    const [a, b] = [luminance(over), luminance(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least) faults.push(`contrast ${ratio.toFixed(2)} of "${words(e)}"`);
  }
  function words(e) { return (e.textContent || e.name || e.tagName).trim().replace(/\s+/g, ' ').slice(0, 40); }
  function background(e) {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none') return undefined;
      if (Number(style.opacity) < 1) return undefined;
      layers.push(parse(style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((under, layer) => blend(layer, under), canvas);
  }
  function blend([r, g, b, a], [R, G, B]) { return [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1]; }
  // Whatever way a colour is written, a canvas pixel tells what it is.
  function parse(colour) {
    const [, inside] = /^rgba?\(([^)]*)\)$/.exec(colour) ?? [];
    if (inside) { const [r, g, b, a = 1] = inside.split(/[\s,/]+/).map(Number); return [r, g, b, a]; }
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  }
  function luminance(rgb) {
    const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
}
