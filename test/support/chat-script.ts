import type { IncomingMessage, ServerResponse } from 'node:http';
import { scripted } from './llm-client-providers.js';

type Fields = Readonly<Record<string, unknown>>;

/** One answer of a scripted provider, in the words of chat. */
export interface ChatScriptAnswer {
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly finish_reason?: string;
  readonly usage?: Fields;
  /** In place of an answer. */
  readonly error?: { readonly status: number; readonly body: object };
  /** Ends its stream with an error behind the first delta. */
  readonly lateError?: object;
}

/** A provider that speaks OpenAI's chat, and answers as its script says. */
export interface ChatScript {
  readonly name: string;
  readonly apiBase: string;
  /** The requests' bodies. */
  readonly asked: Fields[];
}

const USAGE = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, prompt_tokens_details: { cached_tokens: 60 } };

/** @param answer to the request of this number, from 0 */
export async function chatScript(name: string, answer: (index: number, body: Fields) => ChatScriptAnswer): Promise<ChatScript> {
  const asked: Fields[] = [];
  const apiBase = await scripted((request, response) => {
    void bodyOf(request).then((body) => {
      asked.push(body);
      respond(response, answer(asked.length - 1, body), body);
    });
  });
  return { name, apiBase, asked };
}

async function bodyOf(request: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Fields;
}

function respond(response: ServerResponse, answer: ChatScriptAnswer, { stream, model }: Fields): void {
  if (answer.error !== undefined) {
    response.writeHead(answer.error.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.error.body));
  } else if (stream === true) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(streamOf(answer, model));
  } else {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(wholeOf(answer, model)));
  }
}

function callsOf({ tool_calls: calls = [] }: ChatScriptAnswer): object[] {
  return calls.map(({ id, ...called }) => ({ id, type: 'function', function: called }));
}

function finishOf(answer: ChatScriptAnswer): string {
  return answer.finish_reason ?? (answer.tool_calls === undefined ? 'stop' : 'tool_calls');
}

function wholeOf(answer: ChatScriptAnswer, model: unknown): object {
  const { content = null, reasoning_content: reasoning, usage = USAGE } = answer;
  const calls = callsOf(answer);
  const message = {
    role: 'assistant',
    content,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  return { id: 'chatcmpl-1', object: 'chat.completion', model, choices: [{ index: 0, message, finish_reason: finishOf(answer) }], usage };
}

/** Texts come in pieces of three characters, parallel calls interleaved. */
function streamOf(answer: ChatScriptAnswer, model: unknown): string {
  const { content = '', reasoning_content: reasoning = '', tool_calls: calls = [], usage = USAGE, lateError } = answer;
  const pieces = (text: string): string[] => text.match(/[^]{1,3}/g) ?? [];
  const event = (data: object): string =>
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', model, ...data })}\n\n`;
  const delta = (fields: object): string => event({ choices: [{ index: 0, delta: fields, finish_reason: null }] });
  const parts = calls.map((call) => pieces(call.arguments));
  const longest = Math.max(0, ...parts.map(({ length }) => length));
  const written = [
    delta({ role: 'assistant', content: '' }),
    ...pieces(reasoning).map((text) => delta({ reasoning_content: text })),
    ...pieces(content).map((text) => delta({ content: text })),
    ...calls.map(({ id, name }, index) => delta({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] })),
    ...Array.from({ length: longest }, (_, at) =>
      parts.map((each, index) => (at < each.length ? delta({ tool_calls: [{ index, function: { arguments: each[at] } }] }) : '')).join(''),
    ),
  ];
  if (lateError !== undefined) return written.slice(0, 2).join('') + event({ error: lateError });
  return `${written.join('')}${event({ choices: [{ index: 0, delta: {}, finish_reason: finishOf(answer) }] })}${event({ choices: [], usage })}data: [DONE]\n\n`;
}
