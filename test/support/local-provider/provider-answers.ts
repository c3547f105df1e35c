import type { ProviderBehaviour } from './provider-behaviour.js';

/** The parts of a request that a local provider reads. */
export interface ProviderRequest {
  readonly model?: unknown;
  readonly messages?: unknown;
  readonly input?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: { readonly include_usage?: unknown } | null;
  readonly max_tokens?: unknown;
  readonly max_completion_tokens?: unknown;
  readonly tools?: unknown;
  readonly tool_choice?: unknown;
}

const WORDS = 'the quick brown fox jumps over a lazy dog while rain falls on every roof'.split(' ');

/** A reply before it is formatted. */
export interface Reply {
  /** One token a word. */
  readonly words: readonly string[];
  /** Tool that is called instead of a text reply. */
  readonly tool?: string;
  readonly finish: 'stop' | 'length' | 'tool_calls';
  readonly promptTokens: number;
}

/** The reply: names the provider, and calls the first tool offered. */
export function replyTo(request: ProviderRequest, name: string, { tokens }: ProviderBehaviour): Reply {
  const promptTokens = wordsIn(request.messages ?? request.input);
  const tool = request.tool_choice === 'none' ? undefined : firstTool(request.tools);
  if (tool !== undefined) return { words: ['{"city":', '"Oslo"', '}'], tool, finish: 'tool_calls', promptTokens };
  const allowed = Number(request.max_completion_tokens ?? request.max_tokens ?? Infinity);
  const length = Math.max(1, Math.min(tokens, Number.isFinite(allowed) ? allowed : Infinity));
  const words = Array.from({ length }, (_, i) => (i === 0 ? `${name}:` : ` ${WORDS[(i - 1) % WORDS.length]}`));
  return { words, finish: length < tokens ? 'length' : 'stop', promptTokens };
}

/** The usage that the provider reports. */
export function usageOf({ words, promptTokens }: Reply, { usage }: ProviderBehaviour): Record<string, number> | undefined {
  if (usage === 'none') return undefined;
  const factor = usage === 'wrong' ? 10 : 1;
  const [prompt_tokens, completion_tokens] = [promptTokens * factor, words.length * factor];
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** A complete answer of `/v1/chat/completions`. */
export function completion(id: string, model: string, reply: Reply, behaviour: ProviderBehaviour): unknown {
  const content = reply.words.join('');
  const tool_calls = [{ id: `call_${id}`, type: 'function', function: { name: reply.tool, arguments: content } }];
  const message =
    reply.tool === undefined ? { role: 'assistant', content, refusal: null } : { role: 'assistant', content: null, tool_calls };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: reply.finish }];
  return { id, object: 'chat.completion', created: 1_700_000_000, model, choices, usage: usageOf(reply, behaviour) };
}

/** The events of a streamed answer, including the last one. */
export function chunks(id: string, request: ProviderRequest, model: string, reply: Reply, behaviour: ProviderBehaviour): string[] {
  const event = (choices: unknown[], more: object = {}): string =>
    `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1_700_000_000, model, choices, ...more })}\n\n`;
  const delta = (content: object, finish_reason: string | null = null): string => event([{ index: 0, delta: content, finish_reason }]);
  const tool = (part: object): object => ({ tool_calls: [{ index: 0, ...part }] });
  const start =
    reply.tool === undefined
      ? delta({ role: 'assistant', content: '' })
      : delta({ role: 'assistant', ...tool({ id: `call_${id}`, type: 'function', function: { name: reply.tool, arguments: '' } }) });
  const words = reply.words.map((word) => delta(reply.tool === undefined ? { content: word } : tool({ function: { arguments: word } })));
  const usage = usageOf(reply, behaviour);
  const wanted = request.stream_options?.include_usage === true && usage !== undefined;
  return [start, ...words, delta({}, reply.finish), ...(wanted ? [event([], { usage })] : []), 'data: [DONE]\n\n'];
}

/** An answer of `/v1/embeddings`: a short vector for each text, derived from it. */
export function embeddings(model: string, request: ProviderRequest, behaviour: ProviderBehaviour): unknown {
  const inputs: readonly unknown[] = Array.isArray(request.input) && typeof request.input[0] !== 'number' ? request.input : [request.input];
  const data = inputs.map((input, index) => ({ object: 'embedding', index, embedding: vectorOf(JSON.stringify(input) ?? '') }));
  const { prompt_tokens = 0 } = usageOf({ words: [], finish: 'stop', promptTokens: wordsIn(request.input) }, behaviour) ?? {};
  return { object: 'list', data, model, usage: { prompt_tokens, total_tokens: prompt_tokens } };
}

const CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 404: 'model_not_found', 429: 'rate_limit_exceeded' };

/** An error in OpenAI's shape. */
export function failure(status: number, code: string | null): unknown {
  const type = status >= 500 ? 'server_error' : status === 429 ? 'requests' : 'invalid_request_error';
  return { error: { message: `The local provider was told to answer ${status}.`, type, param: null, code: code ?? CODES[status] ?? null } };
}

function wordsIn(content: unknown): number {
  return Math.max(1, (JSON.stringify(content) ?? '').split(/\W+/).length - 2);
}

function firstTool(tools: unknown): string | undefined {
  const [tool] = Array.isArray(tools) ? (tools as { function?: { name?: string } }[]) : [];
  return tool?.function?.name;
}

function vectorOf(text: string): number[] {
  let state = 7;
  for (let i = 0; i < text.length; i++) state = (state * 31 + text.charCodeAt(i)) >>> 0;
  return Array.from({ length: 8 }, (_, i) => Math.round(Math.sin(state + i) * 1e6) / 1e6);
}
