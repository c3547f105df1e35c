import { isDeepStrictEqual } from 'node:util';
import { CallQueueError } from '../common/http-errors.js';
import { CallCancellation } from '../calls/cancellation.js';
import { CallQueue, type NotYet, type QueuedCall, type QueuePlace } from './call-queue.js';
import { resolveOptions } from '../common/option.js';
import { QUEUE, type QueueOptions } from './queue.options.js';
import { queueSamples } from './queue-metrics.js';

const FULL = 'full';

/** A deployment that takes `places` calls at a time. */
class Places {
  taken = 0;
  most = 0;

  constructor(public places: number) {}

  tryToGo = (): string | NotYet<string> => {
    if (this.taken >= this.places) {
      return { isNotYet: true, failure: FULL, retryAfterMs: undefined, mayBeSooner: true, dependsOnTokens: false };
    }
    this.taken++;
    this.most = Math.max(this.most, this.taken);
    return 'gone';
  };
}

describe('CallQueue', () => {
  let nowMs: number;
  beforeEach(() => {
    nowMs = 1_000_000;
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => jest.useRealTimers());

  const queueOf = (options: QueueOptions = {}): CallQueue =>
    new CallQueue(resolveOptions(QUEUE, 'queue', options), { now: () => nowMs, component: 'test' });
  const callOf = (place: Partial<QueuePlace> = {}, more: Partial<QueuedCall> = {}): QueuedCall & { cancellation: CallCancellation } =>
    ({
      model: 'm',
      place: { tenant: 'a', weight: 1, queueClass: 'default', ...place },
      promptTokens: 10,
      costTokens: 20,
      leftMs: Infinity,
      waitedMs: 0,
      cancellation: new CallCancellation(),
      ...more,
    }) as QueuedCall & { cancellation: CallCancellation };
  const go = (queue: CallQueue, places: Places, call = callOf()): string | NotYet<string> | Promise<string | NotYet<string>> =>
    queue.go<string, string>(call, { lane: 'm', tryToGo: places.tryToGo });
  const freed = (queue: CallQueue, places: Places): void => {
    places.taken--;
    queue.wake();
  };
  const advance = async (ms: number): Promise<void> => {
    nowMs += ms;
    await jest.advanceTimersByTimeAsync(ms);
  };

  it('lets a call go in the same turn where nothing waits', () => {
    const queue = queueOf();
    expect(go(queue, new Places(1))).toBe('gone');
    expect(queue.length).toBe(0);
  });

  it('lets a waiting call go when a place is freed, before one that comes then', async () => {
    const [queue, places] = [queueOf(), new Places(1)];
    void go(queue, places);
    const first = go(queue, places);
    expect(queue.length).toBe(1);
    freed(queue, places);
    const second = go(queue, places) as Promise<string>;
    await expect(first).resolves.toBe('gone');
    expect(queue.length).toBe(1);
    freed(queue, places);
    await second;
    expect(places.most).toBe(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('asks again where another process may have freed a place', async () => {
    const [queue, places] = [queueOf(), new Places(0)];
    const waiting = go(queue, places);
    places.places = 1;
    await advance(250);
    await expect(waiting).resolves.toBe('gone');
  });

  it('tries again at the time that the deployments report', async () => {
    const queue = queueOf();
    const reopensAtMs = nowMs + 3_100;
    let asked = 0;
    const tryToGo = (): string | NotYet<string> => {
      asked++;
      if (nowMs >= reopensAtMs) return 'gone';
      return { isNotYet: true, failure: FULL, retryAfterMs: reopensAtMs - nowMs, mayBeSooner: false, dependsOnTokens: false };
    };
    const waiting = queue.go(callOf(), { lane: 'm', tryToGo });
    await advance(3_099);
    expect(queue.length).toBe(1);
    await advance(1);
    await expect(waiting).resolves.toBe('gone');
    expect(asked).toBeLessThan(5);
  });

  it('returns the failure at once where the call would wait in vain', () => {
    const queue = queueOf({ maxWaitMs: 5_000 });
    const notYet = { isNotYet: true, failure: FULL, retryAfterMs: 30_000, mayBeSooner: false, dependsOnTokens: false } as const;
    expect(queue.go(callOf(), { lane: 'm', tryToGo: () => notYet })).toBe(notYet);
    expect(queue.length).toBe(0);
  });

  it('returns the failure to a call in the queue once it would wait in vain', async () => {
    const queue = queueOf();
    const stuck = (go(queue, new Places(0)) as Promise<string>).catch(() => 'late');
    const notYet = { isNotYet: true, failure: FULL, retryAfterMs: 30_000, mayBeSooner: false, dependsOnTokens: false } as const;
    await expect(queue.go(callOf(), { lane: 'other', group: 'm', tryToGo: () => notYet })).resolves.toBe(notYet);
    expect(queue.length).toBe(1);
    await advance(10_000);
    await expect(stuck).resolves.toBe('late');
  });

  it('ends a wait after its time with queue_timeout, and the waits of one call add up', async () => {
    const [queue, places] = [queueOf({ maxWaitMs: 1_000 }), new Places(0)];
    const call = callOf({}, { waitedMs: 400 });
    const late = (go(queue, places, call) as Promise<string>).catch((error: unknown) => error);
    await advance(599);
    expect(queue.length).toBe(1);
    await advance(1);
    const error = (await late) as CallQueueError;
    expect(error).toBeInstanceOf(CallQueueError);
    expect([error.code, error.getStatus(), error.retryAfterMs]).toEqual(['QUEUE_TIMEOUT', 429, 60_000]);
    expect(call.waitedMs).toBe(1_000);
    expect(() => go(queue, places, call)).toThrow(CallQueueError);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('ends the wait of a call after one that may wait longer', async () => {
    const [queue, places] = [queueOf(), new Places(0)];
    const patient = (go(queue, places) as Promise<string>).catch(() => 'late');
    const short = (go(queue, places, callOf({}, { leftMs: 100 })) as Promise<string>).catch((error: unknown) => error);
    await advance(100);
    expect(await short).toMatchObject({ code: 'QUEUE_TIMEOUT' });
    expect(queue.length).toBe(1);
    await advance(9_900);
    expect(await patient).toBe('late');
  });

  it('leaves a call the time that calls usually take before its deadline', async () => {
    const [queue, places] = [queueOf(), new Places(0)];
    for (const ms of [100, 300, 5_000]) queue.served(ms);
    const late = (go(queue, places, callOf({}, { leftMs: 1_000 })) as Promise<string>).catch((error: unknown) => error);
    await advance(699);
    expect(queue.length).toBe(1);
    await advance(1);
    expect(await late).toMatchObject({ code: 'QUEUE_TIMEOUT' });
    expect(() => go(queue, places, callOf({}, { leftMs: 300 }))).toThrow(CallQueueError);
  });

  it('denies a call if its tenant’s queue or the whole queue is full, and states when it drains', async () => {
    const [queue, places] = [queueOf({ maxCalls: 3, maxCallsPerTenant: 2 }), new Places(1)];
    void go(queue, places);
    const waiting = ['a', 'a', 'b'].map((tenant) => go(queue, places, callOf({ tenant })) as Promise<string>);
    await expect(go(queue, places, callOf({ tenant: 'a' }))).rejects.toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: 60_000 });
    await expect(go(queue, places, callOf({ tenant: 'c' }))).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    await advance(500);
    freed(queue, places);
    await waiting[0];
    await advance(500);
    freed(queue, places);
    await Promise.race(waiting.slice(1));
    // Two calls a second, and two wait with this one.
    expect(queue.status().drainPerSecond).toBe(2);
    const more = [go(queue, places, callOf({ tenant: 'd' })), go(queue, places, callOf({ tenant: 'd' }))] as Promise<string>[];
    await expect(go(queue, places, callOf({ tenant: 'e' }))).rejects.toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: 2_000 });
    for (let at = 0; at <= more.length; at++) freed(queue, places);
    await Promise.all([...waiting, ...more]);
  });

  it('measures its rate by the last 64 calls of the last minute', async () => {
    const [queue, places] = [queueOf({ maxCallsPerTenant: 100 }), new Places(0)];
    const drain = async (count: number): Promise<void> => {
      const waiting = Array.from({ length: count }, () => Promise.resolve(go(queue, places)));
      places.places += count;
      queue.wake();
      await Promise.all(waiting);
    };
    const rate = (): number => queue.status().drainPerSecond;
    expect(rate()).toBe(0);
    await drain(1);
    expect(rate()).toBe(1);
    nowMs += 59_999;
    expect(rate()).toBeCloseTo(1 / 59.999, 9);
    nowMs += 1;
    expect(rate()).toBe(0);
    await drain(1);
    nowMs += 30_000;
    await drain(63);
    expect(rate()).toBeCloseTo(64 / 30, 9);
    await drain(1);
    expect(rate()).toBe(64);
  });

  it('refuses prompts beyond maxPromptTokens', async () => {
    const [queue, places] = [queueOf({ maxPromptTokens: 100 }), new Places(0)];
    const waiting = (go(queue, places, callOf({}, { promptTokens: 60 })) as Promise<string>).catch(() => 'late');
    await expect(go(queue, places, callOf({}, { promptTokens: 41 }))).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(queue.status()).toMatchObject({ length: 1, promptTokens: 60 });
    await advance(10_000);
    await expect(waiting).resolves.toBe('late');
  });

  it('pushes the newest call of the lowest class out for a more urgent one', async () => {
    const [queue, places] = [queueOf({ maxCalls: 2 }), new Places(1)];
    void go(queue, places);
    const [older, newer] = ['a', 'b'].map((tenant) => go(queue, places, callOf({ tenant, queueClass: 'batch' })) as Promise<string>);
    const urgent = go(queue, places, callOf({ tenant: 'c', queueClass: 'critical' })) as Promise<string>;
    await expect(newer).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(queue.status().byClass).toEqual({
      critical: { length: 1, oldestMs: 0 },
      default: { length: 0, oldestMs: 0 },
      batch: { length: 1, oldestMs: 0 },
    });
    freed(queue, places);
    await urgent;
    freed(queue, places);
    await older;
    expect(queue.counts.of('batch', 'full')).toBe(1);
  });

  it("pushes a tenant's own call out if it has too many, and only for a prompt that then has room", async () => {
    const [queue, places] = [queueOf({ maxCallsPerTenant: 1, maxPromptTokens: 100 }), new Places(1)];
    void go(queue, places);
    const batch = go(queue, places, callOf({ queueClass: 'batch' }, { promptTokens: 40 })) as Promise<string>;
    const urgent = (promptTokens: number) => go(queue, places, callOf({ queueClass: 'critical' }, { promptTokens }));
    await expect(urgent(101)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(queue.length).toBe(1);
    const taken = urgent(100) as Promise<string>;
    await expect(batch).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(queue.status()).toMatchObject({ length: 1, promptTokens: 100 });
    freed(queue, places);
    await taken;
  });

  it('reports whether a call of this size and tenant has room', () => {
    const [queue, places] = [queueOf({ maxCalls: 3, maxCallsPerTenant: 2, maxPromptTokens: 30 }), new Places(0)];
    const hasRoom = (tenant: string, promptTokens = 10): boolean => queue.hasRoomFor(callOf({ tenant }, { promptTokens }));
    const enter = (tenant: string, promptTokens = 10): void =>
      void (go(queue, places, callOf({ tenant }, { promptTokens })) as Promise<string>).catch(() => {});
    expect([hasRoom('a', 30), hasRoom('a', 31)]).toEqual([true, false]);
    enter('a');
    enter('a');
    expect([hasRoom('a'), hasRoom('b'), hasRoom('b', 11)]).toEqual([false, true, false]);
    enter('b', 5);
    expect(hasRoom('c', 5)).toBe(false);
  });

  it('has metrics of each class: what waits, how it left, and how long it waited', async () => {
    const [queue, places] = [queueOf({ maxWaitMs: 100 }), new Places(1)];
    void go(queue, places);
    const served = go(queue, places, callOf({ queueClass: 'critical' })) as Promise<string>;
    await advance(30);
    freed(queue, places);
    await served;
    const late = (go(queue, places, callOf({ queueClass: 'batch' })) as Promise<string>).catch(() => {});
    const samples = queueSamples(queue, { prefix: 'q', what: 'Calls', waitsFor: 'a place' });
    const of = (name: string, labels: object): unknown =>
      samples.find((each) => `${each.name}${each.suffix ?? ''}` === name && isDeepStrictEqual(each.labels, labels))?.value;
    expect(['critical', 'batch'].map((name) => of('q_length', { class: name }))).toEqual([0, 1]);
    expect(['served', 'full'].map((outcome) => of('q_left_total', { class: 'critical', outcome }))).toEqual([1, 0]);
    expect(of('q_left_total', { class: 'batch', outcome: 'served' })).toBe(0);
    const upTo = (le: string): unknown => of('q_wait_seconds_bucket', { class: 'critical', le });
    expect(['0.01', '0.025', '0.05', '60', '+Inf'].map(upTo)).toEqual([0, 0, 1, 1, 1]);
    expect([of('q_wait_seconds_sum', { class: 'critical' }), of('q_wait_seconds_count', { class: 'critical' })]).toEqual([0.03, 1]);
    await advance(100);
    await late;
    expect(queue.counts.total('timeout')).toBe(1);
  });

  it('forgets a cancelled call, and sends nothing for it', async () => {
    const [queue, places] = [queueOf(), new Places(1)];
    void go(queue, places);
    const call = callOf();
    const waiting = go(queue, places, call) as Promise<string>;
    call.cancellation.cancel(new Error('gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    expect([queue.length, jest.getTimerCount(), queue.counts.of('default', 'cancelled')]).toEqual([0, 0, 1]);
    freed(queue, places);
    expect(places.taken).toBe(0);
  });

  it('goes past calls that need another deployment, so that no place is idle', async () => {
    const queue = queueOf();
    const [busy, other] = [new Places(0), new Places(1)];
    const stuck = (queue.go<string, string>(callOf(), { lane: 'busy', tryToGo: busy.tryToGo }) as Promise<string>).catch(() => 'late');
    expect(queue.go<string, string>(callOf(), { lane: 'other', tryToGo: other.tryToGo })).toBe('gone');
    other.places++;
    const inGroup = queue.go<string, string>(callOf(), { lane: 'other', group: 'busy', tryToGo: other.tryToGo });
    await expect(inGroup).resolves.toBe('gone');
    expect(queue.length).toBe(1);
    await advance(10_000);
    await expect(stuck).resolves.toBe('late');
  });

  it('lets a call of another group go at once where the queue is full', async () => {
    const queue = queueOf({ maxCalls: 1 });
    const stuck = (go(queue, new Places(0)) as Promise<string>).catch(() => 'late');
    const other = { lane: 'other', tryToGo: new Places(1).tryToGo };
    expect(queue.go<string, string>(callOf(), other)).toBe('gone');
    await expect(queue.go<string, string>(callOf(), other)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    await advance(10_000);
    await expect(stuck).resolves.toBe('late');
  });

  it('tries only the calls that an event concerns', async () => {
    const queue = queueOf();
    const asked: string[] = [];
    const waitIn = (lane: string) =>
      queue.go<string, string>(callOf(), {
        lane,
        tryToGo: () => {
          asked.push(lane);
          return { isNotYet: true, failure: FULL, retryAfterMs: undefined, mayBeSooner: true, dependsOnTokens: false };
        },
      }) as Promise<string>;
    const waiting = ['red', 'red', 'blue', 'blue'].map((lane) => waitIn(lane).catch(() => 'late'));
    await Promise.resolve();
    asked.length = 0;
    queue.wake((lane) => lane === 'blue');
    await Promise.resolve();
    expect(asked).toEqual(['blue']);
    await advance(250);
    expect(asked.slice(1)).toEqual(['red', 'blue']);
    await advance(10_000);
    expect(await Promise.all(waiting)).toEqual(['late', 'late', 'late', 'late']);
  });

  it('survives sizes that are not numbers', async () => {
    const [queue, places] = [queueOf(), new Places(0)];
    const waiting = [NaN, -5, 10].map((tokens) =>
      Promise.resolve(go(queue, places, callOf({}, { promptTokens: tokens, costTokens: tokens }))),
    );
    await expect(go(queue, places, callOf({}, { promptTokens: Infinity, costTokens: Infinity }))).rejects.toThrow('too many');
    expect(queue.status()).toMatchObject({ length: 3, promptTokens: 10 });
    places.places = 3;
    queue.wake();
    await expect(Promise.all(waiting)).resolves.toEqual(['gone', 'gone', 'gone']);
  });

  describe('with answers that come later', () => {
    /** Answers about calls when the test says so. */
    class Answers {
      readonly asked: ((result: string | NotYet<string>) => void)[] = [];
      readonly givenBack: string[] = [];
      readonly wanted = (lane = 'm') => ({
        lane,
        tryToGo: () => new Promise<string | NotYet<string>>((resolve) => this.asked.push(resolve)),
        giveBack: (result: string) => void this.givenBack.push(result),
      });
      readonly no = (): void =>
        this.asked.shift()?.({ isNotYet: true, failure: FULL, retryAfterMs: undefined, mayBeSooner: true, dependsOnTokens: true });
      readonly yes = (result: string): void => this.asked.shift()?.(result);
    }
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await Promise.resolve();
    };
    const enter = async (queue: CallQueue, answers: Answers, lane?: string) => {
      const call = callOf();
      const result = Promise.resolve(queue.go(call, answers.wanted(lane))).catch((error: unknown) => (error as { code: string }).code);
      await turns();
      for (; answers.asked.length > 0; await turns()) answers.no();
      return { call, result };
    };

    it('tries one call of a lane at a time, then the next', async () => {
      const [queue, answers] = [queueOf(), new Answers()];
      const [first, second] = [await enter(queue, answers), await enter(queue, answers)];
      const other = await enter(queue, answers, 'other');
      expect(queue.length).toBe(3);
      queue.wake();
      await turns();
      expect(answers.asked).toHaveLength(2);
      answers.yes('first');
      await turns();
      answers.yes('other');
      answers.yes('second');
      expect(await Promise.all([first.result, other.result, second.result])).toEqual(['first', 'other', 'second']);
      expect([queue.length, jest.getTimerCount()]).toEqual([0, 0]);
    });

    it('loses no event that comes while an answer is on its way', async () => {
      const [queue, answers] = [queueOf(), new Answers()];
      const waiting = queue.go(callOf(), answers.wanted()) as Promise<string>;
      queue.wake();
      answers.no();
      await turns();
      expect(answers.asked).toHaveLength(1);
      queue.wake();
      answers.no();
      await turns();
      answers.yes('gone');
      await expect(waiting).resolves.toBe('gone');
    });

    it('releases a deployment that arrives for a call that has left', async () => {
      const [queue, answers] = [queueOf(), new Answers()];
      const { call, result } = await enter(queue, answers);
      queue.wake();
      await turns();
      call.cancellation.cancel(new Error('gone'));
      expect(await result).toBe('REQUEST_CANCELLED');
      answers.yes('money');
      await turns();
      expect([answers.givenBack, queue.length, queue.counts.of('default', 'cancelled')]).toEqual([['money'], 0, 1]);
    });

    it('lets an answer that is on its way decide at the end of the wait', async () => {
      const [queue, answers] = [queueOf(), new Answers()];
      const [first, second] = [await enter(queue, answers), await enter(queue, answers)];
      queue.wake();
      await turns();
      await advance(10_000);
      expect(await second.result).toBe('QUEUE_TIMEOUT');
      answers.yes('just in time');
      expect(await first.result).toBe('just in time');
      const third = await enter(queue, answers);
      queue.wake();
      await turns();
      await advance(10_000);
      answers.no();
      expect(await third.result).toBe('QUEUE_TIMEOUT');
      expect([queue.length, jest.getTimerCount()]).toEqual([0, 0]);
    });
  });

  it('lets a short prompt go where a long one exceeds the tokens that are left', async () => {
    const queue = queueOf();
    const left = 50;
    const wanted = (tokens: number) => ({
      lane: 'm',
      tryToGo: (): string | NotYet<string> =>
        tokens <= left ? 'gone' : { isNotYet: true, failure: FULL, retryAfterMs: 9_000, mayBeSooner: true, dependsOnTokens: true },
    });
    const long = (queue.go(callOf({}, { promptTokens: 80, costTokens: 80 }), wanted(80)) as Promise<string>).catch(() => 'late');
    await expect(queue.go(callOf({}, { promptTokens: 40, costTokens: 40 }), wanted(40))).resolves.toBe('gone');
    await advance(10_000);
    await expect(long).resolves.toBe('late');
  });

  it('gives the error of an app’s strategy to the call that it concerns', async () => {
    const [queue, places] = [queueOf(), new Places(0)];
    let isBroken = false;
    const tryToGo = (): string | NotYet<string> => {
      if (isBroken) throw new TypeError('broken');
      return places.tryToGo();
    };
    const broken = queue.go<string, string>(callOf(), { lane: 'm', tryToGo }) as Promise<string>;
    isBroken = true;
    queue.wake();
    await expect(broken).rejects.toThrow('broken');
    expect(queue.length).toBe(0);
  });
});
