import { createHash } from 'node:crypto';
import type { EncodingName } from '../../token-counter/engine/engine.js';
import { SPECIAL_TOKENS } from '../../token-counter/bpe/special-tokens.js';

/** Bytes of the longest token. */
const MAX_TOKEN_BYTES = 128;

/** Parts of the patterns that tokenizers in JavaScript split texts with. */
export const UPPER = '\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}';
export const LOWER = '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}';
export const WORD = '[^\\r\\n\\p{L}\\p{N}]?';
export const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** A vocabulary that this package and OpenAI's tokenizers share. */
export type VocabularyName = Extract<EncodingName, 'cl100k_base' | 'o200k_base' | 'p50k_base' | 'r50k_base'>;

interface Vocabulary {
  /** One more than the largest id. */
  readonly size: number;
  /** Fewer if there are gaps between the ids. */
  readonly tokens: number;
  /** Their `fingerprint`. */
  readonly hash: string;
}

export const VOCABULARIES: Readonly<Record<VocabularyName, Vocabulary>> = {
  cl100k_base: { size: 100256, tokens: 100256, hash: '6bfd43f7b31b50b645b3228413547e662af1ae4801e9b192b9791680a71d650c' },
  o200k_base: { size: 199998, tokens: 199998, hash: 'bac143fe7fe950090c6e4ed9a2f80de5412a92495758b52becbbe5a7eea25ecb' },
  p50k_base: { size: 50281, tokens: 50280, hash: '454dd285ca79936cc589d453cc0e373e9cdfd971d6cee74a0b8f349c518a60fc' },
  r50k_base: { size: 50256, tokens: 50256, hash: 'b83936794d5c58d4bf7f24cb0100cd291b9306d80ba0e2ff11988886d2d9c1ec' },
};

/**
 * SHA-256 over the tokens of the ids from 0 to `size`, each after its length; a gap is of length 0.
 */
export function fingerprint(size: number, token: (id: number) => Uint8Array | string | undefined): string {
  const hash = createHash('sha256');
  const bytes = Buffer.alloc(1 << 16);
  let used = 0;
  for (let id = 0; id < size; id++) {
    if (used + MAX_TOKEN_BYTES + 1 > bytes.length) {
      hash.update(bytes.subarray(0, used));
      used = 0;
    }
    const found = token(id) ?? '';
    const length = typeof found === 'string' ? Buffer.byteLength(found) : found.length;
    if (length > MAX_TOKEN_BYTES) return '';
    bytes[used++] = length;
    if (typeof found === 'string') bytes.write(found, used);
    else bytes.set(found, used);
    used += length;
  }
  return hash.update(bytes.subarray(0, used)).digest('hex');
}

/** The vocabulary with exactly these tokens. */
export function recognize(tokens: number, token: (id: number) => Uint8Array | string | undefined): VocabularyName | undefined {
  const names = (Object.keys(VOCABULARIES) as VocabularyName[]).filter((name) => VOCABULARIES[name].tokens === tokens);
  return names.find((name) => fingerprint(VOCABULARIES[name].size, token) === VOCABULARIES[name].hash);
}

/** An encoding of OpenAI that a tokenizer was recognized as. */
export interface KnownEncoding {
  readonly encoding: EncodingName;
  readonly specials: ReadonlyMap<string, number>;
  /** The largest ordinary id plus 1. */
  readonly size: number;
}

/** Encodings of one vocabulary differ in their special tokens. */
const OF_VOCABULARY: Readonly<Record<VocabularyName, readonly EncodingName[]>> = {
  cl100k_base: ['cl100k_base'],
  o200k_base: ['o200k_base', 'o200k_harmony'],
  p50k_base: ['p50k_base', 'p50k_edit'],
  r50k_base: ['r50k_base'],
};

/** The encoding of a vocabulary with exactly these special tokens. */
export function encodingWith(vocabulary: VocabularyName, specials: readonly (readonly [string, number])[]): KnownEncoding | undefined {
  return OF_VOCABULARY[vocabulary].map(knownEncoding).find((known) => {
    const has = ([text, id]: readonly [string, number]): boolean => known.specials.get(text) === id;
    return known.specials.size === specials.length && specials.every(has);
  });
}

export function knownEncoding(encoding: EncodingName): KnownEncoding {
  const vocabulary = (Object.keys(OF_VOCABULARY) as VocabularyName[]).find((name) => OF_VOCABULARY[name].includes(encoding)) ?? 'r50k_base';
  return { encoding, specials: SPECIAL_TOKENS[encoding], size: VOCABULARIES[vocabulary].size };
}
