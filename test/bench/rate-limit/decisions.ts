import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { measure, median, type Task } from '../harness/measure.js';
import type { Contender, Decide } from './contenders.js';
import { freshKey, keyStream, type Freshness, type KeyStream } from './keys.js';
import { handleDecide, OURS } from './ours.js';

/** What making the key costs: part of every other figure of the row. */
export const KEY_ALONE = 'the key alone';

/** Nanoseconds per decision, by contender. */
export interface DecisionRow {
  readonly label: string;
  readonly ns: Record<string, number>;
  /** The fastest that is not ours. */
  readonly best?: string;
}

export interface Effort {
  readonly rounds: number;
  readonly minMs: number;
}

/** One figure per contender, in CPU time: medians of interleaved rounds. */
export async function decisionRow(
  count: number,
  freshness: Freshness,
  contenders: readonly Contender[],
  effort: Effort,
): Promise<DecisionRow> {
  const label = `${count.toLocaleString('en')} ${count === 1 ? 'key' : 'keys'}, ${freshness}`;
  const tasks = [aloneTask(keyStream(count, freshness))];
  for (const contender of contenders) tasks.push(await taskOf(contender, count, freshness));
  return rowOf(label, await measure(tasks, { ...effort, keep: (name) => OURS.includes(name) || name === KEY_ALONE, cpuTime: true }));
}

/** By a handle. */
export async function handleRow(names: readonly string[], effort: Effort): Promise<DecisionRow> {
  const tasks = names.map((name): Task => ({ name, run: loop(handleDecide(name), () => '') }));
  return rowOf('handle', await measure(tasks, { ...effort, keep: () => true, cpuTime: true }));
}

/** What a child process is to measure. */
export interface DecisionTask {
  readonly count: number;
  readonly freshness: Freshness | 'handle';
  readonly names: readonly string[];
  readonly effort: Effort;
}

/** The row, measured in a process of its own. */
export function measuredApart(task: DecisionTask): Promise<DecisionRow> {
  return runForJson<DecisionRow>(join(__dirname, 'decisions.child.js'), [JSON.stringify(task)], ['--max-old-space-size=8192'], 600_000);
}

function rowOf(label: string, samples: Awaited<ReturnType<typeof measure>>): DecisionRow {
  const ns = Object.fromEntries([...samples].map(([name, values]) => [name, median(values)]));
  const others = Object.entries(ns).filter(([name, value]) => !OURS.includes(name) && name !== KEY_ALONE && !Number.isNaN(value));
  return { label, ns, best: others.sort((a, b) => a[1] - b[1])[0]?.[0] };
}

function aloneTask(keys: KeyStream): Task {
  let sum = 0;
  // Reading a character puts a concatenation together, which everybody else pays for too.
  return {
    name: KEY_ALONE,
    run: loop(
      (key) => (sum += key.charCodeAt(20)),
      () => keys.next(),
    ),
  };
}

/** With every key known before the time is taken. */
async function taskOf({ name, asynchronous, open }: Contender, count: number, freshness: Freshness): Promise<Task> {
  const decide = open();
  const keys = keyStream(count, freshness);
  for (let index = 0; index < count; index++) {
    const decided = decide(freshKey(index));
    if (asynchronous) await decided;
  }
  const next = (): string => keys.next();
  return { name, run: asynchronous ? waitingLoop(decide, next) : loop(decide, next) };
}

type Run = Task['run'];

/**
 * A loop per contender: in a shared loop, V8 would not inline the fast ones.
 * Not from any input: the text is this line's.
 */
const loop = (decide: Decide, next: () => string): Run =>
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the only way to come by a function that V8 compiles anew
  new Function('decide', 'next', 'return (times) => { for (let i = 0; i < times; i++) decide(next()); };')(decide, next) as Run;

const waitingLoop = (decide: Decide, next: () => string): Run =>
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- as above
  new Function('decide', 'next', 'return async (times) => { for (let i = 0; i < times; i++) await decide(next()); };')(decide, next) as Run;
