import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';
import type { ConnectionPoolService } from '../connection-pool.service.js';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A server that says what it likes. */
async function rawServer(
  onRequest: (socket: Socket, request: string) => void,
  onConnection: (socket: Socket) => void = () => {},
): Promise<{ server: Server; origin: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('close', () => sockets.delete(socket)).on('data', (data) => onRequest(socket, data.toString('latin1')));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

describe.each(engineNames())('faults, %s', (engine) => {
  const pools = new TestPools(engine);
  const raws: Awaited<ReturnType<typeof rawServer>>[] = [];
  const raw = async (...does: Parameters<typeof rawServer>): ReturnType<typeof rawServer> => {
    const made = await rawServer(...does);
    raws.push(made);
    return made;
  };
  afterAll(async () => {
    await pools.close();
    for (const { server, sockets } of raws) {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  const get = (pool: ConnectionPoolService, origin: string): Promise<string> =>
    pool.use(origin, async (connection) => (await connection.request({ path: '/' })).body.text());

  it('a peer that closes idle connections is never asked on one of them', async () => {
    const { origin, sockets } = await raw((socket) => void socket.write(OK));
    const pool = pools.open();
    await Promise.all([get(pool, origin), get(pool, origin), get(pool, origin)]);
    expect(pool.stats().idleConnections).toBe(3);
    for (const socket of sockets) socket.end();
    await until(() => pool.stats().totalConnections === 0);
    // And in the same turn of the event loop, when this process cannot know it yet.
    for (let round = 0; round < 30; round++) {
      await expect(get(pool, origin)).resolves.toBe('ok');
      for (const socket of sockets) {
        if (round % 2 === 0) socket.end();
        else socket.destroy();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('a peer that refuses before anything was asked is heard', async () => {
    let refuses = true;
    const { origin, sockets } = await raw(
      (socket) => void socket.write(OK),
      (socket) => {
        if (refuses) socket.end('HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      },
    );
    const pool = pools.open();
    const [leased, idle] = [pool.getConnection(origin)!, pool.getConnection(origin)!];
    pool.returnConnection(idle);
    await until(() => pool.stats().idleConnections === 0 && sockets.size === 0);
    expect(pool.healthCheck(leased)).toBe(false);
    refuses = false;
    const { body } = await pool.request(leased, { path: '/' });
    expect(await body.text()).toBe('ok');
    pool.returnConnection(leased);
  });

  it('a keep-alive time that the peer announces is kept, with a margin', async () => {
    const { origin, sockets } = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nkeep-alive: timeout=2\r\ncontent-length: 2\r\n\r\nok');
    });
    const pool = pools.open();
    await get(pool, origin);
    // Two seconds less two: not worth keeping.
    await until(() => pool.stats().totalConnections === 0 && sockets.size === 0);
  });

  it('a reset in the middle of an answer is an error of that answer alone', async () => {
    const { origin } = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
      setImmediate(() => socket.resetAndDestroy());
    });
    const pool = pools.open();
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => get(pool, origin)));
    expect(results.map((result) => result.status)).toEqual(Array.from({ length: 10 }, () => 'rejected'));
    await until(() => pool.stats().totalConnections === 0);
  });

  it.each([
    ['garbage', 'this is not HTTP\r\n\r\n', /HTTPParserError/],
    ['a cut head', 'HTTP/1.1 200 OK\r\ncontent-le', /UND_ERR_SOCKET/],
    ['too long a head', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, /UND_ERR_HEADERS_OVERFLOW/],
    ['nothing at all', '', /UND_ERR_SOCKET/],
  ])('%s is an error with a name or code', async (_, text, code) => {
    const { origin } = await raw((socket) => socket.end(text));
    const pool = pools.open();
    await expect(get(pool, origin)).rejects.toMatchObject({
      [code.source.startsWith('UND_') ? 'code' : 'name']: expect.stringMatching(code) as string,
    });
    await until(() => pool.stats().totalConnections === 0);
  });

  it('a peer that says something unasked loses its connection', async () => {
    const { origin, sockets } = await raw((socket) => void socket.write(OK));
    const pool = pools.open();
    await get(pool, origin);
    for (const socket of sockets) socket.write(OK);
    await until(() => pool.stats().totalConnections === 0);
  });

  it('a peer that hangs is given up after headersTimeoutMs', async () => {
    const { origin } = await raw(() => {});
    const pool = pools.open({ headersTimeoutMs: 100 });
    await expect(get(pool, origin)).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
    await until(() => pool.stats().totalConnections === 0);
  });

  it('a peer that is not there, or never connects, is an error of the socket', async () => {
    const pool = pools.open();
    await expect(get(pool, 'http://127.0.0.1:9')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(get(pool, 'http://a.name.that.is.invalid')).rejects.toMatchObject({
      code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) as string,
    });
    // TCP connects, TLS never does.
    const { origin } = await raw(() => {});
    const hurried = pools.open({ connectTimeoutMs: 100, tls: { rejectUnauthorized: false } });
    await expect(get(hurried, origin.replace('http:', 'https:'))).rejects.toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' });
    await until(() => pool.stats().totalConnections + hurried.stats().totalConnections === 0);
  });

  it('a server that comes back is used again', async () => {
    const first = await TaggedServer.listen((_, response) => response.end('first'));
    const pool = pools.open();
    expect(await get(pool, first.origin)).toBe('first');
    await first.close();
    await until(() => pool.stats().totalConnections === 0);
    await expect(get(pool, first.origin)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const second = await TaggedServer.listen((_, response) => response.end('second'), undefined, Number(new URL(first.origin).port));
    expect(await get(pool, first.origin)).toBe('second');
    await second.close();
  });

  it('releases every lease after many simultaneous faults', async () => {
    let turn = 0;
    const { origin, sockets } = await raw((socket) => {
      const fault = ++turn % 7;
      if (fault === 0) socket.destroy();
      else if (fault === 1) socket.resetAndDestroy();
      else if (fault === 2) socket.end('nonsense\r\n\r\n');
      else if (fault === 3) socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok');
      else if (fault === 4) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', () => socket.end());
      else socket.write(OK);
    });
    const pool = pools.open({ maxConnectionsPerEndpoint: 8, headersTimeoutMs: 2000, bodyTimeoutMs: 2000 });
    const results = await Promise.allSettled(Array.from({ length: 400 }, () => get(pool, origin)));
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(100);
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      const { name, code = name } = result.reason as NodeJS.ErrnoException;
      expect(code).toMatch(/^(UND_ERR_|HTTPParserError|ECONN|EPIPE)/);
    }
    await until(() => pool.stats().activeConnections === 0);
    expect(pool.stats().totalConnections).toBeLessThanOrEqual(8);
    await until(() => sockets.size === pool.stats().totalConnections);
    await pool.drain();
    await until(() => sockets.size === 0);
  });
});
