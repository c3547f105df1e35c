import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import type { HashedKey } from './key-index.js';

/** Longer keys, and those with other than Latin-1 characters, are hashed by SHA-256. */
const LONGEST = 64;

/**
 * Hashes keys with random per-process numbers, because clients choose keys and must not be able to
 * choose their positions. Each half is the sum of the characters, each multiplied by a secret
 * number for its position.
 */
export class KeyHash {
  private readonly secret = randomBytes(32);
  private readonly factors = randomFillSync(new Int32Array(2 * LONGEST + 2));

  of(key: string, family: number): HashedKey {
    const { factors } = this;
    const { length } = key;
    if (length > LONGEST) return this.digest(key, family);
    let low = Math.imul(factors[0], length + 1);
    let high = Math.imul(factors[1], length + 1);
    let any = 0;
    for (let i = 0; i < length; i++) {
      const unit = key.charCodeAt(i);
      any |= unit;
      low = (low + Math.imul(factors[2 * i + 2], unit)) | 0;
      high = (high + Math.imul(factors[2 * i + 3], unit)) | 0;
    }
    if (any > 0xff) return this.digest(key, family);
    // The lower bits of a sum of products are the weakest, and the index uses them first.
    low = Math.imul(low ^ (low >>> 16), 0x85ebca6b);
    high = Math.imul(high ^ (high >>> 15), 0xc2b2ae35);
    return { low: low ^ (low >>> 13), high: high ^ (high >>> 16), family };
  }

  private digest(key: string, family: number): HashedKey {
    // As UTF-16, which keeps lone surrogates distinct.
    const digest = createHash('sha256').update(this.secret).update(key, 'utf16le').digest();
    return { low: digest.readInt32LE(0), high: digest.readInt32LE(4), family };
  }
}
