import { ComponentFault } from '../../common/component/component-reader.js';
import { decodeComponent } from '../../common/component/decode.js';
import type { Component, Definition } from '../../common/component/definitions.js';
import type { ModuleLimits } from './limits.js';
import { type Refusal, RefusalSignal, refuse, type WalkRefusalCode } from './refusal.js';
import { walkModule } from './section-walker.js';
import { withinLimit } from './types.js';
import { blankModule, type ComponentKind, type MemoryShape, type WalkedModule } from './walked-module.js';

export interface ComponentWalk {
  /** Undefined when it could not be decoded. */
  component?: Component;
  /** Counts over all core modules together; imports and exports are those of the component. */
  module: WalkedModule;
  refusal: Refusal<WalkRefusalCode> | null;
  /** The bytes of each core module, as far as they were walked. */
  coreModules: { bytes: Uint8Array; offset: number }[];
}

/**
 * Walks a component: its own definitions, and each of its core modules as `walkModule` does. A limit holds for all core
 * modules together, so a module that is repeated many times is refused before an engine sees it.
 *
 * It does not check that indices and types fit together: `wasm-tools` does.
 */
export function walkComponent(bytes: Uint8Array, limits: ModuleLimits): ComponentWalk {
  const walk: ComponentWalk = { module: blankModule(), refusal: null, coreModules: [] };
  walk.module.component = { coreModules: [] };
  try {
    const component = decodeComponent(bytes);
    walk.component = component;
    readNames(component, walk.module, limits);
    walkDefinitions(component, { walk, limits, coreInstances: 0, memories: 0 }, []);
  } catch (error) {
    walk.refusal = refusalOf(error);
  }
  return walk;
}

function refusalOf(error: unknown): Refusal<WalkRefusalCode> {
  if (error instanceof RefusalSignal) return error.refusal;
  if (!(error instanceof ComponentFault)) throw error;
  const { message, offset, unsupported } = error;
  const code = unsupported ? 'COMPONENT_NOT_SUPPORTED' : 'INVALID_COMPONENT';
  const seen = `The component cannot be ${unsupported ? 'run' : 'read'}: ${message} (at byte ${offset}).`;
  return signalOf(code, seen, offset).refusal;
}

function signalOf(code: WalkRefusalCode, seen: string, offset: number): RefusalSignal {
  try {
    return refuse(code, seen, offset);
  } catch (signal) {
    return signal as RefusalSignal;
  }
}

interface Walking {
  walk: ComponentWalk;
  limits: ModuleLimits;
  /** Core instances, and memories they define, that the definitions make if each is carried out once. */
  coreInstances: number;
  memories: number;
}

/** What is known of a core module by its index: the memories it defines. */
interface CoreModule {
  memories: number;
}

/** @param around the core modules of the components around, innermost first */
function walkDefinitions({ definitions }: Component, walking: Walking, around: readonly CoreModule[][]): void {
  const modules: CoreModule[] = [];
  const scopes = [modules, ...around];
  for (const definition of definitions) {
    if (definition.kind === 'core module') modules.push(walkCoreModule(definition, walking));
    if (definition.kind === 'component') walkDefinitions(definition.component, walking, scopes);
    if (definition.kind === 'core instantiate') countInstance(modules[definition.module], walking);
    if (definition.kind === 'alias' && definition.sort === 'core module') {
      const found = definition.from === 'outer' ? scopes[definition.depth]?.[definition.index] : undefined;
      modules.push(found ?? { memories: 0 });
    }
  }
}

/** As many as composed components have. The limit of pages holds for all of them together. */
const MOST_MEMORIES = 8;
const MOST_CORE_INSTANCES = 64;
const MOST_CORE_MODULES = 64;

function countInstance(module: CoreModule | undefined, walking: Walking): void {
  walking.coreInstances++;
  walking.memories += module?.memories ?? 0;
  withinLimit('TOO_MANY_CORE_MODULES', walking.coreInstances, MOST_CORE_INSTANCES, 'core instances or more', null);
  withinLimit('TOO_MANY_MEMORIES', walking.memories, MOST_MEMORIES, 'memories or more', null);
}

function walkCoreModule(definition: Extract<Definition, { kind: 'core module' }>, walking: Walking): CoreModule {
  const { walk, limits } = walking;
  const { bytes, offset } = definition;
  const { module, refusal } = walkModule(bytes, limits);
  if (refusal) {
    const at = refusal.offset === null ? null : offset + refusal.offset;
    throw new RefusalSignal({
      ...refusal,
      message: `In the core module at byte ${offset}: ${refusal.message}`,
      offset: at,
    });
  }
  walk.coreModules.push({ bytes, offset });
  withinLimit('TOO_MANY_CORE_MODULES', walk.coreModules.length, MOST_CORE_MODULES, 'core modules or more', offset);
  addUp(walk.module, module, bytes.length);
  requireSmall(walk.module, limits, offset);
  const definesMemory = module.memory !== null && !module.imports.some(({ kind }) => kind === 'memory');
  if (definesMemory && !module.exports.some(({ kind }) => kind === 'memory')) {
    refuse('CORE_MEMORY_NOT_EXPORTED', `The core module at byte ${offset} does not export its memory.`, offset);
  }
  if (definesMemory) {
    walk.module.memory = bothMemories(walk.module.memory, module.memory!);
    withinLimit('MEMORY_TOO_LARGE', walk.module.memory.minPages, limits.memoryPages, 'initial pages of memory', offset);
  }
  return { memories: definesMemory ? 1 : 0 };
}

/** The sizes of memories together. */
function bothMemories(one: WalkedModule['memory'], other: MemoryShape): MemoryShape {
  if (!one) return other;
  const maxPages = one.maxPages === null || other.maxPages === null ? null : one.maxPages + other.maxPages;
  return { ...one, minPages: one.minPages + other.minPages, maxPages };
}

function addUp(total: WalkedModule, module: WalkedModule, size: number): void {
  total.tableElements += module.tableElements;
  total.functions += module.functions;
  total.globals += module.globals;
  total.dataSegments += module.dataSegments;
  const { details } = total;
  for (const name of SUMMED) details[name] += module.details[name];
  const { functions, details: own } = module;
  total.component!.coreModules.push({ size, functions, codeBytes: own.codeBytes, dataBytes: own.dataBytes });
}

const SUMMED = [
  'types',
  'tables',
  'tags',
  'elementSegments',
  'locals',
  'codeBytes',
  'dataBytes',
  'customBytes',
] as const;

function requireSmall(
  { functions, tableElements, globals, details }: WalkedModule,
  limits: ModuleLimits,
  at: number,
): void {
  const together = (things: string): string => `${things} in its core modules`;
  withinLimit('TOO_MANY_FUNCTIONS', functions, limits.functions, together('functions'), at);
  withinLimit('TABLE_TOO_LARGE', tableElements, limits.tableElements, together('table elements'), at);
  withinLimit('TOO_MANY_GLOBALS', globals, limits.globals, together('globals'), at);
  withinLimit('TOO_MANY_TYPES', details.types, limits.types, together('types'), at);
  withinLimit('TOO_MANY_LOCALS', details.locals, limits.localsInAll, together('locals'), at);
  withinLimit('DATA_TOO_LARGE', details.dataBytes, limits.dataBytes, together('bytes of data'), at);
  withinLimit('CUSTOM_SECTIONS_TOO_LARGE', details.customBytes, limits.customBytes, together('custom bytes'), at);
}

const KINDS: Partial<Record<string, ComponentKind>> = { func: 'function', component: 'component', type: 'type' };
const kindOf = (sort: string): ComponentKind => KINDS[sort] ?? 'instance';

function readNames({ definitions }: Component, module: WalkedModule, limits: ModuleLimits): void {
  let nameBytes = 0;
  for (const definition of definitions) {
    if (definition.kind !== 'import' && definition.kind !== 'export') continue;
    const { name } = definition;
    nameBytes += Buffer.byteLength(name);
    withinLimit('NAMES_TOO_LONG', nameBytes, limits.nameBytesInAll, 'bytes of names or more', null);
    if (definition.kind === 'import') {
      module.imports.push({ module: name, name: '', kind: kindOf(definition.extern.sort), type: '' });
      withinLimit('TOO_MANY_IMPORTS', module.imports.length, limits.imports, 'imports or more', null);
    } else {
      module.exports.push({ name, kind: kindOf(definition.item.sort), type: '' });
      withinLimit('TOO_MANY_EXPORTS', module.exports.length, limits.exports, 'exports or more', null);
    }
  }
}
