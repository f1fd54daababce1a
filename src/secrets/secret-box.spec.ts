import { describe, expect, it } from '@jest/globals';
import { SecretBox } from './secret-box.js';

const PLACE = ['a', 'KEY', 'api.example.com'];
const OLD = 'the old key, thirty-two characters';
const NEW = 'the new key, thirty-two characters';

describe('a sealed secret', () => {
  const box = new SecretBox(NEW, [OLD]);

  it('opens for its agent, name and host, and for nothing else', () => {
    const sealed = box.seal('canary', PLACE);
    expect(box.open(sealed, PLACE)).toBe('canary');
    for (const other of [['b', 'KEY', PLACE[2]], ['a', 'OTHER', PLACE[2]], ['a', 'KEY', 'evil.example.com'], ['a']]) {
      expect(box.open(sealed, other)).toBeUndefined();
    }
  });

  it('does not show its text, and is different each time', () => {
    const [one, two] = [box.seal('canary', PLACE), box.seal('canary', PLACE)];
    expect(one.sealed.toString('latin1')).not.toContain('canary');
    expect(one.sealed.equals(two.sealed)).toBe(false);
  });

  it('does not open once a bit of it was changed', () => {
    const { keyId, sealed } = box.seal('canary', PLACE);
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] ^= 1;
      expect(box.open({ keyId, sealed: changed }, PLACE)).toBeUndefined();
    }
    expect(box.open({ keyId, sealed: sealed.subarray(0, 20) }, PLACE)).toBeUndefined();
  });

  it('opens with a previous key, and not without it', () => {
    const sealed = new SecretBox(OLD, []).seal('canary', PLACE);
    expect(sealed.keyId).not.toBe(box.keyId);
    expect(box.keyIds).toContain(sealed.keyId);
    expect(box.open(sealed, PLACE)).toBe('canary');
    expect(new SecretBox(NEW, []).open(sealed, PLACE)).toBeUndefined();
  });
});
