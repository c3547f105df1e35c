import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { rateLimitEngines } from '../../../test/support/rate-limit-engines.js';
import { answersTo, vectors } from '../../../test/support/rate-limit-vectors.js';
import { DECISION_FIELDS, DecisionCode, DecisionField } from './engine.js';
import type { RateLimitEngine } from './engine.js';

const NOW = 1_700_000_000_000;
const engines = rateLimitEngines();
const native = engines.find(({ engine }) => engine === 'native');

describe.each(engines.map((engine) => [engine.engine, engine] as const))('rate limits, %s', (_, engine) => {
  const once = engine.policy({ scope: 'engine test', requestsPerMinute: 1 });
  const spaces: number[] = [];
  const open = (maxKeys = 10_000): number => {
    const space = engine.open(null, maxKeys);
    spaces.push(space);
    return space;
  };
  const admits = (space: number, key: string, nowMs = NOW): boolean =>
    engine.check(space, { policy: once, key }, { cost: 1, tokens: 0, nowMs: nowMs }) === DecisionCode.allowed;

  afterAll(() => spaces.forEach((space) => engine.close(space)));

  it.each(vectors.cases.map((vector) => [vector.name, vector] as const))('%s', (__, vector) => {
    const answers = answersTo(engine, vector);
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.map(({ answer }) => answer)).toEqual(answers.map(({ expected }) => expected));
  });

  it('returns one handle for equal policies', () => {
    expect(engine.policy({ requestsPerMinute: 1, scope: 'engine test' })).toBe(once);
    expect(engine.policy({ requestsPerMinute: 2, scope: 'engine test' })).not.toBe(once);
    expect(engine.policy({ requestsPerMinute: 1, scope: 'another' })).not.toBe(once);
  });

  it('throws TOO_MANY_POLICIES at 8,192 scopes and kinds of limits, until one of them is closed', () => {
    const policies: number[] = [];
    const fill = (): void => {
      for (let number = policies.length; number <= 8192; number++)
        policies.push(engine.policy({ scope: `n ${number}`, requestsPerMinute: 1 }));
    };
    const thrown = { name: 'InvalidArgumentError', code: 'TOO_MANY_POLICIES', path: 'limit' };
    expect(fill).toThrow(expect.objectContaining(thrown));
    const most = policies.length;
    expect(most).toBeGreaterThan(8000);
    expect(most).toBeLessThan(8192);
    expect(engine.policy({ scope: 'n 0', requestsPerMinute: 2 })).not.toBe(policies[0]);
    expect(engine.policy({ scope: 'n 0', requestsPerMinute: 1 })).toBe(policies[0]);
    engine.closePolicy(policies[0]);
    engine.closePolicy(policies[1]);
    policies.splice(1, 1);
    const again = engine.policy({ scope: 'another one', requestsPerMinute: 1 });
    for (const policy of [again, ...policies]) engine.closePolicy(policy);
  });

  it('writes every field of the last decision', () => {
    const policy = engine.policy({ scope: 'last', requestsPerMinute: 2, tokensPerMinute: 100, maxConcurrent: 5 });
    engine.check(open(), { policy, key: 'a' }, { cost: 1, tokens: 30, nowMs: NOW + 0.7 });
    expect(engine.lastDecision).toHaveLength(DECISION_FIELDS);
    expect(Array.from(engine.lastDecision)).toEqual([0, 2, 1, 70, 0, 60_000, 60_000, NOW, 0]);
  });

  it('shares keys between spaces of one name only', () => {
    const [first, second] = [engine.open('engine test', 100), engine.open('engine test', 100)];
    expect(admits(open(), 'a')).toBe(true);
    expect(admits(first, 'a')).toBe(true);
    expect(admits(second, 'a')).toBe(false);
    engine.close(first);
    expect(admits(second, 'a')).toBe(false);
    engine.close(second);
    expect(() => admits(second, 'a')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    const fresh = engine.open('engine test', 100);
    expect(admits(fresh, 'a')).toBe(true);
    engine.close(fresh);
  });

  it('evicts the least recently used key above maxKeys', () => {
    const space = open(3);
    for (const key of ['a', 'b', 'c']) expect(admits(space, key)).toBe(true);
    expect(admits(space, 'a')).toBe(false);
    expect(admits(space, 'd')).toBe(true);
    expect(['a', 'c', 'd'].map((key) => admits(space, key))).toEqual([false, false, false]);
    expect(engine.stats(space)).toEqual({ keys: 3, checks: 8, allowed: 4, denied: 4, evicted: 1 });
    expect(admits(space, 'b')).toBe(true);
  });

  it('stays within maxKeys under churn, and keeps the keys in use', () => {
    const space = open(5000);
    for (let number = 0; number < 50_000; number++) {
      if (number % 100 === 0) expect(admits(space, 'in use', NOW + Math.floor(number / 1000))).toBe(number === 0);
      admits(space, `key ${number}`, NOW + Math.floor(number / 1000));
    }
    const { keys, evicted } = engine.stats(space);
    expect(keys).toBeLessThanOrEqual(5000);
    expect(keys).toBeGreaterThan(4500);
    expect(evicted).toBeGreaterThan(44_000);
  });

  it('drops idle keys when new ones come', () => {
    const space = open(1_000_000);
    for (let number = 0; number < 20_000; number++) admits(space, `old ${number}`);
    for (let number = 0; number < 20_000; number++) admits(space, `new ${number}`, NOW + 60_000);
    expect(engine.stats(space)).toMatchObject({ evicted: 0, allowed: 40_000 });
    expect(engine.stats(space).keys).toBeLessThan(22_000);
  });

  it('evicts keys without requests in flight first', () => {
    const space = open(10);
    const concurrent = engine.policy({ scope: 'engine test', maxConcurrent: 1 });
    expect(engine.check(space, { policy: concurrent, key: 'in flight' }, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
    for (let number = 0; number < 100; number++) admits(space, `key ${number}`);
    expect(engine.check(space, { policy: concurrent, key: 'in flight' }, { cost: 1, tokens: 0, nowMs: NOW })).toBe(
      DecisionCode.concurrency,
    );
  });

  it('ends the requests from before a reset first, where both happened within a millisecond', () => {
    const space = open();
    const concurrent = engine.policy({ scope: 'engine test', maxConcurrent: 1 });
    const check = (): number => engine.check(space, { policy: concurrent, key: 'a' }, { cost: 1, tokens: 0, nowMs: NOW });
    expect(check()).toBe(DecisionCode.allowed);
    engine.reset(space, { policy: concurrent, key: 'a' });
    expect(check()).toBe(DecisionCode.allowed);
    // One of both requests ended: never more are in flight than are allowed.
    engine.release(space, { policy: concurrent, key: 'a' }, NOW);
    expect(check()).toBe(DecisionCode.concurrency);
    engine.release(space, { policy: concurrent, key: 'a' }, NOW);
    expect(check()).toBe(DecisionCode.allowed);
  });

  it('decides by a handle as by its key', () => {
    const space = open(2);
    const policy = engine.policy({ scope: 'handles', requestsPerMinute: 3 });
    const [a, b] = [engine.handle(space, { policy, key: 'a' }), engine.handle(space, { policy, key: 'b' })];
    expect(engine.checkHandle(a, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
    expect(engine.check(space, { policy, key: 'a' }, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
    expect(engine.checkHandle(a, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
    expect(engine.lastDecision[DecisionField.remainingRequests]).toBe(0);
    expect(engine.checkHandle(a, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.minute);
    expect(engine.checkHandle(b, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
    // The key is dropped meanwhile, and comes back.
    for (const key of ['x', 'y']) engine.check(space, { policy, key }, { cost: 1, tokens: 0, nowMs: NOW });
    expect(engine.checkHandle(a, { cost: 2, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
    expect(engine.check(space, { policy, key: 'a' }, { cost: 2, tokens: 0, nowMs: NOW })).toBe(DecisionCode.minute);
    engine.closeHandle(a);
    expect(() => engine.checkHandle(a, { cost: 1, tokens: 0, nowMs: NOW })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    engine.closeHandle(a);
    expect(engine.checkHandle(b, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
  });

  it('accepts keys of any length and with lone surrogates', () => {
    const space = open();
    const long = 'x'.repeat(1 << 20);
    const keys = [long, `${long}y`, `y${long}`, '字'.repeat(40_000), '\ud800', '\udc00', '\ud801', '\ufffd', 'a\ud800', '\ud800a'];
    expect(keys.map((key) => admits(space, key))).toEqual(keys.map(() => true));
    expect(keys.map((key) => admits(space, key))).toEqual(keys.map(() => false));
  });

  it('finds the same key from every method', () => {
    const space = engine.open('every function', 10_000);
    spaces.push(space);
    const bytes = Array.from({ length: 256 }, (__, unit) => String.fromCharCode(unit));
    const keys = ['', ...bytes, bytes.slice(192).join(''), 'x'.repeat(64), 'x'.repeat(65), 'ÿ'.repeat(63), '東京', 'a\ud800'];
    for (const key of keys) {
      expect(admits(space, key)).toBe(true);
      expect(engine.peek(space, { policy: once, key }, { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.minute);
      expect(engine.checkAll(space, [{ policy: once, key }], { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.minute);
      engine.reset(space, { policy: once, key });
      expect(engine.checkAll(space, [{ policy: once, key }], { cost: 1, tokens: 0, nowMs: NOW })).toBe(DecisionCode.allowed);
      expect(admits(space, key)).toBe(false);
    }
  });

  it('accepts any number as the time', () => {
    for (const nowMs of [0, -5, NaN, 0.9, -Infinity]) {
      const space = open();
      expect(admits(space, 'a', nowMs)).toBe(true);
      expect(engine.lastDecision[DecisionField.atMs]).toBe(0);
      expect(admits(space, 'a', 59_999)).toBe(false);
      expect(admits(space, 'a', 60_000)).toBe(true);
    }
    const space = open();
    expect(admits(space, 'a', Infinity)).toBe(true);
    expect(admits(space, 'a', NOW)).toBe(false);
  });
});

const ifNative = native === undefined ? it.skip : it;

describe('worker threads', () => {
  /**
   * Takes from one named space, all workers at once, and posts how many requests were allowed and
   * how many it saw in flight at most.
   */
  const WORKER = `
    const { parentPort, workerData: { addon, name, now, turns, shared } } = require('node:worker_threads');
    const binding = require(addon);
    const numbers = binding.rateLimitExchange();
    const space = binding.rateLimitOpen(name, 100000);
    const requests = binding.rateLimitPolicy({ scope: name, requestsPerMinute: 10000, tokensPerMinute: 50000 });
    const concurrent = binding.rateLimitPolicy({ scope: name, maxConcurrent: 2 });
    const flags = new Int32Array(shared);
    // Space, policy, cost, tokens, time, time of the taking.
    const ask = (policy, turn) => numbers.set([space, policy, 1, 4, now + turn % 50, Infinity], ${DECISION_FIELDS});
    Atomics.add(flags, 0, 1);
    while (Atomics.load(flags, 0) < 4);
    let allowed = 0, most = 0;
    for (let turn = 0; turn < turns; turn++) {
      ask(requests, turn);
      binding.rateLimitCheck('every thread has this key');
      if (numbers[0] === 0) allowed++;
      ask(concurrent, turn);
      binding.rateLimitCheck('in flight');
      if (numbers[0] !== 0) continue;
      most = Math.max(most, Atomics.add(flags, 1, 1) + 1);
      Atomics.sub(flags, 1, 1);
      binding.rateLimitRelease('in flight');
    }
    parentPort.postMessage({ allowed, most });
    Atomics.add(flags, 2, 1);
    // The space stays open until all have finished: with the last one its keys are forgotten.
    while (Atomics.load(flags, 2) < 4);
  `;

  ifNative('share a space by its name, and admit exactly its limit', async () => {
    const shared = new SharedArrayBuffer(12);
    const workerData = { addon: join(__dirname, '..', '..', '..', 'native'), name: 'worker threads', now: NOW, turns: 20_000, shared };
    const results = await Promise.all(
      [1, 2, 3, 4].map(
        () =>
          new Promise<{ allowed: number; most: number }>((resolve, reject) => {
            let result = { allowed: 0, most: 0 };
            const worker = new Worker(WORKER, { eval: true, workerData }).once('error', reject);
            worker.once('message', (message: typeof result) => (result = message));
            worker.once('exit', () => resolve(result));
          }),
      ),
    );
    expect(results.reduce((sum, { allowed }) => sum + allowed, 0)).toBe(10_000);
    expect(Math.max(...results.map(({ most }) => most))).toBeLessThanOrEqual(2);
    expect(results.filter(({ allowed }) => allowed > 0).length).toBeGreaterThan(1);

    const space = (native as RateLimitEngine).open('worker threads', 100_000);
    expect((native as RateLimitEngine).stats(space)).toMatchObject({ keys: 0, checks: 0 });
    (native as RateLimitEngine).close(space);
  });
});
