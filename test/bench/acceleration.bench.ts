import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as Register from '../../lib/register.js';
import { cases, splitterCase } from './acceleration/cases.js';
import { report } from './acceleration/report.js';
import type { Row } from './acceleration/report.js';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { measure, median, speedup } from './harness/measure.js';
import { writeReport } from './harness/documents.js';
import { atLeast, missedLines } from './harness/verdict.js';
import { ROOT } from './tokens/contenders.js';

const [BEFORE, AFTER] = ['before', 'after'];

type Methods = Record<string, unknown>;

/** The functions that the patch replaces, taken once so that a turn does not pay for the switch. */
class Switch {
  private readonly places: readonly (readonly [holder: Methods, name: string, original: unknown, patched: unknown])[];

  constructor({ applyAcceleration, removeAcceleration }: typeof Register) {
    removeAcceleration();
    const originals = methods().map(([holder, name]) => [holder, name, holder[name]] as const);
    if (!applyAcceleration()) throw new Error('there is no native engine to accelerate with');
    this.places = originals.map(([holder, name, original]) => [holder, name, original, holder[name]] as const);
  }

  set(to: string): void {
    for (const [holder, name, original, patched] of this.places) holder[name] = to === AFTER ? patched : original;
  }
}

function methods(): (readonly [Methods, string])[] {
  const load = (file: string): Record<string, { prototype: Methods }> =>
    require(join(ROOT, 'node_modules', file)) as Record<string, { prototype: Methods }>;
  const js = ['index', 'lite'].map((file) => load(`js-tiktoken/dist/${file}.cjs`).Tiktoken.prototype);
  const wasm = load('tiktoken/tiktoken_bg.cjs').Tiktoken.prototype;
  const gpt = load('gpt-tokenizer/cjs/BytePairEncodingCore.js').BytePairEncodingCore.prototype;
  const encodings = ['cl100k_base', 'o200k_base'].map((name) => load(`gpt-tokenizer/cjs/encoding/${name}.js`) as Methods);
  return [
    ...[...js, wasm].flatMap((holder) => ['encode', 'decode'].map((name) => [holder, name] as const)),
    [gpt, 'encodeNative'],
    [gpt, 'countNative'],
    ...encodings.map((holder) => [holder, 'isWithinTokenLimit'] as const),
  ];
}

/** `npm run bench -- acceleration`. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const facts = environment();
  const both = new Switch(require(join(ROOT, 'dist', 'lib', 'register.js')) as typeof Register);
  const all = [...cases(options.quick), ...(options.quick ? [] : [await splitterCase()])];
  const wanted = all.filter((row) => options.only.length === 0 || options.only.some((part) => nameOf(row).includes(part)));
  const rows: Row[] = [];
  for (const row of wanted) {
    const task = (name: string) => ({
      name,
      run: (times: number) => {
        both.set(name);
        return row.run(times);
      },
    });
    // What a tokenizer costs once, to be recognized, is no part of a call.
    await task(AFTER).run(50);
    const effort = options.quick ? { rounds: 2, minMs: 2 } : { rounds: 7, minMs: 15 };
    const samples = await measure([task(BEFORE), task(AFTER)], { ...effort, keep: () => true });
    const [beforeNs, afterNs] = [BEFORE, AFTER].map((name) => median(samples.get(name) ?? []));
    const { library, call, encoding, text } = row;
    rows.push({ library, call, encoding, text, beforeNs, afterNs, speedup: speedup(samples, AFTER, BEFORE) });
    console.error(`${nameOf(row)}: ${rows.at(-1)?.speedup.toFixed(2)} times`);
  }
  const command = commandLine('acceleration', argv);
  const text = report(rows, facts, command);
  console.log(`\n${text}\n`);
  const targets = rows.flatMap((row) => atLeast(nameOf(row), row.speedup, 1, ' x the library'));
  console.log(missedLines(targets));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...facts, command, rows, targets }, null, 2)}\n`);
  if (options.writeDocs) writeReport('acceleration', text);
}

function nameOf({ library, call, encoding, text }: Omit<Row, 'beforeNs' | 'afterNs' | 'speedup'>): string {
  return `${library} ${call} ${encoding} ${text}`;
}
