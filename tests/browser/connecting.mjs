// From the pasted URL to a call, and the ways in which a person goes wrong meanwhile.
import { strict as assert } from 'node:assert';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { allow, button, cancel, focused, keyField, signIn, tabTo } from './person.mjs';

export const journeys = {
  // mcp-remote is given the bare URL and opens the desktop's browser, which is Chromium here.
  async 'pasted into mcp-remote, signed in, allowed, called'({ open, address, key, listener, tool, args, expect }) {
    const home = mkdtempSync(join(tmpdir(), 'wicketgate-browser-'));
    const opened = join(home, 'opened');
    const opener = join(home, 'xdg-open');
    writeFileSync(opener, `#!/bin/sh\nprintf %s "$1" >'${opened}.part' && mv '${opened}.part' '${opened}'\n`);
    chmodSync(opener, 0o755);
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [join(import.meta.dirname, 'node_modules/mcp-remote/dist/proxy.js'), address, '--allow-http', '--transport', 'http-only'],
      env: { PATH: `${home}:${process.env.PATH}`, BROWSER: opener, HOME: home, MCP_REMOTE_CONFIG_DIR: home }, stderr: 'ignore',
    });
    const client = new Client({ name: 'wicketgate-test', version: '1' }, { capabilities: {} });
    try {
      const connected = client.connect(transport, { timeout: 30_000 });
      connected.catch(() => {});
      await until(() => existsSync(opened), 'mcp-remote opens no page');
      const page = await (await open()).newPage();
      const asked = readFileSync(opened, 'utf8');
      listener.origins.push(new URL(new URL(asked).searchParams.get('redirect_uri')).origin);
      await page.goto(asked);
      await signIn(page, key);
      await allow(page);
      await connected;
      const { tools } = await client.listTools();
      const { content } = await client.callTool({ name: tool, arguments: JSON.parse(args) });
      assert.match(content[0].text, new RegExp(expect));
      return `${tools.length} tools; mcp-remote says "${(await page.innerText('body')).slice(0, 40)}"`;
    } finally {
      await client.close().catch(() => {});
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    }
  },

  async 'sign-in, consent, callback, tokens, call'({ open, register, look, listener, origin, key, tool, args, expect }) {
    const program = await register('Harbour Desk');
    const { page: address, state, verifier } = program.asks();
    const page = await (await open()).newPage();
    const first = await page.goto(address);
    assert.equal(first.status(), 200);
    assert.equal(await keyField(page).count(), 1);
    await look(page, 'sign-in');
    await signIn(page, key);
    const words = await page.innerText('main');
    assert.match(words, /Harbour Desk/, 'consent names the program');
    assert.match(words, /127\.0\.0\.1|this computer/, 'consent says where it goes back to');
    assert.match(words, /Greetings|tools/, 'consent says what is reached');
    await look(page, 'consent');
    await allow(page);
    const back = listener.back(state);
    assert.ok(back?.get('code'), 'a code came back');
    assert.equal(back.get('iss'), origin);
    const tokens = await program.redeem(back.get('code'), verifier);
    assert.equal(tokens.status, 200);
    assert.equal(tokens.token_type.toLowerCase(), 'bearer');
    const called = await program.call(tokens.access_token, tool, args);
    assert.equal(called.status, 200);
    assert.ok(called.text.includes(expect), called.text);
    return `scope ${tokens.scope}, ${tokens.expires_in} s`;
  },

  async 'with the keyboard alone'({ open, register, listener, key }) {
    const program = await register();
    const { page: address, state } = program.asks();
    const page = await (await open()).newPage();
    await page.goto(address);
    await tabTo(page, ({ tag, type }) => tag === 'INPUT' && ['text', 'password'].includes(type));
    await page.keyboard.type(key);
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    const there = await tabTo(page, ({ tag, words }) => tag === 'BUTTON' && /^allow/i.test(words));
    assert.ok(there.ring, 'the focus on Allow can be seen');
    await Promise.all([page.waitForURL(`${listener.redirect}**`), page.keyboard.press('Enter')]);
    assert.ok(listener.back(state).get('code'));
  },

  async 'Enter alone does not consent'({ open, register, listener, key }) {
    const program = await register();
    const { page: address, state } = program.asks();
    const page = await (await open()).newPage();
    await page.goto(address);
    await signIn(page, key);
    await page.keyboard.press('Enter');
    await page.waitForTimeout(300);
    assert.equal(listener.back(state), undefined);
  },

  async 'a wrong key is told, and the next one may be right'({ open, register, look, listener, key }) {
    const program = await register();
    const { page: address, state } = program.asks();
    const page = await (await open()).newPage();
    await page.goto(address);
    const wrong = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
    await signIn(page, wrong);
    const told = spoken(page);
    assert.equal(await told.count(), 1);
    assert.ok(await told.isVisible());
    const { tag } = await focused(page);
    assert.equal(tag, 'INPUT', 'the field has the focus');
    const field = keyField(page);
    assert.equal(await field.getAttribute('aria-invalid'), 'true');
    const described = await field.getAttribute('aria-describedby');
    assert.ok(described && (await page.locator(described.split(' ').map((id) => `#${id}`).join(',')).allInnerTexts()).join(' ').includes(await told.innerText()), 'the field is tied to the error');
    assert.ok(!(await page.content()).includes(wrong), 'the key is not shown again');
    await look(page, 'sign-in-wrong-key');
    await signIn(page, key);
    await allow(page);
    assert.ok(listener.back(state).get('code'));
  },

  async 'something that is no key at all'({ open, register }) {
    const program = await register();
    const page = await (await open()).newPage();
    await page.goto(program.asks().page);
    await signIn(page, '"><b id=injected>my password</b>');
    assert.ok(await spoken(page).isVisible());
    assert.equal(await page.locator('#injected').count(), 0);
    assert.ok(!(await page.content()).includes('my password'));
  },

  async 'cancelled'({ open, register, listener, origin, key }) {
    const program = await register();
    const { page: address, state } = program.asks();
    const page = await (await open()).newPage();
    await page.goto(address);
    await signIn(page, key);
    await cancel(page);
    const back = listener.back(state);
    assert.equal(back.get('error'), 'access_denied');
    assert.equal(back.get('iss'), origin);
    assert.equal(back.get('code'), null);
  },

  async 'a browser that signed in is asked for consent each time, not for the key'({ open, register, listener, key }) {
    const program = await register();
    const page = await (await open()).newPage();
    await page.goto(program.asks().page);
    await signIn(page, key);
    await allow(page);
    const { page: address, state } = program.asks();
    await page.goto(address);
    assert.equal(await keyField(page).count(), 0);
    assert.equal(listener.back(state), undefined);
    await allow(page);
    assert.ok(listener.back(state).get('code'));
    const cookies = await page.context().cookies();
    assert.ok(cookies.length > 0 && cookies.every((c) => c.httpOnly && c.path === '/' && ['Lax', 'Strict'].includes(c.sameSite)), JSON.stringify(cookies.map(({ name, httpOnly, path, sameSite }) => ({ name, httpOnly, path, sameSite }))));
  },

  async 'two tabs at once do not mix'({ open, register, listener, key }) {
    const program = await register();
    const context = await open();
    const asks = [program.asks(), program.asks()];
    const tabs = [await context.newPage(), await context.newPage()];
    await tabs[0].goto(asks[0].page);
    await signIn(tabs[0], key);
    await tabs[1].goto(asks[1].page);
    await allow(tabs[0]);
    await allow(tabs[1]);
    for (const { state, verifier } of asks) {
      const { status } = await program.redeem(listener.back(state).get('code'), verifier);
      assert.equal(status, 200);
    }
  },

  async 'the page opened twice still works'({ open, register, listener, key }) {
    const program = await register();
    const { page: address, state } = program.asks();
    const page = await (await open()).newPage();
    await fetch(address, { redirect: 'manual' });
    await page.goto(address);
    await page.reload();
    await signIn(page, key);
    // A reload in the middle of the way there would be another test.
    await button(page, /allow/i).waitFor();
    await page.reload();
    await allow(page);
    assert.ok(listener.back(state).get('code'));
    assert.ok(await button(page, /allow/i).count() === 0);
  },
};

// What a screen reader says by itself.
const spoken = (page) => page.locator('[role=alert], [aria-live=assertive]').filter({ hasText: /\S/ });

async function until(true_, fault) {
  for (let i = 0; i < 200; i += 1) {
    if (true_()) return;
    await new Promise((later) => { setTimeout(later, 50); });
  }
  throw new Error(fault);
}
