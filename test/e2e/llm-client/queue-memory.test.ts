import { CallQueueError, FastLiteLLM } from 'nestjs-fast-litellm';
import { liveHeapBytes } from '../../support/heap.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { usuallyOrLong } from '../../support/long.js';
import { until } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };

const IN_FLIGHT = 64;
const WAITING = 256;
/** More than have a place: some are always refused. */
const CALLERS = IN_FLIGHT + WAITING + 40;
const seconds = usuallyOrLong(2, 600);

afterAll(stopProviders);

it(
  `keeps ${IN_FLIGHT} calls in flight and ${WAITING} waiting for ${seconds} s without growing`,
  async () => {
    const local = await provider('busy', { latencyMs: 40 });
    const llm = new FastLiteLLM({
      logger: quiet,
      router: { modelList: [deploymentOf('m', local, { max_parallel_requests: IN_FLIGHT })] },
      connectionPool: { maxConnectionsPerEndpoint: IN_FLIGHT },
      llmClient: { queue: { maxCalls: WAITING, maxCallsPerTenant: WAITING, maxWaitMs: 2_000 } },
    });
    const samples = 12;
    const heap: number[] = [];
    const most = { inFlight: 0, waiting: 0 };
    const outcomes = { answered: 0, refused: 0, cancelled: 0 };
    const caller = async (name: number): Promise<void> => {
      while (heap.length < samples) {
        const controller = new AbortController();
        // One in nine leaves while it waits.
        const timer = name % 9 === 0 ? setTimeout(() => controller.abort(), 60) : undefined;
        try {
          const asked = llm.client.chat({ model: 'm', messages: HELLO }, { tenant: `t${name % 20}`, signal: controller.signal });
          most.inFlight = Math.max(most.inFlight, llm.router.status()[0].inFlight);
          most.waiting = Math.max(most.waiting, llm.client.status().queue?.length ?? 0);
          await asked;
          outcomes.answered++;
        } catch (error) {
          if (error instanceof CallQueueError) outcomes.refused++;
          else if (controller.signal.aborted) outcomes.cancelled++;
          else throw error;
          await new Promise((resolve) => setTimeout(resolve, 20));
        } finally {
          clearTimeout(timer);
        }
      }
    };
    const callers = Array.from({ length: CALLERS }, (_, name) => caller(name));
    for (let at = 0; at < samples; at++) {
      await new Promise((resolve) => setTimeout(resolve, (seconds * 1_000) / (samples + 1)));
      heap.push(liveHeapBytes());
    }
    await Promise.all(callers);
    await until(() => llm.client.status().callsInFlight === 0);
    await llm.close();
    expect(most.inFlight).toBe(IN_FLIGHT);
    expect(most.waiting).toBe(WAITING);
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(0);
    expect(llm.client.status().queue).toMatchObject({ length: 0, promptTokens: 0 });
    // Of a warm process: the second half beside the first.
    const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];
    expect(median(heap.slice(samples / 2)) - median(heap.slice(1, samples / 2))).toBeLessThan(8 * 1024 * 1024);
  },
  (seconds + 240) * 1_000,
);
