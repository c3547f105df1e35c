type ShortTokens = Pick<Vocabulary, 'longest' | 'single' | 'pairs'>;

/**
 * All tokens of a rank file: a hash table from bytes to token id.
 *
 * `hashPrefixes` hashes all prefixes of a text once. The hash of any part of the text follows from
 * two of them in constant time, so a look-up reads the bytes of the part only to confirm a hit.
 */
export class Vocabulary {
  /** Bytes of the longest token. */
  readonly longest: number;
  /** The token of each byte. */
  readonly single: Int32Array;
  /** The token of two bytes, by `first | (second << 8)`; -1 if there is none. */
  readonly pairs: Int32Array;
  private readonly powers: Int32Array;

  private constructor(
    private readonly bytes: Uint8Array,
    /** Token `id` is `bytes[ends[id - 1]..ends[id]]`; empty for an id without a token. */
    private readonly ends: Uint32Array,
    private readonly hashes: Int32Array,
    /** Open addressing: id + 1, or 0 for a free slot. */
    private readonly slots: Int32Array,
    { longest, single, pairs }: ShortTokens,
  ) {
    this.longest = longest;
    this.single = single;
    this.pairs = pairs;
    this.powers = new Int32Array(longest + 1);
    this.powers[0] = 1;
    for (let i = 1; i <= longest; i++) this.powers[i] = Math.imul(this.powers[i - 1], MULTIPLIER);
  }

  /** Builds the table of `tokens`, which come by ascending id, all below `size`. */
  static build(size: number, tokens: Iterable<readonly [id: number, bytes: Uint8Array]>): Vocabulary {
    const ends = new Uint32Array(size);
    const hashes = new Int32Array(size);
    const slots = new Int32Array(2 ** Math.ceil(Math.log2(size * 2)));
    const short = { longest: 0, single: new Int32Array(256), pairs: new Int32Array(1 << 16).fill(-1) };
    let bytes = new Uint8Array(size * 8);
    let used = 0;
    let next = 0;
    for (const [id, decoded] of tokens) {
      while (used + decoded.length > bytes.length) bytes = grow(bytes);
      bytes.set(decoded, used);
      used += decoded.length;
      while (next < id) ends[next++] = used - decoded.length;
      ends[next++] = used;
      short.longest = Math.max(short.longest, decoded.length);
      if (decoded.length === 1) short.single[decoded[0]] = id;
      else if (decoded.length === 2) short.pairs[decoded[0] | (decoded[1] << 8)] = id;
      hashes[id] = hashAll(decoded);
      let slot = firstSlot(hashes[id], slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = id + 1;
    }
    while (next < size) ends[next++] = used;
    return new Vocabulary(bytes.slice(0, used), ends, hashes, slots, short);
  }

  /** Bytes of a token; 0 for an id without a token. */
  lengthOf(id: number): number {
    return this.ends[id] - (id > 0 ? this.ends[id - 1] : 0);
  }

  /** The bytes of `ids`, all of which must be tokens. */
  decode(ids: Uint32Array): Uint8Array {
    const decoded = new Uint8Array(this.decodedLength(ids));
    let at = 0;
    for (const id of ids) {
      for (let from = id > 0 ? this.ends[id - 1] : 0; from < this.ends[id]; from++) decoded[at++] = this.bytes[from];
    }
    return decoded;
  }

  decodedLength(ids: Uint32Array): number {
    let length = 0;
    for (const id of ids) length += this.lengthOf(id);
    return length;
  }

  /** The token whose bytes are `text[start..end]`, or -1. `prefixes` are the hashes of `text`. */
  find(text: Uint8Array, prefixes: Int32Array, start: number, end: number): number {
    const length = end - start;
    if (length > this.longest) return -1;
    const hash = (prefixes[end] - Math.imul(prefixes[start], this.powers[length])) | 0;
    const mask = this.slots.length - 1;
    for (let slot = firstSlot(hash, mask); this.slots[slot] !== 0; slot = (slot + 1) & mask) {
      const id = this.slots[slot] - 1;
      if (this.hashes[id] === hash && this.equals(id, text, start, length)) return id;
    }
    return -1;
  }

  private equals(id: number, text: Uint8Array, start: number, length: number): boolean {
    if (this.lengthOf(id) !== length) return false;
    const from = this.ends[id] - length;
    for (let i = 0; i < length; i++) if (this.bytes[from + i] !== text[start + i]) return false;
    return true;
  }
}

const MULTIPLIER = 0x2c1b3c6d;

/** Writes the hash of `bytes[0..i]` to `prefixes[i]` for every `i` up to `length`. */
export function hashPrefixes(bytes: Uint8Array, prefixes: Int32Array, length: number): void {
  let hash = (prefixes[0] = 0);
  for (let i = 0; i < length; i++) prefixes[i + 1] = hash = (Math.imul(hash, MULTIPLIER) + bytes[i] + 1) | 0;
}

function hashAll(bytes: Uint8Array): number {
  let hash = 0;
  for (const byte of bytes) hash = (Math.imul(hash, MULTIPLIER) + byte + 1) | 0;
  return hash;
}

/** Folds the high bits in, because the low bits of a polynomial depend on few bytes. */
function firstSlot(hash: number, mask: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) & mask;
}

function grow(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length * 2);
  larger.set(bytes);
  return larger;
}
