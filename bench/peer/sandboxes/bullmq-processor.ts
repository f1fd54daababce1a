import type { Job } from 'bullmq';
import { engine } from '../../../src/execution/sandbox/engine.js';
import { runInProcess } from './in-process.js';

const modules = new Map<string, InstanceType<typeof engine.Module>>();

/** BullMQ keeps the process; the compiled module stays in it, as in ours. */
export default async function process({ data }: Job<{ wasm: string; input: string }>): Promise<string> {
  let module = modules.get(data.wasm);
  if (!module) modules.set(data.wasm, (module = new engine.Module(Buffer.from(data.wasm, 'base64'))));
  return Buffer.from(runInProcess(module, Buffer.from(data.input))).toString();
}
