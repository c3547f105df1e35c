import type { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import OpenAI from 'openai';
import type { Dispatcher } from 'undici';
import { fetch as undiciFetch, interceptors, request, stream } from 'undici';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';

describe.each(engineNames())('the dispatcher, %s', (engine) => {
  const pools = new TestPools(engine);
  let server: TaggedServer;
  const held: (() => void)[] = [];

  beforeAll(async () => {
    server = await TaggedServer.listen((request, response, socket) => {
      if (request.url === '/hold') held.push(() => response.end('held'));
      else if (request.url === '/echo') request.pipe(response);
      else if (request.url === '/redirect') response.writeHead(302, { location: '/' }).end();
      else if (request.url === '/v1/chat/completions') {
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({ id: '1', object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: 'hi' } }] }),
        );
      } else response.end(String(socket));
    });
    server.server.on('upgrade', (_, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: tea\r\n\r\n');
      socket.pipe(socket);
    });
  });
  afterAll(async () => {
    await pools.close();
    await server.close();
  });

  it('serves fetch, of Node and of undici', async () => {
    const pool = pools.open();
    const opened = server.opened;
    for (let i = 0; i < 3; i++) {
      const answer = await fetch(server.origin, { dispatcher: pool.dispatcher });
      expect(await answer.text()).toBe(String(opened + 1));
      const other = await undiciFetch(new URL(server.origin), { dispatcher: pool.dispatcher });
      expect(await other.text()).toBe(String(opened + 1));
      await until(() => pool.stats().activeConnections === 0);
    }
    expect(server.opened).toBe(opened + 1);
  });

  it('serves undici, with bodies, streams, interceptors and upgrades', async () => {
    const pool = pools.open();
    const { dispatcher } = pool;
    const echoed = await request(`${server.origin}/echo`, { dispatcher, method: 'POST', body: 'tea' });
    expect(await echoed.body.text()).toBe('tea');
    const redirected = await request(`${server.origin}/redirect`, {
      dispatcher: dispatcher.compose(interceptors.redirect({ maxRedirections: 1 })),
    });
    expect([redirected.statusCode, await redirected.body.text()]).toEqual([200, expect.stringMatching(/^\d+$/)]);
    let streamed = '';
    const sink = (): Writable => new Writable({ write: (chunk: Buffer, _, done) => ((streamed += chunk.toString()), done()) });
    await stream(`${server.origin}/echo`, { dispatcher, method: 'POST', body: 'streamed' }, sink);
    expect(streamed).toBe('streamed');
    await until(() => pool.stats().activeConnections === 0);
    const { socket } = await dispatcher.upgrade({ origin: server.origin, path: '/', protocol: 'tea' } as Dispatcher.UpgradeOptions);
    const said = new Promise((resolve) => socket.once('data', (data: Buffer) => resolve(data.toString())));
    socket.write('milk?');
    await expect(said).resolves.toBe('milk?');
    // It is the caller's now.
    await until(() => pool.stats().activeConnections === 0);
    socket.destroy();
  });

  it('serves the OpenAI SDK', async () => {
    const pool = pools.open();
    const openai = new OpenAI({
      apiKey: 'x',
      baseURL: `${server.origin}/v1`,
      fetchOptions: { dispatcher: pool.dispatcher },
      maxRetries: 0,
    });
    const answer = await openai.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] });
    expect(answer.choices[0].message.content).toBe('hi');
    await until(() => pool.stats().idleConnections === 1);
  });

  it('queues above the caps, in order, and never two on one socket', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 3 });
    let most = 0;
    const all = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const { body } = await request(server.origin, { dispatcher: pool.dispatcher });
        most = Math.max(most, pool.stats().totalConnections);
        return body.text();
      }),
    );
    expect([new Set(all).size, most, server.overlaps]).toEqual([3, 3, 0]);
    await until(() => pool.stats().activeConnections === 0);
  });

  it('fails requests that wait too long, are denied, or can never be sent', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 1, acquireTimeoutMs: 20 });
    const { dispatcher } = pool;
    const holding = request(`${server.origin}/hold`, { dispatcher });
    await until(() => held.length === 1);
    await expect(request(server.origin, { dispatcher })).rejects.toMatchObject({ code: 'POOL_TIMEOUT' });
    held.pop()!();
    await (await holding).body.text();
    await expect(request('http://127.0.0.1:9', { dispatcher })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(request(server.origin, { dispatcher, headers: { 'a b': 'c' } })).rejects.toMatchObject({ code: 'UND_ERR_INVALID_ARG' });
    await expect(dispatcher.request({ path: '/', method: 'GET' })).rejects.toMatchObject({ path: 'origin' });
    await until(() => pool.stats().activeConnections === 0);
    const control = new AbortController();
    const aborted = request(`${server.origin}/hold`, { dispatcher, signal: control.signal });
    await until(() => held.length === 1);
    control.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => pool.stats().activeConnections === 0);
    held.length = 0;
  });

  it('notifies both kinds of handlers', async () => {
    const pool = pools.open({ acquireTimeoutMs: 10, maxConnectionsPerEndpoint: 1 });
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      pool.dispatcher.dispatch(
        { origin: server.origin, path: '/', method: 'GET' },
        {
          onRequestStart: () => {},
          onResponseData: (_, chunk) => (text += chunk.toString()),
          onResponseEnd: () => resolve(text),
          onResponseError: (_, error) => reject(error),
        },
      );
    });
    expect(answer).toMatch(/^\d+$/);
    await until(() => pool.stats().activeConnections === 0);
    const id = pool.getConnection(server.origin)!;
    const failed = new Promise<Error>((resolve) => {
      const waits = pool.dispatcher.dispatch(
        { origin: server.origin, path: '/', method: 'GET' },
        { onRequestStart: () => {}, onResponseError: (_, error) => resolve(error) },
      );
      expect(waits).toBe(false);
    });
    await expect(failed).resolves.toMatchObject({ code: 'POOL_TIMEOUT' });
    pool.returnConnection(id);
  });

  it.each([
    ['a turn', 'no slash', 1_000],
    ['a time-out', '/', 20],
  ])('serves those behind a handler that throws when it is told of its error, at %s', async (_, path, acquireTimeoutMs) => {
    const thrown: unknown[] = [];
    const pool = pools.open({ maxConnections: 1, acquireTimeoutMs });
    const { dispatcher } = pool;
    (dispatcher as EventEmitter).on('error', (told: unknown) => thrown.push(told));
    const holding = request(`${server.origin}/hold`, { dispatcher });
    await until(() => held.length === 1);
    const error = new Error('a mistake in a handler');
    const mistaken = () => {
      throw error;
    };
    dispatcher.dispatch({ origin: server.origin, path, method: 'GET' }, { onRequestStart: () => {}, onResponseError: mistaken });
    const behind = request(server.origin, { dispatcher }).then(
      async ({ body }) => ((await body.text()) === '' ? 'nothing' : 'answered'),
      (reason: unknown) => (reason as { code?: string }).code,
    );
    if (acquireTimeoutMs === 20) await expect(behind).resolves.toBe('POOL_TIMEOUT');
    held.pop()!();
    await (await holding).body.text();
    if (acquireTimeoutMs !== 20) await expect(behind).resolves.toBe('answered');
    await until(() => pool.stats().activeConnections === 0);
    expect(thrown).toEqual([error]);
  });

  it('loses no connection on those who give up while they wait', async () => {
    const pool = pools.open({ maxConnections: 1 });
    const { dispatcher } = pool;
    const opened = server.opened;
    const holding = request(`${server.origin}/hold`, { dispatcher });
    await until(() => held.length === 1);
    const [giveUp, reason] = [new AbortController(), new Error('no more')];
    const { signal } = giveUp;
    const waiting = [
      request(server.origin, { dispatcher, signal }),
      request(server.origin, { dispatcher, signal }),
      undiciFetch(server.origin, { dispatcher, signal }),
      fetch(server.origin, { dispatcher, signal }),
    ];
    await until(() => pool.stats().waiting === waiting.length);
    giveUp.abort(reason);
    for (const given of waiting) await expect(given).rejects.toBe(reason);
    expect(pool.stats().waiting).toBe(0);
    held.pop()!();
    await (await holding).body.text();
    expect(await (await request(server.origin, { dispatcher })).body.text()).toBe(String(opened + 1));
    await until(() => pool.stats().activeConnections === 0);
  });

  it('does not keep those in line whose handler throws at once', async () => {
    const pool = pools.open({ maxConnections: 1 });
    const id = pool.getConnection(server.origin)!;
    const mistake = new Error('a mistake');
    const told = new Promise((resolve) => {
      const handler = {
        onConnect: () => {
          throw mistake;
        },
        onError: resolve,
      };
      pool.dispatcher.dispatch({ origin: server.origin, path: '/', method: 'GET' }, handler);
    });
    await expect(told).resolves.toBe(mistake);
    expect(pool.stats().waiting).toBe(0);
    pool.returnConnection(id);
  });

  it('is the end of the pool when it is closed or destroyed', async () => {
    const pool = pools.open();
    const holding = request(`${server.origin}/hold`, { dispatcher: pool.dispatcher });
    await until(() => held.length === 1);
    const closing = pool.dispatcher.close();
    await expect(request(server.origin, { dispatcher: pool.dispatcher })).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    held.pop()!();
    expect(await (await holding).body.text()).toBe('held');
    await closing;
    const another = pools.open();
    const lost = request(`${server.origin}/hold`, { dispatcher: another.dispatcher });
    await until(() => held.length === 1);
    await Promise.all([another.dispatcher.destroy(), expect(lost).rejects.toMatchObject({ code: 'POOL_CLOSED' })]);
    held.length = 0;
  });
});
