import {
  CallQueueError,
  FastLiteLLM,
  type CallOptions,
  type LlmClientOptions,
  type RouterOptions,
  type SendContext,
} from 'nestjs-fast-litellm';
import { RequestContext } from '../../../lib/http/request-context.js';
import { usuallyOrLong } from '../../support/long.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { fromMinute, sleep, until } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: FastLiteLLM[] = [];
afterEach(() => Promise.all(opened.splice(0).map((llm) => llm.close())));
afterAll(stopProviders);

/** A deployment of `group` that takes `places` calls at a time. */
const deployment = (group: string, places: number, more: object = {}) => ({
  model_name: group,
  litellm_params: { model: 'openai/x', api_key: 'sk-x', max_parallel_requests: places, ...more },
  model_info: { id: `${group} ${JSON.stringify(more)}` },
});

function open(router: RouterOptions, llmClient: LlmClientOptions = { queue: {} }, now = fromMinute()): FastLiteLLM {
  const llm = new FastLiteLLM({ router, llmClient, rateLimit: { usdPerDay: 1 }, logger: quiet }, { now });
  opened.push(llm);
  return llm;
}

/** Calls by a `send` that the test ends. */
class Calls {
  /** Names of the calls in the order in which they were sent. */
  readonly sent: string[] = [];
  inFlight = 0;
  mostInFlight = 0;
  private readonly ends = new Map<string, (error?: Error) => void>();

  constructor(private readonly llm: FastLiteLLM) {}

  start(name: string, options: CallOptions = {}, model = 'm'): Promise<string> {
    const send = (_: unknown, { signal }: SendContext): Promise<string> => {
      this.sent.push(name);
      this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
      return new Promise((resolve, reject) => {
        this.ends.set(name, (error) => {
          this.inFlight--;
          if (error === undefined) resolve(name);
          else reject(error);
        });
        signal.addEventListener('abort', () => this.ends.get(name)?.(signal.reason as Error), { once: true });
      });
    };
    return this.llm.client.execute(model, send, options);
  }

  end(name: string, error?: Error): void {
    this.ends.get(name)?.(error);
  }
}

const lengthOf = ({ client }: FastLiteLLM): number => client.status().queue?.length ?? NaN;

describe('LlmClient with a queue', () => {
  it('waits for a place of max_parallel_requests, as LiteLLM does; without a queue it fails at once', async () => {
    const router = { modelList: [deployment('m', 1)] };
    for (const llmClient of [{}, { queue: {} }]) {
      const llm = open(router, llmClient);
      const calls = new Calls(llm);
      const first = calls.start('first');
      await until(() => calls.sent.length === 1);
      const second = calls.start('second');
      if (!('queue' in llmClient)) await expect(second).rejects.toMatchObject({ code: 'ROUTER_RATE_LIMITED', reached: ['concurrency'] });
      else expect(lengthOf(llm)).toBe(1);
      calls.end('first');
      await first;
      if (!('queue' in llmClient)) continue;
      await until(() => calls.sent.length === 2);
      calls.end('second');
      await expect(second).resolves.toBe('second');
      expect(llm.client.status()).toMatchObject({ callsInFlight: 0, queue: { length: 0 } });
    }
  });

  it('waits for a place before it falls back, and falls back when it has waited its time', async () => {
    const llm = open({ modelList: [deployment('m', 1), deployment('n', 1)], fallbacks: [{ m: ['n'] }] }, { queue: { maxWaitMs: 50 } });
    const calls = new Calls(llm);
    void calls.start('first');
    const second = calls.start('second');
    await until(() => calls.sent.length === 2);
    const third = calls.start('third');
    await expect(third).rejects.toMatchObject({ code: 'QUEUE_TIMEOUT', model: 'm' });
    calls.end('second');
    await expect(second).resolves.toBe('second');
    expect(llm.router.status().map(({ failures }) => failures)).toEqual([0, 0]);
    calls.end('first');
  });

  it('waits for the end of a minute whose rpm is used up, unless a fallback can answer', async () => {
    const startMs = performance.now();
    // The minute ends in 400 ms.
    const now = (): number => Math.floor(1_000_000 * 60_000 - 400 + performance.now() - startMs);
    const limited = { rpm: 1, max_parallel_requests: undefined };
    const llm = open({ modelList: [deployment('m', 1, limited)], enablePreCallChecks: true }, { queue: {} }, now);
    const send = () => Promise.resolve(performance.now() - startMs);
    await llm.client.execute('m', send);
    expect(await llm.client.execute('m', send)).toBeGreaterThanOrEqual(395);
    // The next minute is too far away: the router's own answer says when.
    await expect(llm.client.execute('m', send)).rejects.toMatchObject({ code: 'ROUTER_RATE_LIMITED' });
    expect(lengthOf(llm)).toBe(0);

    const other = open({
      modelList: [deployment('m', 1, limited), deployment('n', 1)],
      enablePreCallChecks: true,
      fallbacks: [{ m: ['n'] }],
    });
    const groups: string[] = [];
    for (let i = 0; i < 2; i++) await other.client.execute('m', (_, { group }) => Promise.resolve(groups.push(group)));
    expect(groups).toEqual(['m', 'n']);
  });

  it('does not wait after a failure of a provider', async () => {
    // To wait for the end of a cooldown would exceed the time of the test.
    const modelList = [deployment('m', 1), deployment('m', 1, { timeout: 9 })];
    const llm = open({ modelList, allowedFails: 0, numRetries: 5, cooldownMs: 600_000 }, { queue: { maxWaitMs: 600_000 } });
    const failure = Object.assign(new Error('out'), { status: 500 });
    await expect(llm.client.execute('m', () => Promise.reject(failure))).rejects.toBe(failure);
  });

  it('waits after a 429 of all deployments until the first of them is out of cooldown', async () => {
    const llm = open({ modelList: [deployment('m', 1), deployment('m', 1, { timeout: 9 })] });
    const startMs = performance.now();
    const refusal = Object.assign(new Error('slow down'), { status: 429, headers: { 'retry-after-ms': '300' } });
    const send = () => (performance.now() - startMs < 290 ? Promise.reject(refusal) : Promise.resolve('answer'));
    await expect(llm.client.execute('m', send)).resolves.toBe('answer');
    const other = open({ modelList: [deployment('m', 1), deployment('m', 1, { timeout: 9 })] }, {});
    await expect(other.client.execute('m', () => Promise.reject(refusal))).rejects.toBe(refusal);
  });

  it('lets a more urgent call overtake within one service time; a header and the body can lower a call', async () => {
    const llm = open(
      { modelList: [deployment('m', 1)] },
      { queue: { mayRaise: ({ request }) => (request as { isAdmin?: boolean }).isAdmin === true } },
    );
    const calls = new Calls(llm);
    const promises = [calls.start('first')];
    await until(() => calls.sent.length === 1);
    for (const name of ['a', 'b', 'c']) promises.push(calls.start(name));
    promises.push(calls.start('lowered', { queueClass: 'critical', request: { headers: { 'x-litellm-priority': 'batch' } } }));
    promises.push(calls.start('not raised', { request: { headers: { 'x-litellm-priority': 'critical' } } }));
    promises.push(calls.start('urgent', { queueClass: 'critical' }));
    calls.end('first');
    for (let at = 1; at < promises.length; at++) {
      await until(() => calls.sent.length > at);
      calls.end(calls.sent[at]);
    }
    await Promise.all(promises);
    expect(calls.sent[1]).toBe('urgent');
    expect(calls.sent.indexOf('lowered')).toBe(6);
    expect(calls.sent.slice(2, 6).sort()).toEqual(['a', 'b', 'c', 'not raised']);
  });

  it('serves each class its share while callers of all classes keep the queue full', async () => {
    const llm = open({ modelList: [deployment('m', 1)] }, { queue: { maxCalls: 60, maxCallsPerTenant: 60, maxWaitMs: 60_000 } });
    const served = { critical: 0, default: 0, batch: 0 };
    const refused = { critical: 0, default: 0, batch: 0 };
    let count = 0;
    const send = async (queueClass: keyof typeof served): Promise<void> => {
      if (count++ < 600) served[queueClass]++;
      await new Promise(setImmediate);
    };
    const callAgain = async (queueClass: keyof typeof served): Promise<void> => {
      while (count < 600) {
        await llm.client
          .execute('m', () => send(queueClass), { queueClass })
          .catch((error: unknown) => {
            if (!(error instanceof CallQueueError)) throw error;
            refused[queueClass]++;
            return sleep(1);
          });
        await new Promise(setImmediate);
      }
    };
    const callers = Object.entries({ critical: 40, default: 30, batch: 20 }) as [keyof typeof served, number][];
    await Promise.all(callers.flatMap(([name, many]) => Array.from({ length: many }, () => callAgain(name))));
    expect(refused.batch).toBeGreaterThan(0);
    for (const name of ['default', 'batch'] as const) {
      expect(served[name]).toBeGreaterThan(45);
      expect(served[name]).toBeLessThan(90);
    }
  });

  it('reads the body’s priority, which raises only where mayRaise allows it, and never sends it', async () => {
    const local = await provider('queued', { latencyMs: 100 });
    const bodies: object[] = [];
    const llm = open(
      { modelList: [deploymentOf('m', local, { max_parallel_requests: 1 })] },
      { queue: { mayRaise: ({ request }) => (request as { isAdmin?: boolean }).isAdmin === true } },
    );
    const order: string[] = [];
    const ask = async (name: string, priority: number | undefined, request: object): Promise<void> => {
      const body = { model: 'm', messages: HELLO, ...(priority !== undefined && { priority }) };
      bodies.push(body);
      await llm.client.chat(body, { request });
      order.push(name);
    };
    const all = [ask('first', undefined, {})];
    await until(() => llm.router.status()[0].inFlight === 1);
    all.push(ask('usual', undefined, {}), ask('batch', 200, {}), ask('not raised', 0, {}), ask('raised', 0, { isAdmin: true }));
    await until(() => lengthOf(llm) === 4);
    expect(llm.client.status().queue?.byClass).toMatchObject({ critical: { length: 1 }, default: { length: 2 }, batch: { length: 1 } });
    await Promise.all(all);
    expect(order).toEqual(['first', 'raised', 'usual', 'not raised', 'batch']);
    await expect(llm.client.chat({ model: 'm', messages: HELLO, priority: 'high' } as never)).rejects.toMatchObject({ path: 'priority' });
  });

  it('shares tokens fairly between one greedy and nine small tenants, and leaves no place idle', async () => {
    const places = 4;
    const llm = open({ modelList: [deployment('m', places)] }, { queue: { maxCalls: 1_000, maxCallsPerTenant: 500, maxWaitMs: 60_000 } });
    const served = new Map<string, number>();
    let idle = 0;
    let inFlight = 0;
    const controller = new AbortController();
    const ask = async (tenant: string, tokens: number): Promise<void> => {
      const send = async (): Promise<void> => {
        inFlight++;
        await sleep(1);
        inFlight--;
        served.set(tenant, (served.get(tenant) ?? 0) + tokens);
        // The place is free from now on; the next call takes it within this turn of the event loop.
        setImmediate(() => {
          if (inFlight < places && lengthOf(llm) > 0 && !controller.signal.aborted) idle++;
        });
      };
      await llm.client.execute('m', send, { tenant, routing: { inputTokens: tokens }, signal: controller.signal });
    };
    const all: Promise<unknown>[] = [];
    const start = (tenant: string, tokens: number): void => void all.push(ask(tenant, tokens).catch(() => {}));
    for (let at = 0; at < 400; at++) start('greedy', 4_000);
    // A small tenant has 12 calls at a time, an eighth of the greedy one's size: enough for its share.
    const small = async (tenant: string): Promise<void> => {
      while (!controller.signal.aborted) await ask(tenant, 500).catch(() => {});
    };
    for (let at = 0; at < 9 * 12; at++) all.push(small(`small ${at % 9}`));
    await until(() => (served.get('greedy') ?? 0) >= 60_000);
    controller.abort();
    await Promise.all(all);
    const tokens = [...served.values()];
    const total = tokens.reduce((sum, each) => sum + each, 0);
    const jain = total ** 2 / (tokens.length * tokens.reduce((sum, each) => sum + each ** 2, 0));
    expect(tokens).toHaveLength(10);
    expect(jain).toBeGreaterThan(0.95);
    expect(idle).toBe(0);
  });

  it('waits while calls in flight hold the money of a budget, and not once it is spent', async () => {
    const prices = { input_cost_per_token: 0.001, output_cost_per_token: 0, max_parallel_requests: undefined };
    const llm = open({ modelList: [deployment('m', 1, prices)] }, { queue: { maxWaitMs: 5_000 } });
    const request = (): { request: object; context: RequestContext } => {
      const made = {};
      const context = RequestContext.of(made);
      context.hold.add(llm.rateLimiter, llm.rateLimiter.reserve('k', { usd: 0.000_000_001 }));
      return { request: made, context };
    };
    const calls = new Calls(llm);
    const options = ({ request: of }: { request: object }): CallOptions => ({ request: of, routing: { inputTokens: 700, maxTokens: 1 } });
    const [one, two, three] = [request(), request(), request()];
    const first = calls.start('first', options(one));
    await until(() => calls.sent.length === 1);
    const second = calls.start('second', options(two));
    await until(() => lengthOf(llm) === 1);
    expect(llm.router.status()[0].inFlight).toBe(1);
    // The first call fails before it has cost anything.
    calls.end('first', Object.assign(new Error('out'), { status: 400 }));
    await expect(first).rejects.toThrow('out');
    one.context.hold.end(true);
    await until(() => calls.sent.length === 2);
    calls.end('second');
    await second;
    two.context.hold.report(700, undefined, 700_000_000);
    two.context.hold.end(false);
    await expect(calls.start('third', options(three))).rejects.toMatchObject({ reason: 'budget_exhausted' });
    three.context.hold.end(true);
  });

  it(`keeps nothing after ${usuallyOrLong(1_000, 10_000)} calls with random cancellations`, async () => {
    const llm = open({ modelList: [deployment('m', 8)] }, { queue: { maxCalls: 512, maxCallsPerTenant: 512, maxWaitMs: 30 } });
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const outcomes = { answered: 0, cancelled: 0, refused: 0 };
    const count = usuallyOrLong(1_000, 10_000);
    const all: Promise<void>[] = [];
    for (let at = 0; at < count; at++) {
      const controller = new AbortController();
      if (random() < 0.5) setTimeout(() => controller.abort(), random() * 40);
      const options = {
        signal: controller.signal,
        tenant: `t${Math.floor(random() * 9)}`,
        routing: { inputTokens: Math.floor(random() * 900) },
      };
      const call = llm.client
        .execute('m', () => sleep(random() * 3), options)
        .then(
          () => void outcomes.answered++,
          (error: unknown) => {
            if (error instanceof CallQueueError) outcomes.refused++;
            else if ((error as { code?: string }).code === 'REQUEST_CANCELLED') outcomes.cancelled++;
            else throw error;
          },
        );
      all.push(call);
      if (at % 20 === 0) await sleep(1);
    }
    await Promise.all(all);
    expect(outcomes.answered + outcomes.cancelled + outcomes.refused).toBe(count);
    for (const each of Object.values(outcomes)) expect(each).toBeGreaterThan(0);
    expect(llm.client.status()).toMatchObject({ callsInFlight: 0, queue: { length: 0, promptTokens: 0 } });
    expect(llm.router.status()[0].inFlight).toBe(0);
    const left = llm.client.metrics().filter(({ name }) => name === 'llm_client_queue_left_total');
    expect(left.reduce((sum, { value }) => sum + value, 0)).toBeLessThanOrEqual(count);
  });
});
