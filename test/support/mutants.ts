import { component, componentAgent } from './components.js';

/** A command that does nothing. */
export const COMMAND = `(component
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.6" (instance $exported)))`;

/** Sound components: an agent with an import, and a command. */
export const seeds = (): Uint8Array[] => [
  componentAgent({ imports: '(import "wasi:io/poll@0.2.3" (instance))' }),
  component(COMMAND),
];

const HEADER_BYTES = 8;

/** Components with one to three changed bytes, the same ones for a seed. Their headers stay as they were. */
export function* mutants(count: number, seed: number, originals = seeds()): Generator<Uint8Array> {
  const random = generator(seed);
  for (let round = 0; round < count; round++) {
    const mutant = Uint8Array.from(originals[round % originals.length]);
    for (let changes = random(3); changes >= 0; changes--) {
      mutant[HEADER_BYTES + random(mutant.length - HEADER_BYTES)] = random(256);
    }
    yield mutant;
  }
}

/** A linear congruential generator: numbers below a bound, the same ones in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
