import { syncBuiltinESMExports } from 'node:module';
import vm from 'node:vm';

/**
 * Runs in each confined process before its own scripts. `vm` compiles text even where code generation from strings is off,
 * and `process.binding` leads to what `vm` is made of, so both are taken away.
 */
for (const name of Object.keys(vm)) Object.defineProperty(vm, name, { value: undefined });
syncBuiltinESMExports();
Object.defineProperty(process, 'binding', { value: undefined });
