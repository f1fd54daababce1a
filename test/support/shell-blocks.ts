import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The fenced blocks marked `sh` of a document, in order. */
export function shellBlocks(path: string): string[] {
  const text = readFileSync(`${ROOT}${path}`, 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block);
}

/**
 * Runs a document's `sh` blocks as a reader would: one after the other, in one shell, from the root of the repository.
 * The first command that fails ends it.
 * @param env comes on top of the environment of the tests
 * @returns everything written, each block's commands before what they wrote
 */
export async function runShellBlocks(
  path: string,
  env: Record<string, string>,
): Promise<{ code: number; log: string }> {
  const script = ['set -euo pipefail -o verbose', ...shellBlocks(path)].join('\n');
  const shell = spawn('bash', ['-s'], { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  shell.stdin.end(script);
  const [code] = (await once(shell, 'close')) as [number];
  return { code, log };
}
