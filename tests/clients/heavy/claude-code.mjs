// Claude Code: the program itself, with a stand-in for its model (model.mjs) that asks for the
// tool once. What the tool said must come back to the model.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { args, desktop, expect, headerWords, run, tool, url, verdict, way } from './asked.mjs';
import { startModel } from './model.mjs';

await verdict(async () => {
  const program = join(import.meta.dirname, 'node_modules/@anthropic-ai/claude-code-linux-x64/claude');
  const home = mkdtempSync(join(tmpdir(), 'wicketgate-client-'));
  const cwd = join(home, 'project');
  mkdirSync(cwd);
  const offered = `mcp__gateway__${tool.replace(/[^A-Za-z0-9_-]/g, '_')}`;
  const model = await startModel(offered, JSON.parse(args));
  const env = {
    ...desktop(home), TERM: 'xterm-256color',
    DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1', DISABLE_ERROR_REPORTING: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${model.port}`, ANTHROPIC_API_KEY: 'stand-in',
  };
  try {
    await run(program, ['mcp', 'add', '--transport', 'http', 'gateway', url.href, ...headerWords], { env, cwd });
    if (way === 'oauth') await signIn(program, { env, cwd });
    const { output } = await run(program, ['-p', 'call the tool', '--allowedTools', offered, '--model', 'stand-in'], { env, cwd });
    const back = model.results.at(-1) ?? 'nothing';
    if (!back.includes(expect)) throw new Error(`the model was given ${back.slice(0, 200)}: ${output.slice(-300)}`);
    return { note: `its model was given the answer after ${model.turns()} turns` };
  } finally {
    model.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
});

// Its login command wants a terminal, which `script` makes.
async function signIn(program, { env, cwd }) {
  const { output } = await run('script', ['-qec', `'${program}' mcp login gateway`, '/dev/null'], { env, cwd });
  if (!/Authenticated with/.test(output)) throw new Error(`mcp login: ${output.slice(-300)}`);
}
