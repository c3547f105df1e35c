import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as RanksModule from '../../lib/token-counter/bpe/ranks.js';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { markdownTable, short } from './harness/table.js';
import { atMost, missedLines, verdictTable } from './harness/verdict.js';
import type { Verdict } from './harness/verdict.js';
import type { TokenCounterEngine } from '../../lib/token-counter/engine/engine.js';
import type { PackedTokenizer } from '../../lib/token-counter/tokenizers/packed-layout.js';
import { ROOT } from './tokens/contenders.js';
import { installedFamilies, packedTokenizer, type MeasuredFamily } from './tokens/family-contenders.js';
import { NATIVE, openEngine, TYPESCRIPT } from './tokens/ours.js';
import { described } from './worst/recipe.js';
import type { Recipe } from './worst/recipe.js';
import { rateOf, search, textTokens, warmUp } from './worst/search.js';
import type { Count, Field } from './worst/search.js';

/** Nanoseconds per byte that no text may exceed; natively, where merges start from characters: 100. */
const TARGETS = { [NATIVE]: 50, [TYPESCRIPT]: 250 };
const CHARACTERS_TARGET = 100;
const ENGINES = [NATIVE, TYPESCRIPT] as const;
/** One of each vocabulary: the others differ in special tokens only. */
const ENCODINGS = ['cl100k_base', 'o200k_base', 'p50k_base', 'r50k_base'] as const;
/** For each engine and vocabulary: five minutes for all of them. */
const SEARCH_MS = 6_000;
const QUICK_MS = 400;
const SHOWN = 10;
const KIB = 1 << 10;
const MIB = 1 << 20;
/** Of all that are shown; then of the slowest one. */
const SIZES = [4 * KIB, 64 * KIB];
const LARGE_SIZES = [MIB, 8 * MIB, 32 * MIB];

interface Row {
  readonly recipe: Recipe;
  readonly rates: readonly number[];
}

interface Part {
  readonly engine: (typeof ENGINES)[number];
  readonly encoding: string;
  readonly core: MeasuredFamily['core'];
  readonly rows: readonly Row[];
}

/** A vocabulary whose worst texts are searched. */
interface Subject extends Pick<Part, 'encoding' | 'core'> {
  readonly isFamily?: boolean;
  load(engine: TokenCounterEngine): number;
  tokens(): string[];
}

/** Texts that were slow once: those of the vectors, each as one part. */
function foundRecipes(): Recipe[] {
  type Parts = readonly (readonly [part: string, times: number])[];
  const read = (name: string): unknown => JSON.parse(readFileSync(join(ROOT, 'test', 'vectors', name), 'utf8'));
  const { encodings } = read('token-counter-worst.json') as { encodings: Record<string, readonly { readonly parts: Parts }[]> };
  const families = read('tokenizers-worst.json') as { readonly texts: readonly Parts[] };
  const vectors = [
    ...Object.values(encodings)
      .flat()
      .map(({ parts }) => parts),
    ...families.texts,
  ];
  const texts = vectors.map((parts) => parts.map(([part, times]) => part.repeat(times)).join(''));
  return [...new Set(texts)].map((text) => ({ parts: [text], order: 'cycle' }));
}

function subjects(): Subject[] {
  const { openRanks } = require(join(ROOT, 'dist', 'lib', 'token-counter', 'bpe', 'ranks.js')) as typeof RanksModule;
  return [
    ...ENCODINGS.map((encoding): Subject => ({
      encoding,
      core: 'bytes',
      load: (engine) => engine.load(encoding),
      tokens: () => textTokens(openRanks(encoding).tokens()),
    })),
    ...installedFamilies().map((family): Subject => {
      let packed: PackedTokenizer | undefined = undefined;
      const open = (): PackedTokenizer => (packed ??= packedTokenizer(family));
      return {
        encoding: family.name,
        core: family.core,
        isFamily: true,
        load: (engine) => engine.load(open()),
        tokens: () => textTokens(tokensOf(open())),
      };
    }),
  ];
}

function* tokensOf({ lengths, tokenBytes }: PackedTokenizer): Generator<readonly [id: number, bytes: Uint8Array]> {
  let at = 0;
  for (const [id, length] of lengths.entries()) if (length > 0) yield [id, tokenBytes.subarray(at, (at += length))];
}

/**
 * `npm run bench -- worst`: searches for the texts that take the most time per byte. `--seconds 60`: for a
 * minute for each engine and vocabulary.
 */
export function main(argv: readonly string[]): void {
  const options = benchArguments(argv);
  const machine = environment();
  const isWanted = (name: string, wanted: readonly string[]): boolean => wanted.length === 0 || wanted.some((part) => name.includes(part));
  const searched = subjects().filter(({ encoding }) => isWanted(encoding, options.only));
  const searchMs = options.seconds === undefined ? SEARCH_MS : options.seconds * 1000;
  const engines = ENGINES.filter((each) => isWanted(each, options.engines));
  const found = foundRecipes();
  const parts: Part[] = [];
  for (const subject of searched) {
    const tokens = subject.tokens();
    for (const engine of engines) {
      // The TypeScript engine leaves tokenizers of files to Hugging Face's package.
      if (subject.isFamily === true && engine !== NATIVE) continue;
      const start = performance.now();
      const part = measured(
        engine,
        subject,
        { tokens, found },
        options.quick ? { ms: QUICK_MS, large: [] } : { ms: searchMs, large: LARGE_SIZES },
      );
      parts.push(part);
      const seconds = ((performance.now() - start) / 1000).toFixed(0);
      const of = `${parts.length} of ${searched.length * engines.length}`;
      console.error(`bench: ${of}: ${engine}, ${subject.encoding}: ${worstOf(part).toFixed(1)} ns per byte at worst (${seconds} s)`);
    }
  }
  const targets = parts.flatMap(targetsOf);
  const { date, cpu, node, platform, loadBefore } = machine;
  const facts = `\`${commandLine('worst', argv)}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}.`;
  const report = [facts, ...parts.map(tableOf), verdictTable(targets)].join('\n\n');
  console.log(`\n${report}\n\n${missedLines(targets)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...machine, parts, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('worst', report);
}

/** How long is searched, and the sizes at which the slowest text is measured too. */
interface Dose {
  readonly ms: number;
  readonly large: readonly number[];
}

function measured(name: Part['engine'], { encoding, core, load }: Subject, field: Field, { ms, large }: Dose): Part {
  const engine = openEngine(name);
  const handle = load(engine);
  const count: Count = (text) => engine.count(text, handle);
  warmUp(count, field.tokens);
  const rows = search(count, field, ms)
    .slice(0, SHOWN)
    .map(({ recipe }, index): Row => {
      const sizes = index === 0 ? [...SIZES, ...large] : SIZES;
      return { recipe, rates: sizes.map((size) => rateOf(count, recipe, size, size > MIB ? 1 : 3)) };
    });
  return { engine: name, encoding, core, rows };
}

/** Of texts long enough that a call's own time does not count. */
function worstOf({ rows }: Part): number {
  return Math.max(...rows.flatMap(({ rates }) => rates.slice(1)));
}

function targetsOf(part: Part): Verdict[] {
  const { engine, encoding, core } = part;
  const target = engine === NATIVE && core === 'characters' ? CHARACTERS_TARGET : TARGETS[engine];
  return atMost(`${encoding} any text, ${engine}`, worstOf(part), target, ' ns/B');
}

function tableOf({ engine, encoding, rows }: Part): string {
  const columns = ['4 KB', '64 KB', '1 MB', '8 MB', '32 MB'].map((title) => ({ title, right: true }));
  const cells = rows.map(({ recipe, rates }) => [
    described(recipe),
    ...columns.map((_, at) => (at < rates.length ? short(rates[at]) : '')),
  ]);
  return `${encoding}, ${engine}, ns per byte:\n\n${markdownTable([{ title: 'text' }, ...columns], cells)}`;
}
