import { describe, expect, it } from '@jest/globals';
import { UsageError } from './command.js';
import { Mocks } from './mocks.js';

const METHODS = ['kv.get', 'http.fetch'];

describe('canned answers of host calls', () => {
  it('fit by the members that they name, at any depth', () => {
    const mocks = Mocks.of(
      [
        { method: 'http.fetch', request: { url: 'a', headers: { accept: 'x' } }, answer: { status: 1 } },
        { method: 'http.fetch', request: { url: 'b', tags: [1, 2] }, answer: { status: 2 } },
        { method: 'http.fetch', answer: { status: 3 } },
      ],
      METHODS,
    );
    const taken = (request: unknown) => mocks.take('http.fetch', request);
    expect(taken({ url: 'b', tags: [1, 2], more: true })).toEqual({ status: 2 });
    expect(taken({ url: 'a', headers: { accept: 'x', more: 'y' } })).toEqual({ status: 1 });
    expect(taken({ url: 'b', tags: [1, 2, 3] })).toEqual({ status: 3 });
    expect(taken('no object')).toEqual({ status: 3 });
    expect(mocks.take('kv.get', {})).toBeUndefined();
    expect([mocks.names('http.fetch'), mocks.names('kv.get')]).toEqual([true, false]);
  });

  it('answer once each in their order, and the last one again', () => {
    const answers = [1, 2].map((value) => ({ method: 'kv.get', request: { key: 'a' }, answer: { value } }));
    const mocks = Mocks.of(answers, METHODS);
    expect([1, 2, 3].map(() => mocks.take('kv.get', { key: 'a' }))).toEqual([{ value: 1 }, { value: 2 }, { value: 2 }]);
    expect(mocks.take('kv.get', { key: 'b' })).toBeUndefined();
  });

  it.each([
    [{}, '--mock: the file'],
    [[{ method: 'kv.gett', answer: {} }], '--mock: 0.method'],
    [[{ method: 'kv.get', answer: 1 }], '--mock: 0.answer'],
  ])('are refused by the path of the member: %j', (document, path) => {
    expect(() => Mocks.of(document, METHODS)).toThrow(UsageError);
    expect(() => Mocks.of(document, METHODS)).toThrow(path);
  });
});
