import { expect, it } from '@jest/globals';
import { RawJson } from '../common/raw-json.js';
import type { FeedEvent } from '../feed/index.js';
import { MAX_BODY_BYTES, messageOf } from './message.js';

const event = (data: Record<string, unknown>): FeedEvent => ({
  ...{ seq: 7, type: 'task.completed', task_id: 'task', user_id: 'user', agent_owner_id: null, data },
  at: '2026-11-24T02:20:13.104Z',
});
const read = (body: Buffer): any => JSON.parse(String(body));

it('a message holds the event, its result byte for byte', () => {
  const body = messageOf(event({ status: 'completed', result: new RawJson('{"n": 1.0}') }));
  expect(String(body)).toContain('{"n": 1.0}');
  expect(read(body)).toMatchObject({ type: 'task.completed', timestamp: event({}).at, data: { seq: 7 } });
});

it('a message that is too large loses its result, or else most of its data, and says so', () => {
  const large = 'x'.repeat(MAX_BODY_BYTES);
  const short = messageOf(event({ status: 'completed', cost: 1, note: 'n', result: new RawJson(`"${large}"`) }));
  expect(read(short).data.data).toEqual({ status: 'completed', cost: 1, note: 'n', truncated: true });
  expect(read(messageOf(event({ status: 'completed', lines: [large] }))).data.data).toEqual({
    ...{ status: 'completed', truncated: true },
  });
  expect(read(messageOf(event({ status: large }))).data.data).toEqual({ truncated: true });
});
