import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';

describe.each(engineNames())('waiting for a connection, %s', (engine) => {
  const warnings: string[] = [];
  const logger = { log: () => {}, warn: (message: string) => void warnings.push(message), error: () => {} };
  const pools = new TestPools(engine, {}, logger, { logger });
  let server: TaggedServer;
  let other: TaggedServer;

  beforeAll(async () => {
    [server, other] = await Promise.all([1, 2].map(() => TaggedServer.listen((_, response, socket) => response.end(String(socket)))));
  });
  afterAll(async () => {
    await pools.close();
    await Promise.all([server.close(), other.close()]);
  });

  it('is first come, first served', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 2 });
    const ids = [pool.getConnection(server.origin)!, pool.getConnection(server.origin)!];
    const served: number[] = [];
    const waiting = Array.from({ length: 10 }, async (_, index) => {
      const id = await pool.acquire(server.origin);
      served.push(index);
      return id;
    });
    await until(() => pool.stats().waiting === 10);
    expect(pool.stats().endpoints[server.origin]).toMatchObject({ waiting: 10, activeConnections: 2 });
    expect(pool.getConnection(server.origin)).toBeNull();
    for (const id of ids) pool.returnConnection(id);
    for (const one of waiting) pool.returnConnection(await one);
    expect(served).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const value = (metric: string) => pool.metrics().find(({ name }) => name === `connection_pool_${metric}`)?.value;
    expect(value('waits_total')).toBe(10);
    expect(value('wait_seconds_total')).toBeGreaterThan(0);
    expect(pool.stats()).toMatchObject({ waiting: 0, activeConnections: 0, idleConnections: 2 });
  });

  it('logs a long wait once, with the options that would have avoided it', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 1 });
    const real = performance.now.bind(performance);
    let aheadMs = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => real() + aheadMs);
    const told = warnings.length;
    try {
      for (const waitMs of [10, 1_500, 1_500]) {
        const held = pool.getConnection(server.origin)!;
        const waiting = pool.acquire(server.origin);
        aheadMs += waitMs;
        pool.returnConnection(held);
        pool.returnConnection(await waiting);
      }
    } finally {
      clock.mockRestore();
    }
    expect(warnings.slice(told)).toEqual([
      expect.stringMatching(
        /to http:\/\/127\.0\.0\.1:\d+ waited 15\d\d ms .*maxConnectionsPerEndpoint is 1, connectionPool.maxConnections is 1000\);/,
      ),
    ]);
  });

  it('is in one line for all endpoints where the pool is full, and idle connections elsewhere make room', async () => {
    const pool = pools.open({ maxConnections: 2, maxConnectionsPerEndpoint: 2 });
    const [a, b] = [pool.getConnection(server.origin)!, pool.getConnection(server.origin)!];
    const order: string[] = [];
    const take = async (origin: string, name: string): Promise<number> => {
      const id = await pool.acquire(origin);
      order.push(name);
      return id;
    };
    const waiting = [take(other.origin, 'other'), take(server.origin, 'same'), take(other.origin, 'other again')];
    await until(() => pool.stats().waiting === 3);
    pool.returnConnection(a);
    pool.returnConnection(await waiting[0]);
    pool.returnConnection(b);
    const [, same, again] = await Promise.all(waiting);
    expect(order).toEqual(['other', 'same', 'other again']);
    pool.returnConnection(same);
    pool.returnConnection(again);
    // Full of idle connections: no request waits for those.
    const third = await pool.acquire('http://127.0.0.1:9');
    expect(pool.stats()).toMatchObject({ totalConnections: 2, activeConnections: 1 });
    pool.removeConnection(third);
  });

  it('ends even if every connection of a full pool is requested again at once', async () => {
    const pool = pools.open({ maxConnections: 2, maxConnectionsPerEndpoint: 2 });
    let isOver = false;
    let asked = 0;
    const ask = async (): Promise<void> => {
      while (!isOver && asked++ < 2_000) {
        const { body } = await pool.dispatcher.request({ origin: server.origin, path: '/', method: 'GET' });
        await body.text();
      }
    };
    const asking = [ask(), ask()];
    await until(() => asked > 20);
    const id = await pool.acquire(other.origin);
    const before = asked;
    isOver = true;
    pool.returnConnection(id);
    await Promise.all(asking);
    expect(before).toBeLessThan(1_000);
  });

  it('ends after timeoutMs, and leaves the line in order', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 1, acquireTimeoutMs: 20 });
    const id = pool.getConnection(server.origin)!;
    const patient = pool.acquire(server.origin, { timeoutMs: 0 });
    await expect(pool.acquire(server.origin)).rejects.toMatchObject({ code: 'POOL_TIMEOUT', timeoutMs: 20, origin: server.origin });
    await expect(pool.acquire(server.origin, { timeoutMs: 5 })).rejects.toMatchObject({ code: 'POOL_TIMEOUT', timeoutMs: 5 });
    await expect(pool.acquire(server.origin, { timeoutMs: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', path: 'timeoutMs' });
    await expect(pool.acquire('nowhere')).rejects.toMatchObject({ path: 'endpoint' });
    expect(pool.stats().waiting).toBe(1);
    pool.returnConnection(id);
    pool.returnConnection(await patient);
    expect(pool.metrics()).toContainEqual(expect.objectContaining({ name: 'connection_pool_timeouts_total', value: 2 }));
  });

  it('ends with the signal, before and while it waits, and listens no longer than that', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 1 });
    const id = pool.getConnection(server.origin)!;
    const reason = new Error('the client is gone');
    await expect(pool.acquire(server.origin, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const control = new AbortController();
    const remove = jest.spyOn(control.signal, 'removeEventListener');
    const waiting = pool.acquire(server.origin, { signal: control.signal });
    const behind = pool.acquire(server.origin, { signal: control.signal });
    await until(() => pool.stats().waiting === 2);
    pool.returnConnection(id);
    const granted = await waiting;
    expect(remove).toHaveBeenCalledTimes(1);
    control.abort(reason);
    await expect(behind).rejects.toBe(reason);
    expect(pool.stats()).toMatchObject({ waiting: 0, activeConnections: 1 });
    pool.returnConnection(granted);
  });

  it('gets the place of a connection that is removed or lost', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 1 });
    const id = pool.getConnection(server.origin)!;
    const waiting = pool.acquire(server.origin);
    await until(() => pool.stats().waiting === 1);
    pool.removeConnection(id);
    const next = await waiting;
    await until(() => pool.healthCheck(next));
    const last = pool.acquire(server.origin);
    // A client can be connected before its server knows.
    await until(() => {
      server.endAll();
      return !pool.healthCheck(next);
    });
    pool.returnConnection(next);
    expect((await pool.request(await last, { path: '/' })).statusCode).toBe(200);
  });

  it('keeps the caps with a thousand at once, and no two on one socket', async () => {
    const pool = pools.open({ maxConnections: 12, maxConnectionsPerEndpoint: 8 });
    let most = 0;
    const users = new Map<string, number>();
    const work = Array.from({ length: 1000 }, async (_, index) => {
      const { origin } = index % 3 === 0 ? other : server;
      return pool.use(origin, async (connection) => {
        const { activeConnections, totalConnections, endpoints } = pool.stats();
        most = Math.max(most, totalConnections, activeConnections);
        for (const { totalConnections: count } of Object.values(endpoints)) expect(count).toBeLessThanOrEqual(8);
        const socket = `${origin} ${await (await connection.request({ path: '/' })).body.text()}`;
        users.set(socket, (users.get(socket) ?? 0) + 1);
        if (index % 50 === 0) throw new Error('a user that fails');
      });
    });
    const results = await Promise.allSettled(work);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(20);
    expect(most).toBe(12);
    expect([server.overlaps, other.overlaps]).toEqual([0, 0]);
    expect(Array.from(users.values()).reduce((sum, count) => sum + count, 0)).toBe(1000);
    expect(pool.stats()).toMatchObject({ activeConnections: 0, waiting: 0, idleConnections: pool.stats().totalConnections });
  });
});
