/** Jest sequencer: starts the longest suites first, so that none of them runs alone at the end. */
import Sequencer from '@jest/test-sequencer';

/** More than a minute each. Those that wait and those that compute take turns. */
const LONGEST = [
  'e2e/leases',
  'docs/shell-blocks',
  'e2e/workers',
  'e2e/operator',
  'e2e/real-programs',
  'hostile/sandbox',
  'e2e/queue',
  'e2e/split-roles',
  'e2e/recovery',
  'e2e/agent-cli',
  'chaos/chaos',
  'e2e/upload-crash',
  'e2e/malware',
  'e2e/migrations',
  'e2e/tracing',
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
