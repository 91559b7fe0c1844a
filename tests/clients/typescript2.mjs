// The official TypeScript SDK, version 2. MODE: legacy (initialize), auto (server/discover first),
// or a protocol revision, which is then the only one it accepts.
import { auth, Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { identity, listAndCall, mode, url, verdict } from './asked.mjs';
import { connected, refreshed } from './oauth.mjs';

await verdict(async () => {
  const how = mode === 'legacy' || mode === 'auto' ? mode : { pin: mode };
  const made = await connected({
    make: (options) => ({
      client: new Client(identity, { capabilities: {}, versionNegotiation: { mode: how } }),
      transport: new StreamableHTTPClientTransport(url, options),
    }),
    UnauthorizedError,
    finish: (transport, answer) => transport.finishAuth(answer),
  });
  const tools = await listAndCall(made.client);
  await refreshed(made, auth);
  const protocol = made.client.getNegotiatedProtocolVersion();
  await made.client.close();
  return { protocol, tools };
});
