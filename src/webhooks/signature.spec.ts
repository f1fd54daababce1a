import { describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { newSecret, signedHeaders } from './signature.js';

describe('a signed request', () => {
  const [current, previous] = [newSecret(), newSecret()];
  const body = Buffer.from('{"type":"task.completed","data":{"text":"ünïcode ✓"}}');
  const headers = signedHeaders([current, previous], 'msg_1', Date.now(), body);

  it('is accepted by the reference implementation with either secret', () => {
    expect(new Webhook(current).verify(body, headers)).toEqual(JSON.parse(String(body)));
    expect(new Webhook(previous).verify(body, headers)).toEqual(JSON.parse(String(body)));
  });

  it('is refused with another secret, body, id or time', () => {
    const hook = new Webhook(current);
    expect(() => new Webhook(newSecret()).verify(body, headers)).toThrow();
    expect(() => hook.verify(`${String(body)} `, headers)).toThrow();
    expect(() => hook.verify(body, { ...headers, 'webhook-id': 'msg_2' })).toThrow();
    const old = signedHeaders([current], 'msg_1', Date.now() - 360_000, body);
    expect(() => hook.verify(body, old)).toThrow();
  });
});
