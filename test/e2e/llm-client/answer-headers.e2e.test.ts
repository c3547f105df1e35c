import { Body, Controller, Module, Post, Req, Res, type INestApplication } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { FastLiteLLMModule, LlmClient, RetryAfterFilter, type AnswerTarget, type ModelRequest } from 'nestjs-fast-litellm';
import type { OutgoingHttpHeaders } from 'node:http';
import { adapters, logger, startModule } from '../rate-limit/limited-routes.js';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { oneOrAll } from '../../support/long.js';

const COMPLETION = JSON.stringify({ id: 'x', choices: [{ message: { content: '<script>alert(1)</script>' } }] });
const STREAM = `data: ${JSON.stringify({ choices: [{ delta: { content: '<script>alert(1)</script>' } }] })}\n\ndata: [DONE]\n\n`;

/** What a provider must not be able to set on the gateway's origin. */
const HOSTILE: OutgoingHttpHeaders = {
  'set-cookie': ['session=stolen; Path=/', 'other=1'],
  location: 'https://elsewhere.example/',
  refresh: '0; url=https://elsewhere.example/',
  'access-control-allow-origin': '*',
  'access-control-allow-credentials': 'true',
  'strict-transport-security': 'max-age=1',
  'clear-site-data': '"*"',
  'www-authenticate': 'Basic realm="type your password"',
  'content-disposition': 'attachment; filename="run.exe"',
  'service-worker-allowed': '/',
  'x-powered-by': 'hostile',
  link: '<https://elsewhere.example/x.js>; rel=preload',
  'content-security-policy': "script-src 'unsafe-inline'",
};

@Controller('v1')
class GatewayController {
  constructor(private readonly client: LlmClient) {}

  @Post('chat/completions')
  async chat(@Body() body: ModelRequest, @Req() request: object, @Res() response: AnswerTarget): Promise<void> {
    const answer = await this.client.chat(body, { request, response: response as never });
    await answer.sendTo(response);
  }

  @Post('embeddings')
  async embeddings(@Body() body: ModelRequest, @Req() request: object, @Res() response: AnswerTarget): Promise<void> {
    await (await this.client.embeddings(body, { request })).sendTo(response);
  }
}

describe.each(oneOrAll(adapters))('the headers of an answer on %s', (adapter) => {
  let app: INestApplication;
  afterEach(async () => {
    await app.close();
    await stopProviders();
  });

  async function start(status: number, headers: OutgoingHttpHeaders, body: string) {
    const apiBase = await scripted((asked, response) => {
      asked.resume().on('end', () => response.writeHead(status, headers).end(body));
    });
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({
          logger,
          metrics: false,
          router: { modelList: [deploymentOf('m', { name: 'hostile', apiBase })], numRetries: 0 },
        }),
      ],
      controllers: [GatewayController],
      providers: [{ provide: APP_FILTER, useClass: RetryAfterFilter }],
    })
    class AppModule {}
    const started = await startModule(adapter, AppModule);
    app = started.app;
    return started.client;
  }

  function expectNothingOfProvider(headers: Record<string, string>): void {
    // Express says of itself that it is Express.
    for (const name of Object.keys(HOSTILE)) if (headers[name] !== 'Express') expect([name, headers[name]]).toEqual([name, undefined]);
  }

  it.each([
    'text/html',
    'TEXT/HTML; charset=utf-8',
    'application/xhtml+xml',
    'image/svg+xml',
    'text/xml',
    'application/json; charset=utf-7',
    'application/json, text/html',
    'text/html,application/json',
    'application/javascript',
    '',
  ])('are those of JSON when the provider sends %j as content type', async (type) => {
    const client = await start(200, { ...HOSTILE, ...(type !== '' && { 'content-type': type }) }, COMPLETION);
    for (const path of ['/v1/chat/completions', '/v1/embeddings']) {
      const { headers, text } = await client.post(path).send({ model: 'm', messages: HELLO, input: 'x' }).expect(200);
      expect(text).toBe(COMPLETION);
      expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
      expectNothingOfProvider(headers);
    }
  });

  it.each(['text/event-stream', 'text/event-stream; charset=utf-7', 'Text/Event-Stream;x="<script>"', 'text/event-stream, text/html'])(
    'are those of events where the provider calls its stream %j',
    async (type) => {
      const client = await start(200, { ...HOSTILE, 'content-type': type }, STREAM);
      const { headers, text } = await client.post('/v1/chat/completions').send({ model: 'm', messages: HELLO, stream: true }).expect(200);
      expect(text).toBe(STREAM);
      expect(headers).toMatchObject({ 'content-type': 'text/event-stream; charset=utf-8', 'x-content-type-options': 'nosniff' });
      expectNothingOfProvider(headers);
    },
  );

  it.each([
    [400, 'text/html', '<script>alert(1)</script>'],
    [429, 'text/html', JSON.stringify({ error: { message: '<script>alert(1)</script>', type: 'x', code: 'y' } })],
    [500, 'image/svg+xml', '<svg onload="alert(1)"/>'],
    [302, 'text/html', 'moved'],
    [200, 'text/html', '<script>alert(1)</script>'],
  ])('are those of a JSON error when the provider answers %i as %s', async (status, type, body) => {
    const client = await start(status, { ...HOSTILE, 'content-type': type }, body);
    for (const stream of [false, true]) {
      const answer = await client.post('/v1/chat/completions').send({ model: 'm', messages: HELLO, stream });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.headers['content-type']).toMatch(/^application\/json(?:; charset=utf-8)?$/);
      expect(answer.body).toMatchObject({ error: { message: expect.any(String) as string } });
      expectNothingOfProvider(answer.headers);
    }
  });
});
