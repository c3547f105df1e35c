import { measure } from '../harness/measure.js';
import type { Samples } from '../harness/measure.js';
import { REFERENCE } from './contenders.js';
import type { BenchEncoding } from './contenders.js';
import { CountTask, differences, doesOtherWork, expectedCounts } from './counted.js';
import type { Differences, Expected, Opened } from './counted.js';
import { OURS } from './ours.js';
import { makeRow } from './row.js';
import type { Row, RowMode } from './row.js';
import type { TextPool } from './texts.js';

export interface RowRequest {
  readonly mode: RowMode;
  readonly label: string;
  readonly encoding: BenchEncoding;
  readonly pool: TextPool;
}

export interface Effort {
  readonly rounds: number;
  readonly minMs: number;
  readonly trialRounds?: number;
}

/** UTF-8 bytes per block from which a measurement takes fewer rounds. */
export const LONG_BLOCK = 500_000;
const LONG_ROUNDS = 3;

/** They stay in a measurement to its end; the slower packages leave after a trial. */
export const staysToTheEnd = (name: string): boolean => name === REFERENCE || OURS.includes(name);

/** Those that can be timed on the pool: they count it right, or nearly; and what differs. */
async function gate(
  opened: readonly Opened[],
  pool: TextPool,
): Promise<{ passed: Opened[]; expected: Expected; wrong: Record<string, Differences> }> {
  const reference = opened.find(({ name }) => name === REFERENCE) as Opened;
  const expected = expectedCounts(reference.counter, pool);
  const wrong: Record<string, Differences> = {};
  // Where a block is one text, its sum says as much, and is compared in every turn.
  const textByText = pool.blocks[0].length > 1 ? opened : [];
  for (const contender of textByText) {
    const found = await differences(contender, pool, expected);
    if (found !== undefined) wrong[contender.name] = found;
  }
  return { passed: opened.filter(({ name }) => !doesOtherWork(wrong[name])), expected, wrong };
}

/** Counts the pool with every contender alternately. */
export async function throughputRow(request: RowRequest, opened: readonly Opened[], effort: Effort): Promise<Row> {
  const { pool, ...facts } = request;
  const { passed, expected, wrong } = await gate(opened, pool);
  const tasks = passed.map((contender) => new CountTask(contender, pool, expected));
  // A turn of a slow package on the longest texts takes 250 ms: enough for a stable figure.
  const rounds = pool.bytesPerBlock > LONG_BLOCK ? Math.min(LONG_ROUNDS, effort.rounds) : effort.rounds;
  const samples = await measure(tasks, { ...effort, rounds, keep: staysToTheEnd });
  for (const { name, found } of tasks) {
    if (found.tokens > 0) wrong[name] ??= found;
    if (doesOtherWork(wrong[name])) samples.delete(name);
  }
  return makeRow(samples, { ...facts, wrong, bytesPerOperation: pool.bytesPerBlock, textsPerOperation: pool.blocks[0]?.length ?? 1 });
}

const TRASH = new Uint8Array(64 << 20);
let trashed = 0;

/** Writes to more memory than the caches hold: what the next call needs, it has to fetch. */
function trashCaches(): void {
  trashed++;
  for (let i = 0; i < TRASH.length; i += 64) TRASH[i] = trashed;
}

/** Times each call alone, on a new text, with the tokenizer's tables evicted from the caches. */
export async function coldRow(request: RowRequest, opened: readonly Opened[], calls: number): Promise<Row> {
  const { pool, ...facts } = request;
  const { passed: right, wrong } = await gate(opened, pool);
  const texts = pool.blocks.flat().slice(-calls);
  const samples: Samples = new Map(right.map(({ name }) => [name, []]));
  for (const [call, text] of texts.entries()) {
    for (let turn = 0; turn < right.length; turn++) {
      const { name, counter } = right[(turn + call) % right.length];
      trashCaches();
      const start = process.hrtime.bigint();
      const tokens = counter.count(text);
      if (typeof tokens !== 'number') await tokens;
      samples.get(name)?.push(Number(process.hrtime.bigint() - start));
    }
  }
  return makeRow(samples, { ...facts, wrong, bytesPerOperation: pool.bytesPerBlock / (pool.blocks[0]?.length ?? 1), textsPerOperation: 1 });
}

/** Ids out instead of a number, on texts that every contender was seen to count right. */
export async function encodeRow(request: RowRequest, opened: readonly Opened[], effort: Effort): Promise<Row> {
  const encoders = opened.flatMap(({ name, counter: { encode } }) =>
    encode === undefined ? [] : [{ name, asynchronous: false, counter: { count: (text: string) => encode(text).length } }],
  );
  const row = await throughputRow(request, encoders, effort);
  return { ...row, wrong: { ...row.wrong, ...wrongIds(request.pool, opened) } };
}

function wrongIds(pool: TextPool, opened: readonly Opened[]): Record<string, Differences> {
  const text = pool.blocks[0]?.[0];
  const ids = ({ counter }: Opened): string => Array.from(counter.encode?.(text) ?? []).join();
  const right = ids(opened.find(({ name }) => name === REFERENCE) as Opened);
  const other = opened.filter((one) => one.counter.encode !== undefined && ids(one) !== right);
  return Object.fromEntries(other.map(({ name }) => [name, { tokens: 1, of: 1, first: 'other ids' }]));
}
