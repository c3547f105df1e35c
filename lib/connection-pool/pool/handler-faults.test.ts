import type { EventEmitter } from 'node:events';
import type { Dispatcher } from 'undici';
import { request } from 'undici';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';

describe.each(engineNames())('a handler that throws, %s', (engine) => {
  const lines: string[] = [];
  const logger = { log: () => {}, warn: () => {}, error: (line: string) => void lines.push(line) };
  const pools = new TestPools(engine, {}, logger);
  let server: TaggedServer;
  const mistake = new Error('a mistake in a handler');
  const mistaken = (): never => {
    throw mistake;
  };

  beforeAll(async () => {
    server = await TaggedServer.listen((request, response) => {
      if (request.url === '/reset') request.socket.destroy();
      else if (request.url === '/cut') response.writeHead(200, { 'content-length': 10 }).write('half', () => request.socket.destroy());
      else response.end('whole');
    });
  });
  beforeEach(() => void (lines.length = 0));
  afterAll(async () => {
    await pools.close();
    await server.close();
  });

  /** Sends to a path; `at`: the calls of the handler that throw. */
  function send(dispatcher: Dispatcher, path: string, at: readonly (keyof Dispatcher.DispatchHandler)[]): void {
    const silent: Dispatcher.DispatchHandler = {
      onRequestStart: () => {},
      onResponseStart: () => {},
      onResponseData: () => {},
      onResponseEnd: () => {},
      onResponseError: () => {},
    };
    const handler = { ...silent, ...Object.fromEntries(at.map((name) => [name, mistaken])) };
    dispatcher.dispatch({ origin: server.origin, path, method: 'GET' }, handler);
  }

  it.each<[string, string, (keyof Dispatcher.DispatchHandler)[], number?]>([
    ['is told that its connection is reset', '/reset', ['onResponseError']],
    ['is told that its answer is cut', '/cut', ['onResponseError']],
    ['is told of its own mistake at the start', '/', ['onRequestStart', 'onResponseError']],
    ['is told of its own mistake in the head', '/', ['onResponseStart', 'onResponseError']],
    ['is told of its own mistake in the answer', '/', ['onResponseData', 'onResponseError']],
    // undici takes that one for an error of the connection, which is closed.
    ['is told of its own mistake at the end', '/', ['onResponseEnd', 'onResponseError'], 0],
  ])('ends nothing when it %s: others go on, and all connections come back', async (_, path, at, logged = 1) => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 2 });
    send(pool.dispatcher, path, at);
    const others = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { statusCode, body } = await request(server.origin, { dispatcher: pool.dispatcher });
        await body.dump();
        return statusCode;
      }),
    );
    expect(others).toEqual(new Array(10).fill(200));
    await until(() => pool.stats().activeConnections === 0);
    const line: unknown = expect.stringContaining("Connection pool: a request's error handler threw (Error: a mistake in a handler");
    expect(lines).toEqual(new Array(logged).fill(line));
  });

  it('is passed to a listener, and then not logged', async () => {
    const pool = pools.open();
    const told: unknown[] = [];
    (pool.dispatcher as EventEmitter).on('error', (error: unknown) => told.push(error));
    send(pool.dispatcher, '/reset', ['onResponseError']);
    await until(() => told.length > 0 && pool.stats().activeConnections === 0);
    expect([told, lines]).toEqual([[mistake], []]);
  });
});
