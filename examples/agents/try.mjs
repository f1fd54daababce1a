/**
 * Runs an example agent on this machine, without the server.
 *
 *   node try.mjs word-count                        on its sample
 *   node try.mjs word-count < input.json           on any input
 *   node try.mjs --check word-count text-summary   compares what each makes of its sample with sample-output.json
 *
 * `node:wasi` is no sandbox: run only agents you trust. It is experimental too, and may crash on inputs of a megabyte and
 * more. The server runs agents behind a WASI host of its own.
 */
import { openSync, readFileSync, rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { WASI } from 'node:wasi';

const folderOf = (agent) => join(import.meta.dirname, agent);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

const [first, ...others] = process.argv.slice(2);
if (!first) {
  console.error('Name an agent, such as word-count.');
  process.exitCode = 2;
} else if (first === '--check') {
  for (const agent of others) await check(agent);
} else {
  const input = process.stdin.isTTY ? openSync(join(folderOf(first), 'sample-input.json')) : 0;
  process.exitCode = await run(first, { stdin: input, stdout: 1, stderr: 2 });
}

/** @returns the agent's exit code */
async function run(agent, streams) {
  const wasi = new WASI({ version: 'preview1', returnOnExit: true, ...streams });
  const module = await WebAssembly.compile(readFileSync(join(folderOf(agent), `${agent}.wasm`)));
  const instance = await WebAssembly.instantiate(module, {
    wasi_snapshot_preview1: wasi.wasiImport,
    // AssemblyScript without its WASI shim imports this one.
    env: {
      abort: () => {
        throw new Error('The agent aborted.');
      },
    },
  });
  return wasi.start(instance);
}

async function check(agent) {
  const folder = mkdtempSync(join(tmpdir(), 'agent-'));
  const output = join(folder, 'output.json');
  const input = openSync(join(folderOf(agent), 'sample-input.json'));
  const exitCode = await run(agent, {
    stdin: input,
    stdout: openSync(output, 'w'),
    stderr: openSync('/dev/null', 'w'),
  });
  const passed =
    exitCode === 0 && isDeepStrictEqual(readJson(output), readJson(join(folderOf(agent), 'sample-output.json')));
  rmSync(folder, { recursive: true });
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${agent}`);
  if (!passed) process.exitCode = 1;
}
