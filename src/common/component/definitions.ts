/**
 * A component as its binary declares it. Names stay plain values: nothing here uses them as keys of objects.
 * Format: https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md
 */
export interface Component {
  definitions: Definition[];
}

/** What an index space may hold. */
export type Sort = CoreSort | 'func' | 'type' | 'component' | 'instance';
export type CoreSort =
  | 'core func'
  | 'core table'
  | 'core memory'
  | 'core global'
  | 'core tag'
  | 'core type'
  | 'core module'
  | 'core instance';

export interface Reference {
  sort: Sort;
  index: number;
}

export type Definition =
  /** `offset` is the first byte of the module in the file. */
  | { kind: 'core module'; bytes: Uint8Array; offset: number }
  | { kind: 'core instantiate'; module: number; args: { name: string; instance: number }[] }
  | { kind: 'core bundle'; exports: { name: string; item: Reference }[] }
  | { kind: 'component'; component: Component }
  | { kind: 'instantiate'; component: number; args: { name: string; item: Reference }[] }
  | { kind: 'bundle'; exports: { name: string; item: Reference }[] }
  | Alias
  | { kind: 'type'; type: TypeDefinition }
  | { kind: 'lift'; func: number; options: CanonicalOptions; type: number }
  | { kind: 'lower'; func: number; options: CanonicalOptions }
  | { kind: 'resource.new' | 'resource.drop' | 'resource.rep'; type: number }
  | { kind: 'import'; name: string; extern: Extern }
  | { kind: 'export'; name: string; item: Reference };

export type Alias =
  | { kind: 'alias'; sort: Sort; from: 'instance' | 'core instance'; instance: number; name: string }
  /** `depth` 0 is the component around it, 1 the one around that. */
  | { kind: 'alias'; sort: Sort; from: 'outer'; depth: number; index: number };

/** Indices of what a canonical function uses. Strings are UTF-8. */
export interface CanonicalOptions {
  memory?: number;
  realloc?: number;
  postReturn?: number;
}

/** The type of an import or export. */
export type Extern =
  | { sort: 'func' | 'component' | 'instance'; type: number }
  /** `equals` is a type index; without it, the type is a resource of its own. */
  | { sort: 'type'; equals?: number };

export const PRIMITIVES = [
  'bool',
  's8',
  'u8',
  's16',
  'u16',
  's32',
  'u32',
  's64',
  'u64',
  'f32',
  'f64',
  'char',
  'string',
] as const;
export type Primitive = (typeof PRIMITIVES)[number];

/** A primitive type, or the index of a type. */
export type ValueType = Primitive | number;

export interface Labelled<Type> {
  label: string;
  type: Type;
}

export type TypeDefinition =
  | { kind: 'primitive'; type: Primitive }
  | { kind: 'record'; fields: Labelled<ValueType>[] }
  | { kind: 'variant'; cases: Labelled<ValueType | undefined>[] }
  | { kind: 'list'; element: ValueType }
  | { kind: 'tuple'; elements: ValueType[] }
  | { kind: 'flags' | 'enum'; labels: string[] }
  | { kind: 'option'; some: ValueType }
  | { kind: 'result'; ok?: ValueType; err?: ValueType }
  | { kind: 'own' | 'borrow'; resource: number }
  | { kind: 'func'; params: Labelled<ValueType>[]; result?: ValueType }
  | { kind: 'instance' | 'component'; declarations: Declaration[] }
  /** `destructor` is the index of a core function. */
  | { kind: 'resource'; destructor?: number };

/** Part of the type of an instance or a component. */
export type Declaration =
  { kind: 'type'; type: TypeDefinition } | Alias | { kind: 'import' | 'export'; name: string; extern: Extern };
