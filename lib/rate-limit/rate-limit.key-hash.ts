import { createHash } from 'node:crypto';

/** Longer keys, and those of other than Latin-1 characters, are hashed the slow way. */
const LONGEST = 64;
/** Random numbers that a hash needs: two per character, and two for the length. */
export const HASH_SECRETS = 2 * LONGEST + 2;

/** Hashes a key that `KeyHash` cannot: sets both halves. */
export type SlowHash = (key: string, hash: KeyHash) => void;

/** Keys whose hashes are remembered. V8 compares two equal strings faster than JavaScript reads one. */
const REMEMBERED = 4_096;

/**
 * A key's text as 64 bits in two numbers. Each half is a sum of the characters, each times a secret number of its place: clients choose keys, and
 * without the secrets they cannot choose where these fall.
 */
export class KeyHash {
  /** The hash of the key that `of` was called with last. */
  low = 0;
  high = 0;
  private last = '';
  private tail = 0;
  private readonly keys = new Array<string>(REMEMBERED).fill('');
  private readonly hashes = new Int32Array(2 * REMEMBERED);

  constructor(
    private readonly secrets: Int32Array,
    private readonly slow: SlowHash,
  ) {
    this.compute('');
    for (let place = 0; place < REMEMBERED; place++) this.hashes.set([this.low, this.high], 2 * place);
  }

  /** Hashes a key. */
  of(key: string): void {
    const { length } = key;
    const tail = length > 0 ? key.charCodeAt(length - 1) : 0;
    // To compare strings that differ late is dear: their last characters tell most of them apart.
    if (tail === this.tail && key === this.last) return;
    this.tail = tail;
    this.last = key;
    if (length < 4 || length > LONGEST) return this.compute(key);
    // Keys differ in their ends more than elsewhere.
    const place =
      (tail + key.charCodeAt(length - 2) * 37 + key.charCodeAt(length - 3) * 691 + key.charCodeAt(length - 4) * 2_741) &
      (REMEMBERED - 1);
    if (this.keys[place] !== key) {
      this.compute(key);
      this.keys[place] = key;
      this.hashes[2 * place] = this.low;
      this.hashes[2 * place + 1] = this.high;
      return;
    }
    this.low = this.hashes[2 * place];
    this.high = this.hashes[2 * place + 1];
  }

  private compute(key: string): void {
    const { length } = key;
    if (length > LONGEST) return this.slow(key, this);
    const { secrets } = this;
    let low = Math.imul(secrets[0], length + 1);
    let high = Math.imul(secrets[1], length + 1);
    let any = 0;
    for (let i = 0; i < length; i++) {
      const unit = key.charCodeAt(i);
      any |= unit;
      low = (low + Math.imul(secrets[2 * i + 2], unit)) | 0;
      high = (high + Math.imul(secrets[2 * i + 3], unit)) | 0;
    }
    if (any > 0xff) return this.slow(key, this);
    // The lower bits of a sum of products say least, and a table asks them first.
    low = Math.imul(low ^ (low >>> 16), 0x85ebca6b);
    this.low = low ^ (low >>> 13);
    high = Math.imul(high ^ (high >>> 15), 0xc2b2ae35);
    this.high = high ^ (high >>> 16);
  }
}

/** The slow way without the addon. */
export function sha256Hash(secret: Uint8Array): SlowHash {
  return (key, hash) => {
    // As UTF-16, where lone surrogates differ.
    const digest = createHash('sha256').update(secret).update(key, 'utf16le').digest();
    hash.low = digest.readInt32LE(0);
    hash.high = digest.readInt32LE(4);
  };
}
