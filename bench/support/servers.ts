import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../bin/server.js', import.meta.url));
/** To be imported by a server whose memory is asked for. */
export const MEMORY_PROBE = new URL('memory-probe.js', import.meta.url).href;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;
const LOG_TAIL_CHARACTERS = 8000;

/** A process that was forked and has said that it serves. */
export interface Process {
  pid: number;
  /** Where it serves; '' when it does not listen. */
  url: string;
  /** Sends it a command over IPC. @returns its next message of the type `answer`; ask one thing at a time */
  ask<Answer>(command: object): Promise<Answer>;
  /** Asks it to drain and end. */
  stop(): Promise<void>;
}

/** The real server, `node dist-test/bin/server.js`. @param profileDir where it leaves a CPU profile when it ends */
export const startServer = (env: Record<string, string>, profileDir: string | undefined): Promise<Process> =>
  startProcess(
    [`--import=${MEMORY_PROBE}`, ...(profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : []), MAIN],
    env,
  );

/** Starts a Node.js program that says `{ type: 'listening', url }` or `{ type: 'ready' }` over IPC when it serves. */
export async function startProcess(args: string[], env: Record<string, string>): Promise<Process> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let log = '';
  const collect = (chunk: Buffer): void => void (log = (log + chunk.toString()).slice(-LOG_TAIL_CHARACTERS));
  child.stdout!.on('data', collect);
  child.stderr!.on('data', collect);
  const url = await announcement(child);
  if (url === undefined) {
    child.kill('SIGKILL');
    throw new Error(`${args.at(-1)} does not start. Its log ends with:\n${log}`);
  }
  child.once('exit', (code, signal) => {
    if (!child.killed) console.error(`${args.at(-1)} ended (${signal ?? code}). Its log ends with:\n${log}`);
  });
  return { pid: child.pid!, url, ask: (command) => ask(child, command), stop: () => stop(child) };
}

async function ask<Answer>(child: ChildProcess, command: object): Promise<Answer> {
  const answered = new Promise<Answer>((resolve, reject) => {
    const listen = (message: { type?: string; answer: Answer; error?: string }): void => {
      if (message.type !== 'answer') return;
      settle();
      if (message.error === undefined) resolve(message.answer);
      else reject(new Error(message.error));
    };
    const fail = (): void => {
      settle();
      reject(new Error('the process that was asked has ended'));
    };
    const settle = (): void => void child.off('message', listen).off('exit', fail);
    child.on('message', listen).once('exit', fail);
  });
  child.send(command);
  return answered;
}

/** @returns undefined when it dies or says nothing in time */
async function announcement(child: ChildProcess): Promise<string | undefined> {
  const announced = new Promise<string>((resolve) => {
    child.on('message', ({ type, url = '' }: { type?: string; url?: string }) => {
      if (type === 'listening' || type === 'ready') resolve(url);
    });
  });
  const giveUp = new AbortController();
  const late = pause(START_TIMEOUT_MS, undefined, { signal: giveUp.signal }).catch(() => undefined);
  const outcome = await Promise.race([announced, once(child, 'exit').then(() => undefined), late]);
  giveUp.abort();
  return outcome;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  child.kill('SIGTERM');
  await once(child, 'exit');
  clearTimeout(late);
}
