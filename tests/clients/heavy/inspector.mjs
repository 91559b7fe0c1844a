// The MCP Inspector's command line. MODE: legacy or modern.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { args, desktop, expect, headerWords, mode, run, tool, url, verdict, way } from './asked.mjs';
import { freePort } from './oauth.mjs';

await verdict(async () => {
  const home = mkdtempSync(join(tmpdir(), 'wicketgate-client-'));
  const launcher = join(import.meta.dirname, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
  const { status, output } = await run(process.execPath, [
    launcher, '--cli', url.href, '--transport', 'http', '--protocol-era', mode, '--method', 'tools/call',
    '--tool-name', tool, '--tool-args-json', args, '--format', 'json', ...headerWords,
    ...(way === 'document' ? ['--client-metadata-url', process.env.WICKETGATE_TEST_DOCUMENT] : []),
    ...(way !== 'bearer' ? ['--callback-url', `http://127.0.0.1:${await freePort()}/oauth/callback`] : []),
  ], { env: { ...desktop(home), MCP_AUTO_OPEN_ENABLED: 'true' } });
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  if (status !== 0) throw new Error(`exit status ${status}: ${output.slice(-300)}`);
  if (!output.includes(expect)) throw new Error(`no answer in ${output.slice(0, 300)}`);
  return { note: `called in the ${mode} era` };
});
