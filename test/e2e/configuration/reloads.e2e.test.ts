import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';
import { collectGarbage } from '../../support/heap.js';
import { usuallyOrLong } from '../../support/long.js';
import { until } from '../../support/until.js';

const RELOADS = 10 * usuallyOrLong(50, 500);
const [CALLERS, STREAMS] = [50, 20];
/** Takes a few seconds; more on a machine that runs other suites. */
const TIMEOUT_MS = usuallyOrLong(120_000, 900_000);
const MASTER_KEY = 'sk-master-key-of-the-reloads-0123456789';

let provider: TestProvider;
let app: GatewayApp;
let isOver = false;
const folder = mkdtempSync(join(tmpdir(), 'reloads-'));
const path = join(folder, 'config.json');
/** Models that each call was sent to, in order. */
const sent = new Map<string, string[]>();

/**
 * Version `number`: every model is named after it, so that the provider sees which one an attempt
 * comes from. The first model fails; which fallback follows depends on the version, too.
 */
function config(number: number | string): Record<string, unknown> {
  const api_base = provider.deployment('main').litellm_params.api_base;
  const entry = (name: string, params: object = {}) => ({
    model_name: name,
    model_info: { id: name },
    litellm_params: { model: `openai/${name}-v${number}`, api_key: 'sk-provider', api_base, ...params },
  });
  return {
    model_list: [
      entry('main', { rpm: 1_000_000 + Number(number) }),
      entry('even'),
      entry('odd'),
      entry('cold', { cooldown_time: 3_600 }),
      entry(`only-in-${number}`),
    ],
    router_settings: { num_retries: 0, allowed_fails: 1_000_000, fallbacks: [{ main: [fallbackOf(number)] }] },
    general_settings: { master_key: MASTER_KEY },
  };
}

const fallbackOf = (number: number | string): string => (Number(number) % 2 === 0 ? 'even' : 'odd');

/** Files that must not be applied. */
const INVALID: readonly ((number: number) => string)[] = [
  () => '{ "model_list": [',
  () => JSON.stringify({ ...config('invalid'), router_settings: { num_retries: -1 } }),
  () => JSON.stringify({ ...config('invalid'), general_settings: {} }),
  () => JSON.stringify({ ...config('invalid'), model_list: [] }),
  (number) => JSON.stringify(config(number)).slice(0, -40),
];

async function ask(user: string, stream: boolean): Promise<void> {
  const response = await fetch(`${app.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${MASTER_KEY}` },
    body: JSON.stringify({ model: 'main', messages: [{ role: 'user', content: 'Hello' }], user, stream }),
  });
  const text = await response.text();
  expect([response.status, text.includes('error')]).toEqual([200, false]);
  expect(text).toContain(stream ? '[DONE]' : 'chat.completion');
}

beforeAll(async () => {
  provider = await startProvider('openai', {
    script: ({ body }) => {
      const { model, user, stream } = body as { model: string; user: string; stream?: boolean };
      sent.set(user, [...(sent.get(user) ?? []), model]);
      // Each call lasts for many reloads.
      if (model.startsWith('main-')) return { status: 503, delayMs: 800 };
      return { text: 'one two three four', ...(stream === true ? { chunkDelayMs: 200 } : { delayMs: 800 }) };
    },
  });
  writeFileSync(path, JSON.stringify(config(0)));
  app = await GatewayApp.start(
    'Fastify',
    {},
    { module: { router: { configPath: path }, llmClient: { retriesPerSecond: 1_000_000 }, rateLimit: { requestsPerMinute: 1_000_000 } } },
  );
});

afterAll(async () => {
  isOver = true;
  await app.stop();
  await provider.close();
  rmSync(folder, { recursive: true });
});

describe('reloads under load', () => {
  it(
    'fail no request, mix no versions, lose no cooldown or counter, and leave nothing behind',
    async () => {
      const { router, configuration } = app.llm;
      router.failed(router.acquire('cold'), { misconfigured: true });
      const cooling = router.status().find(({ id }) => id === 'cold');
      expect(cooling?.state).toBe('cooling');
      let calls = 0;
      const caller = async (stream: boolean): Promise<void> => {
        while (!isOver) await ask(`call-${++calls}`, stream);
      };
      const callers = Promise.all(Array.from({ length: CALLERS + STREAMS }, (_, at) => caller(at >= CALLERS)));
      callers.catch(() => (isOver = true));
      const refused: string[] = [];
      let mostVersions = 0;
      for (let number = 1; number <= RELOADS && !isOver; number++) {
        const isInvalid = number % 10 === 0;
        writeFileSync(path, isInvalid ? INVALID[(number / 10) % INVALID.length](number) : JSON.stringify(config(number)));
        await configuration.reload('api').then(
          () => expect(isInvalid).toBe(false),
          (error: Error) => refused.push(error.message),
        );
        mostVersions = Math.max(mostVersions, router.liveVersions);
        // Requests get a turn between two reloads.
        await new Promise((resolve) => setImmediate(resolve));
      }
      isOver = true;
      await callers;

      expect(refused).toHaveLength(RELOADS / 10);
      expect(configuration.current().version).toBe(RELOADS - RELOADS / 10 + 1);
      expect(calls).toBeGreaterThan(CALLERS + STREAMS);
      const versions = new Set<string>();
      for (const models of sent.values()) {
        const [, number] = models[0].split('-v');
        versions.add(number);
        expect(models).toEqual([`main-v${number}`, `${fallbackOf(number)}-v${number}`]);
      }
      expect(versions.size).toBeGreaterThan(10);
      expect([...versions]).not.toContain('invalid');

      const now = router.status().find(({ id }) => id === 'cold');
      expect(now?.state).toBe('cooling');
      expect(now?.lastFailure?.cause).toBe(cooling?.lastFailure?.cause);
      const counted = new Map<string, number>();
      for (const { id, outcomes } of router.deployments()) counted.set(id, outcomes.success + outcomes.failure + outcomes.refused);
      expect([counted.get('main'), (counted.get('even') ?? 0) + (counted.get('odd') ?? 0), counted.get('cold')]).toEqual([calls, calls, 1]);
      expect(router.status().every(({ inFlight }) => inFlight === 0)).toBe(true);

      await until(() => {
        collectGarbage();
        return router.liveVersions <= 2;
      });
      // Deployments that are gone give their slots to new ones.
      const { capacity } = (router as unknown as { core: { memory: { capacity: number } } }).core.memory;
      expect(capacity).toBeLessThanOrEqual(8 * (mostVersions + 8));
    },
    TIMEOUT_MS,
  );
});
