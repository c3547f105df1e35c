import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type LlmClient, type ModelRequest } from 'nestjs-fast-litellm';
import { scripted } from './llm-client-providers.js';

type Json = Record<string, unknown>;

/** A gateway without a framework: `/v1/responses`, `/v1/completions`, `/v1/chat/completions`. Its address. */
export function gatewayTo(client: LlmClient): Promise<string> {
  return scripted((request, response) => {
    void (async () => {
      try {
        const body = JSON.parse(await text(request)) as ModelRequest;
        const answer = await call(client, request.url ?? '', body);
        await answer.sendTo(response);
      } catch (error) {
        const { getStatus, getResponse } = error as { getStatus?: () => number; getResponse?: () => object };
        const shown = getResponse?.call(error) ?? { error: { message: (error as Error).message, type: 'invalid_request_error' } };
        response.writeHead(getStatus?.call(error) ?? 400, { 'content-type': 'application/json' }).end(JSON.stringify(shown));
      }
    })();
  });
}

function call(client: LlmClient, url: string, body: ModelRequest) {
  if (url.endsWith('/responses')) return client.responses(body);
  return url.endsWith('/chat/completions') ? client.chat(body) : client.completions(body);
}

export interface RecordedRequest {
  readonly url: string;
  readonly body: Json;
}

export interface Recorder {
  readonly apiBase: string;
  readonly requests: readonly RecordedRequest[];
}

/** A provider that answers each request by `answer`, and the bodies that it got. */
export async function recorder(answer: (url: string, body: Json, response: ServerResponse) => void): Promise<Recorder> {
  const requests: RecordedRequest[] = [];
  const listener: RequestListener = (request: IncomingMessage, response) => {
    void text(request).then((sent) => {
      const body = JSON.parse(sent) as Json;
      requests.push({ url: request.url ?? '', body });
      answer(request.url ?? '', body, response);
    });
  };
  return { apiBase: await scripted(listener), requests };
}

export function sendJson(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function sendEvents(response: ServerResponse, events: readonly (object | string)[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) {
    const name = typeof event === 'object' && 'type' in event ? `event: ${String(event.type)}\n` : '';
    response.write(`${name}data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`);
  }
  response.end();
}

const USAGE = { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16, prompt_tokens_details: { cached_tokens: 2 } };

/** What a chat model answers. */
export interface ChatTurn {
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
}

/** Answers a chat request, whole or streamed. */
export function sendChat(response: ServerResponse, { stream, stream_options: options }: Json, turn: ChatTurn): void {
  const { tool_calls: calls, ...texts } = turn;
  const finish = calls === undefined ? 'stop' : 'tool_calls';
  const head = { id: 'chatcmpl-1', created: 1, model: 'local-model' };
  const toolCalls = calls?.map(({ id, name, arguments: input }) => ({ id, type: 'function', function: { name, arguments: input } }));
  if (stream !== true) {
    const message = { role: 'assistant', content: null, ...texts, ...(toolCalls && { tool_calls: toolCalls }) };
    const choices = [{ index: 0, message, finish_reason: finish }];
    return sendJson(response, { ...head, object: 'chat.completion', choices, usage: USAGE });
  }
  const chunk = (delta: object, reason: string | null = null) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  const words = (field: string, words = '') => words.split(/(?<= )/).map((word) => chunk({ [field]: word }));
  const heads = (toolCalls ?? []).flatMap((each, index) => [
    chunk({ tool_calls: [{ ...each, index, function: { ...each.function, arguments: '' } }] }),
    chunk({ tool_calls: [{ index, function: { arguments: each.function.arguments } }] }),
  ]);
  sendEvents(response, [
    chunk({ role: 'assistant', content: '' }),
    ...words('reasoning_content', turn.reasoning_content),
    ...words('content', turn.content),
    ...heads,
    chunk({}, finish),
    ...((options as Json | undefined)?.include_usage === true ? [{ ...head, choices: [], usage: USAGE }] : []),
    '[DONE]',
  ]);
}
