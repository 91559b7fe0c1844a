// The official TypeScript SDK, version 1.
import { auth, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { identity, listAndCall, url, verdict } from './asked.mjs';
import { connected, refreshed } from './oauth.mjs';

await verdict(async () => {
  const made = await connected({
    make: (options) => ({
      client: new Client(identity, { capabilities: {} }),
      transport: new StreamableHTTPClientTransport(url, options),
    }),
    UnauthorizedError,
    finish: (transport, answer) => transport.finishAuth(answer.get('code')),
  });
  const tools = await listAndCall(made.client);
  await refreshed(made, auth);
  const protocol = made.transport.protocolVersion;
  await made.client.close();
  return { protocol, tools };
});
