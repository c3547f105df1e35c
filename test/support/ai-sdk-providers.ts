import type { IncomingMessage, ServerResponse } from 'node:http';
import { scripted } from './llm-client-providers.js';

type Fields = Readonly<Record<string, unknown>>;

async function bodyOf(request: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Fields;
}

/** Requests that arrived, and connections that were closed. */
export interface ProviderState {
  asked: number;
  closed: number;
}

/** A provider that answers nothing, of a stream its first chunk; then it waits, or cuts the connection. */
export async function hanging(then: 'hangs' | 'cuts'): Promise<{ readonly apiBase: string; readonly state: ProviderState }> {
  const state: ProviderState = { asked: 0, closed: 0 };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { stream } = await bodyOf(request);
    state.asked++;
    response.on('close', () => state.closed++);
    if (stream !== true) return;
    const choices = [{ index: 0, delta: { role: 'assistant', content: 'Hello' }, finish_reason: null }];
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`);
    if (then === 'cuts') setImmediate(() => response.destroy());
  };
  return { apiBase: await scripted((request, response) => void serve(request, response)), state };
}

/** A provider of embeddings `[index, length]`, in reversed order. */
export async function embeddings(): Promise<{ readonly apiBase: string; readonly asked: Fields[] }> {
  const asked: Fields[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    asked.push(body);
    const data = (body.input as string[]).map((text, index) => ({ object: 'embedding', index, embedding: [index, text.length] }));
    const usage = { prompt_tokens: 5, total_tokens: 5 };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ object: 'list', model: body.model, data: data.reverse(), usage }));
  };
  return { apiBase: await scripted((request, response) => void serve(request, response)), asked };
}
