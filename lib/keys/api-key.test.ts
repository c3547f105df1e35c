import { createHash } from 'node:crypto';
import { isNewApiKey, keyIn, newApiKey, publicIdOf, hashApiKey } from './api-key.js';

describe('an API key', () => {
  it('has a public id of 12 characters and 256 secret bits, and none is made twice', () => {
    const keys = Array.from({ length: 200 }, () => newApiKey());
    for (const key of keys) expect(key).toMatch(/^sk-[A-Za-z0-9]{12}-[\w-]{43}$/);
    expect(new Set(keys.map(publicIdOf)).size).toBe(200);
    expect(Buffer.from(keys[0].slice(-43), 'base64url')).toHaveLength(32);
  });

  it('keeps its public id when it gets another secret', () => {
    const first = newApiKey('abcDEF012345');
    expect(publicIdOf(first)).toBe('abcDEF012345');
    expect(newApiKey('abcDEF012345')).not.toBe(first);
  });

  it('of another program is found by the beginning of its hash', () => {
    const key = 'sk-QWrxEynunsNpV1zT48HIrw';
    const hash = createHash('sha256').update(key).digest('hex');
    expect(hashApiKey(key)).toBe(hash);
    expect(publicIdOf(key)).toBe(hash.slice(0, 12));
  });

  it.each(['sk-1', 'sk-short', `sk-${'a'.repeat(2_000)}`, 'sk-with spaces in it 0123', 'sk-äöüäöüäöüäöüäöüäöü', 'sk-a/b+c='])(
    'can be any text after sk-, as in LiteLLM: %j',
    (text) => {
      expect(publicIdOf(text)).toBe(hashApiKey(text).slice(0, 12));
      expect(isNewApiKey(text)).toBe(false);
    },
  );

  it.each(['', 'sk-', 'Bearer sk-QWrxEynunsNpV1zT48HIrw', 'pk-QWrxEynunsNpV1zT48HIrw', hashApiKey('sk-1234'), ' sk-1234'])(
    'is not %j',
    (text) => {
      expect(publicIdOf(text)).toBeUndefined();
      expect(isNewApiKey(text)).toBe(false);
    },
  );

  it.each([
    [{ authorization: 'Bearer sk-1 2 ' }, 'sk-1 2'],
    [{ authorization: 'bearer   sk-1' }, 'sk-1'],
    [{ authorization: 'Bearer ' }, 'Bearer '],
    [{ authorization: 'sk-1 2' }, 'sk-1 2'],
  ])('is read from %j', (headers, key) => {
    expect(keyIn(headers)).toBe(key);
  });
});
