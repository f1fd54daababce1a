import { readSync, writeSync } from 'node:fs';
import {
  decodeFrame,
  encodeFrame,
  frameLengths,
  PREFIX_BYTES,
  type Frame,
  type FromSandbox,
  type ToSandbox,
} from '../frames.js';
import { isComponent } from '../../common/component/header.js';
import { runAgent, type AgentResult } from './agent-run.js';
import type { ComponentRun } from './component-run.js';
import type { PreparedComponent } from './component/prepared.js';
import { collectGarbage, limitMemory, limitTables } from './engine.js';
import { HostCalls } from './host-calls.js';
import { compileObserved, type Observation } from './observation.js';
import { unstartable } from './post-mortem.js';
import { printable } from '../../common/printable.js';

const STDIN = 0;
const STDOUT = 1;
/** Beyond it, memory that a run has left over is worth a collection. */
const LARGE_BYTES = 16 * 1024 * 1024;

/**
 * The sandbox process: serves one agent version, one run after the other, as the frames on standard input say, until
 * that ends. Everything blocks, on purpose: the process has nothing else to do, and the server kills it at the deadline.
 */
let loaded: Loaded = { fault: 'no module was loaded' };
/** Of this process when it had last sent its report: compiling counts as the run's that follows. */
let cpuBefore = totalCpuMs();
send({ kind: 'ready' });
for (;;) {
  const goesOn = serveNext();
  // Only components are waited for: their code is loaded with the first of them.
  if (!(typeof goesOn === 'boolean' ? goesOn : await goesOn)) break;
}

/** A function of its own, so that nothing of a frame is held while the process waits for the next. */
function serveNext(): boolean | Promise<boolean> {
  const frame = receive();
  if (!frame) return false;
  const message = frame.header as ToSandbox;
  if (message.kind === 'load') {
    limitTables(message.maxTableElements);
    limitMemory(message.maxMemoryPages);
    if (isComponent(frame.payload)) return loadComponent(frame.payload);
    loaded = compile(frame.payload);
    return true;
  }
  if (message.kind !== 'run') throw new Error(`${message.kind} without a call`);
  const { outcome, output, ...use } = run(message, frame.payload);
  const usage = { ...use, cpuMs: totalCpuMs() - cpuBefore };
  // Before the report: after it, the server looks at the memory that the process keeps.
  if (use.peakMemoryBytes + frame.payload.length + use.bytesOut > LARGE_BYTES) collectGarbage();
  send({ kind: 'report', outcome, usage }, output);
  cpuBefore = totalCpuMs();
  return true;
}

type Loaded =
  | { observation: Observation }
  | { prepared: PreparedComponent; runComponent: (run: ComponentRun) => AgentResult }
  | { fault: string };

function compile(bytes: Uint8Array): Loaded {
  try {
    return { observation: compileObserved(bytes) };
  } catch (error) {
    return faultOf(error);
  }
}

function faultOf(error: unknown): Loaded {
  return { fault: printable((error as Error).message.replace(/^WebAssembly\.Module\(\): /, '')) };
}

async function loadComponent(bytes: Uint8Array): Promise<true> {
  const { prepareComponent, runComponent } = await import('./component-run.js');
  try {
    loaded = { prepared: prepareComponent(bytes), runComponent };
  } catch (error) {
    loaded = faultOf(error);
  }
  return true;
}

function run(message: Extract<ToSandbox, { kind: 'run' }>, input: Uint8Array): AgentResult {
  if ('fault' in loaded) {
    return { outcome: unstartable(loaded.fault, message.limits), peakMemoryBytes: 0, bytesOut: 0, hostCalls: 0 };
  }
  limitMemory(message.limits.maxMemoryPages);
  const calls = message.hostCalls && new HostCalls(message.hostCalls, exchange);
  const wasi = { ...message, input, calls, onLog: (lines: string[]) => send({ kind: 'log', lines }) };
  if ('prepared' in loaded) return loaded.runComponent({ ...wasi, prepared: loaded.prepared });
  return runAgent({ ...wasi, observation: loaded.observation });
}

/** Sends a call to the server and waits for its answer. */
function exchange(n: number, name: string, request: Uint8Array): Uint8Array {
  send({ kind: 'call', n, name }, request);
  const frame = receive();
  // The server has gone, or kills this process: nobody waits for the rest of the run.
  if (!frame) process.exit();
  const message = frame.header as ToSandbox;
  if (message.kind !== 'answer' || message.n !== n) throw new Error(`${message.kind} in place of an answer`);
  return frame.payload;
}

function totalCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The next frame, or undefined when the server has closed the stream. */
function receive(): Frame | undefined {
  const prefix = read(PREFIX_BYTES);
  if (!prefix) return undefined;
  const lengths = frameLengths(prefix);
  const header = read(lengths.header);
  const payload = read(lengths.payload);
  return header && payload && decodeFrame(header, payload);
}

function read(length: number): Uint8Array | undefined {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const count = readSync(STDIN, bytes, filled, length - filled, null);
    if (count === 0) return undefined;
    filled += count;
  }
  return bytes;
}

function send(message: FromSandbox, payload?: Uint8Array): void {
  for (const piece of encodeFrame(message, payload)) {
    for (let written = 0; written < piece.length;) written += writeSync(STDOUT, piece, written);
  }
}
