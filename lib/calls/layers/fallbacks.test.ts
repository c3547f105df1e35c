import { failedOn, nextOf, viewOf } from '../../../test/support/layer-calls.js';
import { BudgetExceededError } from '../../common/http-errors.js';
import type { FallbackKind } from '../../router/fallback-order.js';
import type { CallTarget } from '../call.js';
import { allowsNextTier, FallbackPlan, fallbacks } from './fallbacks.js';

type Chains = Partial<Record<FallbackKind, Readonly<Record<string, readonly (string | object)[]>>>>;

const target = (each: string | object): object => (typeof each === 'string' ? { model: each } : each);

/** A router with these chains; `alias` is another name of `m`. */
function routerOf(chains: Chains, healthy: readonly string[] = []) {
  const tables = Object.fromEntries(
    (['general', 'context_window', 'content_policy'] as const).map((kind) => [kind, new Map(Object.entries(chains[kind] ?? {}))]),
  );
  return {
    settings: { fallbacks: tables },
    knownName: (name: string) => (name === 'alias' ? 'm' : name),
    fallbacksOf: (group: string, kind: FallbackKind, asked: string) =>
      (chains[kind]?.[group] ?? chains[kind]?.[asked] ?? []).map((each) => target(each)),
    healthyCount: (name: string) => (healthy.includes(name) ? 1 : 0),
  } as never;
}

interface Given {
  readonly call?: object;
  readonly options?: object;
}

const callOf = ({ call, options = {} }: Given = {}): object => ({
  options,
  asked: { model: 'm' },
  context: {},
  fallbacks: 0,
  maxFallbacks: 5,
  isSpent: false,
  mayFallBackFromBudget: false,
  ...call,
});

async function run(chains: Chains, outcomes: readonly unknown[], given: Given = {}) {
  const { views, next } = nextOf(...outcomes);
  const counted: object[] = [];
  const countChanged = (overrides: object): Promise<number> => (counted.push(overrides), Promise.resolve(counted.length * 10));
  const call = { ...callOf(given), countChanged } as unknown as { fallbacks: number; alternatives?: () => FallbackPlan };
  const view = viewOf(call, { target: { model: 'm', inputTokens: 7 } });
  const outcome = await fallbacks(routerOf(chains))(next)(view);
  return { outcome, call, counted, targets: views.slice(1).map((each) => each.target), models: views.map((each) => each.target.model) };
}

const [first, second, third] = ['x', 'y', 'z'].map((id) => failedOn({ id }));
const long = failedOn({ id: 'x' }, { kind: 'context_window' });
const filtered = failedOn({ id: 'x' }, { kind: 'content_policy' });

describe('fallbacks', () => {
  it('tries the next model group when one fails, and passes other outcomes on', async () => {
    const { outcome, models, call } = await run({ general: { m: ['n', 'o'] } }, [first, second, 'answer']);
    expect([outcome, models, call.fallbacks]).toEqual(['answer', ['m', 'n', 'o'], 2]);
    expect((await run({ general: { m: ['n'] } }, ['answer'])).models).toEqual(['m']);
    await expect(run({ general: { m: ['n'] } }, [new Error('final'), 'answer'])).rejects.toThrow('final');
  });

  it('ends with the first failure when no group is left', async () => {
    const { outcome, models } = await run({ general: { m: ['n', 'o'] } }, [first, second, third]);
    expect(outcome).toBe(first);
    expect(models).toEqual(['m', 'n', 'o']);
  });

  it('tries each group once, by whichever name', async () => {
    const { models } = await run({ general: { m: ['n', 'alias', 'n', 'o'], n: ['m', 'o'] } }, [first, second, third, first]);
    expect(models).toEqual(['m', 'n', 'o']);
  });

  it('tries the fallbacks of a failed fallback before those left of the first group', async () => {
    const { models } = await run({ general: { m: ['n', 'o'], n: ['p'] } }, [first, second, third, 'answer']);
    expect(models).toEqual(['m', 'n', 'p', 'o']);
  });

  it('looks no deeper than `maxFallbacks`', async () => {
    const chains = { general: { m: ['n'], n: ['o'], o: ['p'] } };
    expect((await run(chains, [first, second, third, first], { call: { maxFallbacks: 2 } })).models).toEqual(['m', 'n', 'o']);
    expect((await run(chains, [first], { call: { maxFallbacks: 0 } })).models).toEqual(['m']);
  });

  it.each<[string, Chains, unknown, string[]]>([
    ['context window: its own chain', { general: { m: ['n'] }, context_window: { m: ['big'] } }, long, ['m', 'big']],
    ['context window: the general chain without one', { general: { m: ['n'] }, context_window: { o: ['big'] } }, long, ['m', 'n']],
    ['content policy: its own chain', { general: { m: ['n'] }, content_policy: { m: ['mild'] } }, filtered, ['m', 'mild']],
    ['content policy: none if only other groups have one', { general: { m: ['n'] }, content_policy: { o: ['mild'] } }, filtered, ['m']],
    ['content policy: the general chain without any', { general: { m: ['n'] } }, filtered, ['m', 'n']],
    ['any other kind: the general chain', { general: { m: ['n'] }, context_window: { m: ['big'] } }, first, ['m', 'n']],
  ])('selects the chain by the kind of failure, %s', async (_, chains, failure, models) => {
    expect((await run(chains, [failure, 'answer'])).models).toEqual(models);
  });

  it("prefers the request's own chains", async () => {
    const chains = { general: { m: ['n'] }, context_window: { m: ['big'] }, content_policy: { m: ['mild'] } };
    const options = { fallbacks: ['own'], contextWindowFallbacks: [{ m: ['wide'] }] };
    expect((await run(chains, [first, 'answer'], { options })).models).toEqual(['m', 'own']);
    expect((await run(chains, [long, 'answer'], { options })).models).toEqual(['m', 'wide']);
    expect((await run(chains, [filtered, 'answer'], { options })).models).toEqual(['m', 'own']);
    const tables = { fallbacks: [{ m: ['own'] }], contentPolicyFallbacks: [{ m: ['soft'] }] };
    expect((await run(chains, [filtered, 'answer'], { options: tables })).models).toEqual(['m', 'soft']);
  });

  it('counts the prompt again for a target that changes the request, and keeps its changes', async () => {
    const [short, brief] = [
      { model: 'n', overrides: { a: 1 } },
      { model: 'o', overrides: { b: 2 } },
    ];
    const { targets, counted } = await run({ general: { m: [short, brief, 'p'] } }, [first, second, third, 'answer']);
    expect(counted).toEqual([{ a: 1 }, { a: 1, b: 2 }]);
    expect(targets).toEqual([
      { model: 'n', overrides: { a: 1 }, inputTokens: 10 },
      { model: 'o', overrides: { a: 1, b: 2 }, inputTokens: 20 },
      { model: 'p', overrides: { a: 1, b: 2 }, inputTokens: 20 },
    ]);
    expect((await run({ general: { m: ['n'] } }, [first, 'answer'])).targets).toEqual([
      { model: 'n', overrides: undefined, inputTokens: 7 },
    ]);
  });

  it('tries no other group once the call may make no more attempts', async () => {
    expect((await run({ general: { m: ['n'] } }, [first], { call: { isSpent: true } })).outcome).toBe(first);
  });

  it('leaves a group that a budget denies only if the call may', async () => {
    const denied = failedOn({ id: 'x' }, {}, new BudgetExceededError({ limitName: 'l', reason: 'budget_held' } as never), 'caller');
    expect((await run({ general: { m: ['n'] } }, [denied, 'answer'])).outcome).toBe(denied);
    expect((await run({ general: { m: ['n'] } }, [denied, 'answer'], { call: { mayFallBackFromBudget: true } })).outcome).toBe('answer');
  });

  it('publishes on the call which groups are left', async () => {
    const { call } = await run({ general: { m: ['n'] } }, ['answer']);
    expect(call.alternatives?.()).toBeInstanceOf(FallbackPlan);
    expect(call.alternatives?.()).toBe(call.alternatives?.());
  });
});

describe('FallbackPlan', () => {
  const plan = (chains: Chains, healthy: readonly string[] = [], given: Given = {}): FallbackPlan =>
    new FallbackPlan(routerOf(chains, healthy), callOf(given) as never);

  it('reports whether another group is left', () => {
    expect(plan({ general: { m: ['n'] } }).hasNext('m')).toBe(true);
    expect(plan({ general: { m: ['alias', 'm'] } }).hasNext('m')).toBe(false);
    expect(plan({}).hasNext('m')).toBe(false);
    expect(plan({ general: { m: ['n'] } }, [], { call: { isSpent: true } }).hasNext('m')).toBe(false);
    expect(plan({ general: { m: ['n'] } }, [], { call: { maxFallbacks: 0 } }).hasNext('m')).toBe(false);
  });

  it('reports whether another group has a healthy deployment', () => {
    expect(plan({ general: { m: ['n', 'o'] } }, ['o']).hasHealthy('m')).toBe(true);
    expect(plan({ general: { m: ['n', 'o'] } }, ['m']).hasHealthy('m')).toBe(false);
  });

  it('counts the groups left of an earlier one, but not one that was tried', async () => {
    const tried = plan({ general: { m: ['n', 'o'] } });
    expect((await tried.next({ model: 'm' } as CallTarget, first))?.model).toBe('n');
    expect(tried.hasNext('n')).toBe(true);
    expect((await tried.next({ model: 'n' } as CallTarget, second))?.model).toBe('o');
    expect(tried.hasNext('o')).toBe(false);
  });
});

describe('allowsNextTier', () => {
  const allows = (failure: typeof first, chains: Chains = {}, options: object = {}): boolean =>
    allowsNextTier(routerOf(chains), { options } as never, 'm', failure);

  it.each<[string, boolean, boolean]>([
    ['a failed server', allows(first, { context_window: { m: ['big'] } }), true],
    ['a prompt that a content filter rejected', allows(filtered), false],
    ['a prompt that is too long', allows(long), true],
    ['a prompt that is too long, with fallbacks for that', allows(long, { context_window: { m: ['big'] } }), false],
    ['a prompt that is too long, with such in the request', allows(long, {}, { contextWindowFallbacks: [{ m: ['big'] }] }), false],
    [
      'a prompt that is too long, with none in the request',
      allows(long, { context_window: { m: ['b'] } }, { contextWindowFallbacks: [] }),
      true,
    ],
    ['a call without fallbacks', allows(first, {}, { disableFallbacks: true }), false],
  ])('decides about %s', (_, decided, expected) => expect(decided).toBe(expected));
});
