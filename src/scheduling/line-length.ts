const SHORTEST = 1;
const LONGEST = 256;

/**
 * How many entries the queue's line should have: twice what workers took since the last look, or half of what it had,
 * if that is more. So the line is short while tasks are long, and a task that comes now waits behind few. While tasks
 * are short, workers find it empty, and it doubles.
 */
export class LineLength {
  private filled = 0;
  private length = SHORTEST;

  /** The most that `next` may answer at the next look. */
  get longest(): number {
    return clamp(Math.max(2 * this.filled, this.length));
  }

  /** @param inLine entries that are in the line now @returns how many should be */
  next(inLine: number): number {
    this.length = clamp(Math.max(2 * (this.filled - inLine), Math.floor(this.length / 2)));
    return this.length;
  }

  /** @param inLine entries that are in the line after the look */
  leave(inLine: number): void {
    this.filled = inLine;
  }
}

const clamp = (length: number): number => Math.min(LONGEST, Math.max(SHORTEST, length));
