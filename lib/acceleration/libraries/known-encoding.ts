import { SPECIAL_TOKENS } from '../../token-counter/bpe/special-tokens.js';
import type { EncodingName } from '../../token-counter/engine/engine.js';
import { VOCABULARIES, type VocabularyName } from './vocabulary-fingerprint.js';

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
