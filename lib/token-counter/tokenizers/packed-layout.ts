import { crc32 } from 'node:zlib';
import type { ChatTemplateSource } from './chat-template-file.js';
import type { NumberedTokens } from './numbered-tokens.js';
import { PAIR_BITMAP_BYTES } from './spanned-pairs.js';
import {
  PREFIX_SPACES,
  SPLITS,
  type AddedToken,
  type PrefixSpace,
  type SplitName,
  type TokenBounds,
  type TokenizerModel,
} from './tokenizer-model.js';

/**
 * A packed tokenizer, little-endian; `native/core/src/token_counter/packed.rs` reads the same:
 *
 *     u32 magic, version, CRC-32 of all after it
 *     u32 split, flags (normalizer 2 bits, spaces 1, prefix space 2), BOS,
 *         number of ids, of added tokens, of long merges, 1 if mapped, bytes of the chat template
 *     long:       u32 left, right, made, length   merges of more than 128 bytes, by rank
 *     external:   u32 for each id, if mapped      ids of the file
 *     chat:       JSON, empty if there is none
 *     added:      u32 id, kind (and `HELD`, and bounds of special tokens), length; the bytes
 *     vocabulary: u32 ids, u8 length of each, the bytes,
 *                 u32 left, right, prefix of each, bitmap of pairs
 */
const MAGIC = 0x544c464e;
/** Raised whenever a packed file of before would be read wrongly. */
export const PACKED_VERSION = 3;
/** Incremented when the packed data changes, so that older files are packed again. */
export const PACKED_CONTENT = 1;
const CRC_END = 12;
const FLAGS_AT = CRC_END + 4;
const PREFIX_FLAGS = 3 << 3;
const HEADER_WORDS = 8;
const HEADER_BYTES = CRC_END + HEADER_WORDS * 4;
const NONE = 0xffff_ffff;
/** Padding after the end, so that wide loads stay inside. */
const PADDING_BYTES = 16;

/** Work per step of opening: about 100 us. */
const BYTES_PER_STEP = 1 << 18;
const ADDED_PER_STEP = 256;

/** Bytes of the longest token that the tables hold. */
export const LONGEST_TOKEN = 128;

const KINDS = ['plain', 'plain-normalized', 'special', 'decode-only', 'whole'] as const;
type Kind = (typeof KINDS)[number];
const KIND_MASK = 7;
/** Beside the kind: the tables hold the token, too. */
const HELD = 8;
/** Beside the kind, of a special token; the addon does not read them. */
const LSTRIP = 16;
const RSTRIP = 32;
const SINGLE_WORD = 64;

/** Two tokens, by their ids in the tables, that make one of more than `LONGEST_TOKEN` bytes. */
export interface LongMerge {
  readonly left: number;
  readonly right: number;
  readonly made: number;
  /** Bytes of the made token. */
  readonly length: number;
}

/** Contents of a pack. */
export interface PackedParts {
  readonly model: TokenizerModel;
  readonly tokens: NumberedTokens;
  readonly derived: Uint32Array;
  readonly external: Uint32Array | null;
  readonly long: readonly LongMerge[];
  readonly spanned: Buffer;
  readonly decodeOnly: ReadonlyMap<number, Uint8Array>;
  /** Tokens that only a piece as a whole is, by the file's ids. */
  readonly whole: ReadonlyMap<number, Uint8Array>;
  readonly chatTemplate: ChatTemplateSource | undefined;
}

/** Writes a packed tokenizer. */
export function writePacked(parts: PackedParts): Buffer {
  const { model, tokens, derived, external, long, spanned, decodeOnly, whole, chatTemplate } = parts;
  const added = [
    ...model.added.map((token): [number, number, Uint8Array] => [token.id, wordOf(token), Buffer.from(token.content)]),
    ...[...decodeOnly].map(([id, bytes]): [number, number, Uint8Array] => [id, KINDS.indexOf('decode-only'), bytes]),
    ...[...whole].map(([id, bytes]): [number, number, Uint8Array] => [id, KINDS.indexOf('whole'), bytes]),
  ];
  const form = ['none', 'nfc', 'nfkc'].indexOf(model.normalizer);
  const held = heldOutside(parts, new Set(added.map(([id]) => id)));
  const chat = Buffer.from(chatTemplate === undefined ? '' : JSON.stringify(chatTemplate));
  const flags = form | (model.spaces ? 4 : 0) | (PREFIX_SPACES.indexOf(model.prefixSpace) << 3);
  const packed = Buffer.concat([
    words([MAGIC, PACKED_VERSION, 0]),
    words([SPLITS.indexOf(model.split), flags, model.bos ?? NONE, tokens.size]),
    words([added.length, long.length, external === null ? 0 : 1, chat.length]),
    ...long.map(({ left, right, made, length }) => words([left, right, made, length])),
    words(external ?? []),
    chat,
    ...added.flatMap(([id, word, bytes]) => [words([id, word | (held.has(id) ? HELD : 0), bytes.length]), bytes]),
    words([tokens.size]),
    tokens.lengths,
    ...tokens.values(),
    words(derived),
    spanned,
    Buffer.alloc(PADDING_BYTES),
  ]);
  packed.writeUInt32LE(crc32(packed.subarray(CRC_END)), CRC_END - 4);
  return packed;
}

/** Those of the ids `outside` the tables that the tables have, too. */
function heldOutside({ tokens, external }: PackedParts, outside: ReadonlySet<number>): Set<number> {
  const held = new Set<number>();
  for (let id = 0; id < tokens.size; id++) {
    const outer = external === null ? id : external[id];
    if (tokens.lengths[id] > 0 && outside.has(outer)) held.add(outer);
  }
  return held;
}

function wordOf(token: AddedToken): number {
  const { lstrip, rstrip, singleWord } = token.bounds ?? {};
  return KINDS.indexOf(kindOf(token)) | (lstrip ? LSTRIP : 0) | (rstrip ? RSTRIP : 0) | (singleWord ? SINGLE_WORD : 0);
}

function kindOf({ special, normalized }: AddedToken): Kind {
  if (special) return 'special';
  return normalized ? 'plain-normalized' : 'plain';
}

function boundsIn(word: number): TokenBounds | undefined {
  if ((word & (LSTRIP | RSTRIP | SINGLE_WORD)) === 0) return undefined;
  return { lstrip: (word & LSTRIP) !== 0, rstrip: (word & RSTRIP) !== 0, singleWord: (word & SINGLE_WORD) !== 0 };
}

/** Node runs on little-endian machines alone. */
function words(values: ArrayLike<number>): Buffer {
  const { buffer, byteLength } = Uint32Array.from(values);
  return Buffer.from(buffer, 0, byteLength);
}

/** Bytes of tokens, by id. They are slices of the file, created on request: Gemma has 6,400. */
class TokenBytes {
  /** Where the bytes start, after their length. */
  private readonly starts = new Map<number, number>();

  constructor(private readonly data: Buffer) {}

  set(id: number, start: number): void {
    this.starts.set(id, start);
  }

  get(id: number): Uint8Array | undefined {
    const start = this.starts.get(id);
    return start === undefined ? undefined : this.data.subarray(start, start + this.data.readUInt32LE(start - 4));
  }
}

/** A packed tokenizer, as used by both engines. */
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
  /** Control tokens, by their text. */
  readonly specials: ReadonlyMap<string, number>;
  /** Of those that ask something of the text around them, by id. */
  readonly bounds: ReadonlyMap<number, TokenBounds>;
  /**
   * The same for a text that follows a special token: without a space in front. `undefined` if
   * that makes no difference.
   */
  readonly continued: PackedTokenizer | undefined = undefined;
  /** Bytes of added tokens, and of those that the tables do not hold, by id. */
  readonly outside: Pick<TokenBytes, 'get'>;
  /** Those of `outside` that the tables hold, too: there they are as a text has them. */
  readonly heldOutside: ReadonlySet<number>;
  /** `undefined` if the model's files have none. */
  readonly chatTemplate: ChatTemplateSource | undefined;
  /** The file's ids; `null` if the tables have the same. */
  readonly external: Uint32Array | null;
  /** Lengths of the tokens, by id in the tables. */
  readonly lengths: Uint8Array;
  /** Their bytes, concatenated. */
  readonly tokenBytes: Uint8Array;

  private constructor(
    /** As in the option `tokenCounter.tokenizers`. */
    readonly name: string,
    /** Stands for the contents: tokenizers of one key are the same. */
    readonly key: string,
    readonly data: Buffer,
    added: AddedTables,
  ) {
    const [split, flags, bos, ids] = header(data);
    this.split = SPLITS[split];
    this.normalizer = (['none', 'nfc', 'nfkc'] as const)[flags & 3];
    this.spaces = (flags & 4) !== 0;
    this.prefixSpace = PREFIX_SPACES[(flags >> 3) & 3];
    this.bos = bos === NONE ? null : bos;
    const { externalAt, chatAt, addedAt } = sectionsOf(data);
    // No copy: a buffer of this size starts at an address of whole words.
    this.external = externalAt === chatAt ? null : new Uint32Array(data.buffer, data.byteOffset + externalAt, (chatAt - externalAt) / 4);
    this.chatTemplate = chatAt === addedAt ? undefined : (JSON.parse(data.toString('utf8', chatAt, addedAt)) as ChatTemplateSource);
    let at = added.end + 4;
    this.lengths = data.subarray(at, at + ids);
    at += ids;
    // After the bytes: three ids per token, the bitmap, the padding.
    const bytes = data.length - at - ids * 12 - PAIR_BITMAP_BYTES - PADDING_BYTES;
    this.tokenBytes = data.subarray(at, at + bytes);
    this.plain = added.plain;
    this.specials = added.specials;
    this.bounds = added.bounds;
    this.outside = added.outside;
    this.heldOutside = added.heldOutside;
    if (this.prefixSpace === 'first') this.continued = new PackedTokenizer(name, `${key}-continued`, withoutPrefix(data), added);
  }

  /** Opens a packed file in steps; `undefined` if it is of another version, or damaged. */
  static *opening(name: string, key: string, data: Buffer): Generator<undefined, PackedTokenizer | undefined> {
    if (!isPacked(data)) return undefined;
    let sum = 0;
    for (let at = CRC_END; at < data.length; at += BYTES_PER_STEP) {
      sum = crc32(data.subarray(at, at + BYTES_PER_STEP), sum);
      yield undefined;
    }
    if (data.readUInt32LE(CRC_END - 4) !== sum) return undefined;
    return new PackedTokenizer(name, key, data, yield* readAdded(data));
  }
}

/** A packed file that says: no space in front of a text. */
function withoutPrefix(data: Buffer): Buffer {
  const changed = Buffer.from(data);
  changed.writeUInt32LE(changed.readUInt32LE(FLAGS_AT) & ~PREFIX_FLAGS, FLAGS_AT);
  changed.writeUInt32LE(crc32(changed.subarray(CRC_END)), CRC_END - 4);
  return changed;
}

/** The numbers of the header, after the checksum. */
function header(data: Buffer): number[] {
  return Array.from({ length: HEADER_WORDS }, (_, index) => data.readUInt32LE(CRC_END + index * 4));
}

/** Where the parts between the header and the vocabulary start. */
function sectionsOf(data: Buffer): Readonly<Record<'externalAt' | 'chatAt' | 'addedAt', number>> {
  const [, , , ids, , long, isMapped, chat] = header(data);
  const externalAt = HEADER_BYTES + long * 16;
  const chatAt = externalAt + isMapped * ids * 4;
  return { externalAt, chatAt, addedAt: chatAt + chat };
}

interface AddedTables extends Pick<PackedTokenizer, 'plain' | 'specials' | 'bounds' | 'outside' | 'heldOutside'> {
  /** Where they end in the file. */
  readonly end: number;
}

function* readAdded(data: Buffer): Generator<undefined, AddedTables> {
  const [plain, specials] = [new Map<string, number>(), new Map<string, number>()];
  const heldOutside = new Set<number>();
  const bounds = new Map<number, TokenBounds>();
  const outside = new TokenBytes(data);
  const [, , , , count] = header(data);
  let end = sectionsOf(data).addedAt;
  for (let index = 0; index < count; index++) {
    if (index % ADDED_PER_STEP === 0) yield undefined;
    const [id, word, length] = [data.readUInt32LE(end), data.readUInt32LE(end + 4), data.readUInt32LE(end + 8)];
    const start = end + 12;
    end = start + length;
    outside.set(id, start);
    if (word & HELD) heldOutside.add(id);
    const bound = boundsIn(word);
    if (bound !== undefined) bounds.set(id, bound);
    const kind = KINDS[word & KIND_MASK];
    if (kind === 'decode-only' || kind === 'whole') continue;
    const text = data.toString('utf8', start, end);
    (kind === 'special' ? specials : plain).set(text, id);
  }
  return { plain, specials, bounds, outside, heldOutside, end };
}

function isPacked(data: Buffer): boolean {
  return data.length > HEADER_BYTES && data.readUInt32LE(0) === MAGIC && data.readUInt32LE(4) === PACKED_VERSION;
}
