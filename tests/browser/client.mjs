// The program that wants to be let in, as far as a browser test has to know it: registration, the
// authorization address, the listener it is called back on, tokens, calls.
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const REVISION = '2025-11-25';

// Listens on loopback as a desktop program does. Under `localhost`, which is another site than
// `127.0.0.1`, the same listener serves pages of a stranger, put there with `strange`.
export async function startListener() {
  const came = [];
  const pages = new Map();
  const server = createServer((request, response) => {
    const url = new URL(request.url, `http://${request.headers.host}`);
    const page = pages.get(url.pathname);
    if (url.pathname === '/callback') came.push(url);
    response.writeHead(page || url.pathname === '/callback' ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
    response.end(page ?? '<!doctype html><title>Back</title><p>Back in the program</p>');
  });
  await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
  const { port } = server.address();
  return {
    redirect: `http://127.0.0.1:${port}/callback`,
    origins: [`http://127.0.0.1:${port}`, `http://localhost:${port}`],
    strange(path, html) { pages.set(path, html); return `http://localhost:${port}${path}`; },
    // What came back with that state; undefined when nothing did.
    back: (state) => came.find((url) => url.searchParams.get('state') === state)?.searchParams,
    count: () => came.length,
    stop() { server.closeAllConnections(); server.close(); },
  };
}

export class Program {
  constructor(origin, redirect) {
    this.origin = origin;
    this.redirect = redirect;
  }

  // Registers under that name. Gives the program itself.
  async register(name) {
    const answer = await this.post('/register', JSON.stringify({
      client_name: name, redirect_uris: [this.redirect], token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    }), 'application/json');
    if (answer.status !== 201) throw new Error(`registration: ${answer.status} ${await answer.text()}`);
    this.id = (await answer.json()).client_id;
    return this;
  }

  // A fresh request for authorization: the page's address and what belongs to it.
  asks(changes = {}) {
    const verifier = randomBytes(32).toString('base64url');
    const state = randomBytes(12).toString('base64url');
    const page = new URL('/authorize', this.origin);
    page.search = new URLSearchParams({
      response_type: 'code', client_id: this.id, redirect_uri: this.redirect, state, scope: 'mcp:tools',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
      resource: `${this.origin}/mcp`, ...changes,
    });
    return { page: page.href, state, verifier };
  }

  // The token endpoint: status and JSON.
  async redeem(code, verifier) {
    return this.token({ grant_type: 'authorization_code', code, redirect_uri: this.redirect, code_verifier: verifier });
  }

  async refresh(refresh_token) {
    return this.token({ grant_type: 'refresh_token', refresh_token });
  }

  async token(fields) {
    const body = new URLSearchParams({ ...fields, client_id: this.id, resource: `${this.origin}/mcp` });
    const answer = await this.post('/token', body, 'application/x-www-form-urlencoded');
    return { status: answer.status, ...await answer.json() };
  }

  // A tool call with that token: the HTTP status, and the text if it was 200.
  async call(token, tool, args) {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: JSON.parse(args) } };
    const answer = await fetch(new URL('/mcp', this.origin), {
      method: 'POST', body: JSON.stringify(message),
      headers: {
        authorization: `Bearer ${token}`, 'content-type': 'application/json',
        accept: 'application/json, text/event-stream', 'mcp-protocol-version': REVISION,
      },
    });
    return { status: answer.status, text: await answer.text() };
  }

  post(path, body, type) {
    return fetch(new URL(path, this.origin), { method: 'POST', body, headers: { 'content-type': type } });
  }
}
