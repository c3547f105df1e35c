import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { anthropicEvents, type AnthropicMessage } from './anthropic-events.js';
import { scripted } from './llm-client-providers.js';

type Fields = Readonly<Record<string, unknown>>;

/** What a scripted provider was sent. */
export interface AskedOfAnthropic {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Fields;
}

/** A provider that speaks Anthropic's Messages API, and answers as its script says. */
export interface AnthropicScript {
  readonly name: string;
  readonly apiBase: string;
  readonly asked: AskedOfAnthropic[];
}

/** How one request is answered: with a message, whole or streamed, or in a way of its own. */
export type AnthropicAnswer = AnthropicMessage | ((response: ServerResponse) => void);

/** @param answer to the request of this number, from 0 */
export async function anthropicScript(name: string, answer: (index: number, body: Fields) => AnthropicAnswer): Promise<AnthropicScript> {
  const asked: AskedOfAnthropic[] = [];
  const apiBase = await scripted((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Fields;
      asked.push({ url: request.url as string, headers: request.headers, body });
      const given = answer(asked.length - 1, body);
      if (typeof given === 'function') given(response);
      else if (body.stream === true) respondWith(anthropicEvents(given))(response);
      else respondWith(JSON.stringify(given))(response);
    });
  });
  return { name, apiBase, asked };
}

/** Answers with events, or with JSON. */
export function respondWith(
  answer: string | readonly string[],
  status = 200,
  headers: Record<string, string> = {},
): (response: ServerResponse) => void {
  const isJson = typeof answer === 'string';
  const type = isJson ? 'application/json' : 'text/event-stream; charset=utf-8';
  return (response) => {
    response.writeHead(status, { 'content-type': type, 'request-id': 'req_1', ...headers });
    response.end(isJson ? answer : answer.join(''));
  };
}
