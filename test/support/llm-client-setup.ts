import {
  FastLiteLLM,
  type ConnectionPoolOptions,
  type ConnectionPoolService,
  type LlmClient,
  type LlmClientOptions,
  type RouterOptions,
  type RouterService,
} from 'nestjs-fast-litellm';
import { fromMinute } from './until.js';

const opened: FastLiteLLM[] = [];
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** A client, and what is behind it. */
export interface OpenClient {
  readonly client: LlmClient;
  readonly router: RouterService;
  readonly pool: ConnectionPoolService;
}

/** A client over these deployments, until `closeClients`. */
export function clientOf(router: RouterOptions, llmClient: LlmClientOptions = {}, connectionPool: ConnectionPoolOptions = {}): OpenClient {
  const llm = new FastLiteLLM({ router, llmClient, connectionPool, logger: quiet }, { now: fromMinute() });
  opened.push(llm);
  return { client: llm.client, router: llm.router, pool: llm.connectionPool };
}

/** Requests, calls and connections in flight: none at the end of a test. */
function underWay({ client, router, pool }: OpenClient): { routed: number; calls: number; leased: number } {
  return {
    routed: router.status().reduce((sum, { inFlight }) => sum + inFlight, 0),
    calls: client.metrics().find(({ name }) => name === 'llm_client_calls_in_flight')?.value ?? NaN,
    leased: pool.stats().activeConnections,
  };
}

/** Waits until nothing is in flight; connections are returned when their sockets close. */
export function isOver(open: OpenClient): boolean {
  return Object.values(underWay(open)).every((count) => count === 0);
}

export async function closeClients(): Promise<void> {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
}
