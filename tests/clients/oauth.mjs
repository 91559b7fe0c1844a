// What the TypeScript SDKs ask of a program that signs in: a provider that keeps all in memory and
// hands the page to a person (person.mjs).
import { createServer } from 'node:net';
import { identity, key, url, way } from './asked.mjs';
import { walk } from './person.mjs';

// Connects as asked. `make` gives a client and its transport; `finish` hands the address that the
// person came back with to the transport. In the OAuth way nothing may be let in before the sign-in.
export async function connected({ make, UnauthorizedError, finish }) {
  if (way === 'bearer') {
    const made = make({ requestInit: { headers: { authorization: `Bearer ${key}` } } });
    await made.client.connect(made.transport);
    return made;
  }
  const authProvider = await provider();
  const stranger = make({ authProvider });
  const refused = await stranger.client.connect(stranger.transport).then(() => undefined, (e) => e);
  if (!refused) throw new Error('let in before anybody signed in');
  if (!(refused instanceof UnauthorizedError)) throw refused;
  await finish(stranger.transport, authProvider.kept.answer.searchParams);
  const made = make({ authProvider });
  await made.client.connect(made.transport);
  return { ...made, authProvider };
}

// A second pair of tokens from the refresh token, and a call that is made with it.
export async function refreshed({ client, authProvider }, auth) {
  if (!authProvider) return;
  const before = authProvider.kept.tokens;
  const came = await auth(authProvider, { serverUrl: url });
  const after = authProvider.kept.tokens;
  if (came !== 'AUTHORIZED' || after.access_token === before.access_token) throw new Error(`the refresh came to ${came}`);
  await client.listTools();
  if (authProvider.kept.visits !== 1) throw new Error(`the person was asked ${authProvider.kept.visits} times`);
}

async function provider() {
  const kept = { visits: 0 };
  const redirect = `http://127.0.0.1:${await freePort()}/callback`;
  return {
    kept,
    redirectUrl: redirect,
    clientMetadata: {
      client_name: identity.name, redirect_uris: [redirect], grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'], token_endpoint_auth_method: 'none',
    },
    ...(way === 'document' && { clientMetadataUrl: process.env.WICKETGATE_TEST_DOCUMENT }),
    state: () => { kept.state = crypto.randomUUID(); return kept.state; },
    clientInformation: () => kept.client,
    saveClientInformation: (client) => { kept.client = client; },
    tokens: () => kept.tokens,
    saveTokens: (tokens) => { kept.tokens = tokens; },
    codeVerifier: () => kept.verifier,
    saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
    // The refresh goes back to where the first round was: the challenge is not seen again.
    discoveryState: () => kept.discovery,
    saveDiscoveryState: (state) => { kept.discovery = state; },
    async redirectToAuthorization(page) {
      kept.visits += 1;
      kept.answer = await walk(page, { key });
      const got = kept.answer.searchParams;
      if (got.get('state') !== kept.state) throw new Error('the state did not come back');
      if (!got.has('iss')) throw new Error('no iss came back');
      if (way === 'document' && page.searchParams.get('client_id') !== process.env.WICKETGATE_TEST_DOCUMENT) throw new Error('it registered instead of naming its document');
    },
  };
}

export const freePort = () => new Promise((free) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => free(port));
  });
});
