import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fact, FACTS, factIndex, Question, QUESTION_LENGTH, type Members, type RouterEngine } from '../../lib/router/engine/engine.js';
import type { RouterMemory } from '../../lib/router/state/memory.js';
import { root } from '../project/sources.js';

type Numbers = Readonly<Record<string, number>>;

/** One question, and the answers of every engine. */
export interface RouterVector {
  readonly name: string;
  readonly order: number;
  readonly question: Readonly<{
    inputTokens?: number;
    random?: number;
    limits?: boolean;
    anyHealth?: boolean;
    buffer?: number;
    sampleTtlMs?: number;
    excluded?: readonly number[];
  }>;
  readonly members: readonly Numbers[];
  /** Position and number of the eligible deployments. `wakeAtMs`: no longer in the answers. */
  readonly expected: { readonly scan: number; readonly count: number; readonly wakeAtMs: number | null };
}

export const routerVectors = JSON.parse(readFileSync(join(root, 'test/vectors/router.json'), 'utf8')) as {
  readonly nowMs: number;
  readonly cases: readonly RouterVector[];
};

const FACT_NAMES = Object.keys(Fact) as (keyof typeof Fact)[];

/** The vector's members in a memory of the engine, with its question. */
export function askedOf(engine: RouterEngine, vector: RouterVector): { memory: RouterMemory; members: Members; question: Float64Array } {
  const { members, question } = vector;
  const memory = engine.open(null, 64);
  const facts = new Float64Array(members.length * FACTS).fill(Infinity);
  const slots = Int32Array.from(members, (_, slot) => slot);
  const set = (fact: number, slot: number, value: number): void => void (facts[factIndex({ slots, facts }, fact, slot)] = value);
  for (const [slot, member] of members.entries()) {
    set(Fact.weight, slot, NaN);
    set(Fact.cost, slot, 0);
    for (const [name, value] of Object.entries(member)) {
      const fact = FACT_NAMES.find((known) => known === name);
      if (fact === undefined) (memory[name as keyof RouterMemory] as Float64Array)[slot] = value;
      else set(Fact[fact], slot, value);
    }
  }
  const asked = new Float64Array(QUESTION_LENGTH);
  asked[Question.strategy] = vector.order;
  asked[Question.nowMs] = routerVectors.nowMs;
  asked[Question.inputTokens] = question.inputTokens ?? 0;
  asked[Question.random] = question.random ?? 0;
  asked[Question.limited] = 1;
  asked[Question.limits] = question.limits === true ? 1 : 0;
  asked[Question.anyHealth] = question.anyHealth === true ? 1 : 0;
  asked[Question.buffer] = question.buffer ?? 0;
  asked[Question.sampleTtlMs] = question.sampleTtlMs ?? 3_600_000;
  return { memory, members: { slots, facts }, question: asked };
}
