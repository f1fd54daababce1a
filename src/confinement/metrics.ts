import { WALL_NAMES, type MissingWall } from '../common/walls.js';
import { gauge } from '../observability/index.js';

/** @param around which processes the walls confine; the metric's name begins with it */
export function watchWalls(around: 'sandbox' | 'validation', missing: readonly MissingWall[]): void {
  const help = `1 for each wall around ${around} processes that works on this machine, else 0.`;
  gauge(`${around}_wall_up`, help, ['wall'], () =>
    WALL_NAMES.map((name) => ({
      labels: { wall: name },
      value: missing.some(({ wall }) => wall === name) ? 0 : 1,
    })),
  );
}
