import type * as TiktokenLite from 'tiktoken/lite';
import { errorMessage, MissingFileError } from '../../common/errors.js';
import { BlockMerge } from './merge.js';
import { cl100kPieceEnd, gpt2PieceEnd, o200kPieceEnd } from './pretokenizer.js';
import type { PieceEnd } from './pretokenizer.js';
import type { EncodingName } from '../engine/engine.js';
import { Vocabulary } from './vocabulary.js';

/** Encodings that differ only in their special tokens share a file and its copy in memory. */
const FILES: Readonly<Record<EncodingName, string>> = {
  cl100k_base: 'cl100k_base',
  o200k_base: 'o200k_base',
  o200k_harmony: 'o200k_base',
  p50k_base: 'p50k_base',
  p50k_edit: 'p50k_base',
  r50k_base: 'r50k_base',
  gpt2: 'r50k_base',
};

const PIECES: Readonly<Record<string, PieceEnd>> = {
  cl100k_base: cl100kPieceEnd,
  o200k_base: o200kPieceEnd,
  p50k_base: gpt2PieceEnd,
  r50k_base: gpt2PieceEnd,
};

const opened = new Map<string, RankFile>();

/** Returns the rank file of an encoding. Each thread reads it once. */
export function openRanks(encoding: EncodingName): RankFile {
  const name = FILES[encoding];
  let file = opened.get(name);
  if (file === undefined) opened.set(name, (file = new RankFile(name)));
  return file;
}

/** One of tiktoken's rank files, without special tokens. */
export class RankFile {
  readonly pieceEnd: PieceEnd;
  readonly vocabulary: Vocabulary;
  readonly merge: BlockMerge;
  private readonly lines: readonly string[];
  private readonly pattern: string;
  private ranges: readonly (readonly [first: number, end: number])[] | undefined = undefined;
  private opened: TiktokenLite.Tiktoken | undefined = undefined;

  constructor(name: string) {
    const data = require(`tiktoken/encoders/${name}.json`) as { bpe_ranks: string; pat_str: string };
    this.pieceEnd = PIECES[name];
    this.pattern = data.pat_str;
    this.lines = data.bpe_ranks.split('\n').filter((line) => line !== '');
    this.vocabulary = Vocabulary.build(this.size, this.tokens());
    this.merge = new BlockMerge(this.vocabulary);
  }

  /** tiktoken itself, for tests: its merge is quadratic and its WASM takes 50 MB. */
  get tokenizer(): TiktokenLite.Tiktoken {
    return (this.opened ??= new (openTiktoken().Tiktoken)(this.lines.join('\n'), {}, this.pattern));
  }

  /** One more than the largest id. */
  get size(): number {
    return this.idRanges().reduce((size, [, end]) => Math.max(size, end), 0);
  }

  /** Returns true if `id` is an ordinary token. The ids have gaps, which tiktoken cannot decode. */
  has(id: number): boolean {
    return this.idRanges().some(([first, end]) => id >= first && id < end);
  }

  /** Yields all tokens by ascending id. A line of the file: `! <first id> <token> <token> ...`. */
  *tokens(): Generator<readonly [id: number, bytes: Uint8Array]> {
    for (const line of this.lines) {
      let at = line.indexOf(' ', 2);
      for (let id = firstId(line); at >= 0; id++) {
        const end = line.indexOf(' ', at + 1);
        yield [id, Buffer.from(line.slice(at + 1, end < 0 ? undefined : end), 'base64')];
        at = end;
      }
    }
  }

  private idRanges(): readonly (readonly [first: number, end: number])[] {
    return (this.ranges ??= this.lines.map((line) => {
      let tokens = 0;
      for (let at = line.indexOf(' ', 2); at >= 0; at = line.indexOf(' ', at + 1)) tokens += 1;
      return [firstId(line), firstId(line) + tokens];
    }));
  }
}

function firstId(line: string): number {
  return Number(line.slice(2, line.indexOf(' ', 2)));
}

/** Loads tiktoken on first use: a process that counts natively never loads the WASM module. */
function openTiktoken(): typeof TiktokenLite {
  try {
    return require('tiktoken/lite') as typeof TiktokenLite;
  } catch (error) {
    const file = 'tiktoken_bg.wasm';
    throw errorMessage(error).includes(file) ? new MissingFileError(file, 'the TypeScript token counter', { cause: error }) : error;
  }
}
