import { resolveRateLimitOptions, type RateLimitOptions } from '../../lib/rate-limit/rate-limit.options.js';
import type { CrashReport, RateLimiterService } from '../../lib/rate-limit/rate-limit.service.js';
import type { Reservation } from '../../lib/rate-limit/reservation.js';
import { optionsOf, type BudgetHistory } from './budget-history.js';
import { BudgetModel, type ModelScope, type ModelTaking } from './budget-model.js';

/** Opens a limiter over a store of the test, whose clock shows `now()`. */
export type OpenLimiter = (options: ReturnType<typeof resolveRateLimitOptions>, now: () => number) => RateLimiterService;

const KEYS = ['a', 'team/7'] as const;

/** How the store of a replay differs from the memory store. */
export interface StoreRules {
  /** After it the store settles a hold as that of a dead process. */
  readonly ttlMs?: number;
  /** Slots are counted in this process, and denied before money is looked at. */
  readonly decidesRatesFirst?: boolean;
}

/**
 * Replays a history on a limiter and on the model. After each call both must have spent and hold
 * the same, never above the bound: what calls have cost above the amount that was held for them.
 */
export async function replayBudgets(
  history: BudgetHistory,
  open: OpenLimiter,
  { ttlMs = Infinity, decidesRatesFirst = false }: StoreRules = {},
): Promise<void> {
  const { startMs, limits, steps } = history;
  let nowMs = startMs;
  const options: RateLimitOptions = {
    requestsPerMinute: 1,
    limits: Object.fromEntries(limits.map((limit) => [limit.name, optionsOf(limit)])),
  };
  const limiter = open(resolveRateLimitOptions(options), () => nowMs);
  const model = new BudgetModel(ttlMs, decidesRatesFirst);
  const takings: (readonly [ModelTaking, Reservation])[] = [];
  const scopeOf = ([limit, key]: readonly [number, string]): ModelScope => ({ limit: limits[limit], key });
  const named = ({ limit, key }: ModelScope): { key: string; limit: string } => ({ key, limit: limit.name });
  const compare = async (): Promise<void> => {
    const scopes = limits.flatMap((limit) => KEYS.map((key): ModelScope => ({ limit, key })));
    const reports = await Promise.all(scopes.map(({ limit, key }) => limiter.getBudgetsAsync(key, { limit: limit.name })));
    scopes.forEach((scope, place) => {
      const { limit, key } = scope;
      const shown = reports[place];
      const expected = limit.budgets.map((budget) => model.standing(scope, budget, nowMs));
      const told = shown.map(({ spentUsd, heldUsd }) => `${Math.round(spentUsd * 1e9)} ${Math.round(heldUsd * 1e9)}`).join();
      const wanted = expected.map(({ spent, held }) => `${spent} ${held}`).join();
      // `expect` would take longer than the history.
      if (told !== wanted) throw new Error(`${limit.name} ${key} has spent and holds ${told} instead of ${wanted}`);
      limit.budgets.forEach((budget, index) => {
        if (expected[index].spent > budget.limit + model.excess(scope, budget, nowMs)) throw new Error('above the bound');
        if (expected[index].held > 0 && (shown[index].resetsAt?.getTime() ?? Infinity) <= nowMs) throw new Error('it is over already');
      });
    });
  };
  const settle = async ([taking, reservation]: readonly [ModelTaking, Reservation], nano: number): Promise<void> => {
    model.settle(taking, nano, nowMs);
    await limiter.settleAsync(reservation, { usd: nano / 1e9 });
  };
  try {
    for (const [advanceMs, step] of steps) {
      nowMs += advanceMs;
      if (step.call === 'reserve') {
        const scopes = step.scopes.map(scopeOf);
        const expected = model.reserve(scopes, { asked: step.nano, expected: step.expected }, nowMs);
        const [peeked, answer] = await Promise.all([
          limiter.peekAsync(scopes.map(named), { usd: step.nano / 1e9 }),
          limiter.reserveAsync(scopes.map(named), { usd: step.nano / 1e9, expectedUsd: step.expected / 1e9 }),
        ]);
        const said = answer.allowed ? 'allowed' : (answer.budgetDenial ?? answer.exceeded);
        const wanted = typeof expected === 'string' ? expected : 'allowed';
        // A peek of the engines looks at each scope by itself: one that is named twice is short of slots unseen.
        const isUnseen = said === 'budget_held' || (decidesRatesFirst && said !== 'allowed');
        if (said !== wanted && !(isUnseen && wanted === 'concurrency' && scopes.length > 1))
          throw new Error(`${said} instead of ${wanted}`);
        if (scopes.length === 1 && peeked.allowed !== answer.allowed) throw new Error('a peek foresaw another answer');
        if (typeof expected !== 'string') takings.push([expected, answer]);
      } else if (step.call === 'reset') {
        const scope = scopeOf([step.limit, step.key]);
        // Slots stay taken in the model: the reset of the service forgets them.
        if (scope.limit.maxConcurrent === undefined) {
          model.reset(scope);
          await limiter.resetAsync(scope.key, { limit: scope.limit.name });
        }
      } else if (step.call === 'refund') {
        const crashes = model.crashes(nowMs);
        const listed = await listCrashes(limiter);
        const texts = crashes.map(({ text }) => text);
        if (listed.map(crashText).sort().join() !== [...texts].sort().join())
          throw new Error('other settlements of dead processes are listed');
        // Nothing but its id tells equal ones apart.
        const alone = crashes.filter(({ text }) => texts.indexOf(text) === texts.lastIndexOf(text));
        const crash = alone.at(step.place % Math.max(1, alone.length));
        const found = crash && listed.find((each) => crashText(each) === crash.text);
        if (found !== undefined && crash !== undefined) {
          model.refund(crash, step.nano);
          const answers = await Promise.all([1, 2].map(() => limiter.refundCrashSettlement(found, step.nano / 1e9)));
          if (answers.filter((answer) => answer !== undefined).length !== 1) throw new Error('a refund does not happen once');
        }
      } else if (takings.length > 0) {
        const taken = takings[step.taking % takings.length];
        if (step.call === 'settle') await settle(taken, step.nano);
        else if ((await limiter.extendAsync(taken[1], step.nano / 1e9)) !== model.extend(taken[0], step.nano, nowMs))
          throw new Error('an extension was decided otherwise');
      }
      await compare();
    }
    for (const taken of takings) await settle(taken, 1);
    await compare();
    for (const limit of limits)
      for (const key of KEYS)
        for (const { heldUsd } of await limiter.getBudgetsAsync(key, { limit: limit.name }))
          if (heldUsd !== 0) throw new Error('something is held for nothing');
  } finally {
    await limiter.close();
  }
}

function crashText({ limit, key, heldUsd, chargedUsd, takenAt }: CrashReport): string {
  // Redis shows the hash of a key with a slash.
  return [limit, key.startsWith('~') ? KEYS[1] : key, Math.round(heldUsd * 1e9), Math.round(chargedUsd * 1e9), takenAt.getTime()].join(' ');
}

async function listCrashes(limiter: RateLimiterService): Promise<readonly CrashReport[]> {
  const found = new Map<string, CrashReport>();
  let cursor: string | undefined;
  do {
    const page = await limiter.listCrashSettlements({ cursor });
    for (const each of page.settlements) found.set(JSON.stringify(each), each);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return [...found.values()];
}
