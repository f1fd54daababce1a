import { describe, expect, it } from '@jest/globals';
import type { MissingWall } from '../common/walls.js';
import { parseEnvironment } from '../config/index.js';
import { assertWalls } from './walls.js';

const missing: MissingWall[] = [
  { wall: 'network', reason: 'unshare failed' },
  { wall: 'user', reason: 'only root can start a child as another user' },
];
const environment = (more: NodeJS.ProcessEnv) => parseEnvironment({ JWT_SECRET: 'x'.repeat(32), ...more });

describe('a start with walls missing', () => {
  it('goes on where the operator tries things out', () => {
    expect(() => assertWalls(environment({}), missing)).not.toThrow();
  });

  it('is refused in production, with each wall, its reason and what to do', () => {
    const start = () => assertWalls(environment({ NODE_ENV: 'production', ALLOW_MISSING_WALLS: 'ipc' }), missing);
    expect(start).toThrow(/ no network \(network\): unshare failed; user of its own \(user\): only root can/);
    expect(start).toThrow('docs/security.md');
    expect(start).toThrow('ALLOW_MISSING_WALLS=ipc,network,user.');
  });

  it('goes on in production with the walls that ALLOW_MISSING_WALLS names', () => {
    const allowing = (names: string) => () =>
      assertWalls(environment({ NODE_ENV: 'production', ALLOW_MISSING_WALLS: names }), missing);
    expect(allowing('user, network')).not.toThrow();
    expect(allowing('user')).toThrow('no network');
  });

  it('is a mistake of the configuration where ALLOW_MISSING_WALLS names no wall', () => {
    expect(() => environment({ ALLOW_MISSING_WALLS: 'network,moat' })).toThrow(/ALLOW_MISSING_WALLS: .*network, ipc/);
  });
});
