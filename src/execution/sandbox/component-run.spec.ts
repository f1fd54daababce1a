import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import {
  component,
  componentAgent as agent,
  componentCaller,
  ECHO,
  instanceBomb,
  memoryBomb,
  tupleBomb,
} from '../../../test/support/components.js';
import { prepareComponent, runComponent, type ComponentRun } from './component-run.js';
import type { PreparedComponent } from './component/prepared.js';
import { limitMemory } from './engine.js';
import { HostCalls } from './host-calls.js';

const LIMITS = {
  maxMemoryPages: 2048,
  maxTableElements: 1000,
  stackKb: 984,
  maxCpuMs: 10_000,
  maxOutputBytes: 1000,
  maxStderrBytes: 1000,
  maxStderrLines: 10,
  clockResolutionUs: 1000,
};

function run(bytes: Uint8Array | PreparedComponent, more: Partial<ComponentRun> = {}) {
  const lines: string[] = [];
  const result = runComponent({
    prepared: bytes instanceof Uint8Array ? prepareComponent(bytes) : bytes,
    input: Buffer.from('{"n":1}'),
    environment: {},
    timeoutMs: 10_000,
    limits: LIMITS,
    withheldStackKb: 0,
    onLog: (some) => lines.push(...some),
    ...more,
  });
  return { ...result, output: result.output && Buffer.from(result.output).toString(), lines };
}

const broken = (rule: RegExp) => ({
  end: 'trapped',
  trap: 'component_rule',
  stderrTail: expect.stringMatching(rule),
});
const refused = (reason: RegExp) => ({ end: 'refused', reason: expect.stringMatching(reason) });

describe('an agent as a component', () => {
  it('gets its input as text, answers with text, and is metered', () => {
    const { outcome, output, peakMemoryBytes, bytesOut, hostCalls } = run(agent());
    expect(outcome).toEqual({ end: 'completed' });
    expect(output).toBe('{"n":1}');
    expect({ peakMemoryBytes, bytesOut, hostCalls }).toEqual({ peakMemoryBytes: 131_072, bytesOut: 7, hostCalls: 0 });
  });

  it('fails with the message of its error', () => {
    const failing = ECHO.replace('(i32.const 0)', '(i32.const 1)');
    const { outcome, lines } = run(agent({ run: failing }));
    expect(outcome).toEqual({ end: 'exited', code: 1, stderrTail: '{"n":1}' });
    expect(lines).toEqual(['{"n":1}']);
  });

  it.each(['command.wasm', 'rust.wasm'])('may come from a compiler: %s', async (name) => {
    const bytes = await readFile(new URL(`../../../../test/fixtures/components/${name}`, import.meta.url));
    const limits = { ...LIMITS, maxTableElements: 10_000 };
    expect(JSON.parse(run(bytes, { limits }).output ?? '')).toEqual({ bytes: 7, input: { n: 1 } });
  });

  it('starts anew in every run', () => {
    const prepared = prepareComponent(
      agent({
        core: '(global $runs (mut i32) (i32.const 48))',
        run: `(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
          (i32.store8 (i32.const 100) (global.get $runs)) (i32.store8 (i32.const 16) (i32.const 0))
          (call $answer (i32.const 100) (i32.const 1))`,
      }),
    );
    const outputs = [1, 2].map(() => run(prepared).output);
    expect(outputs).toEqual(['1', '1']);
  });

  it('calls the host through zerostate:agent/host', () => {
    const bytes = componentCaller('kv.get');
    const asked: string[] = [];
    const calls = new HostCalls({ methods: ['kv.get'], maxCalls: 1, maxRequestBytes: 100 }, (_n, name, request) => {
      asked.push(`${name} ${Buffer.from(request).toString()}`);
      return Buffer.from('{"value":null}');
    });
    expect(run(bytes, { calls }).output).toBe('{"value":null}');
    expect(asked).toEqual(['kv.get {"n":1}']);
    expect(run(bytes).output).toContain('NOT_PERMITTED');
  });

  it('may not answer more than the limit, nor something that is no JSON', () => {
    const answer = (size: number) => `(i32.store8 (i32.const 16) (i32.const 0))
      (call $answer (i32.const 32) (i32.const ${size}))`;
    expect(run(agent({ run: answer(1001) })).outcome).toEqual({ end: 'output_too_large', limitBytes: 1000 });
    expect(run(agent({ run: answer(5) })).outcome).toMatchObject({ end: 'invalid_output' });
  });
});

describe('a component of several core modules with a memory each', () => {
  afterAll(() => limitMemory(65_536));

  /** Agents whose second module grows its memory by as many pages as it can, and fails if those are not `gets`. */
  const growing = (pages: number, gets: number) =>
    agent({
      imports: `(core module $other (memory (export "memory") ${pages})
          (func (export "grow") (result i32) (local $pages i32)
            (loop $more (if (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))
              (then (local.set $pages (i32.add (local.get $pages) (i32.const 1))) (br $more))))
            (local.get $pages)))
        (core instance $other (instantiate $other))`,
      args: '(with "other" (instance $other))',
      coreImports: '(import "other" "grow" (func $grow (result i32)))',
      run: `(if (i32.ne (call $grow) (i32.const ${gets})) (then unreachable)) ${ECHO}`,
    });
  // Assembled first: the assembler needs more memory than these limits leave to this process.
  const [small, large] = [growing(1, 9), growing(15, 0)];
  const limits = { ...LIMITS, maxMemoryPages: 20 };

  it('shares the limit of one memory between them, and is metered for their sum', () => {
    const { outcome, output, peakMemoryBytes } = run(small, { limits });
    expect({ outcome, output }).toEqual({ outcome: { end: 'completed' }, output: '{"n":1}' });
    expect(peakMemoryBytes).toBe((2 + 10) * 65_536);
  });

  it('cannot start with more than its share', () => {
    expect(run(large, { limits }).outcome).toMatchObject({ end: 'out_of_memory' });
  });
});

describe('a component that breaks a rule', () => {
  it('traps when its strings are not UTF-8, outside of memory, or its cases are unknown', () => {
    const text = '(i32.store8 (i32.const 64) (i32.const 255)) (call $answer (i32.const 64) (i32.const 1))';
    expect(run(agent({ run: text })).outcome).toMatchObject(broken(/not UTF-8/));
    const outside = '(call $answer (i32.const -1) (i32.const 1))';
    expect(run(agent({ run: outside })).outcome).toMatchObject(broken(/outside of the memory/));
    const odd = '(i32.const 17)';
    expect(run(agent({ run: odd })).outcome).toMatchObject(broken(/not a multiple of 4/));
    const unknown = '(i32.store8 (i32.const 16) (i32.const 7)) (i32.const 16)';
    expect(run(agent({ run: unknown })).outcome).toMatchObject(broken(/no case 7/));
  });

  it('traps when realloc lies, and names the function when it traps itself', () => {
    expect(run(agent({ realloc: '(i32.const -8)' })).outcome).toMatchObject(broken(/outside of the memory/));
    expect(run(agent({ realloc: 'unreachable' })).outcome).toMatchObject({ trap: 'unreachable', function: 'realloc' });
    const after = {
      core: '(func $clean (export "clean") (param i32) unreachable)',
      options: '(post-return (core func $main "clean"))',
    };
    expect(run(agent(after)).outcome).toMatchObject({ end: 'trapped', trap: 'unreachable', function: 'clean' });
  });

  it('does not call out while it allocates', () => {
    const bytes = agent({
      imports: `(import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
        (core func $random (canon lower (func $random "get-random-u64")))
        (core instance $host (export "random" (func $random)))`,
      args: '(with "host" (instance $host))',
      coreImports: '(import "host" "random" (func $random (result i64)))',
      realloc: '(drop (call $random)) (i32.const 0)',
    });
    expect(run(bytes).outcome).toMatchObject(broken(/called out while it allocated/));
  });

  it('traps when it calls itself through its own exports', () => {
    const bytes = component(`(component
      (core module $shim (type $f (func)) (table (export "table") 1 funcref)
        (func (export "again") (call_indirect (type $f) (i32.const 0))))
      (core instance $shim (instantiate $shim))
      (core module $m (import "shim" "again" (func $again)) (func (export "nothing"))
        (func (export "run") (result i32) (call $again) (i32.const 0)))
      (core instance $main (instantiate $m (with "shim" (instance $shim))))
      (func $nothing (canon lift (core func $main "nothing")))
      (core func $lowered (canon lower (func $nothing)))
      (core module $fill (import "shim" "table" (table 1 funcref)) (import "shim" "f" (func $f))
        (elem (i32.const 0) func $f))
      (alias core export $shim "table" (core table $table))
      (core instance $given (export "table" (table $table)) (export "f" (func $lowered)))
      (core instance (instantiate $fill (with "shim" (instance $given))))
      (func $run (result (result)) (canon lift (core func $main "run")))
      (instance $exported (export "run" (func $run)))
      (export "wasi:cli/run@0.2.6" (instance $exported)))`);
    expect(run(bytes).outcome).toMatchObject(broken(/called while it was in a call/));
  });

  describe('with resources', () => {
    /** Handles of two resources of its own; `$new` makes 7 of the first. */
    const resources = {
      imports: `(type $one (resource (rep i32))) (type $other (resource (rep i32)))
        (core func $new (canon resource.new $one)) (core func $rep (canon resource.rep $one))
        (core func $drop (canon resource.drop $one)) (core func $rep-other (canon resource.rep $other))
        (core instance $host (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))
          (export "rep-other" (func $rep-other)))`,
      args: '(with "host" (instance $host))',
      coreImports: `(import "host" "new" (func $new (param i32) (result i32)))
        (import "host" "rep" (func $rep (param i32) (result i32))) (import "host" "drop" (func $drop (param i32)))
        (import "host" "rep-other" (func $rep-other (param i32) (result i32)))`,
    };
    const NEW = '(local $handle i32) (local.set $handle (call $new (i32.const 7)))';
    const outcomeOf = (body: string) => run(agent({ ...resources, run: `${NEW} ${body} ${ECHO}` })).outcome;

    it('uses its own handles as it likes', () => {
      const used = '(if (i32.ne (call $rep (local.get $handle)) (i32.const 7)) (then unreachable))';
      expect(outcomeOf(`${used} (call $drop (local.get $handle))`)).toEqual({ end: 'completed' });
    });

    it('traps when it drops a handle twice, uses a dropped one, an invented one, or one of another resource', () => {
      const drop = '(call $drop (local.get $handle))';
      expect(outcomeOf(drop + drop)).toMatchObject(broken(/no handle/));
      expect(outcomeOf(`${drop} (drop (call $rep (local.get $handle)))`)).toMatchObject(broken(/no handle/));
      expect(outcomeOf('(call $drop (i32.const -1))')).toMatchObject(broken(/no handle/));
      expect(outcomeOf('(call $drop (i32.const 0))')).toMatchObject(broken(/no handle/));
      expect(outcomeOf('(drop (call $rep-other (local.get $handle)))')).toMatchObject(broken(/another resource/));
    });

    it('traps when it keeps a handle that a call has lent to it', () => {
      const lending = `
        (component $maker
          (type $of-maker (resource (rep i32)))
          (export $thing "thing" (type $of-maker))
          (core func $new (canon resource.new $of-maker))
          (core module $m (import "host" "new" (func $new (param i32) (result i32)))
            (func (export "make") (result i32) (call $new (i32.const 5))))
          (core instance $i (instantiate $m (with "host" (instance (export "new" (func $new))))))
          (func (export "make") (result (own $thing)) (canon lift (core func $i "make"))))
        (instance $maker (instantiate $maker))
        (alias export $maker "thing" (type $thing))
        (component $keeper
          (import "thing" (type $thing (sub resource)))
          (core module $m (func (export "keep") (param i32)))
          (core instance $i (instantiate $m))
          (func (export "keep") (param "it" (borrow $thing)) (canon lift (core func $i "keep"))))
        (instance $keeper (instantiate $keeper (with "thing" (type $thing))))
        (core func $make (canon lower (func $maker "make")))
        (core func $keep (canon lower (func $keeper "keep")))
        (core instance $host (export "make" (func $make)) (export "keep" (func $keep)))`;
      const coreImports = `(import "host" "make" (func $make (result i32)))
        (import "host" "keep" (func $keep (param i32)))`;
      const parts = { imports: lending, args: '(with "host" (instance $host))', coreImports };
      expect(run(agent({ ...parts, run: `(drop (call $make)) ${ECHO}` })).outcome).toEqual({ end: 'completed' });
      const keeping = run(agent({ ...parts, run: `(call $keep (call $make)) ${ECHO}` }));
      expect(keeping.outcome).toMatchObject(broken(/borrowed handle that was not dropped/));
    });

    it('traps when it has more handles than a run may have', () => {
      const flood = '(loop $more (drop (call $new (i32.const 1))) (br $more))';
      expect(outcomeOf(flood)).toMatchObject(broken(/more than 100000 handles/));
    });
  });
});

describe('a hostile component', () => {
  const NAMES = [
    '__proto__',
    'constructor',
    'then',
    `x'];globalThis.hit=1;//`,
    '*/globalThis.hit=1;/*',
    '${globalThis.hit=1}',
  ];

  it('may name its core functions as it likes: no name becomes code or a property', () => {
    for (const name of NAMES) {
      const bytes = agent({
        imports: `(core module $helper (func (export "${name}") (result i32) (i32.const 7)))
          (core instance $helper (instantiate $helper))`,
        args: `(with "${name}" (instance $helper))`,
        coreImports: `(import "${name}" "${name}" (func $seven (result i32)))`,
        run: `(if (i32.ne (call $seven) (i32.const 7)) (then unreachable)) ${ECHO}`,
      });
      expect(run(bytes).outcome).toEqual({ end: 'completed' });
    }
    expect(globalThis).not.toHaveProperty('hit');
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('is refused when it imports what the host does not provide, or provides with another type', () => {
    const importing = (name: string, type: string) =>
      run(agent({ imports: `(import "${name}" (instance ${type}))` })).outcome;
    expect(importing('wasi:sockets/tcp@0.2.0', '')).toMatchObject(refused(/wasi:sockets\/tcp@0.2.0/));
    expect(importing('wasi:cli/exit@0.3.0', '')).toMatchObject(refused(/does not provide/));
    const wrong = '(export "get-random-u64" (func (result string)))';
    expect(importing('wasi:random/random@0.2.0', wrong)).toMatchObject(refused(/as \(\) -> string, but the host/));
    const unknown = '(export "x" (type (sub resource)))';
    expect(importing('wasi:io/streams@0.2.0', unknown)).toMatchObject(refused(/resource x/));
  });

  it('is refused when it has no entry point of the right type', () => {
    expect(run(agent({ name: 'zerostate:agent/run@2.0.0' })).outcome).toMatchObject(refused(/exports neither/));
    expect(run(agent({ name: 'wasi:cli/run@0.2.0' })).outcome).toMatchObject(refused(/no function run/));
  });

  it('is refused when it multiplies memories, instances, types or nesting', () => {
    const nine = `(core module $m (memory (export "memory") 1)) ${'(core instance (instantiate $m))'.repeat(9)}`;
    expect(run(component(`(component ${nine})`)).outcome).toMatchObject(refused(/more than 8 memories/));
    const bomb = memoryBomb();
    expect(run(bomb, { limits: { ...LIMITS, maxMemoryPages: 3000 } }).outcome).toMatchObject({ end: 'out_of_memory' });
    const many = `(core module $m) ${'(core instance (instantiate $m))'.repeat(65)}`;
    expect(run(component(`(component ${many})`)).outcome).toMatchObject(refused(/more than 64 core modules/));
    expect(run(tupleBomb()).outcome).toMatchObject(refused(/more than 100000 parts/));
    expect(run(instanceBomb(15)).outcome).toMatchObject(refused(/more than 50000 definitions/));
    expect(() => prepareComponent(instanceBomb(18))).toThrow(/nested more than 16 deep/);
  });
});
