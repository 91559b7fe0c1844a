// What people do with the gateway's pages, done in Chromium without JavaScript.
//   node journeys.mjs URL KEY TOOL ARGS-JSON EXPECT FOLDER     pictures go to FOLDER
// One line a journey: `ok NAME - note` or `not ok NAME - why`. Exit status 0 only if none failed.
import { mkdirSync } from 'node:fs';
import * as account from './account.mjs';
import { Program, startListener } from './client.mjs';
import * as connecting from './connecting.mjs';
import * as hostile from './hostile.mjs';
import { faultsOf, headerFaults } from './look.mjs';
import * as own from './own_accounts.mjs';
import { fresh, openBrowser } from './person.mjs';

const [address, key, tool, args, expect, folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node journeys.mjs URL KEY TOOL ARGS-JSON EXPECT FOLDER');
  process.exit(2);
}
const only = process.env.WICKETGATE_TEST_ONLY;
const origin = new URL(address).origin;
mkdirSync(folder, { recursive: true });

const seen = { requests: [], complaints: [], documents: [] };
const browser = await openBrowser();
const listener = await startListener();
let failed = 0;
const looked = new Map();

// What a journey is given. `open` is a browser of its own, closed when the journey ends.
const asked = {
  address, args, expect, key, listener, origin, tool,
  register: (name = 'Journey') => new Program(origin, listener.redirect).register(name),
  // Looks at a page closely, once for each name.
  async look(page, name) {
    if (!looked.has(name)) looked.set(name, await faultsOf(page, name, folder));
  },
};

for (const { journeys } of [connecting, hostile, account, own]) {
  for (const [name, journey] of Object.entries(journeys)) {
    if (!only || only.split(',').some((part) => name.includes(part))) await run(name, journey);
  }
}
if (!only) {
  for (const [name, faults] of looked) verdict(`page: ${name}`, faults.length === 0, faults.join('; '));
  const ours = (await Promise.all(seen.documents))
    // A redirect has no page of its own to protect.
    .filter(({ url, status, headers }) => url.startsWith(`${origin}/`) && headers && (status < 300 || status >= 400));
  const wrong = [...new Set(ours.flatMap(({ url, status, headers }) => headerFaults(headers)
    .map((fault) => `${new URL(url).pathname} ${status} ${fault}`)))];
  verdict('every page came with its headers', ours.length > 0 && wrong.length === 0, wrong.join('; ') || `${ours.length} answers`);
  const allowed = [origin, ...listener.origins, ...own.origins, 'chrome-error:', 'data:'];
  const elsewhere = seen.requests.filter((url) => !allowed.some((start) => url === start || url.startsWith(start)));
  verdict('nothing was asked of another origin', elsewhere.length === 0, elsewhere.slice(0, 3).join(' ') || `${seen.requests.length} requests`);
  verdict('the key was never in an address', !seen.requests.some((url) => url.includes(key)));
  const complaints = seen.complaints.filter(({ about, text }) => about.startsWith(`${origin}/`)
    && !/status of 4\d\d|frame-ancestors|X-Frame-Options|in a frame/i.test(text));
  verdict('Chromium had nothing to complain of', complaints.length === 0, complaints.slice(0, 3).map(({ text }) => text).join('; '));
}
await browser.close();
listener.stop();
process.exitCode = failed ? 1 : 0;

async function run(name, journey) {
  const begin = performance.now();
  const contexts = [];
  const open = async () => {
    const context = await fresh(browser, seen);
    contexts.push(context);
    return context;
  };
  try {
    const note = await journey({ ...asked, open });
    verdict(name, true, [note, `[${((performance.now() - begin) / 1000).toFixed(1)} s]`].filter(Boolean).join(' '));
  } catch (e) {
    const page = contexts.flatMap((context) => context.pages()).at(-1);
    await page?.screenshot({ path: `${folder}/failed-${name.replace(/\W+/g, '-')}.png` }).catch(() => {});
    verdict(name, false, `${page?.url().split('?')[0] ?? ''} ${e.message}`);
  }
  for (const context of contexts) await context.close();
}

function verdict(name, holds, note = '') {
  if (!holds) failed += 1;
  console.log(`${holds ? 'ok' : 'not ok'} ${name}${note ? ` - ${note.replace(/\x1b\[\d+m/g, '').replace(/\s+/g, ' ').slice(0, 600)}` : ''}`);
}
