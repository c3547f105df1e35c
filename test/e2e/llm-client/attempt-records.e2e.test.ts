import { CallJournal, type AttemptEnd } from 'nestjs-fast-litellm';
import type { ScriptedAnswer } from 'nestjs-fast-litellm/testing';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until, untilMinuteLasts } from '../../support/until.js';

// What the journal and the metrics say of a call whose attempts went to several deployments.

interface Line {
  readonly outcome: string;
  readonly attempts: number;
  readonly attemptEnds: readonly AttemptEnd[];
  readonly costUsd: number;
  readonly durationMs: number;
}

const USAGE = { promptTokens: 1_000, completionTokens: 10 };
const prices = (rate: number) => ({ input_cost_per_token: rate * 1e-6, output_cost_per_token: rate * 2e-6 });
const billed = (rate: number): number => rate * (1_000 * 1e-6 + 10 * 2e-6);

describe('the record of a call', () => {
  let directory: string;
  let gateway: GatewayApp | undefined;
  beforeEach(untilMinuteLasts);
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'journal-'))));
  afterEach(async () => {
    await gateway?.stop();
    await stopProviders();
    rmSync(directory, { recursive: true });
  });

  it.each<[string, ScriptedAnswer, object, Partial<AttemptEnd>, number]>([
    ['an error', { status: 503 }, {}, { outcome: 'failed', status: 503, errorCode: 'PROVIDER_SERVER', costUsd: undefined }, 0],
    [
      'an answer that is drained',
      { usage: USAGE, delayMs: 900 },
      { timeout: 0.3 },
      { outcome: 'failed', errorCode: 'PROVIDER_TIMEOUT' },
      billed(10),
    ],
  ])('has each attempt with its own deployment and cost: %s, then a fallback', async (_, first, params, expected, costUsd) => {
    const [dear, cheap] = await Promise.all([
      testProvider('openai', { script: () => first }),
      testProvider('openai', { script: () => ({ usage: USAGE }) }),
    ]);
    const file = join(directory, 'calls.jsonl');
    const journal = new CallJournal({ file });
    gateway = await GatewayApp.start(
      'Fastify',
      {},
      {
        module: {
          llmClient: { onAbort: 'drain' },
          router: {
            numRetries: 0,
            fallbacks: [{ dear: ['cheap'] }],
            modelList: [dear.deployment('dear', { ...prices(10), ...params }), cheap.deployment('cheap', prices(1))],
          },
        },
        providers: [{ provide: CallJournal, useValue: journal }],
      },
    );
    const { llm } = gateway;
    llm.client.addHook(journal);
    const asked = performance.now();
    const body = { model: 'dear', messages: [{ role: 'user', content: 'hello' }] };
    expect((await gateway.post('/v1/chat/completions', body)).status).toBe(200);
    const answeredMs = performance.now() - asked;
    const inFlight = (): boolean => llm.client.metrics().some(({ name, value }) => name === 'llm_client_group_cost_usd_total' && value > 0);
    let text = '';
    await until(() => {
      try {
        text = readFileSync(file, 'utf8');
      } catch {
        return false;
      }
      return text.endsWith('\n') && inFlight();
    });
    const line = JSON.parse(text.split('\n')[0]) as Line;
    const ids = llm.router.status().map(({ id }) => id);
    expect(line).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    expect(line.durationMs).toBeLessThanOrEqual(answeredMs + 5);
    const { costUsd: expectedCost, ...facts } = expected;
    expect(expectedCost).toBeUndefined();
    expect(line.attemptEnds).toMatchObject([
      { deploymentId: ids[0], group: 'dear', provider: 'openai', ...facts },
      { deploymentId: ids[1], group: 'cheap', outcome: 'succeeded', status: 200, inputTokens: 1_000, outputTokens: 10 },
    ]);
    expect(line.attemptEnds[0].costUsd ?? 0).toBeCloseTo(costUsd, 9);
    expect(line.attemptEnds[1].costUsd).toBeCloseTo(billed(1), 9);
    expect(line.costUsd).toBeCloseTo(costUsd + billed(1), 9);
    // As the metrics split it.
    for (const [at, group] of ['dear', 'cheap'].entries()) {
      const sample = llm.client.metrics().find(({ name, labels }) => name === 'llm_client_group_cost_usd_total' && labels?.group === group);
      expect(sample?.value ?? 0).toBeCloseTo(line.attemptEnds[at].costUsd ?? 0, 9);
    }
  });
});
