import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

/** A process for one run: compiles the agent it is told and runs it on its own standard streams. */
const wasi = new WASI({ version: 'preview1', args: ['agent'], env: {} });
const { Module, Instance } = (globalThis as any).WebAssembly;
const module = new Module(readFileSync(process.argv[2]));
wasi.start(new Instance(module, wasi.getImportObject()));
