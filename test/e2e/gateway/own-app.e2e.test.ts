import {
  Body,
  Controller,
  Headers,
  HttpCode,
  Injectable,
  Module,
  Post,
  Req,
  type ArgumentMetadata,
  type CallHandler,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FastLiteLLMGatewayModule, FastLiteLLMModule } from 'nestjs-fast-litellm';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { map, type Observable } from 'rxjs';
import { ADAPTERS, sendRaw, type AdapterName, type Ask, type RawAnswer } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';

const CSV = 'text/csv';
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** An app that was there before the gateway, with a handler, a pipe and an interceptor. */
@Controller()
class ShopController {
  @Post(['orders', 'shop/v1/chat/completions', 'survey/responses', 'v1/orders'])
  @HttpCode(201)
  take(@Body() body: unknown, @Headers('content-type') type: string | undefined, @Req() request: { rawBody?: Buffer }): object {
    const keys = typeof body === 'object' && body !== null ? Object.keys(body) : typeof body;
    return { body, keys, type, rawBytes: request.rawBody?.length };
  }
}

@Injectable()
class Stamping implements PipeTransform {
  transform(value: unknown, { type }: ArgumentMetadata): unknown {
    return type === 'body' && typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value, stamped: true } : value;
  }
}

@Injectable()
class Wrapping implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { url } = context.switchToHttp().getRequest<{ url: string }>();
    return next.handle().pipe(map((data: unknown) => ({ data, url })));
  }
}

const LITELLM = [FastLiteLLMModule.forRoot({ logger: quiet, metrics: false, telemetry: false }), FastLiteLLMGatewayModule.forRoot()];

/** With parsers of its own: CSV as text, and JSON up to 200 kB. */
function addParsers(app: INestApplication, adapter: AdapterName): void {
  if (adapter === 'Express') {
    (app as NestExpressApplication).useBodyParser('text', { type: CSV }).useBodyParser('json', { limit: '200kb' });
    return;
  }
  const fastify = app as NestFastifyApplication;
  fastify.useBodyParser(CSV, {}, (_request, body, done) => done(null, body.toString().toUpperCase()));
  fastify.useBodyParser('application/json', { bodyLimit: 200 * 1024 });
}

async function start(adapter: AdapterName, withGateway: boolean): Promise<{ app: INestApplication; port: number }> {
  @Module({ imports: withGateway ? LITELLM : [], controllers: [ShopController] })
  class AppModule {}
  const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
  testing.useLogger(false);
  const app = testing.createNestApplication(ADAPTERS[adapter](), { rawBody: true });
  addParsers(app, adapter);
  app.useGlobalPipes(new Stamping()).useGlobalInterceptors(new Wrapping());
  await app.listen(0, '127.0.0.1');
  return { app, port: (app.getHttpServer() as { address(): AddressInfo }).address().port };
}

const json = (body: string, headers: Ask['headers'] = {}): Ask => ({ headers: { 'content-type': 'application/json', ...headers }, body });
const REQUESTS: readonly (readonly [name: string, ask: Ask])[] = [
  ['a small object', json('{"a":1}')],
  ['a list', json('[1,2]')],
  ['an object of 150 kB, above the limit of Express', json(JSON.stringify({ text: 'x'.repeat(150_000) }))],
  ['an object above the limit of the app', json(JSON.stringify({ text: 'x'.repeat(250_000) }))],
  ['a key that stands twice', json('{"a":1,"a":2}')],
  ['no JSON', json('{"a":')],
  ['an empty body', json('')],
  ['a prototype', json('{"__proto__":{"admin":true}}')],
  ['nested lists', json(`${'['.repeat(3000)}${']'.repeat(3000)}`)],
  ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=1&b=2' }],
  ['CSV by a parser of the app', { headers: { 'content-type': CSV }, body: 'a;b\n1;2' }],
  ['a type without a parser', { headers: { 'content-type': 'application/pdf' }, body: '%PDF' }],
  ['JSON with another charset', json('{"a":"é"}', { 'content-type': 'application/json; charset=utf-8' })],
  ['no body', { headers: {} }],
  ['another method', { method: 'GET' }],
];
const PATHS = ['/orders', '/v1/orders', '/shop/v1/chat/completions', '/survey/responses'];

/** What a client sees, without what differs from one request to the next. */
function seen({ status, headers, text }: RawAnswer): object {
  const { date, 'x-request-id': id, ...rest } = headers as IncomingHttpHeaders & { 'x-request-id'?: string };
  return { status, headers: rest, text, isDated: date !== undefined, hasId: id !== undefined };
}

it('reads bodies on Express where a middleware before it listens to them, too', async () => {
  const adapter = new ExpressAdapter();
  let heard = 0;
  adapter.use((request: IncomingMessage, _response: unknown, next: () => void) => {
    request.on('data', ({ length }: Buffer) => (heard += length));
    next();
  });
  const testing = await Test.createTestingModule({ imports: LITELLM }).compile();
  testing.useLogger(false);
  const app = testing.createNestApplication(adapter);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  const body = `{"model":"none","messages":[],"user":"${'x'.repeat(50_000)}"}`;
  const answer = await sendRaw(port, '/v1/chat/completions', json(body));
  await app.close();
  expect([answer.status, heard]).toEqual([404, body.length]);
});

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('an app of its own on %s', (adapter) => {
  let alone: { app: INestApplication; port: number };
  let beside: { app: INestApplication; port: number };
  beforeAll(async () => {
    [alone, beside] = [await start(adapter, false), await start(adapter, true)];
  });
  afterAll(async () => {
    await alone.app.close();
    await beside.app.close();
  });

  describe.each(PATHS)('at %s', (path) => {
    it.each(REQUESTS)('answers %s as it does without the gateway', async (_name, ask) => {
      const [want, got] = await Promise.all([sendRaw(alone.port, path, ask), sendRaw(beside.port, path, ask)]);
      // Unknown routes below the gateway's path have the error shape of its clients.
      if (path === '/v1/orders' && ask.method === 'GET') expect([got.status, want.status]).toEqual([404, 404]);
      else expect(seen(got)).toEqual(seen(want));
    });
  });

  it('has the gateway, whose routes its pipes and interceptors do not break', async () => {
    const models = await sendRaw(beside.port, '/v1/models', { method: 'GET' });
    expect([models.status, JSON.parse(models.text)]).toEqual([200, { object: 'list', data: [] }]);
    const refused = await sendRaw(beside.port, '/v1/chat/completions', json('{"model":"none","messages":[]}'));
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(JSON.parse(refused.text)).toHaveProperty('error.message');
  });
});
