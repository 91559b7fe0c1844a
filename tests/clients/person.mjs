// The person who signs in, without a browser: reads each page as HTML, types the license key into the
// field that a person would see, presses the button that allows, and follows the redirects.
// Runs no script and leaves the gateway for nothing but the client's own redirect address.
//   node person.mjs walk ADDRESS     prints the address at which the journey ended
//   node person.mjs browse ADDRESS   opens that address too, as a desktop's browser does
// with the key in WICKETGATE_TEST_KEY.
const STEPS = 12;
const YES = /\b(allow|continue|sign in)\b/i;
const NO = /\b(cancel|deny|sign out|disconnect)\b/i;

// From an authorization address to the address that the client is sent back to.
export async function walk(start, { key, press = YES }) {
  const first = new URL(start);
  const back = new URL(first.searchParams.get('redirect_uri'));
  const cookies = new Map();
  let typed = false;
  let request = { url: first, method: 'GET' };
  for (let step = 0; step < STEPS; step += 1) {
    const { url } = request;
    if (url.origin === back.origin && url.pathname === back.pathname) return url;
    if (url.origin !== first.origin) throw new Error(`the page leads to ${url.origin}`);
    const answer = await ask(request, cookies);
    const to = answer.headers.get('location');
    if (to) {
      request = { url: new URL(to, url), method: 'GET' };
      continue;
    }
    const html = await answer.text();
    const words = `${answer.status} at ${url.pathname}: ${textOf(html).slice(0, 200)}`;
    const found = choose(html, press);
    if (!found) throw new Error(`no form with that button, ${words}`);
    const fields = new URLSearchParams();
    for (const input of found.form.inputs) {
      if (!input.name || input.type === 'submit') continue;
      const isKey = ['text', 'password', undefined].includes(input.type);
      if (isKey && typed) throw new Error(`asked for the key again, ${words}`);
      typed ||= isKey;
      if (isKey) fields.append(input.name, key);
      else if (!['checkbox', 'radio'].includes(input.type) || 'checked' in input) fields.append(input.name, input.value ?? 'on');
    }
    if (found.button.name) fields.append(found.button.name, found.button.value ?? '');
    const action = new URL(found.button.formaction ?? found.form.action ?? url.href, url);
    if ((found.form.method ?? 'get').toLowerCase() === 'post') request = { url: action, method: 'POST', body: fields, from: url };
    else request = { url: new URL(`?${fields}`, action), method: 'GET' };
  }
  throw new Error(`the journey did not end in ${STEPS} steps`);
}

async function ask({ url, method, body, from }, cookies) {
  const headers = { accept: 'text/html,application/xhtml+xml;q=0.9', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' };
  if (cookies.size) headers.cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
  // What a browser says about a form that was sent from the page's own origin.
  if (from) Object.assign(headers, { origin: from.origin, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' });
  const answer = await fetch(url, { method, body, headers, redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  for (const line of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line) ?? [];
    if (/;\s*max-age=0/i.test(line)) cookies.delete(name);
    else if (name) cookies.set(name, value);
  }
  return answer;
}

// The first form with a button that says it, and that button.
function choose(html, press) {
  for (const form of forms(html)) {
    const button = form.buttons.find(({ label }) => press.test(label) && (press !== YES || !NO.test(label)));
    if (button) return { form, button };
  }
  return undefined;
}

function forms(html) {
  return [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gis)].map(([, attributes, inside]) => ({
    ...read(attributes),
    inputs: [...inside.matchAll(/<input\b([^>]*)>/gi)].map(([, own]) => read(own)),
    buttons: [...inside.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gis)].map(([, own, label]) => ({ ...read(own), label: textOf(label) })),
  }));
}

function read(attributes) {
  const pairs = attributes.matchAll(/([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/gi);
  return Object.fromEntries([...pairs].map(([, name, a, b, c]) => [name.toLowerCase(), plain(a ?? b ?? c ?? '')]));
}

const NAMED = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
const plain = (text) => text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
  if (name) return NAMED[name] ?? whole;
  return String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16));
});
const textOf = (html) => plain(html.replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ').trim();

if (process.argv[1] === import.meta.filename) {
  const [how, address] = process.argv.slice(2);
  try {
    const end = await walk(address, { key: process.env.WICKETGATE_TEST_KEY ?? '' });
    if (how === 'browse') await fetch(end, { signal: AbortSignal.timeout(10_000) });
    else process.stdout.write(`${end.href}\n`);
  } catch (e) {
    process.stderr.write(`${e.message}\n`);
    process.exitCode = 1;
  }
}
