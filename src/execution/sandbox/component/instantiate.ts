import type {
  CanonicalOptions,
  Component,
  Definition,
  Extern,
  Reference,
  Sort,
} from '../../../common/component/definitions.js';
import { engine, type LinearMemory } from '../engine.js';
import { type Canonical, type ComponentFunction, type CoreFunction, lift, lower, Machine } from './canonical.js';
import { unlinkable } from './faults.js';
import { Heap, type Reallocate } from './heap.js';
import type { Exported, Exports, HostInterfaces } from './host-interface.js';
import { Memories } from './memories.js';
import type { PreparedComponent, PreparedModule } from './prepared.js';
import { dropHandle, InstanceState, type ResourceType } from './resources.js';
import { type AnyType, compileType, type FunctionType, type InstanceType, resourceType } from './type-code.js';

/** Definitions that are carried out for one run, nested components each time they are instantiated. */
const MOST_STEPS = 50_000;
/** Core modules that are instantiated for one run. */
const MOST_CORE_INSTANCES = 64;

/** A component on its way into life, or alive. Nothing of it is ever awaited. */
export interface Linking {
  prepared: PreparedComponent;
  host: HostInterfaces;
  machine: Machine;
  steps: number;
  coreInstances: { exports: Record<string, unknown>; module: PreparedModule }[];
  memories: Memories;
}

/** @param maxMemoryPages of all its memories together */
export const beginLinking = (prepared: PreparedComponent, host: HostInterfaces, maxMemoryPages: number): Linking => ({
  prepared,
  host,
  machine: new Machine(),
  steps: 0,
  coreInstances: [],
  memories: new Memories(maxMemoryPages),
});

/**
 * Instantiates a component for one run.
 * @param linking what is known of it is there also when this throws
 * @throws Unlinkable, Error of the engine, ComponentTrap and whatever start functions of core modules throw
 */
export function instantiate(linking: Linking): Exports {
  const fromHost: Provide = (name, extern, types) => {
    if (extern.sort === 'instance') {
      const type = types[extern.type];
      if (type?.kind !== 'instance') unlinkable(`its import ${name} has no type`);
      return { sort: 'instance', value: linking.host.instance(name, type as InstanceType) };
    }
    return unlinkable(`it imports ${name} outside of any interface, which the host does not provide`);
  };
  return new Instantiation(linking, fromHost, []).run(linking.prepared.component);
}

/** Where a component gets its imports from. */
type Provide = (name: string, extern: Extern, types: AnyType[]) => Exported;

interface NestedComponent {
  component: Component;
  /** Of the component around it. */
  spaces: readonly Spaces[];
}

type CoreExports = Record<string, unknown>;

/** The index spaces of one component instance. */
interface Spaces {
  'core func': CoreFunction[];
  'core table': unknown[];
  'core memory': LinearMemory[];
  'core global': unknown[];
  'core tag': unknown[];
  'core type': unknown[];
  'core module': PreparedModule[];
  'core instance': CoreExports[];
  func: ComponentFunction[];
  type: AnyType[];
  component: NestedComponent[];
  instance: Exports[];
}

const emptySpaces = (): Spaces => ({
  'core func': [],
  'core table': [],
  'core memory': [],
  'core global': [],
  'core tag': [],
  'core type': [],
  'core module': [],
  'core instance': [],
  func: [],
  type: [],
  component: [],
  instance: [],
});

/** One component instance while its definitions are carried out, one after the other. */
class Instantiation {
  private readonly spaces = emptySpaces();
  /** These and those of the components around, innermost first. */
  private readonly scopes: readonly Spaces[];
  private readonly state = new InstanceState();
  private readonly exports = new Map<string, Exported>();

  constructor(
    private readonly linking: Linking,
    private readonly provide: Provide,
    outer: readonly Spaces[],
  ) {
    this.scopes = [this.spaces, ...outer];
  }

  run({ definitions }: Component): Exports {
    for (const definition of definitions) {
      if (++this.linking.steps > MOST_STEPS) unlinkable(`it takes more than ${MOST_STEPS} definitions to instantiate`);
      this.define(definition);
    }
    return this.exports;
  }

  private define(definition: Definition): void {
    const { spaces } = this;
    switch (definition.kind) {
      case 'core module':
        spaces['core module'].push(this.linking.prepared.modules.get(definition.bytes)!);
        break;
      case 'core instantiate':
        spaces['core instance'].push(this.instantiateCore(definition));
        break;
      case 'core bundle': {
        const bundle = Object.create(null) as CoreExports;
        for (const { name, item } of definition.exports) bundle[name] = this.get(item.sort, item.index);
        spaces['core instance'].push(bundle);
        break;
      }
      case 'component':
        spaces.component.push({ component: definition.component, spaces: this.scopes });
        break;
      case 'instantiate':
        spaces.instance.push(this.instantiateNested(definition));
        break;
      case 'bundle':
        spaces.instance.push(new Map(definition.exports.map(({ name, item }) => [name, this.exported(item)])));
        break;
      case 'alias':
        this.alias(definition);
        break;
      case 'type':
        spaces.type.push(this.type(definition.type));
        break;
      case 'import': {
        const provided = this.provide(definition.name, definition.extern, spaces.type);
        if (provided.sort !== definition.extern.sort) unlinkable(`${definition.name} is no ${definition.extern.sort}`);
        this.put(provided.sort, provided.value);
        break;
      }
      case 'export': {
        const exported = this.exported(definition.item);
        this.put(exported.sort, exported.value);
        this.exports.set(definition.name, exported);
        break;
      }
      default:
        this.defineFunction(definition);
    }
  }

  private defineFunction(definition: Extract<Definition, { kind: 'lift' | 'lower' | `resource.${string}` }>): void {
    const { spaces, state } = this;
    switch (definition.kind) {
      case 'lift': {
        const type = this.get('type', definition.type) as AnyType;
        if (type.kind !== 'func') unlinkable(`type ${definition.type} is no type of functions`);
        const core = this.get('core func', definition.func);
        spaces.func.push(lift(core, type as FunctionType, this.canonical(definition.options)));
        break;
      }
      case 'lower':
        spaces['core func'].push(lower(this.get('func', definition.func), this.canonical(definition.options)));
        break;
      case 'resource.new': {
        const type = this.ownResource(definition.type);
        this.builtin((representation) => {
          state.assertMayLeave();
          return state.handles.add({ type, representation: representation | 0, owns: true, lends: 0 });
        });
        break;
      }
      case 'resource.rep': {
        const type = this.ownResource(definition.type);
        this.builtin((handle) => state.handles.get(handle >>> 0, type).representation as number);
        break;
      }
      case 'resource.drop': {
        const type = resourceType(definition.type, spaces.type);
        this.builtin((handle) => dropHandle(state, type, handle >>> 0));
        break;
      }
    }
  }

  private builtin(work: (argument: number) => number | void): void {
    const { machine } = this.linking;
    this.spaces['core func'].push((argument) => machine.guard(() => work(Number(argument))));
  }

  /** Only the instance that defines a resource may look behind its handles. */
  private ownResource(index: number): ResourceType {
    const type = resourceType(index, this.spaces.type);
    return type.owner === this.state ? type : unlinkable('it makes or opens handles of a resource that is not its own');
  }

  private type(definition: Extract<Definition, { kind: 'type' }>['type']): AnyType {
    if (definition.kind !== 'resource') {
      const typeSpaces = this.scopes.map((scope) => scope.type);
      return compileType(definition, this.spaces.type, typeSpaces);
    }
    const { destructor } = definition;
    const resource: ResourceType = { kind: 'resource', owner: this.state };
    if (destructor !== undefined) resource.destructor = this.get('core func', destructor) as ResourceType['destructor'];
    return resource;
  }

  private canonical({ memory, realloc, postReturn }: CanonicalOptions): Canonical {
    const func = (index: number | undefined): CoreFunction | undefined =>
      index === undefined ? undefined : this.get('core func', index);
    const used = memory === undefined ? undefined : this.get('core memory', memory);
    const heap = new Heap(used, func(realloc) as Reallocate | undefined);
    return { machine: this.linking.machine, instance: this.state, heap, postReturn: func(postReturn) };
  }

  private instantiateCore({ module: index, args }: Extract<Definition, { kind: 'core instantiate' }>): CoreExports {
    const { linking } = this;
    const module = this.get('core module', index);
    if (linking.coreInstances.length === MOST_CORE_INSTANCES) {
      unlinkable(`it instantiates more than ${MOST_CORE_INSTANCES} core modules`);
    }
    linking.memories.expect(module);
    const imports = Object.create(null) as Record<string, CoreExports>;
    for (const { name, instance } of args) imports[name] = this.get('core instance', instance);
    const { exports } = new engine.Instance(module.module, imports);
    linking.coreInstances.push({ exports, module });
    if (module.memories > 0) linking.memories.add(exports, module);
    return exports;
  }

  private instantiateNested({ component, args }: Extract<Definition, { kind: 'instantiate' }>): Exports {
    const nested = this.get('component', component);
    const given = new Map(args.map(({ name, item }) => [name, this.exported(item)]));
    const provide: Provide = (name) => given.get(name) ?? unlinkable(`a nested component misses ${name}`);
    return new Instantiation(this.linking, provide, nested.spaces).run(nested.component);
  }

  private alias(alias: Extract<Definition, { kind: 'alias' }>): void {
    if (alias.from === 'outer') {
      const space: readonly unknown[] | undefined = this.scopes[alias.depth]?.[alias.sort];
      this.put(alias.sort, space?.[alias.index] ?? unlinkable(`there is no ${alias.sort} ${alias.index} around it`));
    } else if (alias.from === 'core instance') {
      const value = this.get('core instance', alias.instance)[alias.name];
      if (!isA(alias.sort, value)) unlinkable(`a core module exports no ${alias.sort} ${alias.name}`);
      this.put(alias.sort, value);
    } else {
      const found = this.get('instance', alias.instance).get(alias.name);
      if (found?.sort !== alias.sort) unlinkable(`an instance exports no ${alias.sort} ${alias.name}`);
      this.put(alias.sort, found!.value);
    }
  }

  private exported({ sort, index }: Reference): Exported {
    return { sort, value: this.get(sort, index) } as Exported;
  }

  private get<Name extends Sort>(sort: Name, index: number): Spaces[Name][number] {
    return this.spaces[sort][index] ?? unlinkable(`there is no ${sort} ${index}`);
  }

  private put(sort: Sort, value: unknown): void {
    (this.spaces[sort] as unknown[]).push(value);
  }
}

/** Whether an export of a core module is of a sort. */
function isA(sort: Sort, value: unknown): boolean {
  switch (sort) {
    case 'core func':
      return typeof value === 'function';
    case 'core memory':
      return value instanceof engine.Memory;
    case 'core table':
      return value instanceof engine.Table;
    case 'core global':
      return value instanceof engine.Global;
    case 'core tag':
      return value instanceof engine.Tag;
    default:
      return false;
  }
}
