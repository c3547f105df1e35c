import { join } from 'node:path';
import { ENCODINGS, ROOT } from '../tokens/contenders.js';
import type { BenchEncoding } from '../tokens/contenders.js';
import { filesUnder, freshSlices } from '../tokens/fresh-texts.js';
import { textPool } from '../tokens/texts.js';
import type { TextKind } from '../tokens/texts.js';

/** One function of a library, and what it is called with. */
export interface Case {
  readonly library: string;
  readonly call: string;
  readonly encoding: BenchEncoding;
  readonly text: string;
  /** Runs the call with each of the inputs in turn. */
  readonly run: (times: number) => void | Promise<void>;
}

const SIZES: readonly (readonly [label: string, kind: TextKind, bytes: number])[] = [
  ['11 B', 'prose', 11],
  ['60 B', 'prose', 60],
  ['500 B', 'prose', 500],
  ['4 KB prose', 'prose', 4096],
  ['64 KB prose', 'prose', 65_536],
  ['4 KB code', 'code', 4096],
  ['4 KB CJK', 'cjk', 4096],
];
/** Shorter lists of ids are left to the libraries. */
const DECODED = ['500 B', '4 KB prose', '64 KB prose'];
const LIMIT = 200;

interface JsTiktoken {
  getEncoding(name: string): { encode(text: string): number[]; decode(ids: readonly number[]): string };
}
interface Tiktoken {
  get_encoding(name: string): { encode(text: string): Uint32Array; decode(ids: Uint32Array): Uint8Array };
}
interface GptTokenizer {
  encode(text: string): number[];
  countTokens(text: string): number;
  isWithinTokenLimit(text: string, limit: number): number | false;
}

const load = <T>(name: string): T => require(join(ROOT, 'node_modules', name)) as T;

/** All rows of the table. Created while the patch is active, so that it knows the tokenizers. */
export function cases(quick: boolean): Case[] {
  const pools = SIZES.map(([label, kind, bytes]) => [label, textPool(kind, bytes).blocks.flat()] as const);
  const fresh = freshSlices(filesUnder(join(ROOT, 'node_modules')), 'md', quick ? 20 : 1000);
  const inputs = quick ? pools.slice(1, 4) : [...pools, ['4 KB of files', fresh] as const];
  return (quick ? ENCODINGS.slice(1) : ENCODINGS).flatMap((encoding) => {
    const js = load<JsTiktoken>('js-tiktoken').getEncoding(encoding);
    const wasm = load<Tiktoken>('tiktoken').get_encoding(encoding);
    const gpt = load<GptTokenizer>(`gpt-tokenizer/cjs/encoding/${encoding}.js`);
    return inputs.flatMap(([text, texts]): Case[] => {
      const row = (library: string, call: string, run: Case['run']): Case => ({ library, call, encoding, text, run });
      const ids = texts.map((each) => js.encode(each));
      const arrays = ids.map((each) => Uint32Array.from(each));
      const decoding = DECODED.includes(text)
        ? [
            row(
              'js-tiktoken',
              'decode',
              each(ids, (list) => js.decode(list)),
            ),
            row(
              'tiktoken',
              'decode',
              each(arrays, (list) => wasm.decode(list)),
            ),
          ]
        : [];
      return [
        row(
          'js-tiktoken',
          'encode',
          each(texts, (one) => js.encode(one)),
        ),
        row(
          'tiktoken',
          'encode',
          each(texts, (one) => wasm.encode(one)),
        ),
        row(
          'gpt-tokenizer',
          'encode',
          each(texts, (one) => gpt.encode(one)),
        ),
        row(
          'gpt-tokenizer',
          'countTokens',
          each(texts, (one) => gpt.countTokens(one)),
        ),
        row(
          'gpt-tokenizer',
          'isWithinTokenLimit',
          each(texts, (one) => gpt.isWithinTokenLimit(one, LIMIT)),
        ),
        ...decoding,
      ];
    });
  });
}

/** Calls with one input after the other, and goes on where the last turn ended. */
function each<T>(inputs: readonly T[], call: (input: T) => unknown): (times: number) => void {
  let next = 0;
  return (times) => {
    for (let time = 0; time < times; time++) {
      call(inputs[next]);
      next = (next + 1) % inputs.length;
    }
  };
}

/**
 * LangChain's text splitter on js-tiktoken, 64 KB in chunks of 400 tokens, vocabulary from disk.
 */
export async function splitterCase(): Promise<Case> {
  const { TokenTextSplitter } = load<{ TokenTextSplitter: new (options: object) => { splitText(text: string): Promise<string[]> } }>(
    '@langchain/textsplitters',
  );
  const encoding = ENCODINGS[0];
  const fetchBefore = globalThis.fetch;
  globalThis.fetch = () => Promise.resolve(Response.json(load(`js-tiktoken/dist/ranks/${encoding}.cjs`)));
  const splitter = new TokenTextSplitter({ encodingName: encoding, chunkSize: 400, chunkOverlap: 50 });
  const [text] = textPool('prose', 65_536).blocks.flat();
  await splitter.splitText('warm');
  globalThis.fetch = fetchBefore;
  const run = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time++) await splitter.splitText(text);
  };
  return { library: 'LangChain', call: 'TokenTextSplitter.splitText', encoding, text: '64 KB prose', run };
}
