import { describe, expect, it } from '@jest/globals';
import { withoutSecrets } from './logging.js';

describe('a line of the log', () => {
  it.each([
    ['a password field', JSON.stringify({ body: { password: 'hunter2 "quoted"' } }), 'hunter2'],
    [
      'a token inside a JSON text',
      JSON.stringify({ msg: JSON.stringify({ refresh_token: 's3cr3t-value' }) }),
      's3cr3t',
    ],
    ['a bearer token', JSON.stringify({ msg: 'sent Authorization: Bearer abcdef.123456' }), 'abcdef'],
    ['a JWT anywhere', JSON.stringify({ msg: 'got eyJhbGciOi.eyJzdWIiOi.SflKxwRJ' }), 'SflKxwRJ'],
    ['an API key', JSON.stringify({ key: 'zsk_0123456789abcdef' }), '0123456789abcdef'],
    ['the signature of a link', JSON.stringify({ url: '/api/v1/blobs/x?expires=1&signature=AbCd-_1' }), 'AbCd-_1'],
    ['the signature of an S3 link', JSON.stringify({ url: 'https://s3/x?X-Amz-Signature=0a1b2c&x=1' }), '0a1b2c'],
    ['the password in an address', JSON.stringify({ msg: 'connecting postgresql://me:pa55@db:5432/x' }), 'pa55'],
  ])('does not tell %s, and stays JSON', (_, line, secret) => {
    const told = withoutSecrets(`${line}\n`);
    expect(told).not.toContain(secret);
    expect(told).toContain('[redacted]');
    expect(() => JSON.parse(told)).not.toThrow();
  });

  it('is otherwise what was written', () => {
    const line = JSON.stringify({ msg: 'request', route: '/api/v1/auth/api-keys/:id', status: 200, token_count: 3 });
    expect(withoutSecrets(line)).toBe(line);
  });

  it.each([
    ['tokens that begin again and again', 'eyJ-'],
    ['tokens with one dot', 'eyJ-a.'],
    ['names without end', 'a.b-'],
    ['addresses without a password', 'a://b:'],
    ['names of secrets', '"token" '],
    ['names of secrets without a value', '"token":"'],
    ['links', '?sig='],
    ['logins', 'bearer '],
  ])('is written soon, however a client repeats %s', (_, text) => {
    const line = JSON.stringify({ msg: text.repeat(2 ** 21 / text.length) });
    const begun = performance.now();
    withoutSecrets(line);
    // Some 50 ms; where each beginning is followed to the end it is minutes.
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});
