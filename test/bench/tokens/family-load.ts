import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { median } from '../harness/measure.js';
import type { MeasuredFamily } from './family-contenders.js';
import type { NATIVE, TYPESCRIPT } from './ours.js';
import { vocabularyFile } from './vocabularies.js';

/** What loading a tokenizer costs an app that runs already. */
export interface FamilyLoad {
  readonly ms: number;
  /** Growth of the resident set, after a garbage collection. */
  readonly rssMb: number;
  /** The longest time in which the event loop did nothing else. */
  readonly longestGapMs: number;
}

export interface FamilyLoadRow {
  readonly family: string;
  readonly engine: string;
  /** From `tokenizer.json`, with an empty cache. */
  readonly file: FamilyLoad;
  /** From the packed file. */
  readonly packed: FamilyLoad;
}

/** Medians over `repeats` processes of each kind. */
export async function familyLoadRow(
  { name, vocabulary }: MeasuredFamily,
  engine: typeof NATIVE | typeof TYPESCRIPT,
  repeats: number,
): Promise<FamilyLoadRow> {
  const folder = mkdtempSync(join(tmpdir(), 'family-load-'));
  const load = (cache: string): Promise<FamilyLoad> =>
    runForJson<FamilyLoad>(
      join(__dirname, 'family-load.child.js'),
      [engine, vocabularyFile(vocabulary), join(folder, cache)],
      ['--expose-gc'],
    );
  const [file, packed]: FamilyLoad[][] = [[], []];
  for (let repeat = 0; repeat < repeats; repeat++) {
    file.push(await load(String(repeat)));
    packed.push(await load(String(repeat)));
  }
  rmSync(folder, { recursive: true, force: true });
  return { family: name, engine, file: medians(file), packed: medians(packed) };
}

function medians(loads: readonly FamilyLoad[]): FamilyLoad {
  const over = (field: keyof FamilyLoad): number => median(loads.map((load) => load[field]));
  return { ms: over('ms'), rssMb: over('rssMb'), longestGapMs: over('longestGapMs') };
}
