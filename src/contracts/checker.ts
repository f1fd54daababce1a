import { canonical } from './canonical.js';
import type { Pattern } from './pattern.js';
import { type Steps, TooCostly } from './steps.js';

export type JsonType = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

/** A schema as it is interpreted: `false` fits nothing, `true` everything. */
export type Node = boolean | Keywords;

export interface Keywords {
  /** Set after the rest is read, because schemas may refer to themselves. */
  ref?: Node;
  types?: readonly JsonType[];
  /** Canonical texts; `const` is an `enum` of one. */
  values?: ReadonlySet<string>;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: Pattern;
  prefixItems?: readonly Node[];
  items?: Node;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  required?: readonly string[];
  properties?: ReadonlyMap<string, Node>;
  additionalProperties?: Node;
  minProperties?: number;
  maxProperties?: number;
  allOf?: readonly Node[];
  anyOf?: readonly Node[];
  oneOf?: readonly Node[];
  not?: Node;
  if?: Node;
  then?: Node;
  else?: Node;
}

export interface Fault {
  /** JSON Pointer. */
  at: string;
  reason: string;
}

/** Schemas within schemas while one document is checked. A schema that refers to itself without end reaches it. */
const MAX_DEPTH = 500;
/** Characters of a pointer or a reason that are kept. */
const MAX_TEXT = 200;

/** Checks one document; each look at a keyword or a value takes steps. */
export class Checker {
  constructor(private readonly steps: Steps) {}

  /** @returns the first fault @throws TooCostly */
  check(node: Node, value: unknown, at: string, depth: number): Fault | null {
    this.steps.take(2);
    if (depth > MAX_DEPTH) throw new TooCostly();
    if (node === true) return null;
    if (node === false) return fault(at, 'must not be there');
    if (node.types && !node.types.some((type) => isOf(type, value))) return fault(at, `must be ${either(node.types)}`);
    if (node.values && !node.values.has(canonical(value, this.steps)))
      return fault(at, 'must be one of the values that the schema lists');
    return this.ofType(node, value, at, depth) ?? this.combined(node, value, at, depth + 1);
  }

  private ofType(node: Keywords, value: unknown, at: string, depth: number): Fault | null {
    if (typeof value === 'number') return numberFault(node, value, at);
    if (typeof value === 'string') return this.stringFault(node, value, at);
    if (Array.isArray(value)) return this.arrayFault(node, value, at, depth + 1);
    if (typeof value === 'object' && value !== null) return this.objectFault(node, value as Members, at, depth + 1);
    return null;
  }

  private stringFault({ minLength, maxLength, pattern }: Keywords, value: string, at: string): Fault | null {
    if (minLength !== undefined || maxLength !== undefined) {
      this.steps.take(value.length >> 2);
      let length = 0;
      for (const _character of value) length++;
      if (length < (minLength ?? 0)) return fault(at, `must have at least ${minLength} characters`);
      if (length > (maxLength ?? Infinity)) return fault(at, `must have at most ${maxLength} characters`);
    }
    if (pattern && !pattern.test(value, this.steps)) return fault(at, "must match the schema's pattern");
    return null;
  }

  private arrayFault(node: Keywords, value: readonly unknown[], at: string, depth: number): Fault | null {
    const { minItems = 0, maxItems = Infinity, prefixItems = [], items = true } = node;
    if (value.length < minItems) return fault(at, `must have at least ${minItems} items`);
    if (value.length > maxItems) return fault(at, `must have at most ${maxItems} items`);
    if (node.uniqueItems) {
      const texts = new Set(value.map((item) => canonical(item, this.steps)));
      if (texts.size < value.length) return fault(at, 'must not have equal items');
    }
    if (prefixItems.length === 0 && items === true) return null;
    for (const [index, item] of value.entries()) {
      const found = this.check(prefixItems[index] ?? items, item, `${at}/${index}`, depth);
      if (found) return found;
    }
    return null;
  }

  private objectFault(node: Keywords, value: Members, at: string, depth: number): Fault | null {
    const {
      required = [],
      properties = NONE,
      additionalProperties = true,
      minProperties = 0,
      maxProperties = Infinity,
    } = node;
    this.steps.take(required.length + properties.size);
    for (const name of required) if (!Object.hasOwn(value, name)) return fault(at, `must have ${JSON.stringify(name)}`);
    for (const [name, schema] of properties) {
      const found = Object.hasOwn(value, name) ? this.check(schema, value[name], child(at, name), depth) : null;
      if (found) return found;
    }
    if (additionalProperties === true && minProperties === 0 && maxProperties === Infinity) return null;
    const names = Object.keys(value);
    this.steps.take(names.length);
    if (names.length < minProperties) return fault(at, `must have at least ${minProperties} members`);
    if (names.length > maxProperties) return fault(at, `must have at most ${maxProperties} members`);
    for (const name of names) {
      const found = properties.has(name) ? null : this.check(additionalProperties, value[name], child(at, name), depth);
      if (found) return found;
    }
    return null;
  }

  private combined(node: Keywords, value: unknown, at: string, depth: number): Fault | null {
    const fits = (schema: Node): boolean => this.check(schema, value, at, depth) === null;
    for (const schema of [...(node.ref === undefined ? [] : [node.ref]), ...(node.allOf ?? [])]) {
      const found = this.check(schema, value, at, depth);
      if (found) return found;
    }
    if (node.anyOf && !node.anyOf.some(fits)) return fault(at, 'must fit at least one of the schemas in anyOf');
    if (node.oneOf && node.oneOf.filter(fits).length !== 1)
      return fault(at, 'must fit exactly one of the schemas in oneOf');
    if (node.not !== undefined && fits(node.not)) return fault(at, 'must not fit the schema in not');
    if (node.if === undefined) return null;
    return this.check((fits(node.if) ? node.then : node.else) ?? true, value, at, depth);
  }
}

type Members = Record<string, unknown>;
const NONE: ReadonlyMap<string, Node> = new Map();

function numberFault(node: Keywords, value: number, at: string): Fault | null {
  const {
    minimum = -Infinity,
    maximum = Infinity,
    exclusiveMinimum = -Infinity,
    exclusiveMaximum = Infinity,
    multipleOf,
  } = node;
  if (value < minimum) return fault(at, `must be at least ${minimum}`);
  if (value > maximum) return fault(at, `must be at most ${maximum}`);
  if (value <= exclusiveMinimum) return fault(at, `must be above ${exclusiveMinimum}`);
  if (value >= exclusiveMaximum) return fault(at, `must be below ${exclusiveMaximum}`);
  if (multipleOf !== undefined && !isMultiple(value, multipleOf))
    return fault(at, `must be a multiple of ${multipleOf}`);
  return null;
}

/** 0.3 is a multiple of 0.1, although their quotient is no whole number in binary. */
function isMultiple(value: number, of: number): boolean {
  const quotient = value / of;
  return Math.abs(quotient - Math.round(quotient)) <= Number.EPSILON * Math.max(1, Math.abs(quotient)) * 4;
}

const isOf = (type: JsonType, value: unknown): boolean => {
  switch (type) {
    case 'null':
      return value === null;
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
};

const either = (types: readonly JsonType[]): string => types.map((type) => ARTICLES[type]).join(' or ');
const ARTICLES: Record<JsonType, string> = {
  null: 'null',
  boolean: 'true or false',
  integer: 'an integer',
  number: 'a number',
  string: 'a string',
  array: 'an array',
  object: 'an object',
};

const child = (at: string, name: string): string => `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

const fault = (at: string, reason: string): Fault => ({ at: shortened(at), reason: shortened(reason) });
const shortened = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);
