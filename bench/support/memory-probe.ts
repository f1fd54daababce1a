import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Loaded into a server under test: collects garbage when asked over IPC, and says what memory or heap is left, bytes. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('message', (command: { type?: string }) => {
  if (command.type !== 'memory' && command.type !== 'heap') return;
  collect();
  collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ type: 'answer', answer: command.type === 'heap' ? heapUsed + external : rss });
});
// A listener of ours must not keep the server from ending.
process.channel?.unref();
