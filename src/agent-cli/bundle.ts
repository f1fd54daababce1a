import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../config/index.js';
import { type BundleCommand, UsageError } from './command.js';
import { validateAgent } from './local-agent.js';
import { validationText } from './report-text.js';
import type { Terminal } from './terminal.js';

const EXAMPLES = new URL('../../../examples/agents/', import.meta.url);

/** The bundler of each scripting language, by file extension. */
const BUNDLERS: Record<string, string> = {
  '.py': 'python/bundle.mjs',
  '.js': 'javascript/bundle.mjs',
  '.rb': 'ruby/bundle.mjs',
};

/**
 * Makes an agent of a script, and writes it only if an upload to a server with this configuration would accept it. The
 * bundler's messages are passed on line by line.
 *
 * @returns the exit code: 0 done, 1 no agent was made, 2 a file cannot be used
 * @throws UsageError for files that make no sense together
 * @throws AgentRefused when the binary is too large for an upload
 */
export async function bundle(command: BundleCommand, config: Environment, terminal: Terminal): Promise<number> {
  const { script, beside, target, bundler, options } = plan(command);
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-bundle-'));
  try {
    const binary = join(folder, basename(target));
    const child = spawn(process.execPath, [bundler, ...options, script, ...beside, binary], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    const ended = once(child, 'close') as Promise<[number | null]>;
    for await (const line of createInterface(child.stderr)) terminal.complain(line);
    const [code] = await ended;
    if (code !== 0) return code ?? 1;
    const validation = await validateAgent(binary, config, target);
    if (!validation.report.is_valid) {
      terminal.complain(validationText(target, validation));
      return 1;
    }
    await copyFile(binary, target).catch(({ code: reason }: NodeJS.ErrnoException) => {
      throw new UsageError(`${target} cannot be written (${reason}).`);
    });
    terminal.print(`${target} is ready.`);
    return 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * What a command means: which files are bundled into which, and by what.
 * @throws UsageError
 */
export function plan({ files, wholeLibrary }: BundleCommand) {
  const [script, ...beside] = files;
  const language = extname(script);
  const path = BUNDLERS[language];
  if (!path) {
    const known = Object.keys(BUNDLERS).join(', ');
    throw new UsageError(`"${basename(script)}" cannot be bundled. Known file extensions: ${known}.`);
  }
  const bundler = fileURLToPath(new URL(path, EXAMPLES));
  if (!existsSync(bundler)) throw new UsageError('Bundling needs the folder examples/ of the repository.');
  const target = beside.at(-1)?.endsWith('.wasm') ? beside.pop()! : `${basename(script, language)}.wasm`;
  if (!existsSync(dirname(target))) {
    throw new UsageError(`There is no folder ${dirname(target)} to write ${basename(target)} to: create it first.`);
  }
  if (language !== '.py') {
    const advice = `A script in ${language} is bundled alone: join its modules first. The binary's name ends in .wasm.`;
    if (beside.length > 0) throw new UsageError(`What is "${beside[0]}"? ${advice}`);
    if (wholeLibrary) throw new UsageError('--whole-library is for Python scripts only.');
  }
  return { script, beside, target, bundler, options: wholeLibrary ? ['--whole-library'] : [] };
}
