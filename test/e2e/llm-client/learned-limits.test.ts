import type { ServerResponse } from 'node:http';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { HiddenBucket } from '../../support/hidden-bucket.js';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { isLong, isWhole, usuallyOrLong } from '../../support/long.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
afterAll(stopProviders);

const BODY = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 },
});
const warmUpMs = usuallyOrLong(4_000, 60_000);
const countedMs = usuallyOrLong(5_000, 120_000);
/** Requests a second; few, because a busy machine must be able to send them. */
const PER_SECOND = isWhole ? 40 : 10;
/** The limit is half of the usual; the short run counts a few hundred attempts, with no change. */
const half = isLong ? { fromMs: warmUpMs + countedMs / 3, toMs: warmUpMs + (2 * countedMs) / 3 } : { fromMs: 1_000, toMs: 2_000 };

describe('LlmClient with learned limits and a queue', () => {
  it(
    `uses a provider's limit and gets few 429, over ${countedMs / 1_000} s of real time`,
    async () => {
      let startMs = Infinity;
      const atMs = (): number => performance.now() - startMs;
      // Five seconds are saved.
      const perMinuteAt = (at: number): number => PER_SECOND * (at > half.fromMs && at < half.toMs ? 30 : 60);
      const bucket = new HiddenBucket({ perMinuteAt, savesSeconds: 5, tells: true });
      const counts = { attempts: 0, refused: 0 };
      const answer = (response: ServerResponse): void => {
        if (startMs === Infinity) return void response.writeHead(200, { 'content-type': 'application/json' }).end(BODY);
        const { isServed, headers, retryAfterMs } = bucket.ask(atMs());
        if (atMs() > warmUpMs && atMs() < warmUpMs + countedMs) {
          counts.attempts++;
          if (!isServed) counts.refused++;
        }
        const told = { ...Object.fromEntries(headers), 'content-type': 'application/json' };
        if (isServed) setTimeout(() => response.writeHead(200, told).end(BODY), 100);
        else
          response
            .writeHead(429, { ...told, 'retry-after-ms': String(retryAfterMs) })
            .end('{"error":{"message":"slow down","code":"rate_limit_exceeded"}}');
      };
      const apiBase = await scripted((request, response) => {
        request.resume();
        request.on('end', () => answer(response));
      });
      // Two deployments on one key are one quota.
      const llm = new FastLiteLLM({
        logger: quiet,
        router: { modelList: ['a', 'b'].map((name) => deploymentOf('m', { name, apiBase })), learnLimits: true },
        llmClient: { queue: { maxCallsPerTenant: 256, maxWaitMs: 60_000 } },
      });
      const outcomes = { answered: 0, failed: 0 };
      const caller = async (): Promise<void> => {
        while (atMs() < warmUpMs + countedMs) {
          await llm.client.chat({ model: 'm', messages: HELLO }).then(
            () => outcomes.answered++,
            () => outcomes.failed++,
          );
        }
      };
      // The first call loads what calls need, which takes a busy machine seconds.
      await llm.client.chat({ model: 'm', messages: HELLO });
      startMs = performance.now();
      await Promise.all(Array.from({ length: 30 }, caller));
      await llm.close();
      const had = (countedMs / 1_000) * PER_SECOND * (isLong ? 5 / 6 : 1);
      // Seconds of a busy machine tell less than minutes of an idle one.
      const [mostRefused, leastUsed] = isWhole ? [0.02, 0.9] : [0.15, 0.3];
      expect(counts.refused / counts.attempts).toBeLessThan(mostRefused);
      expect((counts.attempts - counts.refused) / had).toBeGreaterThan(leastUsed);
      expect(outcomes.failed).toBe(0);
    },
    warmUpMs + countedMs + 240_000,
  );
});
