// What every JavaScript client shares: what it was asked, and its verdict.
//   node CLIENT.mjs URL WAY KEY TOOL ARGS-JSON EXPECT [MODE]
// WAY: bearer (the key in a header), oauth (from the bare URL, the key on the sign-in page), or document
// (the same, but the client names itself by the address in WICKETGATE_TEST_DOCUMENT).
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const [address, way, key, tool, args, expect, mode] = process.argv.slice(2);
if (!expect) {
  console.error('usage: node CLIENT.mjs URL WAY KEY TOOL ARGS-JSON EXPECT [MODE]');
  process.exit(2);
}
export const url = new URL(address);
export { args, expect, key, mode, tool, way };
export const identity = { name: 'wicketgate-test', version: '1' };

// The words of a program that takes a header, and the surroundings of one that opens a browser.
export const headerWords = way === 'bearer' ? ['--header', `Authorization: Bearer ${key}`] : [];
export const desktop = (home) => ({
  PATH: `${import.meta.dirname}:${process.env.PATH}`, HOME: home, LANG: 'C.UTF-8', NO_PROXY: '127.0.0.1,localhost',
  BROWSER: join(import.meta.dirname, 'xdg-open'), WICKETGATE_TEST_KEY: key,
});

// Lists the tools, calls one and looks at its answer.
export async function listAndCall(client) {
  const { tools } = await client.listTools();
  if (!tools.some((t) => t.name === tool)) throw new Error(`${tool} is not among ${tools.map((t) => t.name)}`);
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  const text = (result.content ?? []).map((part) => part.text ?? '').join('');
  if (result.isError) throw new Error(`the tool failed: ${text.slice(0, 200)}`);
  if (!text.includes(expect)) throw new Error(`expected ${JSON.stringify(expect)} in ${JSON.stringify(text.slice(0, 200))}`);
  return tools.length;
}

// Runs a program to its end: its exit status and all it printed.
export function run(command, words, { env = {}, ...options } = {}) {
  const child = spawn(command, words, { ...options, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (d) => { output += d; });
  child.stderr.on('data', (d) => { output += d; });
  const late = setTimeout(() => child.kill('SIGKILL'), 35_000);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (status) => { clearTimeout(late); done({ status, output }); });
  });
}

// Prints one line and ends the process: an open stream must not keep it alive.
export async function verdict(work) {
  const late = setTimeout(() => end('timed out after 40 s', 1), 40_000);
  try {
    const { protocol, tools, note } = await work();
    clearTimeout(late);
    end(note ?? `protocol ${protocol}, ${tools} tools`, 0);
  } catch (e) {
    end(`${e.name}: ${String(e.message).replace(/\s+/g, ' ').slice(0, 400)}`, 1);
  }
}

function end(line, status) {
  process.stdout.write(`${line}\n`, () => process.exit(status));
}
