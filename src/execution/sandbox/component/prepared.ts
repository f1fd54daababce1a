import { decodeComponent } from '../../../common/component/decode.js';
import type { Component } from '../../../common/component/definitions.js';
import { readUnsigned } from '../instructions.js';
import { compileObserved, type Observation } from '../observation.js';

/** A component that is ready to be instantiated, once per run. Holds no state of any run. */
export interface PreparedComponent {
  component: Component;
  /** The compiled core modules, by their bytes in `component`. */
  modules: Map<Uint8Array, PreparedModule>;
}

export interface PreparedModule extends Observation {
  /** Memories that it defines. */
  memories: number;
}

/** Decodes a component and compiles its core modules. @throws ComponentFault, Error of the engine */
export function prepareComponent(bytes: Uint8Array): PreparedComponent {
  const component = decodeComponent(bytes);
  const modules = new Map<Uint8Array, PreparedModule>();
  compileModules(component, modules);
  return { component, modules };
}

function compileModules({ definitions }: Component, modules: PreparedComponent['modules']): void {
  for (const definition of definitions) {
    if (definition.kind === 'component') compileModules(definition.component, modules);
    if (definition.kind !== 'core module') continue;
    if (modules.size === MOST_MODULES) throw new Error(`it has more than ${MOST_MODULES} core modules`);
    const { bytes } = definition;
    modules.set(bytes, { ...compileObserved(bytes), memories: definedMemories(bytes) });
  }
}

const MOST_MODULES = 64;
const HEADER_BYTES = 8;
const MEMORY_SECTION = 5;

/** @param bytes of a module that the engine has accepted */
function definedMemories(bytes: Uint8Array): number {
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const { value: size, end } = readUnsigned(bytes, at + 1);
    if (bytes[at] === MEMORY_SECTION) return readUnsigned(bytes, end).value;
    at = end + size;
  }
  return 0;
}
