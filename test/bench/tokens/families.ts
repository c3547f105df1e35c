import { measure, median, speedup, type Samples, type Task } from '../harness/measure.js';
import { familyCounters, HUGGING_FACE, PYTHON, PYTHON_BATCH, type FamilyCounter, type MeasuredFamily } from './family-contenders.js';
import { NATIVE } from './ours.js';
import { textPool, type TextKind } from './texts.js';

/** One line of the families' table. */
export interface FamilyRow {
  readonly family: string;
  readonly core: MeasuredFamily['core'];
  readonly texts: string;
  /** Megabytes of UTF-8 per second, by contender. */
  readonly mbPerS: Readonly<Record<string, number>>;
  /** How many times the native engine is faster, by other contender: medians within rounds. */
  readonly nativeTimes: Readonly<Record<string, number>>;
  /** Contenders whose counts differ from the native engine's, and by how many tokens of how many. */
  readonly wrong: Readonly<Record<string, string>>;
}

export interface FamilyEffort {
  readonly rounds: number;
  readonly minMs: number;
}

const REPEATED: readonly TextKind[] = ['prose', 'code'];
const BYTES = 4096;
/** They stay to the end; slower packages leave after a trial. */
const STAYS: readonly string[] = [NATIVE, HUGGING_FACE, PYTHON, PYTHON_BATCH];
/** Of the unseen texts, so many in each round. */
const SLICES_PER_ROUND = 48;
const WARM_UP_SLICES = 96;

/** The rows of one family; `unseen`: texts of which each is counted once. */
export async function familyRows(
  family: MeasuredFamily,
  unseen: readonly string[],
  effort: FamilyEffort,
  say: (line: string) => void,
): Promise<FamilyRow[]> {
  const counters = await familyCounters(family, say);
  try {
    const rows: FamilyRow[] = [];
    for (const kind of REPEATED) rows.push(await repeatedRow(family, kind, counters, effort));
    rows.push(await unseenRow(family, unseen, counters, effort.rounds));
    return rows;
  } finally {
    for (const counter of counters) counter.close?.();
  }
}

async function repeatedRow(
  family: MeasuredFamily,
  kind: TextKind,
  counters: readonly FamilyCounter[],
  effort: FamilyEffort,
): Promise<FamilyRow> {
  const texts = textPool(kind, BYTES).blocks.flat();
  const wrong = await prepared(counters, texts, texts.length);
  const tasks = counters.map((counter): Task => ({
    name: counter.name,
    run: async (times) => void (await counter.count(0, texts.length, times)),
  }));
  const samples = await measure(tasks, { ...effort, keep: (name) => STAYS.includes(name) });
  return rowOf(family, `${kind}, repeated`, samples, bytesOf(texts), wrong);
}

async function unseenRow(
  family: MeasuredFamily,
  slices: readonly string[],
  counters: readonly FamilyCounter[],
  rounds: number,
): Promise<FamilyRow> {
  const warmUp = Math.min(WARM_UP_SLICES, slices.length >> 2);
  const perRound = Math.min(SLICES_PER_ROUND, Math.floor((slices.length - warmUp) / rounds));
  const wrong = await prepared(counters, slices, warmUp);
  const samples: Samples = new Map(counters.map(({ name }) => [name, []]));
  const difference = new Map<string, { tokens: number; of: number }>();
  for (let round = 0; round < rounds; round++) {
    const first = warmUp + round * perRound;
    const counts = new Map<string, number>();
    for (let turn = 0; turn < counters.length; turn++) {
      const counter = counters[(turn + round) % counters.length];
      const start = process.hrtime.bigint();
      counts.set(counter.name, await counter.count(first, first + perRound, 1));
      samples.get(counter.name)?.push(Number(process.hrtime.bigint() - start));
    }
    for (const [name, tokens] of counts) {
      const found = difference.get(name) ?? { tokens: 0, of: 0 };
      const right = counts.get(NATIVE) as number;
      difference.set(name, { tokens: found.tokens + Math.abs(tokens - right), of: found.of + right });
    }
  }
  const late = [...difference].filter(([, { tokens }]) => tokens > 0).map(([name, { tokens, of }]) => [name, `${tokens} of ${of}`]);
  return rowOf(family, 'JavaScript, unseen', samples, bytesOf(slices.slice(warmUp, warmUp + rounds * perRound)) / rounds, {
    ...wrong,
    ...(Object.fromEntries(late) as Record<string, string>),
  });
}

/** Gives the texts to all, counts the first ones once, and tells whose counts differ. */
async function prepared(counters: readonly FamilyCounter[], texts: readonly string[], warmUp: number): Promise<Record<string, string>> {
  const wrong: Record<string, string> = {};
  let right = 0;
  for (const counter of counters) {
    await counter.prepare(texts);
    const tokens = await counter.count(0, warmUp, 1);
    if (counter.name === NATIVE) right = tokens;
    else if (tokens !== right) wrong[counter.name] = `${Math.abs(tokens - right)} of ${right}`;
  }
  return wrong;
}

function rowOf({ name, core }: MeasuredFamily, texts: string, samples: Samples, bytes: number, wrong: Record<string, string>): FamilyRow {
  const measured = [...samples].filter(([, values]) => !Number.isNaN(median(values)));
  return {
    family: name,
    core,
    texts,
    mbPerS: Object.fromEntries(measured.map(([contender, values]) => [contender, (bytes * 1e3) / median(values)])),
    nativeTimes: Object.fromEntries(measured.map(([contender]) => [contender, speedup(samples, NATIVE, contender)])),
    wrong,
  };
}

function bytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
