import { describe, expect, it } from '@jest/globals';
import { LineLength } from './line-length.js';

describe('the length of the line', () => {
  /** @param taken entries that workers take before each look; `Infinity`: all */
  const lengthsFor = (...taken: number[]): number[] => {
    const line = new LineLength();
    let inLine = 0;
    return taken.map((count) => {
      inLine = Math.max(0, inLine - count);
      const length = line.next(inLine);
      inLine = Math.max(inLine, length);
      line.leave(inLine);
      return length;
    });
  };

  it('doubles while workers find it empty, up to a limit', () => {
    expect(lengthsFor(...Array(11).fill(Infinity))).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256]);
  });

  it('stays at twice what workers take', () => {
    expect(lengthsFor(...Array(5).fill(Infinity), 10, 10, 10)).toEqual([1, 2, 4, 8, 16, 20, 20, 20]);
  });

  it('halves from look to look while workers take nothing', () => {
    expect(lengthsFor(...Array(5).fill(Infinity), 0, 0, 0, 0, 0)).toEqual([1, 2, 4, 8, 16, 8, 4, 2, 1, 1]);
  });
});
