import { CallView } from '../attempt.js';
import { CallCancellation } from '../cancellation.js';
import { failedOn } from '../../../test/support/layer-calls.js';
import { composeCall, type ClientContext } from './compose.js';

interface Given {
  readonly options?: object;
  readonly maxFallbacks?: number;
  readonly hasHooks?: boolean;
  readonly orders?: readonly number[];
}

/** Runs a call whose first selection fails, and tells which layers took part. */
async function run({ options = {}, maxFallbacks = 5, hasHooks = false, orders = [1, 1] }: Given = {}) {
  const parts: string[] = [];
  const inFlightByKey = new Map<string, number>();
  const deployments = orders.map((order, index) => ({ id: `d${index}`, modelName: 'm', order }));
  const none = Object.assign(new Error('none'), { code: 'ROUTER_RATE_LIMITED' });
  const client = {
    options: { maxAttempts: 10, maxCallsPerKey: Infinity, ...options },
    router: {
      settings: { maxFallbacks, fallbacks: {} },
      deployments: () => deployments,
      knownName: (name: string) => name,
      fallbacksOf: () => [],
      acquire: () => {
        parts.push('select');
        throw none;
      },
    },
    settlement: { callStarted: () => parts.push('records'), callFailed: () => {} },
    retryBudget: { deposit: () => parts.push('retries') },
    inFlightByKey,
    waiting: undefined,
  } as unknown as ClientContext;
  const call = {
    asked: { model: 'm' },
    context: {},
    options: {},
    cancellation: new CallCancellation(),
    principal: { limitKey: 'key' },
    whenOver: () => {},
    guards: { prepare: () => void parts.push('hooks') },
    fallbacks: 0,
    maxFallbacks,
    alternatives: undefined as unknown,
  };
  const view = new CallView(call as never, (() => {}) as never);
  await expect(composeCall(client, { hasHooks })(view)).rejects.toBe(none);
  if (call.alternatives !== undefined) parts.push('fallbacks');
  if (inFlightByKey.size > 0) parts.push('callsPerKey');
  return parts;
}

describe('composeCall', () => {
  it.each<[string, Given, readonly string[]]>([
    ['nothing special', {}, ['records', 'retries', 'select', 'fallbacks']],
    ['a single attempt', { options: { maxAttempts: 1 } }, ['records', 'select', 'fallbacks']],
    ['two attempts', { options: { maxAttempts: 2 } }, ['records', 'retries', 'select', 'fallbacks']],
    ['no fallbacks', { maxFallbacks: 0 }, ['records', 'retries', 'select']],
    ['one fallback', { maxFallbacks: 1 }, ['records', 'retries', 'select', 'fallbacks']],
    ['hooks', { hasHooks: true }, ['records', 'hooks', 'retries', 'select', 'fallbacks']],
    ['a limit of calls per key', { options: { maxCallsPerKey: 1 } }, ['records', 'retries', 'select', 'fallbacks', 'callsPerKey']],
  ])('has the layers of %s', async (_, given, expected) => {
    expect(await run(given)).toEqual(expected);
  });

  it.each<[readonly number[], number, boolean]>([
    [[1], 10, false],
    [[2, 2], 10, false],
    [[1, 1, 2], 10, true],
    [[2, 1], 10, true],
    [[1, 2], 1, false],
  ])('has tiers for the orders %j and %s attempts: %s', async (orders, maxAttempts, hasTiers) => {
    let asked = 0;
    const deployments = orders.map((order, index) => ({ id: `d${index}`, modelName: 'm', model: 'm', order }));
    const failure = failedOn(deployments[0]);
    const client = {
      options: { maxAttempts, maxCallsPerKey: Infinity },
      router: { settings: { maxFallbacks: 0 }, deployments: () => (asked++, deployments), fallbacksOf: () => [] },
      settlement: { callStarted: () => {}, callFailed: () => {} },
      retryBudget: { deposit: () => {} },
      waiting: undefined,
    };
    const composed = composeCall({ ...client, router: { ...client.router, acquire: () => failure } } as never, { hasHooks: false });
    const atStart = asked;
    const call = { asked: { model: 'm' }, context: {}, options: {}, cancellation: new CallCancellation(), isSpent: true, fallbacks: 0 };
    await expect(composed(new CallView(call as never, (() => {}) as never))).rejects.toBe(failure.error);
    // Only that layer looks for another tier.
    expect([atStart > 0, asked > atStart]).toEqual([maxAttempts > 1, hasTiers]);
  });

  it('composes a call without deployments', () => {
    const router = { settings: { maxFallbacks: 0 }, deployments: () => [] };
    expect(composeCall({ router, options: { maxAttempts: 10, maxCallsPerKey: Infinity } } as never, { hasHooks: false })).toBeInstanceOf(
      Function,
    );
  });
});
