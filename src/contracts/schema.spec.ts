import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { Schema, SchemaFault, Steps } from './index.js';
import { sameSchema } from './schema.js';

const verdictOf = (schema: object, value: unknown, steps = 100_000) =>
  Schema.read(schema).check(value, new Steps(steps));

describe('a schema', () => {
  it('judges documents as ajv does', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    fc.assert(
      fc.property(drawnSchema, fc.array(drawnValue, { minLength: 5, maxLength: 20 }), (schema, values) => {
        const theirs = ajv.compile(schema);
        for (const value of values) {
          expect([JSON.stringify(value), verdictOf(schema, value).end]).toEqual([
            JSON.stringify(value),
            theirs(value) ? 'fits' : 'fault',
          ]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('says where the first fault is and what must be there, and does not quote the document', () => {
    const schema = {
      type: 'object',
      required: ['rows'],
      properties: {
        rows: { type: 'array', items: { type: 'object', properties: { 'a/b': { type: 'integer', minimum: 1 } } } },
      },
      additionalProperties: false,
    };
    expect(verdictOf(schema, { rows: [{ 'a/b': 1 }, { 'a/b': 'secret' }] })).toEqual({
      end: 'fault',
      at: '/rows/1/a~1b',
      reason: 'must be an integer',
    });
    expect(verdictOf(schema, {})).toEqual({ end: 'fault', at: '', reason: 'must have "rows"' });
    expect(verdictOf(schema, { rows: [], other: 1 })).toMatchObject({ at: '/other', reason: 'must not be there' });
    expect(verdictOf(schema, { rows: [{ 'a/b': 0 }] })).toMatchObject({ reason: 'must be at least 1' });
  });

  it('refers to its own parts, also to itself', () => {
    const tree = {
      $defs: { leaf: { type: 'string' } },
      anyOf: [{ $ref: '#/$defs/leaf' }, { type: 'array', items: { $ref: '#' } }],
    };
    expect(verdictOf(tree, ['a', ['b', []]]).end).toBe('fits');
    expect(verdictOf(tree, ['a', ['b', [1]]]).end).toBe('fault');
  });

  it('gives up after a bounded number of steps, however it is built', () => {
    const doubling: Record<string, object> = { end: { type: 'string' } };
    for (let level = 0; level < 40; level++) {
      const next = { $ref: `#/$defs/${level === 39 ? 'end' : level + 1}` };
      doubling[level] = { anyOf: [next, next] };
    }
    expect(verdictOf({ $defs: doubling, $ref: '#/$defs/0' }, 1).end).toBe('too_costly');
    expect(verdictOf({ $ref: '#' }, 1).end).toBe('too_costly');
    expect(verdictOf({ items: { type: 'integer' } }, Array(100_000).fill(1)).end).toBe('too_costly');
    expect(
      verdictOf(
        { uniqueItems: true },
        Array.from({ length: 200_000 }, (_, n) => n),
      ).end,
    ).toBe('too_costly');
    expect(verdictOf({ pattern: '^(a+)+$' }, `${'a'.repeat(200_000)}!`).end).toBe('too_costly');
    expect(verdictOf({ pattern: '^(a+)+$' }, `${'a'.repeat(1000)}!`).end).toBe('fault');
  });

  it.each<[object, RegExp]>([
    [{ properties: { a: { $ref: 'https://example.org/a.json' } } }, /^#\/properties\/a\/\$ref must be "#" or/],
    [{ $ref: '#/$defs/missing' }, /names #\/\$defs\/missing, which is not there$/],
    [{ unevaluatedProperties: false }, /^#\/unevaluatedProperties is not supported$/],
    [{ properties: { a: { $defs: {} } } }, /must stand at the top/],
    [{ type: 'text' }, /must be one or more of null, boolean/],
    [{ pattern: '(?=a)' }, /has a look-around/],
    [{ pattern: String.raw`(a)\1` }, /has \\1, which is not supported$/],
    [{ pattern: '(a' }, /is no regular expression: Unterminated group$/],
    [{ pattern: '(a{1000}){1000}' }, /is too large, repetitions written out$/],
    [{ pattern: '((){1000}){1000}' }, /is too large, repetitions written out$/],
    [{ pattern: 'a'.repeat(257) }, /has more than 256 characters$/],
    [{ minLength: -1 }, /must be an integer of at least 0$/],
    [{ multipleOf: 0 }, /must be above 0$/],
    [{ enum: Array(501).fill(1) }, /^lists more than 500 values$/],
    [{ description: 'x'.repeat(17_000) }, /^has \d+ bytes; the limit is 16384$/],
    [{ allOf: Array(500).fill({}) }, /^has more than 500 schemas$/],
    [nested(33), /^nests deeper than 32 schemas$/],
    [{ const: deep(8000) }, /nests too deep|bytes/],
  ])('is refused, case %#', (schema, message) => {
    expect(() => Schema.read(schema)).toThrow(SchemaFault);
    expect(() => Schema.read(schema)).toThrow(message);
  });

  it('is the same as another with its members in another order', () => {
    expect(sameSchema({ type: 'string', minLength: 1 }, { minLength: 1, type: 'string' })).toBe(true);
    expect(sameSchema({ enum: [1, 2] }, { enum: [2, 1] })).toBe(false);
    expect(sameSchema(null, {})).toBe(false);
  });
});

describe('a pattern', () => {
  it('matches what JavaScript matches', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '0', '-', '\n', 'é', '😀'), maxLength: 6 });
    fc.assert(
      fc.property(drawnPattern, fc.array(text, { minLength: 5, maxLength: 20 }), (source, texts) => {
        for (const one of texts) {
          const ours = verdictOf({ pattern: source }, one).end === 'fits';
          expect([source, one, ours]).toEqual([source, one, new RegExp(source, 'u').test(one)]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$', 'ada@example.org', 'ada@example'],
    ['^\\d{4}-\\d{2}-\\d{2}$', '2026-11-30', '2026-11-3x'],
    ['^(?:EUR|USD)$', 'USD', 'USDX'],
    ['^[\\w.-]{1,5}$', 'a.-_9', 'a.-_9x'],
    ['\\u00e9|\\x41|\\u{1F600}', '😀', 'b'],
  ])('%s', (source, matching, other) => {
    expect(verdictOf({ pattern: source }, matching).end).toBe('fits');
    expect(verdictOf({ pattern: source }, other).end).toBe('fault');
  });
});

function nested(depth: number): object {
  return depth === 0 ? {} : { items: nested(depth - 1) };
}

function deep(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

const drawnValue = fc.oneof(
  { weight: 3, arbitrary: fc.oneof(fc.integer({ min: -3, max: 5 }), fc.constantFrom(0.1, 0.3, 1.5, 1e6)) },
  { weight: 3, arbitrary: fc.constantFrom<unknown>('', 'a', 'ab', '😀', 'abc', true, false, null) },
  {
    weight: 2,
    arbitrary: fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom<unknown>('a', null, [1], { a: 1 })), {
      maxLength: 4,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.dictionary(
      fc.constantFrom('a', 'b', 'c'),
      fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant('a')),
      { maxKeys: 3, noNullPrototype: true },
    ),
  },
);

const { drawnSchema } = fc.letrec<{ drawnSchema: object; part: object | boolean }>((tie) => {
  const part = tie('part');
  const parts = fc.array(part, { minLength: 1, maxLength: 2 });
  const keyword = fc.oneof(
    ...Object.entries({
      type: fc.constantFrom<unknown>('null', 'boolean', 'integer', 'number', 'string', 'array', 'object', [
        'integer',
        'string',
      ]),
      enum: fc.constant([1, 'a', null, { a: 1 }, [1, 2], { b: 'a', a: 2 }]),
      const: fc.constantFrom<unknown>(1, 'a', [1]),
      minimum: fc.integer({ min: -2, max: 2 }),
      exclusiveMaximum: fc.integer({ min: 1, max: 4 }),
      multipleOf: fc.constantFrom(1, 0.5, 2),
      minLength: fc.nat(2),
      maxLength: fc.nat(3),
      pattern: fc.constantFrom('^a', 'b$', '[^a]', 'a|c'),
      minItems: fc.nat(2),
      maxItems: fc.nat(3),
      uniqueItems: fc.boolean(),
      prefixItems: parts,
      items: part,
      required: fc.uniqueArray(fc.constantFrom('a', 'b'), { maxLength: 2 }),
      properties: fc.dictionary(fc.constantFrom('a', 'b'), part, { maxKeys: 2 }),
      additionalProperties: part,
      minProperties: fc.nat(2),
      maxProperties: fc.nat(3),
      allOf: parts,
      anyOf: parts,
      oneOf: parts,
      not: part,
      if: part,
      else: part,
    })
      .concat([['then', part]])
      .map(([name, arbitrary]) => (arbitrary as fc.Arbitrary<unknown>).map((value) => ({ [name]: value }))),
  );
  return {
    part: fc.oneof({ maxDepth: 2, depthIdentifier: 'part' }, fc.boolean(), {
      weight: 4,
      arbitrary: tie('drawnSchema'),
    }),
    drawnSchema: fc
      .array(keyword, { maxLength: 4 })
      .map((all) => Object.assign({}, ...all) as Record<string, unknown>)
      // Both at once are refused.
      .map(({ const: one, ...others }) => (one === undefined || others.enum ? others : { const: one, ...others })),
  };
});

const { drawnPattern } = fc.letrec<{ drawnPattern: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'group' },
    fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '[^a0]',
      '[a-b\\d]',
      '\\d',
      '\\W',
      '\\s',
      '-',
      '^',
      '$',
      '😀',
      '[^\\D]',
      '[\\S]',
    ),
    tie('drawnPattern').map((inner) => `(${inner})`),
    tie('drawnPattern').map((inner) => `(?:${inner})`),
  ),
  drawnPattern: fc
    .array(
      fc
        .tuple(tie('atom'), fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,}', '{0,2}', '*?'))
        .map(([atom, times]) => (atom === '^' || atom === '$' ? atom : `${atom}${times}`)),
      { minLength: 1, maxLength: 3 },
    )
    .chain((parts) => fc.boolean().map((choice) => parts.join(choice ? '|' : ''))),
}));
