// The account page: what is connected, what it used, and how that ends.
import { strict as assert } from 'node:assert';
import { allow, button, signIn } from './person.mjs';

// Connects a program and leaves the browser signed in. The program with its tokens.
async function connect(page, { register, listener, key }, name) {
  const program = await register(name);
  const { page: address, state, verifier } = program.asks();
  await page.goto(address);
  if (await button(page, /^(continue|sign in)/i).count()) await signIn(page, key);
  await allow(page);
  const tokens = await program.redeem(listener.back(state).get('code'), verifier);
  assert.equal(tokens.status, 200);
  return { program, tokens };
}

// The smallest part of the page that holds that name and the button that ends it.
const entry = (page, name) => page.locator('li, tr, section, article, div')
  .filter({ hasText: name }).filter({ has: button(page, /disconnect/i) }).last();

// Presses it, and once more where the page asks whether that is meant.
async function disconnect(page, name) {
  await button(entry(page, name), /disconnect/i).click();
  const sure = button(page, /^(yes|disconnect)\b/i);
  if (!new URL(page.url()).pathname.endsWith('/account') && await sure.count()) await sure.first().click();
}

// Reloads until the page says it.
async function shows(page, words, wanted) {
  for (let tries = 40; tries > 0; tries -= 1) {
    if (wanted.test(await words())) return;
    await page.waitForTimeout(500);
    await page.reload();
  }
  throw new Error(`not ${wanted}: ${await words()}`);
}

export const journeys = {
  async 'the account wants the key first'({ open, origin, look, key }) {
    const page = await (await open()).newPage();
    await page.goto(`${origin}/account`);
    await look(page, 'account-sign-in');
    await signIn(page, key);
    assert.equal(new URL(page.url()).pathname, '/account');
    assert.ok(await button(page, /sign out/i).isVisible());
  },

  async 'a connection is shown, and disconnecting it ends it alone'({ open, look, origin, tool, args, ...asked }) {
    const page = await (await open()).newPage();
    const first = await connect(page, asked, 'Ledger Desk');
    const second = await connect(page, asked, 'Cargo Desk');
    for (const { program, tokens } of [first, second]) assert.equal((await program.call(tokens.access_token, tool, args)).status, 200);
    await page.goto(`${origin}/account`);
    const words = await page.innerText('main');
    assert.match(words, /Ledger Desk/);
    assert.match(words, /Cargo Desk/);
    assert.ok(await page.locator('svg, meter, progress').count() > 0, 'a chart of the use');
    // What is counted is written every few seconds.
    await shows(page, () => entry(page, 'Ledger Desk').innerText(), /Calls\s+1\b/);
    await look(page, 'account');
    await disconnect(page, 'Ledger Desk');
    await page.goto(`${origin}/account`);
    assert.equal(await entry(page, 'Ledger Desk').count(), 0);
    assert.equal(await entry(page, 'Cargo Desk').count(), 1);
    assert.equal((await first.program.call(first.tokens.access_token, tool, args)).status, 401);
    const refreshed = await first.program.refresh(first.tokens.refresh_token);
    assert.deepEqual([refreshed.status, refreshed.error], [400, 'invalid_grant']);
    assert.equal((await second.program.call(second.tokens.access_token, tool, args)).status, 200);
  },

  async 'signed out, the back button shows nothing'({ open, look, origin, ...asked }) {
    const page = await (await open()).newPage();
    await connect(page, asked, 'Night Desk');
    await page.goto(`${origin}/account`);
    assert.match(await page.innerText('main'), /Night Desk/);
    await button(page, /sign out/i).click();
    await page.waitForLoadState();
    await look(page, 'signed-out');
    for (let i = 0; i < 2; i += 1) {
      await page.goBack();
      assert.ok(!(await page.innerText('body')).includes('Night Desk'), 'the account is back');
    }
    await page.goto(`${origin}/account`);
    assert.ok(await button(page, /^(continue|sign in)/i).isVisible());
  },

  async 'the account never shows the key'({ open, origin, key }) {
    const page = await (await open()).newPage();
    await page.goto(`${origin}/account`);
    await signIn(page, key);
    assert.ok(!(await page.content()).includes(key));
  },
};
