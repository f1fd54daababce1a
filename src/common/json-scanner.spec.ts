import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { JsonScanner } from './json-scanner.js';

const MAX_DEPTH = 5;

/** What is wrong with a document that comes in pieces of so many bytes; undefined: nothing. */
function faultOf(document: string | Uint8Array, pieceBytes = 3, maxDepth = MAX_DEPTH): string | undefined {
  const bytes = typeof document === 'string' ? new TextEncoder().encode(document) : document;
  const scanner = new JsonScanner(maxDepth);
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) scanner.push(bytes.subarray(at, at + pieceBytes));
    scanner.end();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return (error as Error).message;
  }
}

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('the scanner of JSON', () => {
  it('takes every document that is one, in pieces of every size', () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: MAX_DEPTH - 1 }),
        fc.integer({ min: 1, max: 20 }),
        (document, pieceBytes) => faultOf(document, pieceBytes) === undefined,
      ),
    );
  });

  it('agrees with the parser on whatever is almost one', () => {
    const piece = fc.constantFrom(
      ...'{}[],:"\\ \n\t0123-+.eEu/tfnxé'.split(''),
      'true',
      'false',
      'null',
      '"a"',
      '\\u00',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (pieces, pieceBytes) => {
        const document = pieces.join('');
        expect([document, faultOf(document, pieceBytes, pieces.length) === undefined]).toEqual([
          document,
          parses(document),
        ]);
      }),
      { numRuns: 5000 },
    );
  });

  it.each(['0', '-0', '1.5e+10', '-12E-3', ' "\\u00e9\\n" ', '[]', '{"a":[{"b":{}}]}', '\t[1 , 2]\r\n', 'true', '""'])(
    'takes %j',
    (document) => {
      expect(parses(document)).toBe(true);
      expect(faultOf(document)).toBeUndefined();
    },
  );

  it.each([
    '01',
    '1.',
    '-',
    '1e',
    '+1',
    '.5',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    '[1}',
    '{"a"}',
    '1 2',
    'nul',
    'nulll',
    '"\t"',
  ])('refuses %j', (document) => {
    expect(parses(document)).toBe(false);
    expect(faultOf(document)).toEqual(expect.any(String));
  });

  it('says what is wrong, and where', () => {
    expect(faultOf('{"a":1}}')).toBe('"}" is unexpected at byte 7');
    expect(faultOf('"\u0000"')).toBe('byte 0x00 is unexpected at byte 1');
    expect(faultOf('[1')).toBe('it is incomplete');
    expect(faultOf('')).toBe('it is empty');
    expect(faultOf('  ')).toBe('it is incomplete');
    expect(faultOf('[[[[[[]]]]]]')).toBe('it nests deeper than 5 levels, at byte 5');
    expect(faultOf('[[[[[]]]]]')).toBeUndefined();
  });

  it('refuses what is not UTF-8, also where a character is cut off at the end', () => {
    expect(faultOf(Uint8Array.of(0x22, 0xff, 0x22))).toBe('it is not UTF-8');
    expect(faultOf(Uint8Array.of(0x22, 0xc3, 0x28, 0x22))).toBe('it is not UTF-8');
    expect(faultOf(Uint8Array.of(0x22, 0xc3))).toBe('it is not UTF-8');
    expect(faultOf('"é€💩"', 1)).toBeUndefined();
  });

  it('tells null from documents that only contain it', () => {
    const isNull = (document: string): boolean => {
      const scanner = new JsonScanner(MAX_DEPTH);
      scanner.push(new TextEncoder().encode(document));
      scanner.end();
      return scanner.isNull;
    };
    expect([' null ', '[null]', '"null"', '{"a":null}'].map(isNull)).toEqual([true, false, false, false]);
  });
});
