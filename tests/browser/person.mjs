// A person before Chromium: what is typed and pressed on the gateway's pages. Every context runs
// without JavaScript, and whatever it asks of the network is written down.
import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const openBrowser = () => chromium.launch({ executablePath: process.env.WICKETGATE_TEST_CHROMIUM, args: FLAGS });

// A browser of its own: no cookies, nothing remembered. `seen` collects addresses and complaints.
export async function fresh(browser, seen) {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1024, height: 768 } });
  context.setDefaultTimeout(15_000);
  context.on('request', (request) => seen.requests.push(request.url()));
  context.on('console', (message) => { if (message.type() === 'error') seen.complaints.push({ about: message.location().url, text: message.text() }); });
  context.on('response', (response) => {
    if (response.request().resourceType() !== 'document') return;
    // Read at once: with the context goes what is not read.
    const read = response.allHeaders().catch(() => undefined);
    seen.documents.push(read.then((headers) => ({ url: response.url(), status: response.status(), headers })));
  });
  return context;
}

export const keyField = (page) => page.locator('input:not([type=hidden]):not([type=checkbox]):not([type=submit])');
export const button = (page, label) => page.getByRole('button', { name: label });

// The sign-in page, with the mouse.
export async function signIn(page, key) {
  await keyField(page).fill(key);
  await button(page, /^(continue|sign in)/i).click();
}

export const allow = (page) => button(page, /^allow/i).click();
export const cancel = (page) => button(page, /^cancel/i).click();

// The element that has the focus: its tag, type, words and whether it can be seen to have it.
export const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none';
  return { tag: e.tagName, type: e.type ?? '', words: (e.innerText || e.value || '').trim(), ring, path: pathOf(e) };
  function pathOf(node) {
    return node.parentElement ? `${pathOf(node.parentElement)}/${[...node.parentElement.children].indexOf(node)}` : '';
  }
});

// Presses Tab until `wanted(focused)`; gives up after all that one page can hold.
export async function tabTo(page, wanted, most = 40) {
  for (let i = 0; i < most; i += 1) {
    const now = await focused(page);
    if (wanted(now)) return now;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not get there on ${new URL(page.url()).pathname}`);
}
