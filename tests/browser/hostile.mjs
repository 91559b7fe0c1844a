// What somebody else tries with the pages.
import { strict as assert } from 'node:assert';
import { allow, signIn } from './person.mjs';

const MARKUP = '<b id="injected">Bold</b><img src=x onerror=alert(1)><script>alert(2)</script>"\'&amp;';

export const journeys = {
  async 'a name that is markup is shown as text'({ open, register, look, key }) {
    const program = await register(MARKUP);
    const page = await (await open()).newPage();
    await page.goto(program.asks().page);
    const before = await page.innerText('body');
    await signIn(page, key);
    assert.ok(`${before} ${await page.innerText('body')}`.includes('<b id="injected">Bold</b>'), 'the text as it is');
    assert.equal(await page.locator('#injected, img[src=x], script').count(), 0);
    await look(page, 'consent-markup');
  },

  async 'a name that turns the line around is shown without that'({ open, register, key }) {
    const program = await register('Bank \u202egnp.exe\u2066 app');
    const page = await (await open()).newPage();
    await page.goto(program.asks().page);
    await signIn(page, key);
    assert.ok(!/[\u202a-\u202e\u2066-\u2069\u200b-\u200f]/.test(await page.innerText('body')));
  },

  async 'a code is good once, and its tokens end with the second try'({ open, register, listener, key, tool, args }) {
    const program = await register();
    const { page: address, state, verifier } = program.asks();
    const page = await (await open()).newPage();
    await page.goto(address);
    await signIn(page, key);
    await allow(page);
    const code = listener.back(state).get('code');
    const tokens = await program.redeem(code, verifier);
    assert.equal((await program.call(tokens.access_token, tool, args)).status, 200);
    const again = await program.redeem(code, verifier);
    assert.deepEqual([again.status, again.error], [400, 'invalid_grant']);
    assert.equal((await program.call(tokens.access_token, tool, args)).status, 401);
    const refreshed = await program.refresh(tokens.refresh_token);
    assert.deepEqual([refreshed.status, refreshed.error], [400, 'invalid_grant']);
  },

  async 'an address that was not registered is never gone to'({ open, register, look, listener }) {
    const program = await register();
    const before = listener.count();
    const page = await (await open()).newPage();
    const answer = await page.goto(program.asks({ redirect_uri: `${listener.redirect}/elsewhere` }).page);
    assert.ok(answer.status() >= 400 && answer.status() < 500, `${answer.status()}`);
    assert.ok(page.url().startsWith(program.origin));
    assert.equal(listener.count(), before);
    await look(page, 'refused');
  },

  async 'a program that nobody registered is told so on a page'({ open, register, look }) {
    const program = await register();
    const page = await (await open()).newPage();
    const answer = await page.goto(program.asks({ client_id: `${program.id}x` }).page);
    assert.ok(answer.status() >= 400 && answer.status() < 500, `${answer.status()}`);
    await look(page, 'refused-program');
  },

  async 'no page shows in a frame'({ open, register, listener, key }) {
    const program = await register();
    const page = await (await open()).newPage();
    await page.goto(program.asks().page);
    await signIn(page, key);
    for (const [i, inside] of [program.asks().page, `${program.origin}/account`].entries()) {
      const html = `<!doctype html><title>Prize</title><iframe src="${inside.replaceAll('&', '&amp;')}"></iframe>`;
      await page.goto(listener.strange(`/frame${i}`, html));
      await page.waitForTimeout(300);
      const frame = page.frames()[1];
      const words = await frame.locator('body').innerText().catch(() => '');
      assert.match(frame.url(), /^chrome-error:/, `the frame shows ${frame.url()} ${words.slice(0, 80)}`);
    }
    // The stranger's page does get its frame filled by what may be framed: the test sees a difference.
    listener.strange('/harmless', '<p>harmless</p>');
    await page.goto(listener.strange('/frame9', '<iframe src="/harmless"></iframe>'));
    await page.frames()[1].waitForSelector('p');
  },

  async 'the form sent from another site does nothing'({ open, register, listener, key }) {
    const program = await register();
    const { page: address, state } = program.asks();
    const page = await (await open()).newPage();
    await page.goto(address);
    await signIn(page, key);
    const form = await page.evaluate(() => {
      const own = [...document.forms].find((f) => /allow/i.test(f.innerText));
      const submit = [...own.querySelectorAll('button')].find((b) => /^allow/i.test(b.innerText.trim()));
      const fields = [...own.querySelectorAll('input')].map((i) => [i.name, i.value]);
      return { action: submit.formAction || own.action, fields: [...fields, [submit.name, submit.value]].filter(([name]) => name) };
    });
    const hidden = form.fields.map(([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll('"', '&quot;')}">`);
    const html = `<!doctype html><form method="post" action="${form.action.replaceAll('&', '&amp;')}">${hidden.join('')}<button>Win</button></form>`;
    await page.goto(listener.strange('/forge', html));
    const [answer] = await Promise.all([page.waitForNavigation(), page.click('button')]);
    assert.ok(answer.status() >= 400 && answer.status() < 500, `${answer.status()} at ${page.url()}`);
    assert.equal(listener.back(state), undefined);
  },
};
