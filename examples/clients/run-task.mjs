/**
 * Submits a task, shows what happens to it, and prints its result. Needs `npm install @zerostate/sdk`.
 *
 *     API_KEY=zsk_… node run-task.mjs http://localhost:8080 summarise 0.5 '{"text": "To be or not to be."}'
 *
 * The key needs the scopes `tasks:read` and `tasks:write`. Ctrl-C cancels the task.
 */
import { ApiError, TaskError, ZeroState } from '@zerostate/sdk';

const [url, capability, budget, input] = process.argv.slice(2);
const client = new ZeroState({ url, credentials: { apiKey: process.env.API_KEY } });
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());

try {
  const task = { required_capabilities: [capability], budget, input: JSON.parse(input) };
  const { result } = await client.tasks.run(task, {
    signal: interrupt.signal,
    onEvent: (event) => console.error(event.seq, event.type),
  });
  console.log(JSON.stringify(result));
} catch (error) {
  if (!(error instanceof ApiError || error instanceof TaskError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
