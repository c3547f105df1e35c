import { Controller, type INestMicroservice } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { FastLiteLLMModule, RateLimit, RateLimitGuard, RateLimiterService, reportUsage, SkipRateLimit } from 'nestjs-fast-litellm';
import { createServer, type AddressInfo } from 'node:net';
import { lastValueFrom, type Observable } from 'rxjs';
import { chat, logger, PROMPT } from './limited-routes.js';

/** Of `@nestjs/microservices`, which asks apps for the types of every broker that it knows. */
interface Microservices {
  readonly MessagePattern: (pattern: string) => MethodDecorator;
  readonly Transport: { readonly TCP: number };
  readonly ClientProxyFactory: { create(options: object): Client };
}

interface Client {
  send(pattern: string, message: object): Observable<unknown>;
  close(): unknown;
}

const { MessagePattern, Transport, ClientProxyFactory } = jest.requireActual<Microservices>('@nestjs/microservices');

type Message = typeof chat & { readonly user?: string; readonly used?: number };

@Controller()
class Messages {
  @MessagePattern('plain')
  plain(): string {
    return 'ok';
  }

  @MessagePattern('free')
  @SkipRateLimit()
  free(): string {
    return 'ok';
  }

  @MessagePattern('chat')
  @RateLimit({ name: 'chat', key: ({ body }: { body: Message }) => body.user })
  chat(message: Message): string {
    if (message.used !== undefined) reportUsage(message, message.used);
    return 'ok';
  }
}

const limits = { requestsPerMinute: 2, limits: { chat: { tokensPerMinute: 1_000 } } };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('RateLimitGuard on microservice messages over TCP', () => {
  let app: INestMicroservice;
  let client: Client;

  beforeEach(async () => {
    const testing = await Test.createTestingModule({
      imports: [FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit: limits })],
      controllers: [Messages],
      providers: [{ provide: APP_GUARD, useClass: RateLimitGuard }],
    }).compile();
    const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port: await freePort() } };
    app = testing.createNestMicroservice({ ...options, logger: false });
    await app.listen();
    client = ClientProxyFactory.create(options);
  });
  afterEach(async () => {
    await client.close();
    await app.close();
  });

  const ask = (pattern: string, message: object = {}): Promise<unknown> => lastValueFrom(client.send(pattern, message));

  it('rejects a message over a limit with reason and retry time', async () => {
    expect([await ask('plain'), await ask('plain')]).toEqual(['ok', 'ok']);
    await expect(ask('plain')).rejects.toEqual({
      status: 'error',
      message: expect.stringMatching(/^Rate limit reached: 2 requests per minute \(default\)\. Please try again in \d\d s\.$/) as string,
      error: { message: expect.any(String) as string, type: 'requests', param: null, code: 'rate_limit_exceeded' },
      retryAfterMs: expect.any(Number) as number,
    });
    expect(await ask('free')).toBe('ok');
  });

  it('reserves the tokens of a message under the key of its rule, and settles the usage that its handler reports', async () => {
    const left = (): number | undefined => app.get(RateLimiterService).peek('a', { limit: 'chat', cost: 0 }).remainingTokens;
    expect(await ask('chat', { ...chat, user: 'a', max_tokens: 500 })).toBe('ok');
    expect(left()).toBe(1_000 - PROMPT - 500);
    await expect(ask('chat', { ...chat, user: 'a', max_tokens: 500 })).rejects.toMatchObject({ error: { type: 'tokens' } });
    expect(await ask('chat', { ...chat, user: 'a', max_tokens: 300, used: 40 })).toBe('ok');
    expect(left()).toBe(1_000 - PROMPT - 500 - 40);
  });
});
