import { TestPools } from '../../test/support/connection-pool-engines.js';
import { engineNames } from '../../test/support/engine-names.js';
import { TaggedServer } from '../../test/support/connection-pool-server.js';
import { until } from '../../test/support/until.js';
import type { ConnectionPoolService } from './connection-pool.service.js';

describe.each(engineNames())('leases, %s', (engine) => {
  let aheadMs = 0;
  const pools = new TestPools(engine, undefined, undefined, { now: () => performance.now() + aheadMs });
  let server: TaggedServer;
  /** Answers of `/hold` that are held back. */
  const held: (() => void)[] = [];

  beforeAll(async () => {
    server = await TaggedServer.listen((request, response, socket) => {
      if (request.url === '/hold') held.push(() => response.end('held'));
      else if (request.url === '/close') response.setHeader('connection', 'close').end('closing');
      else response.end(String(socket));
    });
  });
  afterAll(async () => {
    await pools.close();
    await server.close();
  });

  const read = async (pool: ConnectionPoolService, id: number, path = '/'): Promise<string> => {
    const { body } = await pool.request(id, { path });
    return body.text();
  };

  it('are of real sockets, which stay open and are used again', async () => {
    const pool = pools.open();
    const opened = server.opened;
    const first = pool.getConnection(server.origin)!;
    expect(first).toBeGreaterThan(0);
    expect(pool.stats()).toMatchObject({ activeConnections: 1, idleConnections: 0, totalConnections: 1 });
    // Without any request.
    await until(() => server.opened === opened + 1 && pool.healthCheck(first));
    const socket = await read(pool, first);
    expect(await read(pool, first)).toBe(socket);
    pool.returnConnection(first);
    const second = pool.getConnection(`${server.origin}/v1/models?a=1`)!;
    expect(second).not.toBe(first);
    expect(await read(pool, second)).toBe(socket);
    expect(server.opened).toBe(opened + 1);
    pool.returnConnection(second);
    expect(pool.stats()).toEqual({
      activeConnections: 0,
      idleConnections: 1,
      totalConnections: 1,
      maxTotalConnections: 1_000,
      maxConnectionsPerEndpoint: 500,
      waiting: 0,
      endpoints: {
        [server.origin]: { activeConnections: 0, availableConnections: 1, totalConnections: 1, maxConnections: 500, waiting: 0 },
      },
    });
  });

  it('are refused at the caps, which count leased and idle connections', () => {
    const pool = pools.open({ maxConnections: 3, maxConnectionsPerEndpoint: 2 });
    const [other, third] = ['http://127.0.0.1:9', 'http://127.0.0.1:10'];
    const ids = [pool.getConnection(server.origin), pool.getConnection(server.origin)];
    expect(pool.getConnection(server.origin)).toBeNull();
    ids.push(pool.getConnection(other));
    expect(pool.getConnection(other)).toBeNull();
    pool.returnConnection(ids[0]!);
    expect(pool.getConnection(third)).toBeNull();
    pool.removeConnection(ids[1]!);
    expect(pool.getConnection(third)).not.toBeNull();
    expect(pool.stats()).toMatchObject({ activeConnections: 2, idleConnections: 1, totalConnections: 3 });
  });

  it('end once: a second time, and for a stranger, it is an error that changes nothing', async () => {
    const pool = pools.open();
    const id = pool.getConnection(server.origin)!;
    pool.returnConnection(id);
    const before = pool.stats();
    expect(() => pool.returnConnection(id)).toThrow(expect.objectContaining({ code: 'CONNECTION_RETURNED', path: 'id' }));
    await expect(pool.request(id, { path: '/' })).rejects.toMatchObject({ code: 'CONNECTION_RETURNED' });
    const next = pool.getConnection(server.origin)!;
    for (const wrong of [id, 0, -5, 4_000_000, 1.5, NaN, '7' as unknown as number, undefined as unknown as number]) {
      expect(() => pool.returnConnection(wrong)).toThrow(expect.objectContaining({ code: 'UNKNOWN_CONNECTION' }));
      expect(() => pool.removeConnection(wrong)).toThrow(expect.objectContaining({ code: 'UNKNOWN_CONNECTION' }));
    }
    pool.returnConnection(next);
    expect(pool.stats()).toEqual(before);
  });

  it.each(['api.openai.com', 'localhost:3000', '', 'ftp://a', '//a', 'http://', 7 as unknown as string, undefined as unknown as string])(
    'are refused for %j',
    (endpoint) => {
      const pool = pools.open();
      expect(() => pool.getConnection(endpoint)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'endpoint' }));
      expect(pool.stats().totalConnections).toBe(0);
    },
  );

  it('never show a password', () => {
    const pool = pools.open();
    expect(() => pool.getConnection('me:secret@host')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') as string }),
    );
    pool.getConnection('http://me:secret@127.0.0.1:9/');
    expect(JSON.stringify([pool.stats(), pool.metrics(), pool.health()])).not.toContain('secret');
  });

  it('know a connection by its id until it is leased again', async () => {
    const pool = pools.open();
    const id = pool.getConnection(server.origin)!;
    expect(pool.healthCheck(id)).toBe(false);
    await until(() => pool.healthCheck(id));
    pool.returnConnection(id);
    expect(pool.healthCheck(id)).toBe(true);
    const again = pool.getConnection(server.origin)!;
    expect([pool.healthCheck(id), pool.healthCheck(again), pool.healthCheck(12345)]).toEqual([false, true, false]);
    expect(() => pool.healthCheck('1' as unknown as number)).toThrow(expect.objectContaining({ path: 'id' }));
    pool.returnConnection(again);
    pool.removeConnection(again);
    expect([pool.healthCheck(again), pool.stats().totalConnections]).toEqual([false, 0]);
  });

  it('wait for requests in flight when they end', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 1 });
    const id = pool.getConnection(server.origin)!;
    const answer = read(pool, id, '/hold');
    await until(() => held.length === 1);
    pool.returnConnection(id);
    expect(pool.stats()).toMatchObject({ activeConnections: 1, idleConnections: 0 });
    expect(pool.getConnection(server.origin)).toBeNull();
    expect(() => pool.returnConnection(id)).toThrow(expect.objectContaining({ code: 'CONNECTION_RETURNED' }));
    const waiting = pool.acquire(server.origin);
    held.pop()!();
    await expect(answer).resolves.toBe('held');
    const next = await waiting;
    expect(server.overlaps).toBe(0);
    pool.returnConnection(next);
  });

  it('send one request after the other on one socket', async () => {
    const pool = pools.open();
    const id = pool.getConnection(server.origin)!;
    const answers = await Promise.all(Array.from({ length: 20 }, () => read(pool, id)));
    expect(new Set(answers).size).toBe(1);
    expect(server.overlaps).toBe(0);
    pool.returnConnection(id);
  });

  it('do not keep state that a peer does not keep', async () => {
    const pool = pools.open();
    const id = pool.getConnection(server.origin)!;
    expect(await read(pool, id, '/close')).toBe('closing');
    pool.returnConnection(id);
    await until(() => pool.stats().totalConnections === 0);
    expect(pool.metrics()).toContainEqual(
      expect.objectContaining({ name: 'connection_pool_closed_total', labels: { reason: 'lost' }, value: 1 }),
    );
  });

  it('end idle after maxIdleMs and maxAgeMs, by themselves', async () => {
    const pool = pools.open({ maxIdleMs: 60 });
    const id = pool.getConnection(server.origin)!;
    await read(pool, id);
    pool.returnConnection(id);
    await until(() => pool.stats().totalConnections === 0);
    const aged = pools.open({ maxAgeMs: 60_000 });
    const [first, second] = [aged.getConnection(server.origin)!, aged.getConnection(server.origin)!];
    await Promise.all([read(aged, first), read(aged, second)]);
    aged.returnConnection(first);
    aheadMs += 60_000;
    expect(aged.cleanup()).toBe(1);
    expect(aged.stats()).toMatchObject({ activeConnections: 1, idleConnections: 0 });
    aged.returnConnection(second);
    expect(aged.stats().totalConnections).toBe(0);
  });

  it('are swept when others are asked for, without a timer', async () => {
    const pool = pools.open({ maxIdleMs: 50 });
    // Never connected to anything that undici's own timer would close.
    const id = pool.getConnection(server.origin)!;
    await until(() => pool.healthCheck(id));
    pool.returnConnection(id);
    await new Promise((resolve) => setTimeout(resolve, 80));
    const other = pool.getConnection('http://127.0.0.1:9')!;
    expect(Object.keys(pool.stats().endpoints)).toEqual(['http://127.0.0.1:9']);
    pool.removeConnection(other);
  });

  it('report their health from an operation with a known result', async () => {
    const pool = pools.open();
    expect(pool.health()).toMatchObject({ status: 'ok', engine });
    await pool.drain();
    expect(pool.health()).toMatchObject({ status: 'down', reason: 'the pool is drained' });
  });
});
