import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { createOpenAI } from '@ai-sdk/openai';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { Pool } from 'undici';
import type * as Package from '../../../lib/index.js';
import { ROOT } from '../tokens/contenders.js';

/** Calls a model and reads its whole answer, or its stream to the end. Returns the text's length. */
export interface Client {
  readonly name: string;
  call(): Promise<number>;
  stream?(): Promise<number>;
}

/** The clients of one provider process, ours and others. */
export interface Clients {
  readonly all: readonly Client[];
  close(): Promise<void>;
}

/** Ours, by the protocol of the deployment. */
export const OURS = 'LlmClient.chat';
export const OURS_BY = ['anthropic', 'gemini', 'bedrock'].map((protocol) => `${OURS}, ${protocol}`);
export const OURS_MESSAGES = 'LlmClient.messages, anthropic';
/** The same with what an operator may switch on: `llmClient.queue` with free places, a hook that only observes. */
export const OURS_WITH = ['queue', 'observing hook'].map((what) => `${OURS}, with ${what}`);
export const OPENAI_SDK = 'openai SDK';
/** The SDK by our `fetch`: with routing, limits and fallbacks. */
export const SDK_BY_OURS = 'openai SDK with llm.fetch()';
export const OTHERS = [OPENAI_SDK, '@anthropic-ai/sdk', 'AI SDK (openai)', 'LangChain ChatOpenAI'];

const MAX_CONNECTIONS = 64;
const SILENT = { log() {}, warn() {}, error() {} };
const SYSTEM = 'You are a helpful assistant. Answer in one paragraph, without lists, and say what you do not know.';
const QUESTION = 'Why is the sky blue during the day and red in the evening? Please explain it to a child of ten years.';
const CHAT = {
  model: 'gpt-4o',
  max_tokens: 100,
  messages: [
    { role: 'system' as const, content: SYSTEM },
    { role: 'user' as const, content: QUESTION },
  ],
};
const MESSAGE = {
  model: 'claude-opus-4-8',
  max_tokens: 100,
  system: SYSTEM,
  messages: [{ role: 'user' as const, content: QUESTION }],
};

interface ChatAnswer {
  readonly choices: readonly { readonly message: { readonly content: string | null } }[];
}
interface ChatChunk {
  readonly choices: readonly { readonly delta: { readonly content?: string | null } }[];
}

export async function startClients(): Promise<Clients> {
  const child = fork(join(__dirname, 'provider.child.js'), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const origin = `http://127.0.0.1:${port}`;
  const { FastLiteLLM } = require(join(ROOT, 'dist', 'lib', 'index.js')) as typeof Package;
  const open = (more: Partial<Package.FastLiteLLMOptions> = {}): Package.FastLiteLLM =>
    new FastLiteLLM({
      logger: SILENT,
      router: { modelList: deployments(origin) },
      // Counted and never denied.
      rateLimit: { requestsPerMinute: 1_000_000_000, tokensPerMinute: 2_000_000_000 },
      connectionPool: { maxConnections: MAX_CONNECTIONS, maxConnectionsPerEndpoint: MAX_CONNECTIONS },
      ...more,
    });
  const llm = open();
  const others = [open({ llmClient: { queue: {} } }), open({ hooks: [{ onEnd: () => {} }] })];
  const pool = new Pool(origin, { connections: MAX_CONNECTIONS });
  return {
    all: [
      ...ours(llm),
      ...others.map((each, at) => chatBy(each, OURS_WITH[at], 'gpt-4o')),
      openAiSdk(origin, (settings) => llm.fetch(settings)),
      openAiSdk(origin),
      anthropicSdk(origin),
      aiSdk(origin),
      langChain(origin),
      bareUndici(pool),
    ],
    close: async () => {
      await Promise.all([...[llm, ...others].map((each) => each.close()), pool.destroy()]);
      child.kill('SIGKILL');
    },
  };
}

/** Two deployments of each, counted prompts, prices, metrics: the compiled package as users run it. */
function deployments(origin: string): { model_name: string; litellm_params: { model: string }; model_info: { id: string } }[] {
  const models: readonly (readonly [string, Readonly<Record<string, unknown>> & { readonly model: string }])[] = [
    ['gpt-4o', { model: 'openai/gpt-4o', api_base: `${origin}/v1` }],
    ['anthropic', { model: 'anthropic/claude-opus-4-8', api_base: `${origin}/v1` }],
    ['gemini', { model: 'gemini/gemini-2.5-flash', api_base: `${origin}/v1beta` }],
    ['bedrock', { model: 'bedrock/us.anthropic.claude-opus-4-8-v1:0', api_base: origin, aws_region_name: 'us-east-1' }],
  ];
  return models.flatMap(([name, params]) =>
    [1, 2].map((copy) => ({
      model_name: name,
      litellm_params: { api_key: 'sk-bench', ...params },
      model_info: { id: `${name}-${copy}` },
    })),
  );
}

function chatBy({ client }: Package.FastLiteLLM, name: string, model: string): Client {
  return {
    name,
    call: async () => lengthOf((await client.chat({ ...CHAT, model })).json<ChatAnswer>()),
    stream: async () => {
      let length = 0;
      for await (const chunk of await client.chat({ ...CHAT, model, stream: true })) length += deltaOf(chunk);
      return length;
    },
  };
}

function ours(llm: Package.FastLiteLLM): Client[] {
  const { client } = llm;
  const messages: Client = {
    name: OURS_MESSAGES,
    call: async () => {
      const { content } = (await client.messages({ ...MESSAGE, model: 'anthropic' })).json<{ content: { text: string }[] }>();
      return content[0].text.length;
    },
    stream: async () => {
      let length = 0;
      for await (const event of await client.messages({ ...MESSAGE, model: 'anthropic', stream: true })) {
        length += (event as { delta?: { text?: string } }).delta?.text?.length ?? 0;
      }
      return length;
    },
  };
  return [chatBy(llm, OURS, 'gpt-4o'), ...OURS_BY.map((name) => chatBy(llm, name, name.slice(OURS.length + 2))), messages];
}

/** @param own our `fetch` in the place of the SDK's */
function openAiSdk(origin: string, own?: Package.FastLiteLLM['fetch']): Client {
  const sdk = new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'sk-bench', maxRetries: 2, fetch: own?.({ rateLimit: 'bench' }) });
  return {
    name: own === undefined ? OPENAI_SDK : SDK_BY_OURS,
    call: async () => lengthOf(await sdk.chat.completions.create(CHAT)),
    stream: async () => {
      let length = 0;
      for await (const chunk of await sdk.chat.completions.create({ ...CHAT, stream: true })) length += deltaOf(chunk);
      return length;
    },
  };
}

function anthropicSdk(origin: string): Client {
  const sdk = new Anthropic({ baseURL: origin, apiKey: 'sk-bench', maxRetries: 2 });
  return {
    name: '@anthropic-ai/sdk',
    call: async () => {
      const [block] = (await sdk.messages.create(MESSAGE)).content;
      return block.type === 'text' ? block.text.length : 0;
    },
    stream: async () => {
      let length = 0;
      for await (const event of await sdk.messages.create({ ...MESSAGE, stream: true })) {
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') length += event.delta.text.length;
      }
      return length;
    },
  };
}

function aiSdk(origin: string): Client {
  const model = createOpenAI({ baseURL: `${origin}/v1`, apiKey: 'sk-bench' }).chat('gpt-4o');
  const settings = { model, system: SYSTEM, prompt: QUESTION, maxOutputTokens: 100 };
  return {
    name: 'AI SDK (openai)',
    call: async () => (await generateText(settings)).text.length,
    stream: async () => {
      let length = 0;
      for await (const part of streamText(settings).textStream) length += part.length;
      return length;
    },
  };
}

function langChain(origin: string): Client {
  const model = new ChatOpenAI({ model: 'gpt-4o', apiKey: 'sk-bench', maxTokens: 100, configuration: { baseURL: `${origin}/v1` } });
  const prompt: [string, string][] = [
    ['system', SYSTEM],
    ['user', QUESTION],
  ];
  return {
    name: 'LangChain ChatOpenAI',
    call: async () => (await model.invoke(prompt)).text.length,
    stream: async () => {
      let length = 0;
      for await (const chunk of await model.stream(prompt)) length += chunk.text.length;
      return length;
    },
  };
}

/** What a call costs at the least: no retries, no routing, nothing counted. */
function bareUndici(pool: Pool): Client {
  const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-bench' };
  return {
    name: 'undici Pool.request',
    call: async () => {
      const { body } = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body: JSON.stringify(CHAT) });
      return lengthOf((await body.json()) as ChatAnswer);
    },
  };
}

function lengthOf({ choices }: ChatAnswer): number {
  return choices[0].message.content?.length ?? 0;
}

function deltaOf({ choices }: ChatChunk): number {
  return choices[0]?.delta.content?.length ?? 0;
}
