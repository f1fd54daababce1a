import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Loaded into a server under test: collects garbage when asked over IPC, and says what memory is left. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('message', (command: { type?: string }) => {
  if (command.type !== 'memory') return;
  collect();
  collect();
  process.send?.({ type: 'answer', answer: process.memoryUsage().rss });
});
// A listener of ours must not keep the server from ending.
process.channel?.unref();
