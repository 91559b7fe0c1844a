// A provider of accounts on loopback that behaves as Google's endpoints do, with an API behind it.
//   node provider.mjs CLIENT-ID CLIENT-SECRET     prints its port, and ends with its standard input
// Its consent page has a button for each way that a person may go. What it knows is at /book.
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const [clientId, clientSecret] = process.argv.slice(2);
const MARKUP = '<script>document.title="injected"</script><b id="injected">call 555-0100 & pay</b>';
// By code; by refresh token; access tokens to what they may do and whose they are.
const codes = new Map();
const grants = new Map();
const access = new Map();
const book = { authorizations: [], tokens: [], revoked: 0, calls: 0 };

const server = createServer(async (request, response) => {
  const url = new URL(request.url, origin());
  let text = '';
  for await (const chunk of request) text += chunk;
  const route = routes[`${request.method} ${url.pathname}`] ?? (url.pathname.startsWith('/api/') ? api : missing);
  const { status = 200, json, html, location } = route(new URLSearchParams(text), url.searchParams, request);
  response.writeHead(status, {
    'cache-control': 'no-store', 'content-type': html ? 'text/html; charset=utf-8' : 'application/json', ...(location && { location }),
  });
  response.end(html ?? JSON.stringify(json ?? {}));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();

const origin = () => `http://127.0.0.1:${server.address().port}`;
const token = (kind) => `${kind}.${randomBytes(24).toString('base64url')}`;
const refused = (error, status = 400) => ({ status, json: { error, error_description: MARKUP } });
const missing = () => ({ status: 404, json: { error: 'not_found' } });

const routes = {
  'GET /authorize'(_, asked) {
    book.authorizations.push(Object.fromEntries(asked));
    const good = asked.get('client_id') === clientId && asked.get('response_type') === 'code'
      && asked.get('code_challenge_method') === 'S256' && asked.get('access_type') === 'offline';
    if (!good) return { status: 400, html: '<!doctype html><title>Refused</title><p>Error 400: invalid_request' };
    const hidden = [...asked].map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`);
    return { html: `<!doctype html><title>Sign in to the provider</title><h1>Choose what to allow</h1>
      <form method="post" action="/decide">${hidden.join('')}
      <button name="way" value="all">Allow all</button><button name="way" value="first">Allow the first only</button>
      <button name="way" value="deny">Deny</button></form>` };
  },

  // Sends the browser back, with the provider's own words where it says no.
  'POST /decide'(form) {
    const back = new URL(form.get('redirect_uri'));
    back.searchParams.set('state', form.get('state'));
    back.searchParams.set('iss', origin());
    if (form.get('way') === 'deny') {
      back.searchParams.set('error', 'access_denied');
      back.searchParams.set('error_description', MARKUP);
      return { status: 303, location: back.href };
    }
    const asked = form.get('scope').split(' ');
    const code = token('code');
    codes.set(code, {
      scopes: form.get('way') === 'first' ? asked.slice(0, 1) : asked, challenge: form.get('code_challenge'), redirect: form.get('redirect_uri'),
    });
    back.searchParams.set('code', code);
    back.searchParams.set('scope', asked.join(' '));
    return { status: 303, location: back.href };
  },

  'POST /token'(form) {
    book.tokens.push(form.get('grant_type'));
    if (form.get('client_id') !== clientId || form.get('client_secret') !== clientSecret) return refused('invalid_client', 401);
    if (form.get('grant_type') === 'refresh_token') {
      const scopes = grants.get(form.get('refresh_token'));
      return scopes ? { json: issued(form.get('refresh_token'), scopes) } : refused('invalid_grant');
    }
    const held = codes.get(form.get('code'));
    codes.delete(form.get('code'));
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
    if (!held || held.challenge !== challenge || held.redirect !== form.get('redirect_uri')) return refused('invalid_grant');
    const refresh = token('1//refresh');
    grants.set(refresh, held.scopes);
    return { json: { ...issued(refresh, held.scopes), refresh_token: refresh } };
  },

  // RFC 7009: also what is not known is answered with 200, but Google says 400.
  'POST /revoke'(form) {
    const refresh = access.get(form.get('token'))?.refresh ?? form.get('token');
    book.revoked += 1;
    return ended(refresh) ? {} : refused('invalid_token');
  },

  // What an account's owner does in the settings there: every grant is over.
  'POST /forget'() {
    for (const refresh of [...grants.keys()]) ended(refresh);
    return {};
  },

  'GET /book': () => ({ json: book }),
};

function issued(refresh, scopes) {
  const one = token('ya29');
  access.set(one, { refresh, scopes });
  return { access_token: one, expires_in: 3599, scope: scopes.join(' '), token_type: 'Bearer' };
}

function ended(refresh) {
  for (const [one, held] of access) if (held.refresh === refresh) access.delete(one);
  return grants.delete(refresh);
}

// `GET /api/NAME`: for whoever holds a token with a scope that ends with NAME.
function api(_, __, request) {
  const held = access.get((request.headers.authorization ?? '').replace(/^Bearer /, ''));
  const name = request.url.split('/').at(-1);
  if (!held) return { status: 401, json: { error: 'unauthenticated' } };
  if (!held.scopes.some((scope) => scope.endsWith(name))) return { status: 403, json: { error: 'insufficient_scope' } };
  book.calls += 1;
  return { json: { report: `The ${name} report has 42 rows` } };
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
