import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The server's validator and sandbox, with its bundlers and templates. The package holds them in `local`; a repository
 * that runs this command from its sources names itself by `ZEROSTATE_REPOSITORY`.
 */
function place(): { program: string[]; examples: string } {
  const repository = process.env.ZEROSTATE_REPOSITORY;
  if (repository) {
    return { program: [join(repository, 'scripts/run.js'), 'agent'], examples: join(repository, 'examples/agents') };
  }
  const local = fileURLToPath(new URL('../../local/', import.meta.url));
  if (!existsSync(join(local, 'dist/main.js')))
    throw new Error('This build of the command has no sandbox in it. In the repository, use: npm run zerostate -- …');
  return { program: [join(local, 'dist/main.js')], examples: join(local, 'examples/agents') };
}

export const examplesFolder = (): string => place().examples;

/**
 * Runs `bundle`, `validate` or `run` on this machine.
 * @param quiet sends standard output to standard error
 * @returns the exit code
 */
export function runAgentTool(
  args: string[],
  { cwd, signal, quiet }: { cwd: string; signal?: AbortSignal; quiet?: boolean },
) {
  return runProgram(process.execPath, [...place().program, ...args], { cwd, signal, quiet });
}

interface RunOptions {
  cwd: string;
  signal?: AbortSignal;
  quiet?: boolean;
}

/** @returns the exit code; 1 after a signal. @throws Error when it cannot be started */
export function runProgram(command: string, args: string[], { cwd, signal, quiet }: RunOptions): Promise<number> {
  const child = spawn(command, args, {
    cwd,
    stdio: ['inherit', quiet ? 2 : 'inherit', 'inherit'],
  });
  const stop = () => child.kill();
  signal?.addEventListener('abort', stop, { once: true });
  return new Promise<number>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error(`${command} is not installed here.`) : error),
    );
    child.once('close', (code) => resolve(code ?? 1));
  }).finally(() => signal?.removeEventListener('abort', stop));
}
