import { readFile } from 'node:fs/promises';
import { parseEnvironment } from '../../src/config/index.js';
import { checkComponent } from '../../src/validation/check/component.js';
import { wasmTools } from '../../src/validation/check/wasm-tools.js';
import { moduleLimits } from '../../src/validation/module-limits.js';
import { Sandbox } from '../../bench/support/sandbox.js';
import { mutants, seeds } from '../support/mutants.js';

// Checks and runs mutated components: `npm run mutants -- [count] [seed]`, 20,000 and 1 unless given.
// It fails when a mutant breaks the check, is accepted although wasm-tools refuses it, or crashes its
// sandbox process.

/** The sandbox ends a mutant that runs longer, ms. */
const DEADLINE_MS = 200;
/** Refused mutants run as well, one in so many: the sandbox must hold without the check. */
const REFUSED_SHARE = 20;
const [count = 20_000, seed = 1] = process.argv.slice(2).map(Number);

const limits = moduleLimits(parseEnvironment({}).validation);
const command = await readFile(new URL('../../../test/fixtures/components/command.wasm', import.meta.url));
const sandbox = await Sandbox.open();
const tally: Record<string, number> = {};
const faults: string[] = [];
const note = (what: string): void => void (tally[what] = (tally[what] ?? 0) + 1);

let number = 0;
let refusals = 0;
for (const mutant of mutants(count, seed, [...seeds(), command])) {
  number++;
  const refusal = judge(mutant);
  if (refusal !== null && refusals++ % REFUSED_SHARE !== 0) continue;
  try {
    const request = { binary: sandbox.store(mutant), input: '{"n":1}', timeoutMs: DEADLINE_MS };
    const { outcome } = await sandbox.service.run(request);
    note(`ran: ${outcome.end}`);
    if (outcome.end === 'crashed') fault(`its sandbox process crashed: ${outcome.reason}`);
  } catch (error) {
    fault(`the sandbox failed: ${(error as Error).message}`);
  }
}
await sandbox.close();
console.table(tally);
for (const line of faults) console.error(line);
console.log(`${number - faults.length} passed, ${faults.length} failed`);
process.exitCode = faults.length > 0 ? 1 : 0;

/** @returns the code of the refusal, or null */
function judge(mutant: Uint8Array): string | null {
  try {
    const code = checkComponent(mutant, limits).refusal?.code ?? null;
    note(code === null ? 'check: accepted' : 'check: refused');
    if (code === null && !isValid(mutant)) fault('it was accepted although wasm-tools refuses it');
    return code;
  } catch (error) {
    fault(`the check threw: ${(error as Error).message}`);
    return 'THREW';
  }
}

function isValid(mutant: Uint8Array): boolean {
  try {
    return 'ok' in wasmTools().componentWit(mutant);
  } catch {
    return false;
  }
}

function fault(what: string): void {
  faults.push(`mutant ${number} of seed ${seed}: ${what}`);
}
