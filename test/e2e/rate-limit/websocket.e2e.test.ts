import { UseFilters, UseGuards, type ArgumentsHost, type INestApplication } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { BaseWsExceptionFilter, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { FastLiteLLMModule, RateLimit, RateLimitGuard, RateLimiterService, reportUsage, SkipRateLimit } from 'nestjs-fast-litellm';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, type MessageEvent } from 'undici';
import { chat, logger, PROMPT } from './limited-routes.js';

interface Message {
  readonly event: string;
  readonly data: unknown;
}

const answer = (event: string, data: unknown): Message => ({ event, data });

/**
 * Nest 11 calls no `APP_GUARD` for messages, and its filter sends nothing over `ws`: the app does
 * both.
 */
const isNest11 = !('emitMessage' in BaseWsExceptionFilter.prototype);

class SendingFilter extends BaseWsExceptionFilter {
  override catch(exception: unknown, host: ArgumentsHost): void {
    const context = host.switchToWs();
    const socket = context.getClient<{ send(text: string): void }>();
    const emit = (event: string, data: unknown): void => socket.send(JSON.stringify({ event, data }));
    this.handleError({ emit }, exception, { pattern: context.getPattern(), data: context.getData() });
  }
}

@WebSocketGateway()
@UseGuards(...(isNest11 ? [RateLimitGuard] : []))
@UseFilters(...(isNest11 ? [new SendingFilter()] : []))
class ChatGateway {
  @SubscribeMessage('plain')
  plain(): Message {
    return answer('plain', 'ok');
  }

  @SubscribeMessage('free')
  @SkipRateLimit()
  free(): Message {
    return answer('free', 'ok');
  }

  @SubscribeMessage('chat')
  @RateLimit({ name: 'chat' })
  chat(@MessageBody() message: { used?: number }): Message {
    if (message.used !== undefined) reportUsage(message, message.used);
    return answer('chat', 'ok');
  }

  @SubscribeMessage('one')
  @RateLimit({ maxConcurrent: 1 })
  one(): Message {
    return answer('one', 'ok');
  }
}

const limits = { requestsPerMinute: 2, limits: { chat: { tokensPerMinute: 1_000 } } };

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter() as unknown as ExpressAdapter],
])('RateLimitGuard on WebSockets, %s', (_, adapter) => {
  let app: INestApplication;
  const sockets: WebSocket[] = [];

  beforeEach(async () => {
    const testing = await Test.createTestingModule({
      imports: [FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit: limits })],
      providers: [ChatGateway, { provide: APP_GUARD, useClass: RateLimitGuard }],
    }).compile();
    app = testing.createNestApplication(adapter(), { logger: false });
    app.useWebSocketAdapter(new WsAdapter(app));
    await app.listen(0, '127.0.0.1');
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.close();
    await app.close();
  });

  async function connect(): Promise<(event: string, data?: unknown) => Promise<Message>> {
    const { port } = app.getHttpServer().address() as AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    sockets.push(socket);
    await once(socket, 'open');
    return async (event, data = {}) => {
      socket.send(JSON.stringify({ event, data }));
      const [received] = (await once(socket, 'message')) as [MessageEvent];
      return JSON.parse(String(received.data)) as Message;
    };
  }

  it('rejects a message over a limit with reason and retry time', async () => {
    const [ask, askToo] = [await connect(), await connect()];
    expect(await ask('plain')).toEqual(answer('plain', 'ok'));
    // Another socket of the same client.
    expect(await askToo('plain')).toEqual(answer('plain', 'ok'));
    const { event, data } = await ask('plain');
    expect(event).toBe('exception');
    expect(data).toEqual({
      status: 'error',
      message: expect.stringMatching(/^Rate limit reached: 2 requests per minute \(default\)\. Please try again in \d\d s\.$/),
      error: { message: expect.any(String), type: 'requests', param: null, code: 'rate_limit_exceeded' },
      retryAfterMs: expect.any(Number),
    });
    expect((data as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(30_000);
    expect(await ask('free')).toEqual(answer('free', 'ok'));
  });

  it('reserves the tokens of a message and settles the usage that its handler reports', async () => {
    const ask = await connect();
    const left = (): number | undefined => app.get(RateLimiterService).peek('ip:127.0.0.1', { limit: 'chat', cost: 0 }).remainingTokens;
    expect(await ask('chat', { ...chat, max_tokens: 500 })).toEqual(answer('chat', 'ok'));
    expect(left()).toBe(1_000 - PROMPT - 500);
    expect(await ask('chat', { ...chat, max_tokens: 500 })).toMatchObject({ event: 'exception', data: { error: { type: 'tokens' } } });
    expect(await ask('chat', { ...chat, max_tokens: 300, used: 40 })).toEqual(answer('chat', 'ok'));
    expect(left()).toBe(1_000 - PROMPT - 500 - 40);
  });

  it('rejects maxConcurrent, because no response would free the slot', async () => {
    const ask = await connect();
    expect(await ask('one')).toMatchObject({ event: 'exception', data: { status: 'error', message: 'Internal server error' } });
  });
});
