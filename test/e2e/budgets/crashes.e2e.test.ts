import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { GatewayProcess } from './gateway-process.js';
import type { GatewayTask } from './gateway.child.js';

const MASTER = 'sk-the-master-key-0123456789';
const WAIT_MS = 30_000;
const SLOT_TTL_MS = 2_000;
/** Below the connections of a pool. */
const IN_FLIGHT = 8;
/** Of each answer; the model writes up to 16,384. */
const [PROMPT, OUTPUT] = [20, 30];
const [INPUT_USD, OUTPUT_USD] = [2.5e-6, 10e-6];
const COST_USD = PROMPT * INPUT_USD + OUTPUT * OUTPUT_USD;
const usage = { promptTokens: PROMPT, completionTokens: OUTPUT };
const messages = [{ role: 'user', content: 'Write a poem about the sea and the ships upon it.' }];

interface Crash {
  readonly id: string;
  readonly limit: string;
  readonly limit_key: string;
  readonly held: number;
  readonly charged: number;
}

const list = async (gateway: GatewayProcess): Promise<readonly Crash[]> =>
  (await gateway.json<{ settlements: Crash[] }>('/key/crash_settlements?size=1000', MASTER)).settlements;

(hasRedis ? describe : describe.skip)('calls in flight of a gateway that is killed', () => {
  let server: RedisServer;
  let provider: TestProvider;
  let task: GatewayTask;
  beforeAll(async () => {
    server = await RedisServer.start();
    provider = await startProvider('openai');
    task = {
      redis: { url: server.url, timeoutMs: 5_000, onStoreError: 'deny', slotTtlMs: SLOT_TTL_MS },
      masterKey: MASTER,
      limits: { requestsPerMinute: 100_000 },
      router: {
        modelList: [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' }), provider.deployment('writer', { model: 'openai/gpt-4o' })],
      },
    };
  });
  afterAll(async () => {
    await provider.close();
    await server.stop();
  });

  // The guard knows the price of the first name, the client alone that of the group.
  it.each(['gpt-4o', 'writer'])('are settled at the expected cost, listed, and refunded once (%s)', async (model) => {
    provider.use({ text: 'the sea', usage });
    const [first, second] = [await GatewayProcess.start(task), await GatewayProcess.start(task)];
    const { key } = await second.json<{ key: string }>('/key/generate', MASTER, { max_budget: 10, budget_duration: '30d' });
    const spent = async (): Promise<number> => (await second.json<{ info: { spend: number } }>('/key/info', key)).info.spend;
    for (let answers = 0; answers < 3; answers++) await first.json('/v1/chat/completions', key, { model, messages });
    await until(async () => Math.abs((await spent()) - 3 * COST_USD) < 1e-9, WAIT_MS);

    provider.use({ fault: 'hang' });
    const before = provider.requests.length;
    const calls = Array.from({ length: IN_FLIGHT }, () =>
      first.ask('/v1/chat/completions', key, { model, messages }).catch(() => undefined),
    );
    await until(() => provider.requests.length === before + IN_FLIGHT, WAIT_MS);
    await first.kill();
    await Promise.all(calls);

    await until(async () => (await list(second)).length === IN_FLIGHT, WAIT_MS);
    const crashes = await list(second);
    const charged = (await spent()) - 3 * COST_USD;
    // The prompt is our count, not that of the provider.
    expect(charged / (IN_FLIGHT * COST_USD)).toBeGreaterThan(0.9);
    expect(charged / (IN_FLIGHT * COST_USD)).toBeLessThan(1.1);
    expect(Math.min(...crashes.map(({ held }) => held))).toBeGreaterThan(0.1);
    expect(crashes.reduce((sum, each) => sum + each.charged, 0)).toBeCloseTo(charged, 9);
    expect(new Set(crashes.map(({ limit }) => limit))).toEqual(new Set(['api-key']));

    const [{ id, ...named }, ...others] = crashes;
    const refund = { id, limit: named.limit, limit_key: named.limit_key, cost: 0 };
    const answers = await Promise.all([1, 2].map(() => second.ask('/key/crash_settlements/refund', MASTER, refund)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
    expect((await spent()) - 3 * COST_USD).toBeCloseTo(charged - crashes[0].charged, 9);
    expect((await list(second)).map((each) => each.id).sort()).toEqual(others.map((each) => each.id).sort());
    expect(second.output.split('\n').filter((line) => line.includes(`corrected crash settlement ${id} from`))).toHaveLength(1);
    for (const { id, limit, limit_key } of others)
      await second.json('/key/crash_settlements/refund', MASTER, { id, limit, limit_key, cost: COST_USD });
    expect(await spent()).toBeCloseTo((3 + IN_FLIGHT - 1) * COST_USD, 9);
    expect(await list(second)).toEqual([]);

    // Only the operator may.
    expect((await second.ask('/key/crash_settlements', key)).status).toBe(403);
    expect((await second.ask('/key/crash_settlements/refund', key, refund)).status).toBe(403);
    await second.end();
  });
});
