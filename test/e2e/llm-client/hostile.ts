import type { ServerResponse } from 'node:http';
import { clientOf, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, scripted } from '../../support/llm-client-providers.js';

export const chat = { model: 'm', messages: HELLO } as const;
export const json = { 'content-type': 'application/json' };
export const eventStream = { 'content-type': 'text/event-stream' };
export const answer = (usage: unknown): string => JSON.stringify({ id: 'x', choices: [{ message: { content: 'grüße 🦀' } }], usage });
export const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const nothing = (): void => {};
export const target = { writeHead: nothing, write: (): boolean => true, end: nothing, on: nothing, off: nothing, removeListener: nothing };
export const delta = (content: string): string =>
  event({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] });

/** Over a server that answers with `respond`, and behind it, where the first fails, one that is well. */
export async function over(
  respond: (response: ServerResponse) => unknown,
  settings: object = {},
  llmClient: object = {},
): Promise<OpenClient> {
  const apiBase = await scripted((request, response) => void request.resume().on('end', () => respond(response)));
  const well = await provider('well');
  const modelList = [deploymentOf('m', { name: 'hostile', apiBase }, { order: 1 }), deploymentOf('m', well, { order: 2 })];
  return clientOf({ modelList, numRetries: 0, countConnectionErrors: true, ...settings }, llmClient);
}

export async function textOf(stream: AsyncIterable<Record<string, unknown>>): Promise<string> {
  let text = '';
  for await (const { choices } of stream) text += (choices as { delta?: { content?: string } }[])[0]?.delta?.content ?? '';
  return text;
}
