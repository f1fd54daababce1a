import { interfaceOf } from '../../../common/component/component-imports.js';
import type { CoreSort, Declaration } from '../../../common/component/definitions.js';
import type { ComponentFunction } from './canonical.js';
import { trap, unlinkable } from './faults.js';
import type { ResourceType } from './resources.js';
import { type AnyType, compileType, type FunctionType, type InstanceType } from './type-code.js';
import type { Value } from './value-type.js';

/** An interface that the host provides. Maps, because guests choose the names that are looked up. */
export interface HostInterface {
  resources: ReadonlyMap<string, abstract new (...args: never[]) => object>;
  functions: ReadonlyMap<string, HostFunctionCode>;
}

export interface HostFunctionCode {
  /** As `FunctionType.describe` writes it; what a guest imports must be the same. */
  type: string;
  call: (...args: never[]) => Value | void;
}

/** What an instance exports, by name. */
export type Exports = ReadonlyMap<string, Exported>;

export type Exported =
  | { sort: 'func'; value: ComponentFunction }
  | { sort: 'type'; value: AnyType }
  | { sort: 'instance'; value: Exports }
  | { sort: 'component' | CoreSort; value: unknown };

/** The host of one run, from the side of the linker. */
export class HostInterfaces {
  /** Calls of the host's functions. */
  calls = 0;
  /** The types of this run's resources, by interface and name. */
  private readonly resources = new Map<object, ResourceType>();

  /** @param interfaces by name, without version */
  constructor(private readonly interfaces: ReadonlyMap<string, HostInterface>) {}

  /** What a component imports as an instance. @throws Unlinkable when the host has something else or nothing */
  instance(importName: string, type: InstanceType): Exports {
    const name = interfaceOf(importName) ?? unlinkable(`it imports ${importName}, which the host does not provide`);
    const provided = this.interfaces.get(name) ?? unlinkable(`it imports ${name}, which the host does not provide`);
    const types: AnyType[] = [];
    const exports = new Map<string, Exported>();
    for (const declaration of type.declarations) this.declare(declaration, { name, provided, type, types, exports });
    return exports;
  }

  private declare(declaration: Declaration, to: Declaring): void {
    const { types, exports, type: around } = to;
    if (declaration.kind === 'type') {
      types.push(compileType(declaration.type, types, [types, ...around.outer]));
    } else if (declaration.kind === 'alias') {
      if (declaration.from !== 'outer' || declaration.sort !== 'type') unlinkable('an interface has an unknown alias');
      const found = [types, ...around.outer][declaration.depth]?.[declaration.index];
      types.push(found ?? unlinkable('an interface refers to a type that is not there'));
    } else if (declaration.kind === 'export') {
      const { name, extern } = declaration;
      if (extern.sort === 'type') {
        const value = extern.equals === undefined ? this.resource(name, to) : types[extern.equals];
        if (!value) unlinkable('an interface refers to a type that is not there');
        types.push(value);
        exports.set(name, { sort: 'type', value });
      } else if (extern.sort === 'func') {
        const value = types[extern.type];
        if (value?.kind !== 'func') unlinkable(`${to.name} has a function without a type`);
        exports.set(name, { sort: 'func', value: this.func(name, value as FunctionType, to) });
      } else unlinkable(`${to.name} has neither instances nor components`);
    } else unlinkable(`${to.name} imports something itself`);
  }

  private resource(name: string, { name: interfaceName, provided }: Declaring): ResourceType {
    const hostClass = provided.resources.get(name);
    if (!hostClass) unlinkable(`it imports the resource ${name} of ${interfaceName}, which the host does not provide`);
    let type = this.resources.get(hostClass as object);
    if (!type) {
      type = { kind: 'resource', name, hostClass };
      this.resources.set(hostClass as object, type);
    }
    return type;
  }

  /** Functions of known interfaces that the host lacks trap when they are called: most programs never do. */
  private func(name: string, type: FunctionType, { name: interfaceName, provided }: Declaring): ComponentFunction {
    const code = provided.functions.get(name);
    if (!code) return { type, call: () => trap(`the host has no function ${interfaceName} ${name}`) };
    const described = type.describe();
    if (described !== code.type) {
      unlinkable(`it imports ${interfaceName} ${name} as ${described}, but the host provides it as ${code.type}`);
    }
    const call = code.call as (...args: Value[]) => Value | undefined;
    return {
      type,
      call: (args) => {
        this.calls++;
        return call(...args);
      },
    };
  }
}

interface Declaring {
  name: string;
  provided: HostInterface;
  type: InstanceType;
  types: AnyType[];
  exports: Map<string, Exported>;
}
