import {
  Controller,
  Headers,
  HttpException,
  Inject,
  Module,
  Req,
  Res,
  Sse,
  type INestApplication,
  type MessageEvent,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { once } from 'node:events';
import { get, type IncomingMessage, type ServerResponse } from 'node:http';
import { FastLiteLLMModule, LlmClient, type CallOptions } from 'nestjs-fast-litellm';
import { from, map, of, tap, type Observable } from 'rxjs';
import { logger } from '../rate-limit/limited-routes.js';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';
import { oneOrAll } from '../../support/long.js';

/** Some 40 MB: more than sockets and buffers take. */
const EVENTS = 2_500;
const EVENT = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(16_000) } }] })}\n\n`;

/** A provider that writes as fast as it is read, and how many of its answers were read to their end, or not. */
class FastProvider {
  whole = 0;
  left = 0;

  readonly answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    response.once('close', () => {
      if (response.writableFinished) this.whole++;
      else this.left++;
      gone.abort();
    });
    await once(request.resume(), 'end');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let i = 0; i < EVENTS && !response.destroyed; i++) {
      if (!response.write(EVENT)) await once(response, 'drain', { signal: gone.signal }).catch(() => {});
    }
    response.end('data: [DONE]\n\n');
  };
}

@Controller()
class EventsController {
  taken = 0;

  constructor(@Inject(LlmClient) private readonly client: LlmClient) {}

  @Sse('once')
  async once(@Headers('last-event-id') lastEventId: string | undefined): Promise<Observable<MessageEvent>> {
    await Promise.resolve();
    if (lastEventId !== undefined) throw new HttpException('', 204);
    this.taken++;
    return of({ id: 'done', type: 'done', data: '' });
  }

  @Sse('chat')
  async chat(
    @Req() request: object,
    @Res({ passthrough: true }) response: NonNullable<CallOptions['response']>,
  ): Promise<Observable<MessageEvent>> {
    const stream = await this.client.chat({ model: 'm', messages: HELLO, stream: true }, { request, response });
    return from(stream).pipe(
      tap(() => this.taken++),
      map((data) => ({ data })),
    );
  }
}

const adapters = { Express: () => new ExpressAdapter(), Fastify: () => new FastifyAdapter() as unknown as ExpressAdapter };

describe.each(oneOrAll(Object.entries(adapters)))("a stream handed to Nest's @Sse, %s", (_, adapter) => {
  let app: INestApplication;
  let events: EventsController;
  let upstream: FastProvider;

  beforeEach(async () => {
    upstream = new FastProvider();
    const apiBase = await scripted((request, response) => void upstream.answer(request, response));
    @Module({
      imports: [FastLiteLLMModule.forRoot({ logger, router: { modelList: [deploymentOf('m', { name: 'p', apiBase })] } })],
      controllers: [EventsController],
    })
    class AppModule {}
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = testing.createNestApplication(adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    events = app.get(EventsController);
  });
  afterEach(async () => {
    await app.close();
    await stopProviders();
  });

  const ask = async (): Promise<IncomingMessage> => {
    const url = `${(await app.getUrl()).replace('[::1]', '127.0.0.1')}/chat`;
    return new Promise((resolve, reject) => get(url, resolve).on('error', reject));
  };

  /** How many events have been taken when no more are. */
  async function standstill(): Promise<number> {
    for (let before = -1; before !== events.taken || before === 0;) {
      before = events.taken;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    return events.taken;
  }

  it('ends with an event, after which a reconnect gets 204 and makes no call', async () => {
    const url = `${(await app.getUrl()).replace('[::1]', '127.0.0.1')}/once`;
    const first = await fetch(url);
    expect([first.status, await first.text()]).toEqual([200, expect.stringMatching(/event: done\nid: done\n/)]);
    const again = await fetch(url, { headers: { 'last-event-id': 'done' } });
    expect([again.status, await again.text(), events.taken]).toEqual([204, '', 1]);
  });

  it('waits for a slow client and loses nothing', async () => {
    const response = await ask();
    response.pause();
    const taken = await standstill();
    expect(taken).toBeLessThan(EVENTS / 2);
    expect([upstream.whole, upstream.left]).toEqual([0, 0]);
    let [last, seen] = ['', 0];
    for await (const part of response) {
      const text = last + String(part);
      seen += text.split('\n\n').length - 1;
      last = /[^\n]\n$/.test(text) ? '\n' : '';
    }
    expect(seen).toBe(events.taken);
    expect(events.taken).toBe(EVENTS);
    const client = app.get(LlmClient);
    await until(() => client.callsInFlight === 0 && upstream.whole === 1);
  });

  it('ends when a slow client disconnects', async () => {
    const response = await ask();
    response.pause();
    await standstill();
    response.destroy();
    const client = app.get(LlmClient);
    await until(() => client.callsInFlight === 0 && upstream.left === 1);
    expect(events.taken).toBeLessThan(EVENTS / 2);
  });
});
