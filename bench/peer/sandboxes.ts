import createPlugin from '@extism/extism';
import { Queue, QueueEvents, Worker } from './bullmq.js';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker as Thread } from 'node:worker_threads';
import { engine } from '../../src/execution/sandbox/engine.js';
import { wat } from '../../test/support/wat.js';
import type { Bench } from '../bench.js';

/** Another way to run an agent: hands `input` to it and waits for its output. */
export interface Peer {
  run(input: string): Promise<string>;
  stop(): Promise<void>;
}

const file = (name: string): string => fileURLToPath(new URL(`./sandboxes/${name}.js`, import.meta.url));
const nothing = async (): Promise<void> => undefined;

/** A new Node.js process for each run, with `node:wasi`. */
export async function processPerRun(bench: Bench, wasm: Uint8Array): Promise<Peer> {
  const path = join(bench.services.folder, 'agent.wasm');
  await writeFile(path, wasm);
  const run = (input: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = execFile(process.execPath, ['--no-warnings', file('wasi-process'), path], (error, output) =>
        error ? reject(error) : resolve(output),
      );
      child.stdin!.end(input);
    });
  return { run, stop: nothing };
}

/** A new worker thread for each run; the module is compiled once and shared. */
export async function threadPerRun(wasm: Uint8Array): Promise<Peer> {
  const module = new engine.Module(wasm);
  const run = async (input: string): Promise<string> => {
    const thread = new Thread(file('thread'), { workerData: { module, input: Buffer.from(input) } });
    const [output] = (await once(thread, 'message')) as [Uint8Array];
    await thread.terminate();
    return Buffer.from(output).toString();
  };
  return { run, stop: nothing };
}

/** BullMQ's sandboxed processor: a job for each run, in processes that are kept. */
export async function bullmqProcessor(bench: Bench, wasm: Uint8Array, concurrency: number): Promise<Peer> {
  const connection = { url: bench.services.createRedisDatabase(), maxRetriesPerRequest: null };
  const queue = new Queue('agents', { connection });
  const events = new QueueEvents('agents', { connection });
  const worker = new Worker('agents', file('bullmq-processor'), { connection, concurrency });
  worker.on('error', (error) => console.error(error.message));
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()]);
  const data = { wasm: Buffer.from(wasm).toString('base64') };
  return {
    run: async (input) => (await queue.add('run', { ...data, input })).waitUntilFinished(events),
    stop: async () => {
      await worker.close(true);
      await events.close();
      await queue.close();
    },
  };
}

/** Extism: a plugin for each run in a thread of its own, as nothing may be left of the run before. */
export async function extismPlugin(): Promise<Peer> {
  const module = new engine.Module(await wat(EXTISM_PLUGIN)) as never;
  const run = async (input: string): Promise<string> => {
    const plugin = await createPlugin(module, { runInWorker: true });
    const output = await plugin.call('run', input);
    const text = output!.text();
    await plugin.close();
    return text;
  };
  return { run, stop: nothing };
}

/** Answers `{}`, by Extism's own interface. */
const EXTISM_PLUGIN = `(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "run") (result i32) (local $at i64)
    (local.set $at (call $alloc (i64.const 2)))
    (call $store (local.get $at) (i32.const 123))
    (call $store (i64.add (local.get $at) (i64.const 1)) (i32.const 125))
    (call $output (local.get $at) (i64.const 2))
    (i32.const 0)))`;
