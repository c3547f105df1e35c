import { fetch as undiciFetch, request, stream } from 'undici';
import { Writable } from 'node:stream';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';

/** A name server that does not answer: a connection to this host is never open. */
const lookup = (): void => {};
const NOWHERE = 'http://nowhere.test';

describe.each(engineNames())('a request that is aborted while its connection is being opened, %s', (engine) => {
  const pools = new TestPools(engine);
  afterAll(() => pools.close());
  const reason = new Error('enough');

  it.each<[string, (pool: ReturnType<TestPools['open']>, signal: AbortSignal) => Promise<unknown>]>([
    ['use', (pool, signal) => pool.use(NOWHERE, (connection) => connection.request({ path: '/', signal }))],
    ['undici’s request', ({ dispatcher }, signal) => request(NOWHERE, { dispatcher, signal })],
    ['undici’s fetch', ({ dispatcher }, signal) => undiciFetch(NOWHERE, { dispatcher, signal })],
    ['fetch', ({ dispatcher }, signal) => fetch(NOWHERE, { dispatcher, signal })],
    ['undici’s stream', ({ dispatcher }, signal) => stream(NOWHERE, { dispatcher, signal, method: 'GET' }, () => new Writable())],
  ])('ends at once, and its connection with it: %s', async (_, send) => {
    const pool = pools.open({ tls: { lookup } });
    const control = new AbortController();
    const sent = send(pool, control.signal);
    await until(() => pool.stats().activeConnections === 1);
    control.abort(reason);
    await expect(sent).rejects.toBe(reason);
    await until(() => pool.stats().totalConnections === 0);
  });

  it('ends at once where it was aborted before, or for no reason that is an error', async () => {
    const pool = pools.open({ tls: { lookup } });
    const id = pool.getConnection(NOWHERE)!;
    await expect(pool.request(id, { path: '/', signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const control = new AbortController();
    const sent = pool.request(id, { path: '/', signal: control.signal });
    control.abort('words');
    await expect(sent).rejects.toMatchObject({ code: 'UND_ERR_ABORTED' });
    pool.returnConnection(id);
    expect(pool.stats().totalConnections).toBe(0);
  });

  it('makes room for those who wait', async () => {
    const server = await TaggedServer.listen((_, response) => response.end('answer'));
    const { port } = new URL(server.origin);
    let answers = false;
    const later = (_: string, __: object, done: (error: null, addresses: { address: string; family: number }[]) => void): void => {
      if (answers) done(null, [{ address: '127.0.0.1', family: 4 }]);
    };
    const pool = pools.open({ maxConnections: 1, tls: { lookup: later } });
    const control = new AbortController();
    const { dispatcher } = pool;
    const first = request(`${NOWHERE}:${port}`, { dispatcher, signal: control.signal });
    const second = request(`${NOWHERE}:${port}`, { dispatcher });
    await until(() => pool.stats().waiting === 1);
    answers = true;
    control.abort(reason);
    await expect(first).rejects.toBe(reason);
    expect(await (await second).body.text()).toBe('answer');
    // It was about another lease.
    control.abort(reason);
    await until(() => pool.stats().idleConnections === 1);
    await server.close();
  });
});
