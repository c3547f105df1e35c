import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpException } from '@nestjs/common';
import type { LlmClient } from 'nestjs-fast-litellm';
import { messagesError } from '../../lib/apis/messages/errors.js';
import { scripted } from './llm-client-providers.js';

/** A server of `/v1/messages` and `count_tokens` over a client; its base address. */
export async function messagesServer(client: LlmClient): Promise<string> {
  const url = await scripted((request, response) => void serve(client, request, response));
  return url.replace(/\/v1$/, '');
}

async function serve(client: LlmClient, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as { model: string; messages: [] };
    const { pathname } = new URL(request.url as string, 'http://x');
    if (pathname === '/v1/messages/count_tokens') send(response, 200, await client.countMessageTokens(body));
    else await (await client.messages(body as never, { request, response })).sendTo(response);
  } catch (error) {
    const status = error instanceof HttpException ? error.getStatus() : 400;
    const stated =
      error instanceof HttpException ? (error.getResponse() as { error?: object }).error : { message: (error as Error).message };
    send(response, status, messagesError(status, stated, 'req_1'));
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
