import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { median } from '../harness/measure.js';
import { available, BEFORE, OURS_FASTIFY, USERS } from './contenders.js';

/** When a fresh process listens. */
export interface StartTime {
  /** From the start of the process. */
  readonly readyMs: number;
}

/** What a gateway adds to the start of an empty Nest app, in ms. */
export interface StartRow {
  readonly name: string;
  readonly addedMs: number;
}

/** Medians of alternating starts. */
export async function measureStarts(engines: readonly string[], rounds: number): Promise<StartRow[]> {
  const { installed } = available(engines, [OURS_FASTIFY, USERS, BEFORE]);
  const names = ['EMPTY', ...installed];
  const taken = new Map(names.map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) taken.get(name)?.push((await runForJson<StartTime>(join(__dirname, 'start.child.js'), [name])).readyMs);
  }
  const msOf = (name: string): number => median(taken.get(name) ?? []);
  return installed.map((name) => ({ name, addedMs: msOf(name) - msOf('EMPTY') }));
}
