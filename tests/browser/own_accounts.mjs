// An account of one's own: from the call that needs one, through our pages and a provider's, to the
// call that works; and what goes wrong on the way.
import { strict as assert } from 'node:assert';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { button, cancel, keyField, signIn } from './person.mjs';

const { port, keys } = JSON.parse(process.env.WICKETGATE_TEST_OWN || '{}');
const PROVIDER = `http://localhost:${port}`;
const MODERN = '2026-07-28';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const LINK = /http:\/\/127\.0\.0\.1:\d+\/connect\/[\w-]+/;

// Where browsers are sent besides.
export const origins = port ? [PROVIDER] : [];

const all = {
  // An official client of 2025-11-25: the link comes with error -32042.
  async 'an account: called, connected, called'({ open, look, address }) {
    const key = keys.pop();
    const client = await official(address, key);
    try {
      const link = await client.callTool({ name: 'read_reports', arguments: {} }).then(() => assert.fail('no account is needed'), (e) => {
        assert.equal(e.code, -32042, e.message);
        return e.data.elicitations[0].url;
      });
      const page = await (await open()).newPage();
      await page.goto(link);
      assert.match(await page.innerText('main'), /Google Analytics of your shop/);
      await look(page, 'connect-sign-in');
      await signIn(page, key);
      const words = await page.innerText('main');
      assert.match(words, /See your Google Analytics reports\s+only reads/);
      assert.match(words, /Google Ads campaigns\s+can change things/);
      await look(page, 'connect');
      await goOn(page);
      assert.ok(page.url().startsWith(`${PROVIDER}/authorize?`), page.url());
      await button(page, 'Allow all').click();
      assert.match(await page.innerText('h1'), /is connected/);
      await look(page, 'connected');
      const { content, isError } = await client.callTool({ name: 'read_reports', arguments: {} });
      assert.ok(!isError);
      assert.match(content[0].text, /analytics\.readonly report has 42 rows/);
      await page.reload();
      assert.match(await page.innerText('h1'), /is connected/, 'a reload says the same');
      assert.ok(!page.url().includes('code='), 'no code stays in the address');
    } finally {
      await client.close();
    }
  },

  // The client comes back before its person is done: the gateway lets the call wait.
  async 'an account: the call waits while it is connected'({ open, address }) {
    const key = keys.pop();
    const { result } = await modern(address, key, 'read_reports');
    const [name, request] = Object.entries(result.inputRequests)[0];
    const page = await (await open()).newPage();
    await page.goto(request.params.url);
    await signIn(page, key);
    await goOn(page);
    const again = modern(address, key, 'read_reports', {}, { requestState: result.requestState, inputResponses: { [name]: { action: 'accept' } } });
    await button(page, 'Allow all').click();
    const text = JSON.stringify(await again);
    assert.match(text, /has 42 rows/, text);
  },

  async 'an account: the link is of no use to another license'({ open, look, address }) {
    const [owner, stranger] = [keys.pop(), keys.pop()];
    const link = await linkOf(address, owner, 'read_reports');
    const page = await (await open()).newPage();
    await page.goto(link);
    await signIn(page, stranger);
    assert.match(await page.innerText('main'), /another license[\s\S]*close this page/i);
    assert.equal(await button(page, /go on/i).count(), 0);
    await look(page, 'connect-other-license');
    await button(page, /another license key/i).click();
    await signIn(page, owner);
    assert.ok(await button(page, /go on/i).isVisible(), 'the right license may go on');
  },

  async 'an account: denied at the provider, whose words are not repeated'({ open, look, address }) {
    const key = keys.pop();
    const page = await (await open()).newPage();
    await page.goto(await linkOf(address, key, 'read_reports'));
    await signIn(page, key);
    await goOn(page);
    await button(page, 'Deny').click();
    const html = await page.content();
    assert.match(await page.innerText('h1'), /not connected/i);
    for (const theirs of ['injected', '555-0100', '<script']) assert.ok(!html.includes(theirs), theirs);
    await look(page, 'connect-denied');
    await linkOf(address, key, 'read_reports');
  },

  async 'an account: less allowed than asked'({ open, look, address }) {
    const key = keys.pop();
    const page = await (await open()).newPage();
    await connect(page, await linkOf(address, key, 'read_reports'), key, 'Allow the first only');
    assert.match(await page.innerText('main'), /Not everything was allowed/);
    await look(page, 'connected-less');
    // One of the tools does with it, the others ask for more.
    const texts = await Promise.all(['read_reports', 'read_campaigns', 'read_more'].map((tool) => told(address, key, tool)));
    assert.equal(texts.filter((text) => /42 rows/.test(text)).length, 1, texts.join());
    const link = texts.map((text) => LINK.exec(text)?.[0]).find(Boolean);
    await page.goto(link);
    assert.match(await page.innerText('h1'), /again\?/);
    await look(page, 'connect-more');
    await goOn(page);
    await button(page, 'Allow all').click();
    assert.match(await page.innerText('h1'), /is connected/);
  },

  async 'an account: cancelled here'({ open, origin, address }) {
    const key = keys.pop();
    const page = await (await open()).newPage();
    await page.goto(await linkOf(address, key, 'read_reports'));
    await signIn(page, key);
    await cancel(page);
    assert.equal(page.url(), `${origin}/account`);
    await linkOf(address, key, 'read_reports');
  },

  async 'accounts: several, told apart by names'({ open, look, address, origin }) {
    const key = keys.pop();
    const page = await (await open()).newPage();
    await page.goto(await linkOf(address, key, 'read_sites'));
    await signIn(page, key);
    await look(page, 'connect-named');
    await keyField(page).fill('My <b>Shop</b>');
    await goOn(page);
    assert.match(await page.locator('[aria-live=assertive]').innerText(), /small letters/);
    await look(page, 'connect-named-wrong');
    await keyField(page).fill('work');
    await goOn(page);
    await button(page, 'Allow all').click();
    assert.match(await page.innerText('main'), /calls this account work/);
    await look(page, 'connected-named');
    assert.match(await told(address, key, 'read_sites'), /42 rows/);
    await page.goto(`${origin}/account`);
    await button(page, /^connect another/i).click();
    await keyField(page).fill('work');
    await goOn(page);
    assert.match(await page.locator('[aria-live=assertive]').innerText(), /connected already/);
    await keyField(page).fill('home');
    await goOn(page);
    await button(page, 'Allow all').click();
    const which = await told(address, key, 'read_sites');
    assert.match(which, /home, work/);
    assert.match(await told(address, key, 'read_sites', { account: 'home' }), /42 rows/);
    const unknown = await told(address, key, 'read_sites', { account: 'hmoe' });
    assert.match(unknown, /home, work/);
    assert.doesNotMatch(unknown, LINK);
    await page.goto(`${origin}/account`);
    await look(page, 'account-several');
  },

  async 'accounts: seen, over, connected again, disconnected'({ open, look, address, origin }) {
    const key = keys.pop();
    const page = await (await open()).newPage();
    await page.goto(`${origin}/account`);
    await signIn(page, key);
    assert.match(await page.innerText('main'), /Not connected/);
    await look(page, 'account-none');
    await button(page, 'Connect Google Analytics of your shop').click();
    await goOn(page);
    await button(page, 'Allow all').click();
    assert.match(await told(address, key, 'read_reports'), /42 rows/);
    await page.goto(`${origin}/account`);
    await look(page, 'account-connected');

    // Its owner ends it in the settings there; the next call finds out.
    await fetch(`http://127.0.0.1:${port}/forget`, { method: 'POST' });
    assert.match(await told(address, key, 'read_reports'), /must be connected again/);
    await page.reload();
    assert.match(await page.innerText('main'), /Google no longer accepts/);
    await look(page, 'account-over');
    await button(page, /^connect again/i).click();
    await goOn(page);
    await button(page, 'Allow all').click();
    assert.match(await told(address, key, 'read_reports'), /42 rows/);
    await page.goto(`${origin}/account`);
    assert.doesNotMatch(await page.innerText('main'), /no longer accepts/);

    await button(page, /^disconnect account/i).click();
    assert.match(await page.innerText('main'), /No tool uses that account any more/);
    await look(page, 'account-disconnected');
    await linkOf(address, key, 'read_reports');
    // It looks for what is to be told once a minute.
    for (let tries = 320; tries > 0 && !(await book()).revoked; tries -= 1) await page.waitForTimeout(250);
    assert.equal((await book()).revoked, 1, 'the provider was told');
  },

  async 'an account: a link that leads nowhere'({ open, look, address, origin }) {
    const key = keys.pop();
    const link = await linkOf(address, key, 'read_reports');
    const page = await (await open()).newPage();
    const answer = await page.goto(link.slice(0, -4));
    assert.equal(answer.status(), 404);
    await look(page, 'connect-unknown');
    const back = await page.goto(`${origin}/connect/callback/reports?code=x&state=y`);
    assert.equal(back.status(), 403);
    await look(page, 'connect-not-signed-in');
  },
};

// Where nobody gave us a provider there is nothing to try.
export const journeys = port ? all : {};

const goOn = (page) => button(page, /^go on/i).click();

async function connect(page, link, key, way) {
  await page.goto(link);
  await signIn(page, key);
  await goOn(page);
  await button(page, way).click();
}

const book = async () => (await fetch(`http://127.0.0.1:${port}/book`)).json();

async function official(address, key) {
  const client = new Client({ name: 'wicketgate-test', version: '1' }, { capabilities: { elicitation: { url: {} } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers: { authorization: `Bearer ${key}` } } }));
  return client;
}

// A call of a modern client; what it answers. It says that it can send people to addresses.
async function modern(address, key, name, args = {}, more = {}, can = { elicitation: { url: {} } }) {
  const params = { name, arguments: args, ...more, _meta: { 'io.modelcontextprotocol/protocolVersion': MODERN, [CAPABILITIES]: can } };
  const answer = await fetch(address, {
    method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    headers: {
      authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream',
      'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': name,
    },
  });
  return answer.json();
}

// What a client reads that can send nobody anywhere.
async function told(address, key, tool, args) {
  const { result, error } = await modern(address, key, tool, args, {}, {});
  return result?.content[0].text ?? JSON.stringify(error);
}

async function linkOf(address, key, tool) {
  const text = await told(address, key, tool);
  const found = LINK.exec(text);
  assert.ok(found, text);
  return found[0];
}
