import { describe, expect, it } from '@jest/globals';
import argon2 from 'argon2';
import { hashPassword, NOBODYS, PARAMETERS, verifyPassword } from './password.js';

describe('a password', () => {
  it('is right for its own hash alone', async () => {
    const hash = await hashPassword('correct horse');
    expect(await verifyPassword(hash, 'correct horse')).toBe(true);
    expect(await verifyPassword(hash, 'wrong horse')).toBe(false);
  });

  it('is wrong for an account that does not exist, and checked against a hash that costs as much as any', async () => {
    expect(await verifyPassword(undefined, 'correct horse')).toBe(false);
    const costs = (hash: string): string[] => hash.split('$').slice(1, 4);
    expect(costs(NOBODYS)).toEqual(costs(await hashPassword('correct horse')));
    expect(argon2.needsRehash(NOBODYS, PARAMETERS)).toBe(false);
  });
});
