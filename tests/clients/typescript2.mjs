// The official TypeScript SDK, version 2. MODE: legacy (initialize), auto (server/discover first),
// or a protocol revision, which is then the only one it accepts.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { identity, listAndCall, mode, transportOptions, url, verdict } from './asked.mjs';

await verdict(async () => {
  const how = mode === 'legacy' || mode === 'auto' ? mode : { pin: mode };
  const client = new Client(identity, { capabilities: {}, versionNegotiation: { mode: how } });
  await client.connect(new StreamableHTTPClientTransport(url, transportOptions));
  const tools = await listAndCall(client);
  const protocol = client.getNegotiatedProtocolVersion();
  await client.close();
  return { protocol, tools };
});
