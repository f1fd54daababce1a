import { describe, expect, it } from '@jest/globals';
import { component, componentAgent, instanceBomb, memoryBomb, tupleBomb } from '../../../test/support/components.js';
import { COMMAND, mutants } from '../../../test/support/mutants.js';
import { parseEnvironment } from '../../config/index.js';
import { componentRefusal, worldOf } from '../component-policy.js';
import { moduleLimits } from '../module-limits.js';
import { checkComponent } from './component.js';
import { wasmTools } from './wasm-tools.js';

const LIMITS = moduleLimits(parseEnvironment({}).validation);

function check(bytes: Uint8Array, limits = LIMITS) {
  const { module, refusal } = checkComponent(bytes, limits);
  return { module, refusal: refusal ?? componentRefusal(module) };
}

const codeOf = (bytes: Uint8Array): string | undefined => check(bytes).refusal?.code;
const importing = (name: string) => check(componentAgent({ imports: `(import "${name}" (instance))` })).refusal;

describe('the check of a component', () => {
  it('describes an agent, with the sizes of what is inside', () => {
    const { module, refusal } = check(componentAgent({ imports: '(import "wasi:io/poll@0.2.3" (instance))' }));
    expect(refusal).toBeNull();
    expect(module).toMatchObject({
      version: null,
      imports: [{ module: 'wasi:io/poll@0.2.3', name: '', kind: 'instance', type: '' }],
      exports: [{ name: 'zerostate:agent/run@1.0.0', kind: 'instance', type: '' }],
      memory: { minPages: 2 },
      functions: 3,
      globals: 1,
      component: { coreModules: [{ functions: 3 }] },
    });
    expect(worldOf(module)).toBe('zerostate:agent/agent');
    expect(worldOf(check(component(COMMAND)).module)).toBe('wasi:cli/command');
  });

  it('refuses what is damaged, invalid, or invalid for the engine', () => {
    expect(codeOf(componentAgent().subarray(0, -20))).toBe('INVALID_COMPONENT');
    expect(codeOf(component('(component (core module (func (result i32))))'))).toBe('INVALID_MODULE');
    const unknownType = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 7, 3, 1, 0x70, 9);
    expect(check(unknownType).refusal).toMatchObject({
      code: 'INVALID_COMPONENT',
      message: expect.stringMatching(/unknown type 9/),
    });
  });

  it('refuses what only the next WASI has', () => {
    const future = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 7, 3, 1, 0x65, 0);
    expect(check(future).refusal).toMatchObject({
      code: 'COMPONENT_NOT_SUPPORTED',
      message: expect.stringMatching(/asynchronous.*WASI 0.3/),
    });
  });

  it('refuses an entry point that is missing, of another type, or of another version', () => {
    expect(codeOf(component('(component)'))).toBe('ENTRY_POINT_MISSING');
    const typed = COMMAND.replace('(result (result))', '(result u32)');
    expect(check(component(typed)).refusal).toMatchObject({
      code: 'ENTRY_POINT_SIGNATURE',
      message: expect.stringMatching(/run: func\(\) -> result/),
    });
    expect(codeOf(componentAgent({ name: 'wasi:cli/run@0.2.0' }))).toBe('ENTRY_POINT_SIGNATURE');
    expect(check(component(COMMAND.replace('0.2.6', '0.3.0'))).refusal).toMatchObject({
      code: 'ENTRY_POINT_MISSING',
      message: expect.stringMatching(/"wasi:cli\/run@0.3.0", whose version is not supported/),
    });
  });

  it('refuses imports that the host does not provide, with advice', () => {
    const unknown = (advice: RegExp) => ({ code: 'UNKNOWN_IMPORT', message: expect.stringMatching(advice) });
    expect(importing('wasi:http/outgoing-handler@0.2.0')).toBeNull();
    expect(importing('wasi:http/incoming-handler@0.2.0')).toMatchObject(unknown(/serve none/));
    expect(importing('wasi:sockets/tcp@0.2.0')).toMatchObject(unknown(/no sockets/));
    expect(importing('wasi:io/poll@0.3.0')).toMatchObject(unknown(/Use WASI 0.2/));
    expect(importing('wasi:io/poll@0.2.0-rc1')).toMatchObject(unknown(/Use WASI 0.2/));
    expect(importing('zerostate:agent/host@2.0.0')).toMatchObject(unknown(/version 1/));
    expect(importing('my:own/thing')).toMatchObject(unknown(/Remove the import/));
    expect(importing('constructor')).toMatchObject(unknown(/Remove the import/));
  });

  it('refuses what multiplies types, memories, instances and nesting', () => {
    expect(codeOf(tupleBomb())).toBe('INVALID_COMPONENT');
    expect(codeOf(memoryBomb())).toBe('TOO_MANY_MEMORIES');
    const many = `(component (core module $m) ${'(core instance (instantiate $m))'.repeat(65)})`;
    expect(codeOf(component(many))).toBe('TOO_MANY_CORE_MODULES');
    expect(codeOf(component(`(component ${'(core module)'.repeat(65)})`))).toBe('TOO_MANY_CORE_MODULES');
    expect(codeOf(instanceBomb(20))).toBe('COMPONENT_NOT_SUPPORTED');
  });

  it('holds its limits for all core modules together, and wants their memory exported', () => {
    const bytes = component(`(component ${`(core module ${'(func)'.repeat(6)})`.repeat(2)})`);
    expect(check(bytes, { ...LIMITS, functions: 11 }).refusal).toMatchObject({
      code: 'TOO_MANY_FUNCTIONS',
      message: expect.stringMatching(/12 functions in its core modules; the limit is 11/),
    });
    expect(codeOf(component('(component (core module (memory 1)))'))).toBe('CORE_MEMORY_NOT_EXPORTED');
  });
});

describe('a mutated component', () => {
  it('is never accepted where wasm-tools refuses it, and never breaks the check', () => {
    let accepted = 0;
    for (const mutant of mutants(300, 7)) {
      if (checkComponent(mutant, LIMITS).refusal) continue;
      accepted++;
      expect(judged(mutant)).toBe('valid');
    }
    expect(accepted).toBeGreaterThan(0);
  });
});

function judged(bytes: Uint8Array): string {
  try {
    const answer = wasmTools().componentWit(bytes);
    return 'ok' in answer ? 'valid' : answer.fault;
  } catch {
    return 'panic';
  }
}
