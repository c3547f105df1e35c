import { setTimeout as sleep } from 'node:timers/promises';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';
import type { LeasedConnection } from './lease-options.js';

const BIG = 3_000_000;

describe.each(engineNames())('use, %s', (engine) => {
  const pools = new TestPools(engine);
  let server: TaggedServer;
  let finish: (() => void) | undefined;

  beforeAll(async () => {
    server = await TaggedServer.listen((request, response, socket) => {
      if (request.url === '/big') response.end(Buffer.alloc(BIG));
      else if (request.url === '/slow') {
        response.write('first ');
        finish = () => response.end('last');
      } else if (request.url === '/echo') request.pipe(response);
      else response.end(String(socket));
    });
  });
  afterAll(async () => {
    await pools.close();
    await server.close();
  });

  it('leases a connection for as long as the work takes', async () => {
    const pool = pools.open();
    const result = await pool.use(server.origin, async (connection) => {
      expect(connection.origin).toBe(server.origin);
      expect(pool.stats().activeConnections).toBe(1);
      const first = await (await connection.request({ path: '/' })).body.text();
      const second = await (await connection.request({ path: '/echo', method: 'POST', body: 'again' })).body.text();
      return [first, second];
    });
    expect(result[1]).toBe('again');
    expect(pool.stats()).toMatchObject({ activeConnections: 0, idleConnections: 1 });
  });

  it('keeps the lease while a returned body is read', async () => {
    const pool = pools.open();
    const { body } = await pool.use(server.origin, (connection) => connection.request({ path: '/slow' }));
    expect(pool.stats()).toMatchObject({ activeConnections: 1, idleConnections: 0 });
    finish!();
    expect(await body.text()).toBe('first last');
    await until(() => pool.stats().idleConnections === 1);
  });

  it('ends with the body, when that is destroyed', async () => {
    const pool = pools.open();
    const { body } = await pool.use(server.origin, (connection) => connection.request({ path: '/slow' }));
    body.on('error', () => {}).destroy();
    await until(() => pool.stats().totalConnections === 0);
  });

  it('gives up a body that is not read', async () => {
    const pool = pools.open({ bodyTimeoutMs: 100 });
    const { body, status } = await pool.use(server.origin, async (connection) => {
      const answer = await connection.request({ path: '/big' });
      return { body: answer.body, status: answer.statusCode };
    });
    expect([status, pool.stats().activeConnections]).toEqual([200, 1]);
    // Without another call of the pool.
    const failed = new Promise((resolve) => body.once('error', resolve));
    await expect(failed).resolves.toMatchObject({ code: 'BODY_ABANDONED', origin: server.origin });
    expect(pool.stats().totalConnections).toBe(0);
    expect(pool.metrics()).toContainEqual(expect.objectContaining({ labels: { reason: 'abandoned' }, value: 1 }));
  });

  it('does not give up a body that is read slowly', async () => {
    const pool = pools.open({ bodyTimeoutMs: 2_000 });
    const { body } = await pool.use(server.origin, (connection) => connection.request({ path: '/big' }));
    let length = 0;
    for await (const chunk of body) {
      // Ends long after the limit; no single pause comes near it.
      if (length % 300_000 < (chunk as Buffer).length) await sleep(250);
      length += (chunk as Buffer).length;
    }
    expect(length).toBe(BIG);
    await until(() => pool.stats().idleConnections === 1);
  });

  it('closes the connection where the work fails in the middle of an answer, and keeps it otherwise', async () => {
    const pool = pools.open();
    const boom = new Error('boom');
    await expect(
      pool.use(server.origin, async (connection) => {
        (await connection.request({ path: '/big' })).body.on('error', () => {});
        throw boom;
      }),
    ).rejects.toBe(boom);
    expect(pool.stats().totalConnections).toBe(0);
    await expect(
      pool.use(server.origin, async (connection) => {
        await (await connection.request({ path: '/' })).body.text();
        throw boom;
      }),
    ).rejects.toBe(boom);
    expect(pool.stats()).toMatchObject({ activeConnections: 0, idleConnections: 1 });
  });

  it('takes no requests after it has ended', async () => {
    const pool = pools.open();
    let kept: LeasedConnection | undefined;
    await pool.use(server.origin, async (connection) => void (kept = connection));
    await expect(kept!.request({ path: '/' })).rejects.toMatchObject({ code: 'CONNECTION_RETURNED' });
    await pool.use(server.origin, async () => {
      await expect(kept!.request({ path: '/' })).rejects.toMatchObject({ code: 'UNKNOWN_CONNECTION' });
    });
    expect(pool.stats()).toMatchObject({ activeConnections: 0, idleConnections: 1 });
  });

  it('minds a user that returns or removes the connection itself', async () => {
    const pool = pools.open();
    await pool.use(server.origin, async ({ id }) => pool.returnConnection(id));
    expect(pool.stats()).toMatchObject({ activeConnections: 0, idleConnections: 1 });
    await pool.use(server.origin, async ({ id }) => pool.removeConnection(id));
    expect(pool.stats().totalConnections).toBe(0);
  });

  it('aborts a request with its signal, and its connection with it', async () => {
    const pool = pools.open();
    const control = new AbortController();
    const reason = new Error('enough');
    const answer = pool.use(server.origin, (connection) => connection.request({ path: '/hang/never', signal: control.signal }));
    await answer.then(({ body }) => body.dump());
    const hanging = pool.use(server.origin, async (connection) => {
      const { body } = await connection.request({ path: '/slow', signal: control.signal });
      control.abort(reason);
      return body.text();
    });
    await expect(hanging).rejects.toBe(reason);
    await until(() => pool.stats().totalConnections === 0);
  });

  it('rejects an invalid request with the reason, and keeps the connection', async () => {
    const pool = pools.open();
    const wrong = [
      { path: 'no slash' },
      { path: '/', method: 'NO WAY' as 'GET' },
      { path: '/', headers: ['odd'] },
      { path: '/', bodyTimeoutMs: -1 },
    ];
    for (const options of wrong) {
      await expect(pool.use(server.origin, (connection) => connection.request(options))).rejects.toMatchObject({
        code: 'UND_ERR_INVALID_ARG',
      });
    }
    expect(pool.stats()).toMatchObject({ activeConnections: 0, idleConnections: 1 });
  });

  it('holds the time limits of a request', async () => {
    const pool = pools.open({ bodyTimeoutMs: 300 });
    await expect(
      pool.use(server.origin, async (connection) => (await connection.request({ path: '/slow' })).body.text()),
    ).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
    await until(() => pool.stats().totalConnections === 0);
  });
});
