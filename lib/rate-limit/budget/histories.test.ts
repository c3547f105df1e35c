import fc from 'fast-check';
import { budgetHistories, optionsOf, type BudgetHistory } from '../../../test/support/budget-history.js';
import { BudgetModel, type ModelScope, type ModelTaking } from '../../../test/support/budget-model.js';
import { histories } from '../../../test/support/long.js';
import { rateLimitEngines } from '../../../test/support/rate-limit-engines.js';
import { SwitchingEngine } from '../../engine/switching-engine.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import type { RateLimitEngine } from '../engine/engine.js';
import { TypeScriptRateLimitEngine } from '../engine/typescript.js';
import { resolveRateLimitOptions } from '../rate-limit.options.js';
import { RateLimiterService } from '../rate-limit.service.js';
import type { Reservation } from '../reservation.js';

const LONG_MS = 3_600_000;
const logger = { log() {}, warn() {}, error() {} };
const flags = new FeatureFlagsService({ features: { rust_rate_limiting: 'enabled' } }, { env: {}, logger });

describe.each(rateLimitEngines().map((engine) => [engine.engine, engine] as const))(
  'random histories of budgets, %s engine',
  (_, engine) => {
    it(
      'are decided as the model decides them, never above the bound, and end with nothing held',
      () =>
        fc.assert(
          fc.property(budgetHistories, (history) => replay(engine, history)),
          { numRuns: histories(40) },
        ),
      LONG_MS,
    );
  },
);

function replay(engine: RateLimitEngine, { startMs, limits, steps }: BudgetHistory): void {
  let nowMs = startMs;
  const engines = {
    native: engine.engine === 'native' ? engine : null,
    typescript: engine.engine === 'native' ? new TypeScriptRateLimitEngine() : engine,
  };
  const choice = new SwitchingEngine('rust_rate_limiting', { ...engines, reason: 'a test' }, flags);
  const options = { requestsPerMinute: 1, limits: Object.fromEntries(limits.map((limit) => [limit.name, optionsOf(limit)])) };
  const limiter = new RateLimiterService(choice, resolveRateLimitOptions(options), () => nowMs);
  const model = new BudgetModel();
  const takings: (readonly [ModelTaking, Reservation])[] = [];
  const scopeOf = ([limit, key]: readonly [number, string]): ModelScope => ({ limit: limits[limit], key });
  const named = ({ limit, key }: ModelScope): { key: string; limit: string } => ({ key, limit: limit.name });
  const compare = (): void => {
    for (const limit of limits) {
      for (const key of ['a', 'team/7']) {
        const scope = { limit, key };
        const expected = limit.budgets.map((budget) => model.standing(scope, budget, nowMs));
        const shown = limiter.getBudgets(key, { limit: limit.name });
        // `expect` would take longer than the history.
        const told = shown.map(({ spentUsd, heldUsd }) => `${Math.round(spentUsd * 1e9)} ${Math.round(heldUsd * 1e9)}`).join();
        const wanted = expected.map(({ spent, held }) => `${spent} ${held}`).join();
        if (told !== wanted) throw new Error(`${limit.name} ${key} has spent and holds ${told} instead of ${wanted}`);
        limit.budgets.forEach((budget, index) => {
          if (expected[index].spent > budget.limit + model.excess(scope, budget, nowMs)) throw new Error('above the bound');
          if (expected[index].held > 0 && shown[index].resetsAt.getTime() <= nowMs) throw new Error('it is over already');
        });
      }
    }
  };
  const settle = ([taking, reservation]: readonly [ModelTaking, Reservation], nano: number): void => {
    model.settle(taking, nano);
    limiter.settle(reservation, { usd: nano / 1e9 });
  };
  for (const [advanceMs, step] of steps) {
    nowMs += advanceMs;
    if (step.call === 'reserve') {
      const scopes = step.scopes.map(scopeOf);
      const expected = model.reserve(scopes, step.nano, nowMs);
      const peeked = limiter.peek(scopes.map(named), { usd: step.nano / 1e9 });
      const answer = limiter.reserve(scopes.map(named), { usd: step.nano / 1e9 });
      const said = answer.allowed ? 'allowed' : (answer.budgetDenial ?? answer.exceeded);
      const wanted = typeof expected === 'string' ? expected : 'allowed';
      // A peek looks at each scope by itself: one that is named twice is short of slots unseen.
      if (said !== 'budget_held' || wanted !== 'concurrency' || scopes.length === 1) expect(said).toBe(wanted);
      if (scopes.length === 1) expect(peeked.allowed).toBe(answer.allowed);
      if (typeof expected !== 'string') takings.push([expected, answer]);
    } else if (step.call === 'reset') {
      const scope = scopeOf([step.limit, step.key]);
      // Slots stay taken in the model: the reset of the service forgets them.
      if (scope.limit.maxConcurrent === undefined) {
        model.reset(scope);
        limiter.reset(scope.key, { limit: scope.limit.name });
      }
    } else if (takings.length > 0) {
      const taken = takings[step.taking % takings.length];
      if (step.call === 'settle') settle(taken, step.nano);
      else expect(limiter.extend(taken[1], step.nano / 1e9)).toBe(model.extend(taken[0], step.nano, nowMs));
    }
    compare();
  }
  for (const taken of takings) settle(taken, 1);
  compare();
  for (const limit of limits)
    for (const key of ['a', 'team/7']) for (const { heldUsd } of limiter.getBudgets(key, { limit: limit.name })) expect(heldUsd).toBe(0);
  void limiter.close();
}
