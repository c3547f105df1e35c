import { Controller, Get, Module, type INestApplication } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ExternalExceptionsHandler } from '@nestjs/core/exceptions/external-exceptions-handler.js';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { CallQueueError, ProviderError, RetryAfterFilter, RouterRateLimitError } from 'nestjs-fast-litellm';
import { adapters, startModule } from '../rate-limit/limited-routes.js';

const cooling = new RouterRateLimitError('gpt-4', 1200, ['a']);

@Controller()
class RefusalsController {
  @Get('cooling')
  cooling() {
    throw cooling;
  }

  @Get('for-good')
  forGood() {
    throw new RouterRateLimitError('gpt-4', undefined, []);
  }

  @Get('queue')
  queue() {
    throw new CallQueueError('queue_full', 'gpt-4', 3_000);
  }

  @Get('provider')
  provider() {
    throw new ProviderError({ kind: 'server', message: 'Busy.', status: 503, provider: 'openai', deploymentId: 'a', retryAfterMs: 30 });
  }
}

@Module({ controllers: [RefusalsController], providers: [{ provide: APP_FILTER, useClass: RetryAfterFilter }] })
class AppModule {}

describe.each(adapters)('RetryAfterFilter on %s', (adapter) => {
  let app: INestApplication;
  afterEach(() => app.close());

  it('sets Retry-After and answers as Nest does', async () => {
    const started = await startModule(adapter, AppModule);
    ({ app } = started);
    const refused = await started.client.get('/cooling').expect(429);
    expect(refused.headers).toMatchObject({ 'retry-after': '2', 'retry-after-ms': '1200' });
    expect(refused.body).toEqual(cooling.getResponse());
    const full = await started.client.get('/queue').expect(429);
    expect(full.headers).toMatchObject({ 'retry-after': '3', 'retry-after-ms': '3000' });
    expect(full.body).toMatchObject({ error: { type: 'requests', code: 'queue_full' } });
    const busy = await started.client.get('/provider').expect(503);
    expect(busy.headers).toMatchObject({ 'retry-after': '1', 'retry-after-ms': '30' });
    const forGood = await started.client.get('/for-good').expect(429);
    expect(forGood.headers).not.toHaveProperty('retry-after');
  });
});

it('leaves errors to Nest where the context has no headers', () => {
  const host = new ExecutionContextHost([]);
  const filter = new RetryAfterFilter();
  const handler = new ExternalExceptionsHandler();
  handler.setCustomFilters([{ func: (error, where) => filter.catch(error as RouterRateLimitError, where), exceptionMetatypes: [] }]);
  host.setType('graphql');
  expect(() => handler.next(cooling, host)).toThrow(cooling);
  host.setType('rpc');
  expect(filter.catch(cooling, host)).toBeUndefined();
});
