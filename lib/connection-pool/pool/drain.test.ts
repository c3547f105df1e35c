import { setMaxListeners } from 'node:events';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';

/** What keeps a process: sockets, timers, channels. Those that are there before do not count. */
const resources = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /TCPSocket|TLS|Timeout|Immediate|MessagePort/.test(name));

describe.each(engineNames())('the end of a pool, %s', (engine) => {
  const pools = new TestPools(engine);
  let server: TaggedServer;
  const held: (() => void)[] = [];

  beforeAll(async () => {
    server = await TaggedServer.listen((request, response, socket) => {
      if (request.url === '/hold') held.push(() => response.end('held'));
      else response.end(String(socket));
    });
  });
  afterAll(async () => {
    await pools.close();
    await server.close();
  });

  it('waits for leased connections, closes the others and grants no new leases', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 2 });
    const [busy, idle] = [pool.getConnection(server.origin)!, pool.getConnection(server.origin)!];
    const answer = pool.request(busy, { path: '/hold' });
    await until(() => held.length === 1 && pool.healthCheck(idle));
    const waiting = pool.acquire(server.origin);
    pool.returnConnection(idle);
    const granted = await waiting;
    const behind = pool.acquire(server.origin);
    const drained = pool.drain({ deadlineMs: 60_000 });
    await expect(behind).rejects.toMatchObject({ code: 'POOL_CLOSED', origin: server.origin });
    await expect(pool.acquire(server.origin)).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await expect(pool.use(server.origin, async () => {})).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    expect(() => pool.getConnection(server.origin)).toThrow(expect.objectContaining({ code: 'POOL_CLOSED' }));
    expect(pool.stats()).toMatchObject({ activeConnections: 2, idleConnections: 0, waiting: 0 });
    pool.returnConnection(granted);
    // A lease that is running goes on.
    held.pop()!();
    expect(await (await answer).body.text()).toBe('held');
    pool.returnConnection(busy);
    await drained;
    expect(pool.stats().totalConnections).toBe(0);
    await until(() => server.open === 0);
    await pool.drain();
  });

  it('waits no longer than the deadline, which a second call may bring forward', async () => {
    const pool = pools.open();
    const id = pool.getConnection(server.origin)!;
    const answer = pool.request(id, { path: '/hold' });
    await until(() => held.length === 1);
    // Of so long a time a timer would make nothing.
    const first = pool.drain({ deadlineMs: Number.MAX_SAFE_INTEGER });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(pool.stats().activeConnections).toBe(1);
    const second = pool.drain({ deadlineMs: 10 });
    await expect(answer).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await Promise.all([first, second]);
    expect(() => pool.returnConnection(id)).toThrow(expect.objectContaining({ code: 'UNKNOWN_CONNECTION' }));
    await until(() => server.open === 0);
    held.length = 0;
  });

  it('grants no lease to callers that retry while they are being rejected', async () => {
    const pool = pools.open({ maxConnectionsPerEndpoint: 1 });
    const other = await TaggedServer.listen((_, response) => response.end('other'));
    const id = pool.getConnection(server.origin)!;
    pool.returnConnection(pool.getConnection(other.origin)!);
    const again = new Promise<Error>((resolve) => {
      const ask = (origin: string, onResponseError: () => void): void =>
        void pool.dispatcher.dispatch({ origin, path: '/', method: 'GET' }, { onRequestStart: () => {}, onResponseError });
      ask(server.origin, () => ask(other.origin, (...[, error]: [unknown?, Error?]) => resolve(error!)));
    });
    const drained = pool.drain({ deadlineMs: 60_000 });
    await expect(again).resolves.toMatchObject({ code: 'POOL_CLOSED', origin: other.origin });
    pool.returnConnection(id);
    await drained;
    expect(other.requests).toBe(0);
    await other.close();
  });

  it('leaves no socket, timer, listener or channel', async () => {
    const before = resources();
    for (let round = 0; round < 3; round++) {
      const pool = pools.open({ sharedAs: `drained ${engine}`, maxConnections: 6, maxConnectionsPerEndpoint: 6, maxIdleMs: 50 });
      const control = new AbortController();
      setMaxListeners(0, control.signal);
      const add = jest.spyOn(control.signal, 'addEventListener');
      const remove = jest.spyOn(control.signal, 'removeEventListener');
      const work = Array.from({ length: 60 }, (_, index) =>
        pool.use(
          server.origin,
          async (connection) => {
            const { body } = await connection.request({ path: '/', signal: index % 2 === 0 ? control.signal : undefined });
            return index % 5 === 0 ? body : body.text();
          },
          { signal: control.signal, timeoutMs: 5000 },
        ),
      );
      for (const result of await Promise.all(work)) if (typeof result === 'object') await result.dump();
      // A connection that is still connecting, and one to a closed port.
      pool.getConnection(server.origin);
      pool.getConnection('http://127.0.0.1:9');
      await pool.drain({ deadlineMs: 0 });
      expect(pool.stats()).toMatchObject({ totalConnections: 0, waiting: 0 });
      await until(() => remove.mock.calls.length >= add.mock.calls.length);
    }
    await until(() => server.open === 0);
    const left = resources();
    for (const name of before) left.splice(left.indexOf(name), left.includes(name) ? 1 : 0);
    // The server's own keep-alive look-out and undici's clock for time-outs, of which there is one
    // per process, come and go by themselves.
    expect(left.filter((name) => name !== 'Timeout' && name !== 'Immediate')).toEqual([]);
  });
});
