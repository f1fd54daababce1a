import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from './command.js';

const EXAMPLES = new URL('../../../examples/agents/', import.meta.url);

/** The bundler of each scripted language, by the ending of the script's name. */
const BUNDLERS: Record<string, string> = {
  '.py': 'python/bundle.mjs',
  '.js': 'javascript/bundle.mjs',
  '.rb': 'ruby/bundle.mjs',
};

/**
 * Makes an agent of a script with the bundler of its language, which reports to the terminal by itself.
 *
 * @param files the script, then what the bundler packs beside it, then the binary to write. Without a binary it is
 *   written into the current folder under the script's name.
 * @param options passed on to the bundler as they are
 * @returns the bundler's exit code
 * @throws UsageError for a language without a bundler
 */
export async function bundle(files: readonly string[], options: readonly string[] = []): Promise<number> {
  const [script] = files;
  const language = extname(script);
  const path = BUNDLERS[language];
  if (!path) {
    const known = Object.keys(BUNDLERS).join(', ');
    throw new UsageError(`"${basename(script)}" is not a script that can be bundled. Known endings: ${known}.`);
  }
  const bundler = fileURLToPath(new URL(path, EXAMPLES));
  if (!existsSync(bundler)) throw new UsageError('Bundling needs the folder examples/ of the repository.');
  const named = files.length > 1 && files.at(-1)!.endsWith('.wasm');
  const target = named ? [] : [`${basename(script, language)}.wasm`];
  const child = spawn(process.execPath, [bundler, ...options, ...files, ...target], { stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) console.log(`${[...files, ...target].at(-1)} is ready.`);
  return code ?? 1;
}
