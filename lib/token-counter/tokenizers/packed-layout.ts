import { crc32 } from 'node:zlib';
import { PAIR_BITMAP_BYTES } from './spanned-pairs.js';
import { PREFIX_SPACES, SPLITS, type AddedToken, type PrefixSpace, type SplitName, type TokenizerModel } from './tokenizer-model.js';

/**
 * A packed tokenizer, little-endian; `native/core/src/token_counter/packed.rs` reads the same:
 *
 *     u32 magic, version, CRC-32 of all behind it
 *     u32 split, flags (normalizer 2 bits, spaces 1, prefix space 2), BOS,
 *         number of ids, of added tokens, of long merges, 1 if mapped
 *     added:      u32 id, kind, length; the bytes
 *     long:       u32 left, right, made, length   merges of more than 128 bytes, by rank
 *     external:   u32 for each id, if mapped      ids of the file
 *     vocabulary: u32 ids, u8 length of each, the bytes,
 *                 u32 left, right, prefix of each, bitmap of pairs
 */
const MAGIC = 0x544c464e;
/** Raised whenever a packed file of before would be read wrongly. */
export const PACKED_VERSION = 1;
const CRC_END = 12;
const HEADER_BYTES = 40;
const NONE = 0xffff_ffff;
/** Bytes behind the end, so that wide loads stay inside. */
const PADDING_BYTES = 16;

/** Bytes whose checksum is computed at once. */
const BYTES_PER_TURN = 1 << 20;

/** Bytes of the longest token that the tables hold. */
export const LONGEST_TOKEN = 128;

const KINDS = ['plain', 'plain-normalized', 'special', 'decode-only'] as const;
type Kind = (typeof KINDS)[number];

/** Two tokens, by their ids in the tables, that make one of more than `LONGEST_TOKEN` bytes. */
export interface LongMerge {
  readonly left: number;
  readonly right: number;
  readonly made: number;
  /** Bytes of the made token. */
  readonly length: number;
}

/** What is packed. */
export interface PackedParts {
  readonly model: TokenizerModel;
  /** Bytes by id; empty for an id without a token. */
  readonly tokens: readonly string[];
  readonly derived: Uint32Array;
  readonly external: Uint32Array | null;
  readonly long: readonly LongMerge[];
  readonly spanned: Buffer;
  readonly decodeOnly: ReadonlyMap<number, string>;
}

/** Writes a packed tokenizer. */
export function writePacked({ model, tokens, derived, external, long, spanned, decodeOnly }: PackedParts): Buffer {
  const added = [
    ...model.added.map((token): [number, Kind, Buffer] => [token.id, kindOf(token), Buffer.from(token.content)]),
    ...[...decodeOnly].map(([id, bytes]): [number, Kind, Buffer] => [id, 'decode-only', Buffer.from(bytes, 'latin1')]),
  ];
  const form = ['none', 'nfc', 'nfkc'].indexOf(model.normalizer);
  const flags = form | (model.spaces ? 4 : 0) | (PREFIX_SPACES.indexOf(model.prefixSpace) << 3);
  const packed = Buffer.concat([
    words([MAGIC, PACKED_VERSION, 0]),
    words([SPLITS.indexOf(model.split), flags, model.bos ?? NONE, tokens.length, added.length, long.length, external === null ? 0 : 1]),
    ...added.flatMap(([id, kind, bytes]) => [words([id, KINDS.indexOf(kind), bytes.length]), bytes]),
    ...long.map(({ left, right, made, length }) => words([left, right, made, length])),
    words(external ?? []),
    words([tokens.length]),
    Buffer.from(tokens.map((token) => token.length)),
    Buffer.from(tokens.join(''), 'latin1'),
    words(derived),
    spanned,
    Buffer.alloc(PADDING_BYTES),
  ]);
  packed.writeUInt32LE(crc32(packed.subarray(CRC_END)), CRC_END - 4);
  return packed;
}

function kindOf({ special, normalized }: AddedToken): Kind {
  if (special) return 'special';
  return normalized ? 'plain-normalized' : 'plain';
}

function words(values: ArrayLike<number>): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (let index = 0; index < values.length; index++) buffer.writeUInt32LE(values[index], index * 4);
  return buffer;
}

/** A packed tokenizer, as both engines use it. */
export class PackedTokenizer {
  readonly split: SplitName;
  readonly normalizer: TokenizerModel['normalizer'];
  /** U+2581 stands for a space. */
  readonly spaces: boolean;
  readonly prefixSpace: PrefixSpace;
  /** The token that starts a prompt, or `null`. */
  readonly bos: number | null;
  /** Added tokens that any text may have, by their text. */
  readonly plain: ReadonlyMap<string, number>;
  /** Those of them that are found in the normalized text. */
  readonly plainNormalized: ReadonlySet<string>;
  /** Control tokens, by their text. */
  readonly specials: ReadonlyMap<string, number>;
  /** Bytes of added tokens, and of those that the tables do not hold, by id. */
  readonly outside: ReadonlyMap<number, Uint8Array>;
  readonly longMerges: Uint32Array;
  /** The file's ids; `null` if the tables have the same. */
  readonly external: Uint32Array | null;
  /** Lengths of the tokens, by id in the tables. */
  readonly lengths: Uint8Array;
  /** Their bytes, one behind the other. */
  readonly tokenBytes: Uint8Array;
  /** The bitmap of pairs. */
  readonly spanned: Uint8Array;
  private held: ReadonlySet<number> | undefined = undefined;

  private constructor(
    /** As in the option `tokenCounter.tokenizers`. */
    readonly name: string,
    /** Stands for the contents: tokenizers of one key are the same. */
    readonly key: string,
    readonly data: Buffer,
  ) {
    const [split, flags, bos, ids, added, long, isMapped] = Array.from({ length: 7 }, (_, i) => data.readUInt32LE(CRC_END + i * 4));
    this.split = SPLITS[split];
    this.normalizer = (['none', 'nfc', 'nfkc'] as const)[flags & 3];
    this.spaces = (flags & 4) !== 0;
    this.prefixSpace = PREFIX_SPACES[(flags >> 3) & 3];
    this.bos = bos === NONE ? null : bos;
    const tables = { plain: new Map<string, number>(), specials: new Map<string, number>(), outside: new Map<number, Uint8Array>() };
    const normalized = new Set<string>();
    let at = HEADER_BYTES;
    for (let i = 0; i < added; i++) {
      const [id, kind, length] = [0, 4, 8].map((offset) => data.readUInt32LE(at + offset));
      const bytes = data.subarray(at + 12, at + 12 + length);
      at += 12 + length;
      tables.outside.set(id, bytes);
      if (KINDS[kind] === 'decode-only') continue;
      (KINDS[kind] === 'special' ? tables.specials : tables.plain).set(bytes.toString(), id);
      if (KINDS[kind] === 'plain-normalized') normalized.add(bytes.toString());
    }
    const wordsAt = (count: number): Uint32Array => new Uint32Array(new Uint8Array(data.subarray(at, at + count * 4)).buffer);
    this.longMerges = wordsAt(long * 4);
    at += long * 16;
    this.external = isMapped === 1 ? wordsAt(ids) : null;
    at += isMapped * ids * 4 + 4;
    this.lengths = data.subarray(at, at + ids);
    at += ids;
    let bytes = 0;
    for (const length of this.lengths) bytes += length;
    this.tokenBytes = data.subarray(at, at + bytes);
    at += bytes + ids * 12;
    this.spanned = data.subarray(at, at + PAIR_BITMAP_BYTES);
    this.plain = tables.plain;
    this.plainNormalized = normalized;
    this.specials = tables.specials;
    this.outside = tables.outside;
  }

  /** Those of `outside` that the tables hold, too: there they are as a text has them. */
  get heldOutside(): ReadonlySet<number> {
    return (this.held ??= new Set(this.heldIds()));
  }

  private *heldIds(): Generator<number> {
    const { external, lengths, outside } = this;
    for (let id = 0; id < lengths.length; id++) {
      const outer = external === null ? id : external[id];
      if (lengths[id] > 0 && outside.has(outer)) yield outer;
    }
  }

  /** Opens a packed file; `undefined` if it is of another version, or damaged. */
  static open(name: string, key: string, data: Buffer): PackedTokenizer | undefined {
    return isPacked(data) && data.readUInt32LE(CRC_END - 4) === crc32(data.subarray(CRC_END))
      ? new PackedTokenizer(name, key, data)
      : undefined;
  }

  /** The same in turns of about a millisecond; `nextTurn` lets the event loop go on. */
  static async openInTurns(name: string, key: string, data: Buffer, nextTurn: () => Promise<void>): Promise<PackedTokenizer | undefined> {
    if (!isPacked(data)) return undefined;
    let sum = 0;
    for (let at = CRC_END; at < data.length; at += BYTES_PER_TURN) {
      sum = crc32(data.subarray(at, at + BYTES_PER_TURN), sum);
      await nextTurn();
    }
    return data.readUInt32LE(CRC_END - 4) === sum ? new PackedTokenizer(name, key, data) : undefined;
  }
}

function isPacked(data: Buffer): boolean {
  return data.length > HEADER_BYTES && data.readUInt32LE(0) === MAGIC && data.readUInt32LE(4) === PACKED_VERSION;
}
