// Gateways that do nothing but forward: parse the body, send it, parse the answer, answer.
import { Body, Controller, HttpCode, Module, Post, Res } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Pool } from 'undici';

const PATH = '/v1/chat/completions';
const HEADERS = { 'content-type': 'application/json', authorization: 'Bearer sk-bench' };
type Reply = ServerResponse & { raw?: ServerResponse; hijack?(): void; send(body: unknown): void };

/** By undici's pool. Streams are piped. */
export function overUndici(origin: string): Type {
  const pool = new Pool(origin, { connections: 256 });
  return controller(async (body, reply) => {
    const answer = await pool.request({ path: PATH, method: 'POST', headers: HEADERS, body: JSON.stringify(body) });
    if (body.stream !== true) return reply.send(await answer.body.json());
    reply.hijack?.();
    const raw = reply.raw ?? reply;
    raw.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.body.pipe(raw);
  });
}

/** By Node's `fetch`. */
export function overFetch(origin: string): Type {
  return controller(async (body, reply) => {
    const answer = await fetch(origin + PATH, { method: 'POST', headers: HEADERS, body: JSON.stringify(body) });
    if (body.stream !== true) return reply.send(await answer.json());
    reply.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) reply.write(chunk);
    reply.end();
  });
}

function controller(chat: (body: { stream?: boolean }, reply: Reply) => Promise<unknown>): Type {
  class BareController {
    async chat(body: { stream?: boolean }, reply: Reply): Promise<void> {
      await chat(body, reply);
    }
  }
  // Decorators as plain calls: the bench is compiled without them.
  const { prototype } = BareController;
  const method = Object.getOwnPropertyDescriptor(prototype, 'chat') as PropertyDescriptor;
  Post('v1/chat/completions')(prototype, 'chat', method);
  HttpCode(200)(prototype, 'chat', method);
  Body()(prototype, 'chat', 0);
  Res()(prototype, 'chat', 1);
  Controller()(BareController);
  class BareModule {}
  Module({ controllers: [BareController] })(BareModule);
  return BareModule;
}
