import { join } from 'node:path';
import OpenAI from 'openai';
import { Pool } from 'undici';
import type * as Package from '../../../lib/index.js';
import { ROOT } from '../tokens/contenders.js';

/** Makes one chat call and reads its answer. */
export interface CallClient {
  readonly name: string;
  call(): Promise<{ choices: { message: { content: string | null } }[] }>;
  close(): Promise<unknown>;
}

export const OURS = 'LlmClient.chat';
export const OPENAI_SDK = 'openai SDK';

const MAX_CONNECTIONS = 64;
const SILENT = { log() {}, warn() {}, error() {} };
const BODY = {
  model: 'gpt-4o',
  max_tokens: 100,
  messages: [
    {
      role: 'system' as const,
      content: 'You are a helpful assistant. Answer in one paragraph, without lists, and say what you do not know.',
    },
    {
      role: 'user' as const,
      content: 'Why is the sky blue during the day and red in the evening? Please explain it to a child of ten years.',
    },
  ],
};

/** All clients of the provider at `origin`. */
export function callClients(origin: string): CallClient[] {
  return [ours(origin), openAiSdk(origin), bareUndici(origin)];
}

/** The compiled package, as users run it: two deployments, counted prompt, prices, metrics. */
function ours(origin: string): CallClient {
  const { FastLiteLLM } = require(join(ROOT, 'dist', 'lib', 'index.js')) as typeof Package;
  const deployment = (id: string) => ({
    model_name: 'gpt-4o',
    litellm_params: { model: 'openai/gpt-4o', api_base: `${origin}/v1`, api_key: 'sk-bench' },
    model_info: { id },
  });
  const llm = new FastLiteLLM({
    logger: SILENT,
    router: { modelList: [deployment('one'), deployment('two')] },
    connectionPool: { maxConnections: MAX_CONNECTIONS, maxConnectionsPerEndpoint: MAX_CONNECTIONS },
  });
  return { name: OURS, call: async () => (await llm.client.chat(BODY)).json(), close: () => llm.close() };
}

function openAiSdk(origin: string): CallClient {
  const sdk = new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'sk-bench', maxRetries: 2 });
  return { name: OPENAI_SDK, call: () => sdk.chat.completions.create(BODY), close: async () => {} };
}

/** What a call costs at the least: no retries, no routing, nothing counted. */
function bareUndici(origin: string): CallClient {
  const pool = new Pool(origin, { connections: MAX_CONNECTIONS });
  const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-bench' };
  return {
    name: 'undici Pool.request',
    call: async () => {
      const { body } = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body: JSON.stringify(BODY) });
      return (await body.json()) as { choices: { message: { content: string } }[] };
    },
    close: () => pool.destroy(),
  };
}
