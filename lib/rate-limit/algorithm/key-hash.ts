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
  /** The key that the hash is of, and its last character; -1 where the hash is another one's. */
  private last = '';
  private lastTail = -1;
  /** Keys that are remembered, by a place that their last characters give, where keys differ more than elsewhere: these characters, the key, its hash. */
  private readonly ends = new Int32Array(REMEMBERED).fill(-1);
  private readonly keys = new Array<string>(REMEMBERED).fill('');
  private readonly hashes = new Int32Array(2 * REMEMBERED);
  /** Half a hash of the key that came last. */
  private readonly candidates = new Int32Array(REMEMBERED);

  constructor(
    private readonly secrets: Int32Array,
    private readonly slow: SlowHash,
  ) {}

  /** Hashes a key. */
  of(key: string): void {
    const tail = key.charCodeAt(key.length - 1);
    // To compare strings is dear where they differ late, or are far from the processor.
    if (tail !== this.lastTail || key !== this.last) this.find(key, tail);
  }

  /** Takes a hash that is known. */
  set(low: number, high: number): void {
    this.low = low;
    this.high = high;
    this.lastTail = -1;
  }

  private find(key: string, tail: number): void {
    const { length } = key;
    this.lastTail = -1;
    if (length < 4 || length > LONGEST) return this.compute(key);
    this.lookUp(key, length, tail);
    this.last = key;
    this.lastTail = tail;
  }

  private lookUp(key: string, length: number, tail: number): void {
    const end =
      (tail & 0xff) |
      ((key.charCodeAt(length - 2) & 0xff) << 8) |
      ((key.charCodeAt(length - 3) & 0xff) << 16) |
      ((key.charCodeAt(length - 4) & 0x7f) << 24);
    const place = (Math.imul(end, 0x9e3779b1) >>> 16) & (REMEMBERED - 1);
    if (this.ends[place] === end && this.keys[place] === key) {
      this.low = this.hashes[2 * place];
      this.high = this.hashes[2 * place + 1];
      return;
    }
    this.compute(key);
    this.remember(key, end, place);
  }

  /** A key that comes for the second time with no other between. */
  private remember(key: string, end: number, place: number): void {
    if (this.candidates[place] !== this.low) {
      this.candidates[place] = this.low;
      return;
    }
    this.ends[place] = end;
    this.keys[place] = key;
    this.hashes[2 * place] = this.low;
    this.hashes[2 * place + 1] = this.high;
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
