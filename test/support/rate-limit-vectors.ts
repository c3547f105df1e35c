import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DecisionCode, DecisionField } from '../../lib/rate-limit/engine/engine.js';
import type { PolicySpec, RateLimitEngine } from '../../lib/rate-limit/engine/engine.js';

/** What is expected of a decision: only the fields that are given. `"never"` is infinite. */
export type Expected = { readonly code: keyof typeof DecisionCode } & Readonly<Record<string, number | string>>;

export interface VectorStep {
  /** Milliseconds after the file's `startMs`. */
  readonly at: number;
  /** Default `check`. */
  readonly call?: 'check' | 'checkAll' | 'peek' | 'settle' | 'release' | 'reset';
  /** How often; default once. */
  readonly times?: number;
  /** Default 0. */
  readonly policy?: number;
  /** Default `a`. */
  readonly key?: string;
  /** Of `checkAll`, in the place of `policy` and `key`. */
  readonly scopes?: readonly (readonly [policy: number, key: string])[];
  /** Default 1. */
  readonly cost?: number;
  /** Default 0; of `settle` those that were reserved. */
  readonly tokens?: number;
  /** Of `settle`. */
  readonly actualTokens?: number;
  /** Of `settle` and `release`; default of `release`: whenever. */
  readonly takenAt?: number;
  /** Of the first of `times`: the others are expected to have the same code. */
  readonly expect?: Expected;
}

export interface VectorCase {
  readonly name: string;
  readonly policies: readonly PolicySpec[];
  readonly steps: readonly VectorStep[];
}

export const vectors = JSON.parse(readFileSync(join(__dirname, '..', 'vectors', 'rate-limit.json'), 'utf8')) as {
  readonly startMs: number;
  readonly cases: readonly VectorCase[];
};

/** Runs a case on an engine, and tells what it answers in the place of each `expect`. */
export function answersTo(engine: RateLimitEngine, { name, policies, steps }: VectorCase): { expected: Expected; answer: Expected }[] {
  const space = engine.open(null, 10_000);
  // A scope of the case's own: handles and families are the process's.
  const handles = policies.map((spec) => engine.policy({ ...spec, scope: `${name} ${spec.scope}` }));
  const answers: { expected: Expected; answer: Expected }[] = [];
  for (const step of steps) {
    for (let time = 0; time < (step.times ?? 1); time++) {
      const code = run(engine, space, handles, step);
      if (step.expect === undefined) continue;
      const fields = time === 0 ? Object.keys(step.expect) : ['code'];
      const answer = Object.fromEntries(fields.map((field) => [field, field === 'code' ? nameOf(code) : numberAt(engine, field)]));
      const expected = Object.fromEntries(fields.map((field) => [field, (step.expect as Expected)[field]]));
      answers.push({
        expected: { at: step.at, ...expected } as unknown as Expected,
        answer: { at: step.at, ...answer } as unknown as Expected,
      });
    }
  }
  engine.close(space);
  return answers;
}

function run(engine: RateLimitEngine, space: number, handles: readonly number[], step: VectorStep): number {
  const { call = 'check', policy = 0, key = 'a', scopes = [], cost = 1, tokens = 0, actualTokens = 0, takenAt = 0 } = step;
  const nowMs = vectors.startMs + step.at;
  const scope = { policy: handles[policy], key };
  const ask = { cost, tokens, nowMs };
  switch (call) {
    case 'check':
    case 'peek':
      return engine[call](space, scope, ask);
    case 'checkAll':
      return engine.checkAll(
        space,
        scopes.map(([index, name]) => ({ policy: handles[index], key: name })),
        ask,
      );
    case 'settle':
      engine.settle(space, scope, { reservedTokens: tokens, actualTokens, takenAtMs: vectors.startMs + takenAt, nowMs });
      return 0;
    case 'release':
      engine.release(space, scope, vectors.startMs + (step.takenAt ?? Infinity));
      return 0;
    case 'reset':
      engine.reset(space, scope);
      return 0;
  }
}

function nameOf(code: number): string {
  return Object.entries(DecisionCode).find(([, value]) => value === code)?.[0] ?? `code ${code}`;
}

function numberAt(engine: RateLimitEngine, field: string): number | string {
  const value = engine.lastDecision[DecisionField[field as keyof typeof DecisionField]];
  if (value === Infinity) return 'never';
  return field === 'atMs' ? value - vectors.startMs : value;
}
