// mcp-remote: the bridge by which desktop programs that only know stdio reach a remote server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { desktop, headerWords, identity, listAndCall, url, verdict, way } from './asked.mjs';

await verdict(async () => {
  const home = mkdtempSync(join(tmpdir(), 'wicketgate-client-'));
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [
      join(import.meta.dirname, 'node_modules/mcp-remote/dist/proxy.js'), url.href,
      '--allow-http', '--transport', 'http-only', ...headerWords,
      ...(way === 'document' ? ['--client-metadata-url', process.env.WICKETGATE_TEST_DOCUMENT] : []),
    ],
    env: { ...desktop(home), MCP_REMOTE_CONFIG_DIR: home },
    stderr: 'pipe',
  });
  let said = '';
  transport.stderr?.on('data', (d) => { said += d; });
  const client = new Client(identity, { capabilities: {} });
  try {
    await client.connect(transport, { timeout: 30_000 });
    return { note: `${await listAndCall(client)} tools over stdio` };
  } catch (e) {
    throw new Error(`${e.message}; ${said.slice(-250)}`);
  } finally {
    await client.close().catch(() => {});
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
});
