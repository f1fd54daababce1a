import { canonical } from './canonical.js';
import type { JsonType, Keywords, Node } from './checker.js';
import { Pattern } from './pattern.js';
import { Steps } from './steps.js';

/** What a schema may have. */
export const SCHEMA_LIMITS = { bytes: 16 * 1024, depth: 32, schemas: 500, values: 500 };

/** What is wrong with a schema, and where. */
export class SchemaFault extends Error {}

const TYPES: readonly string[] = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
const COUNTS = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'] as const;
const NUMBERS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const;
const ONE = ['items', 'additionalProperties', 'not', 'if', 'then', 'else'] as const;
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'] as const;
/** They say something to people and programs, and are not checked. `format` is one of them. */
const ANNOTATIONS = new Set([
  ...['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'format'],
  ...['contentMediaType', 'contentEncoding', '$comment'],
]);
const DIALECTS = new Set([
  'https://json-schema.org/draft/2020-12/schema',
  'https://json-schema.org/draft/2019-09/schema',
  'http://json-schema.org/draft-07/schema#',
  'http://json-schema.org/draft-07/schema',
]);
const REFERENCE = /^#(\/(\$defs|definitions)\/[^/~%]+)?$/;

type Document = Record<string, unknown>;

/** Turns a schema document into nodes. A keyword that it does not know is a fault: a rule must not be ignored in silence. */
export class SchemaReader {
  private count = 0;
  private values = 0;
  /** Named schemas, by reference. */
  private readonly named = new Map<string, Node>();
  private readonly references: { node: Keywords; to: string; at: string }[] = [];

  /** @throws SchemaFault */
  read(document: unknown): Node {
    try {
      return this.whole(document);
    } catch (error) {
      // Values that nest too deep for the stack.
      if (error instanceof RangeError) throw new SchemaFault('nests too deep');
      throw error;
    }
  }

  private whole(document: unknown): Node {
    const bytes = Buffer.byteLength(JSON.stringify(document) ?? '');
    if (bytes > SCHEMA_LIMITS.bytes) throw new SchemaFault(`has ${bytes} bytes; the limit is ${SCHEMA_LIMITS.bytes}`);
    if (!isObject(document)) throw new SchemaFault('must be a JSON object');
    const root = this.node(document, '#', 0);
    this.named.set('#', root);
    for (const { node, to, at } of this.references) {
      node.ref = this.named.get(to);
      if (node.ref === undefined) throw new SchemaFault(`${at}/$ref names ${to}, which is not there`);
    }
    return root;
  }

  private node(document: unknown, at: string, depth: number): Node {
    if (++this.count > SCHEMA_LIMITS.schemas) throw new SchemaFault(`has more than ${SCHEMA_LIMITS.schemas} schemas`);
    if (depth > SCHEMA_LIMITS.depth) throw new SchemaFault(`nests deeper than ${SCHEMA_LIMITS.depth} schemas`);
    if (typeof document === 'boolean') return document;
    if (!isObject(document)) throw new SchemaFault(`${at} must be an object, true or false`);
    const node: Keywords = {};
    for (const [keyword, value] of Object.entries(document)) {
      if (!ANNOTATIONS.has(keyword)) this.keyword(node, keyword, value, `${at}/${keyword}`, depth + 1);
    }
    return node;
  }

  private keyword(node: Keywords, keyword: string, value: unknown, at: string, depth: number): void {
    if (isIn(ONE, keyword)) node[keyword] = this.node(value, at, depth);
    else if (isIn(LISTS, keyword)) node[keyword] = this.list(value, at, depth);
    else if (isIn(COUNTS, keyword)) node[keyword] = count(value, at);
    else if (isIn(NUMBERS, keyword)) node[keyword] = finite(value, at);
    else this.otherKeyword(node, keyword, value, at, depth);
  }

  private otherKeyword(node: Keywords, keyword: string, value: unknown, at: string, depth: number): void {
    switch (keyword) {
      case '$schema':
        if (!DIALECTS.has(value as string)) throw new SchemaFault(`${at} must be one of ${[...DIALECTS].join(', ')}`);
        return;
      case '$ref':
        if (typeof value !== 'string' || !REFERENCE.test(value))
          throw new SchemaFault(`${at} must be "#" or "#/$defs/NAME": other documents are not read`);
        return void this.references.push({ node, to: value.replace('/definitions/', '/$defs/'), at });
      case '$defs':
      case 'definitions':
        if (at !== `#/${keyword}`) throw new SchemaFault(`${at} must stand at the top of the schema`);
        for (const [name, schema] of members(value, at))
          this.named.set(`#/$defs/${name}`, this.node(schema, `${at}/${name}`, depth));
        return;
      case 'type':
        return void (node.types = types(value, at));
      case 'const':
        return void (node.values = this.listed([value], at));
      case 'enum':
        if (node.values) throw new SchemaFault(`${at} cannot be combined with const`);
        return void (node.values = this.listed(value, at));
      case 'multipleOf':
        if (finite(value, at) <= 0) throw new SchemaFault(`${at} must be above 0`);
        return void (node.multipleOf = value as number);
      case 'pattern':
        return void (node.pattern = pattern(value, at));
      case 'uniqueItems':
        if (typeof value !== 'boolean') throw new SchemaFault(`${at} must be true or false`);
        return void (node.uniqueItems = value);
      case 'required':
        return void (node.required = names(value, at));
      case 'properties':
        return void (node.properties = new Map(
          members(value, at).map(([name, schema]) => [name, this.node(schema, `${at}/${name}`, depth)]),
        ));
      default:
        throw new SchemaFault(`${at} is not supported`);
    }
  }

  private list(value: unknown, at: string, depth: number): Node[] {
    if (!Array.isArray(value) || value.length === 0) throw new SchemaFault(`${at} must be an array with schemas`);
    return value.map((schema, index) => this.node(schema, `${at}/${index}`, depth));
  }

  private listed(value: unknown, at: string): Set<string> {
    if (!Array.isArray(value) || value.length === 0) throw new SchemaFault(`${at} must be an array with values`);
    this.values += value.length;
    if (this.values > SCHEMA_LIMITS.values) throw new SchemaFault(`lists more than ${SCHEMA_LIMITS.values} values`);
    const steps = new Steps(Infinity);
    return new Set(value.map((one) => canonical(one, steps)));
  }
}

function types(value: unknown, at: string): JsonType[] {
  const all = [value].flat();
  if (all.length > 0 && all.every((one) => TYPES.includes(one as string))) return all as JsonType[];
  throw new SchemaFault(`${at} must be one or more of ${TYPES.join(', ')}`);
}

function pattern(value: unknown, at: string): Pattern {
  if (typeof value !== 'string') throw new SchemaFault(`${at} must be a string`);
  try {
    return new Pattern(value);
  } catch (error) {
    throw new SchemaFault(`${at} ${(error as Error).message}`);
  }
}

function finite(value: unknown, at: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new SchemaFault(`${at} must be a number`);
}

function count(value: unknown, at: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new SchemaFault(`${at} must be an integer of at least 0`);
}

function names(value: unknown, at: string): string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return [...new Set<string>(value)];
  throw new SchemaFault(`${at} must be an array of names`);
}

function members(value: unknown, at: string): [string, unknown][] {
  if (isObject(value)) return Object.entries(value);
  throw new SchemaFault(`${at} must be an object`);
}

const isObject = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isIn = <Name extends string>(list: readonly Name[], name: string): name is Name =>
  (list as readonly string[]).includes(name);
