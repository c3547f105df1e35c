import { Module, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { FastLiteLLM, FastLiteLLMGatewayModule, FastLiteLLMModule } from 'nestjs-fast-litellm';
import type { AddressInfo } from 'node:net';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
/** As Nest makes them: closing such a server waits for its connections. */
const SERVERS = { Express: () => new ExpressAdapter(), Fastify: () => new FastifyAdapter() };

describe.each(['Express', 'Fastify'] as const)('the shutdown of a gateway on %s', (server) => {
  let app: INestApplication | undefined;
  afterEach(async () => {
    await app?.close();
    await stopProviders();
  });

  it('aborts the request to a hung provider after shutdown.drainMs, and counts its prompt as spent', async () => {
    let asked = 0;
    const apiBase = await scripted((request) => void request.resume().on('end', () => asked++));
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({
          logger: quiet,
          metrics: false,
          telemetry: false,
          shutdown: { drainMs: 100 },
          router: { modelList: [deploymentOf('chat', { name: 'hung', apiBase })] },
        }),
        FastLiteLLMGatewayModule.forRoot({ rateLimit: [{ name: 'team', usdPerMonth: 10, key: () => 'red' }] }),
      ],
    })
    class AppModule {}
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = testing.createNestApplication(SERVERS[server](), { logger: false });
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    const llm = app.get(FastLiteLLM);

    const body = JSON.stringify({ model: 'chat', max_tokens: 10, messages: HELLO });
    const headers = { 'content-type': 'application/json' };
    const answer = fetch(`http://127.0.0.1:${port}/v1/chat/completions`, { method: 'POST', headers, body }).then(
      () => 'answered',
      () => 'aborted',
    );
    await until(() => asked === 1);
    await app.close();
    expect(await answer).toBe('aborted');
    const valueOf = (metric: string) => llm.metrics().find(({ name }) => name === metric)?.value;
    expect(valueOf('llm_client_cost_usd_total')).toBeGreaterThan(0);
    expect(valueOf('llm_client_calls_in_flight')).toBe(0);
  });
});
