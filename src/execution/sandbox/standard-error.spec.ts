import { describe, expect, it } from '@jest/globals';
import { StandardError } from './standard-error.js';

function written(pieces: (string | Uint8Array)[], maxBytes = 1000, maxLines = 100) {
  const lines: string[] = [];
  const stderr = new StandardError(maxBytes, maxLines, (more) => lines.push(...more));
  for (const piece of pieces) stderr.write(Buffer.from(piece as string));
  const beforeTheEnd = lines.length;
  stderr.finish();
  return { lines, beforeTheEnd, tail: stderr.tail };
}

describe('standard error of an agent', () => {
  it('is split into lines however it is written, and the last needs no line feed', () => {
    const { lines, beforeTheEnd } = written(['on', 'e\r\ntw', 'o\n\nfo', 'ur']);
    expect(lines).toEqual(['one', 'two', '', 'four']);
    expect(beforeTheEnd).toBe(3);
  });

  it('is kept up to a number of lines', () => {
    expect(written(['1\n2\n3\n4'], 1000, 3).lines).toEqual(['1', '2', '3']);
    expect(written(['1\n2\n3', '\n4\n', '5\n'], 1000, 3).lines).toEqual(['1', '2', '3']);
    expect(written(['1\n2'], 1000, 0).lines).toEqual([]);
  });

  it('is kept up to a number of bytes', () => {
    expect(written(['abcd', 'efgh\n', 'ijkl'], 6).lines).toEqual(['abcdef']);
    expect(written(['ab\ncdefgh'], 5).lines).toEqual(['ab', 'cd']);
    expect(written(['abc\n'], 0).lines).toEqual([]);
  });

  it('shows its end even when the flood before it was dropped', () => {
    const { lines, tail } = written([...Array<string>(3000).fill('noise\n'), 'the reason\n'], 100, 3);
    expect(lines).toEqual(['noise', 'noise', 'noise']);
    expect(tail.endsWith('noise\nthe reason')).toBe(true);
    expect(tail.length).toBeLessThanOrEqual(2048);
  });

  it('shows the last two KiB, however they were written', () => {
    const text = Array.from({ length: 2000 }, (_, index) => `${index}`).join(' ');
    for (const size of [1, 7, 2047, 2048, 2049, text.length]) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
        text.slice(index * size, (index + 1) * size),
      );
      expect(written(pieces, 10).tail).toBe(text.slice(-2048));
    }
  });

  it('brings neither control characters nor broken UTF-8 into logs', () => {
    expect(written(['\u001b[31mred\0\tend\n', Buffer.from([0xff, 0x41])]).lines).toEqual(['�[31mred�\tend', '�A']);
  });
});
