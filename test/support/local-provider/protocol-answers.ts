import { crc32 } from 'node:zlib';
import { replyTo, usageOf, type ProviderRequest, type Reply } from './provider-answers.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

/** One request in another protocol than OpenAI's. */
export interface ProtocolRequest {
  readonly path: string;
  readonly body: ProviderRequest & Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly behaviour: ProviderBehaviour;
}

/** An answer: a whole one, or the events of a stream. */
export interface ProtocolAnswer {
  readonly type: string;
  readonly parts: readonly (string | Buffer)[];
}

const MODEL_IN_PATH = /\/models?\/([^/:]+)/;

/** Answers in the protocols of Anthropic, Gemini and Bedrock; `undefined` for any other path. */
export function answerByProtocol(request: ProtocolRequest): ProtocolAnswer | undefined {
  const { path } = request;
  if (path.endsWith('/messages')) return anthropic(request);
  if (path.endsWith(':generateContent') || path.endsWith(':streamGenerateContent')) return gemini(request);
  if (path.endsWith('/converse') || path.endsWith('/converse-stream')) return bedrock(request);
  return undefined;
}

function anthropic({ body, name, behaviour }: ProtocolRequest): ProtocolAnswer {
  const reply = replyOf({ ...body, tool: nameIn(body.tools) }, name, behaviour);
  const { prompt_tokens: input_tokens = 0, completion_tokens: output_tokens = 0 } = usageOf(reply, behaviour) ?? {};
  const block = reply.tool === undefined ? { type: 'text', text: '' } : { type: 'tool_use', id: 'toolu_1', name: reply.tool, input: {} };
  const stop_reason = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' }[reply.finish];
  const message = { id: `msg_${name}`, type: 'message', role: 'assistant', model: body.model, stop_sequence: null };
  if (body.stream !== true) {
    const text = reply.words.join('');
    const content = [reply.tool === undefined ? { ...block, text } : { ...block, input: JSON.parse(text) as unknown }];
    return json({ ...message, content, stop_reason, usage: { input_tokens, output_tokens } });
  }
  const event = (type: string, fields: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const delta = (word: string): object =>
    reply.tool === undefined ? { type: 'text_delta', text: word } : { type: 'input_json_delta', partial_json: word };
  return events([
    event('message_start', { message: { ...message, content: [], stop_reason: null, usage: { input_tokens, output_tokens: 1 } } }),
    event('content_block_start', { index: 0, content_block: block }),
    ...reply.words.map((word) => event('content_block_delta', { index: 0, delta: delta(word) })),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens } }),
    event('message_stop', {}),
  ]);
}

function gemini({ path, body, name, behaviour }: ProtocolRequest): ProtocolAnswer {
  const { functionDeclarations } = (listOf(body.tools)[0] ?? {}) as { readonly functionDeclarations?: unknown };
  const { maxOutputTokens } = (body.generationConfig ?? {}) as { readonly maxOutputTokens?: unknown };
  const asked = { ...body, messages: body.contents, max_tokens: maxOutputTokens, tool: nameIn(functionDeclarations) };
  const reply = replyOf(asked, name, behaviour);
  const usage = usageOf(reply, behaviour);
  const answer = (parts: readonly object[], more: object = {}): object => ({
    candidates: [{ index: 0, content: { role: 'model', parts }, ...more }],
    modelVersion: modelIn(path),
    responseId: name,
    usageMetadata: usage && {
      promptTokenCount: usage.prompt_tokens,
      candidatesTokenCount: usage.completion_tokens,
      totalTokenCount: usage.total_tokens,
    },
  });
  const finish = { finishReason: reply.finish === 'length' ? 'MAX_TOKENS' : 'STOP' };
  const text = reply.words.join('');
  const call = [{ functionCall: { name: reply.tool, args: reply.tool === undefined ? {} : (JSON.parse(text) as unknown) } }];
  if (path.endsWith(':generateContent')) return json(answer(reply.tool === undefined ? [{ text }] : call, finish));
  const chunks = reply.tool === undefined ? reply.words.map((word) => answer([{ text: word }])) : [answer(call)];
  return events([...chunks, answer([], finish)].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`));
}

function bedrock({ path, body, name, behaviour }: ProtocolRequest): ProtocolAnswer {
  const { tools } = (body.toolConfig ?? {}) as { readonly tools?: unknown };
  const { toolSpec } = (listOf(tools)[0] ?? {}) as { readonly toolSpec?: unknown };
  const { maxTokens } = (body.inferenceConfig ?? {}) as { readonly maxTokens?: unknown };
  const reply = replyOf({ ...body, max_tokens: maxTokens, tool: nameIn([toolSpec]) }, name, behaviour);
  const { prompt_tokens: inputTokens = 0, completion_tokens: outputTokens = 0 } = usageOf(reply, behaviour) ?? {};
  const usage = { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens };
  const stopReason = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' }[reply.finish];
  const tool = { toolUseId: 'tooluse_1', name: reply.tool };
  if (path.endsWith('/converse')) {
    const text = reply.words.join('');
    const content = [reply.tool === undefined ? { text } : { toolUse: { ...tool, input: JSON.parse(text) as unknown } }];
    return json({ output: { message: { role: 'assistant', content } }, stopReason, usage, metrics: { latencyMs: 1 } });
  }
  const delta = (word: string): object => (reply.tool === undefined ? { text: word } : { toolUse: { input: word } });
  const parts = [
    frame('messageStart', { role: 'assistant' }),
    ...(reply.tool === undefined ? [] : [frame('contentBlockStart', { contentBlockIndex: 0, start: { toolUse: tool } })]),
    ...reply.words.map((word) => frame('contentBlockDelta', { contentBlockIndex: 0, delta: delta(word) })),
    frame('contentBlockStop', { contentBlockIndex: 0 }),
    frame('messageStop', { stopReason }),
    frame('metadata', { usage, metrics: { latencyMs: 1 } }),
  ];
  return { type: 'application/vnd.amazon.eventstream', parts };
}

/** An event of AWS's binary stream: lengths, headers, payload, each part with its checksum. */
function frame(type: string, payload: object): Buffer {
  const headers = Buffer.concat(
    Object.entries({ ':message-type': 'event', ':event-type': type, ':content-type': 'application/json' }).map(([name, value]) =>
      Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7, 0, value.length]), Buffer.from(value)]),
    ),
  );
  const body = Buffer.from(JSON.stringify(payload));
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(16 + headers.length + body.length);
  prelude.writeUInt32BE(headers.length, 4);
  const head = Buffer.concat([prelude, checksum(prelude), headers, body]);
  return Buffer.concat([head, checksum(head)]);
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum;
}

function replyOf(request: ProviderRequest & { readonly tool?: string }, name: string, behaviour: ProviderBehaviour): Reply {
  const { tool } = request;
  return replyTo({ ...request, tools: tool === undefined ? undefined : [{ function: { name: tool } }] }, name, behaviour);
}

function json(body: object): ProtocolAnswer {
  return { type: 'application/json', parts: [JSON.stringify(body)] };
}

function events(parts: readonly string[]): ProtocolAnswer {
  return { type: 'text/event-stream; charset=utf-8', parts };
}

function modelIn(path: string): string {
  return MODEL_IN_PATH.exec(path)?.[1] ?? 'unknown';
}

function nameIn(tools: unknown): string | undefined {
  const { name } = (listOf(tools)[0] ?? {}) as { readonly name?: unknown };
  return typeof name === 'string' ? name : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
