import { Controller, Get, Module, type INestApplication, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import { FastLiteLLMModule, FastThrottlerStorage } from 'nestjs-fast-litellm';
import { adapters, logger, startModule } from './limited-routes.js';
import { oneOrAll } from '../../support/long.js';

describe.each(oneOrAll(adapters))('FastThrottlerStorage on %s', (adapter) => {
  let app: INestApplication;
  afterEach(() => app.close());

  async function start(module: Type<unknown>) {
    const started = await startModule(adapter, module);
    ({ app } = started);
    return started.client;
  }

  it("works as the storage of Nest's throttler", async () => {
    @Controller()
    class ThrottledController {
      @Get('a')
      a() {
        return 'a';
      }
    }
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false }),
        ThrottlerModule.forRoot({
          throttlers: [
            { name: 'default', ttl: 60_000, limit: 2 },
            { name: 'long', ttl: 600_000, limit: 100 },
          ],
          storage: new FastThrottlerStorage(),
        }),
      ],
      controllers: [ThrottledController],
      providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
    })
    class ThrottlerAppModule {}
    const client = await start(ThrottlerAppModule);
    const { headers } = await client.get('/a').expect(200);
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': '60' });
    expect(headers).toMatchObject({ 'x-ratelimit-limit-long': '100', 'x-ratelimit-remaining-long': '99', 'x-ratelimit-reset-long': '600' });
    await client.get('/a').expect(200);
    const refused = await client.get('/a').expect(429);
    expect(refused.headers['retry-after']).toBe('60');
    expect(refused.body).toMatchObject({ message: 'ThrottlerException: Too Many Requests' });
  });
});
