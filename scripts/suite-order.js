/** Jest sequencer: starts the longest suites first, so that none of them runs alone at the end. */
import Sequencer from '@jest/test-sequencer';

/** More than a minute each, the longest first. Those that mostly wait stand between those that compute. */
const LONGEST = [
  'docs/shell-blocks',
  'e2e/leases',
  'e2e/real-programs',
  'e2e/queue',
  'chaos/chaos',
  'e2e/operator',
  'e2e/console',
  'e2e/workers',
  'e2e/backup',
  'hostile/sandbox',
  'e2e/upload-crash',
  'e2e/recovery',
  'e2e/agent-cli',
  'e2e/split-roles',
  'e2e/tracing',
  'e2e/health',
  'e2e/bad-input',
  'e2e/protection',
  'e2e/migrations',
];

export default class LongestFirst extends Sequencer {
  /** Among the others, Jest's own order: what failed last time, then by the time it took, or by the size of the file. */
  sort(tests) {
    const place = ({ path }) => {
      const found = LONGEST.findIndex((name) => path.includes(`/test/${name}.`));
      return found < 0 ? LONGEST.length : found;
    };
    return super.sort(tests).sort((a, b) => place(a) - place(b));
  }
}
