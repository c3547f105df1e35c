import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { FastLiteLLM } from '../../lib/fast-litellm.js';
import { liveHeapBytes } from '../support/heap.js';
import { FAULTS, USUAL, type Fault } from './faults.js';
import { Front } from './front.js';
import { Load, type Outcome } from './load.js';
import { ProviderProcess } from './provider-processes.js';

/** What a run has come to. */
export interface ChaosReport {
  readonly outcomes: Partial<Record<Outcome, number>>;
  /** Answers and errors of no known kind. */
  readonly surprises: readonly unknown[];
  readonly faults: Readonly<Record<string, number>>;
  /**
   * Leaks after all requests: leased connections, requests in flight, listeners on a shared signal.
   */
  readonly left: { readonly leased: number; readonly routed: number; readonly calls: number; readonly listeners: number };
  /** Sockets and timers of the process, before and after. */
  readonly resources: { readonly before: Readonly<Record<string, number>>; readonly after: Readonly<Record<string, number>> };
  /** Bytes in use after a collection, over time. */
  readonly heap: readonly number[];
  /** How the requests were spread when all was well again. */
  readonly shares: readonly number[];
}

export interface ChaosPlan {
  readonly seconds: number;
  /** Whether these are enough: on a busy machine the run takes up to 30 seconds more. Default: yes. */
  readonly isEnough?: (seen: Pick<ChaosReport, 'outcomes' | 'faults'>) => boolean;
  readonly inFlight: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

const PROVIDERS = 4;
const COOLDOWN_MS = 1000;
const REQUESTS_AFTER = 1200;
/** Collections, from first to last. */
const HEAP_SAMPLES = 12;

/** Providers fail in every way there is, under load, and are mended again. */
export async function runChaos({ seconds, isEnough = () => true, inFlight, seed, say }: ChaosPlan): Promise<ChaosReport> {
  const random = randomFrom(seed);
  const before = resources();
  const providers = Array.from({ length: PROVIDERS }, (_, i) => new ProviderProcess(`chaos-${i}`));
  await Promise.all(providers.map((provider) => provider.start(USUAL)));
  const quiet = { log: () => {}, warn: () => {}, error: () => {} };
  const llm = new FastLiteLLM({
    logger: quiet,
    connectionPool: { maxConnections: 400, maxConnectionsPerEndpoint: 100, acquireTimeoutMs: 5000 },
    router: {
      modelList: providers.map(({ name, apiBase }) => ({
        model_name: 'm',
        litellm_params: { model: 'openai/chaos', api_base: apiBase, api_key: 'sk-chaos' },
        model_info: { id: name },
      })),
      cooldownMs: COOLDOWN_MS,
      countConnectionErrors: true,
      timeoutMs: 8000,
      streamTimeoutMs: 1500,
    },
    llmClient: { attemptTimeoutMs: 2000 },
  });
  const shared = new AbortController();
  const front = new Front(llm.client, shared.signal);
  const url = await front.listen();
  const load = new Load(url, inFlight, random);
  const heap: number[] = [];
  const faults = new Map<string, number>();

  const running = load.run();
  const endAtMs = Date.now() + seconds * 1000;
  const sampleEveryMs = (seconds * 1000) / HEAP_SAMPLES;
  let sampleAtMs = Date.now() + sampleEveryMs;
  const broken = new Map<ProviderProcess, Fault>();
  // All of them come before any comes twice: a short run has many kinds.
  let deck: Fault[] = [];
  const seen = () => ({ outcomes: load.outcomes, faults: Object.fromEntries(faults) });
  while (Date.now() < endAtMs || (Date.now() < endAtMs + 30_000 && !isEnough(seen()))) {
    const provider = providers[Math.floor(random() * providers.length)];
    const fault = broken.get(provider);
    if (fault !== undefined) {
      broken.delete(provider);
      await fault.repair(provider);
    } else if (broken.size < PROVIDERS - 1) {
      if (deck.length === 0) deck = [...FAULTS];
      const [next] = deck.splice(Math.floor(random() * deck.length), 1);
      broken.set(provider, next);
      faults.set(next.name, (faults.get(next.name) ?? 0) + 1);
      await next.begin(provider);
    }
    await sleep(200 + random() * 600);
    if (Date.now() >= sampleAtMs) {
      sampleAtMs += sampleEveryMs;
      heap.push(liveHeapBytes());
      say(`${JSON.stringify(load.outcomes)}, heap ${(heap[heap.length - 1] / 1e6).toFixed(1)} MB`);
    }
  }
  for (const [provider, fault] of broken) await fault.repair(provider);
  load.stop();
  await running;
  say('all faults are mended');

  await sleep(COOLDOWN_MS * 3);
  const seenBefore = await Promise.all(providers.map((provider) => provider.behave(USUAL)));
  const after = new Load(url, 16, () => 0.9);
  await after.run(REQUESTS_AFTER);
  const seenAfter = await Promise.all(providers.map((provider) => provider.behave(USUAL)));
  const shares = seenAfter.map(({ requests }, i) => (requests - seenBefore[i].requests) / REQUESTS_AFTER);

  await after.close();
  await load.close();
  await front.close();
  const left = {
    leased: llm.connectionPool.stats().activeConnections,
    routed: llm.router.status().reduce((sum, state) => sum + state.inFlight, 0),
    calls: llm.client.metrics().find(({ name }) => name === 'llm_client_calls_in_flight')?.value ?? NaN,
    listeners: getEventListeners(shared.signal, 'abort').length,
  };
  await llm.close();
  await Promise.all(providers.map((provider) => provider.kill()));
  await sleep(100);
  return {
    ...seen(),
    surprises: [...front.surprises, ...load.surprises, ...after.surprises],
    left,
    resources: { before, after: resources() },
    heap,
    shares,
  };
}

function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** A generator of numbers from 0 to 1 that a seed decides (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
