import { parentPort, workerData } from 'node:worker_threads';
import type { CompiledModule } from '../../../src/execution/sandbox/engine.js';
import { runInProcess } from './in-process.js';

/** A thread for one run: gets the compiled module and the input, answers the output. */
const { module, input } = workerData as { module: CompiledModule; input: Uint8Array };
parentPort!.postMessage(runInProcess(module, input));
