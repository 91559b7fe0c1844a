// The official TypeScript SDK, version 1.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { identity, listAndCall, transportOptions, url, verdict } from './asked.mjs';

await verdict(async () => {
  const transport = new StreamableHTTPClientTransport(url, transportOptions);
  const client = new Client(identity, { capabilities: {} });
  await client.connect(transport);
  const tools = await listAndCall(client);
  const protocol = transport.protocolVersion;
  await client.close();
  return { protocol, tools };
});
