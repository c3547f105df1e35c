import { makeCertificates } from '../../../test/support/certificates.js';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { until } from '../../../test/support/until.js';
import { ProxyServer } from '../../../test/support/proxy-server.js';
import type { ConnectionPoolService } from '../connection-pool.service.js';

const { ca, cert, key } = makeCertificates('localhost');

describe.each(engineNames())('ways to an endpoint, %s', (engine) => {
  const pools = new TestPools(engine);
  let plain: TaggedServer;
  let secure: TaggedServer;
  let proxy: ProxyServer;

  beforeAll(async () => {
    const answer: Parameters<typeof TaggedServer.listen>[0] = (request, response, socket) =>
      void response.end(`${socket} ${request.headers.host} ${request.headers['proxy-authorization'] ?? 'none'}`);
    plain = await TaggedServer.listen(answer);
    secure = await TaggedServer.listen(answer, { cert, key });
  });
  beforeEach(async () => (proxy = await ProxyServer.listen()));
  afterEach(() => proxy.close());
  afterAll(async () => {
    await pools.close();
    await Promise.all([plain.close(), secure.close()]);
  });

  const get = (pool: ConnectionPoolService, origin: string, headers?: Record<string, string>): Promise<string> =>
    pool.use(origin, async (connection) => (await connection.request({ path: '/', headers })).body.text());

  it('is TLS, with an authority of one’s own, and a session that is used again', async () => {
    const pool = pools.open({ tls: { ca } });
    expect(await get(pool, secure.origin)).toContain(new URL(secure.origin).host);
    const id = pool.getConnection(secure.origin)!;
    expect(pool.healthCheck(id)).toBe(true);
    pool.returnConnection(id);
    secure.endAll();
    await until(() => pool.stats().totalConnections === 0);
    expect(await get(pool, secure.origin)).toContain('localhost');
  });

  it('is one socket where a request names another host while that of the endpoint is being connected to', async () => {
    const pool = pools.open({ tls: { ca } });
    const before = secure.open;
    expect(await get(pool, secure.origin, { host: 'localhost' })).toContain('localhost');
    await until(() => secure.open === before + 1);
    await pool.drain();
    await until(() => secure.open === before);
  });

  it('is not TLS with a stranger, or under another name', async () => {
    const pool = pools.open();
    await expect(get(pool, secure.origin)).rejects.toMatchObject({ code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) as string });
    const named = pools.open({ tls: { ca, servername: 'elsewhere' } });
    await expect(get(named, secure.origin)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await until(() => pool.stats().totalConnections + named.stats().totalConnections === 0);
  });

  it('is through a plain proxy for http:, which alone hears its password', async () => {
    const pool = pools.open({ proxy: proxy.url.replace('://', '://me:se%20cret@') });
    const { host } = new URL(plain.origin);
    expect(await get(pool, plain.origin)).toMatch(new RegExp(`^\\d+ ${host} none$`));
    expect(await get(pool, `${plain.origin}/`, { accept: 'text/plain' })).toContain(host);
    expect(proxy.asked).toEqual([`GET ${plain.origin}/`, `GET ${plain.origin}/`]);
    expect(proxy.authorization).toBe(`Basic ${Buffer.from('me:se cret').toString('base64')}`);
    for (const headers of [['accept', 'a'], new Map([['accept', 'b']]), undefined]) {
      await pool.use(plain.origin, async (connection) => (await connection.request({ path: '/', headers })).body.dump());
      expect(proxy.authorization).toMatch(/^Basic /);
    }
    expect(JSON.stringify([pool.stats(), pool.health()])).not.toContain('cret');
  });

  it('is through a tunnel for https:', async () => {
    const pool = pools.open({ proxy: { https: proxy.url.replace('://', '://me:secret@') }, tls: { ca } });
    const { host } = new URL(secure.origin);
    const [first] = (await get(pool, secure.origin)).split(' ');
    expect(await get(pool, secure.origin)).toBe(`${first} ${host} none`);
    expect(proxy.asked).toEqual([`CONNECT ${host}`]);
    expect(proxy.authorization).toMatch(/^Basic /);
    const opened = plain.opened;
    await get(pool, plain.origin);
    expect([plain.opened, proxy.asked.length]).toEqual([opened + 1, 1]);
    secure.endAll();
    await until(() => pool.stats().endpoints[secure.origin] === undefined);
    expect(await get(pool, secure.origin)).toContain(host);
  });

  it('ends where a proxy refuses, hangs up or is not there', async () => {
    const pool = pools.open({ proxy: proxy.url, tls: { ca } });
    proxy.refusal = 407;
    await expect(get(pool, secure.origin)).rejects.toMatchObject({ code: 'PROXY_REFUSED', statusCode: 407 });
    const nowhere = pools.open({ proxy: 'http://127.0.0.1:9', tls: { ca } });
    await expect(get(nowhere, secure.origin)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(get(nowhere, plain.origin)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await until(() => pool.stats().totalConnections + nowhere.stats().totalConnections === 0);
  });

  it.each(['proxy', 'tunnel'] as const)('ends with its connection where a %s says nothing', async (silence) => {
    proxy.silence = silence;
    const pool = pools.open({ proxy: proxy.url, tls: { ca } });
    const [unused, asked] = [pool.getConnection(secure.origin)!, pool.getConnection(secure.origin)!];
    const answer = pool.request(asked, { path: '/' });
    await until(() => proxy.asked.length === 2 && proxy.open === 2);
    pool.removeConnection(unused);
    await until(() => proxy.open === 1);
    await Promise.all([pool.drain({ deadlineMs: 0 }), expect(answer).rejects.toMatchObject({ code: 'POOL_CLOSED' })]);
    await until(() => proxy.open === 0);
    const patient = pools.open({ proxy: proxy.url, tls: { ca } });
    const [control, reason] = [new AbortController(), new Error('enough')];
    const aborted = patient.use(secure.origin, (connection) => connection.request({ path: '/', signal: control.signal }));
    await until(() => proxy.asked.length === 3 && proxy.open === 1);
    control.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    await until(() => proxy.open === 0 && patient.stats().totalConnections === 0);
    const hasty = pools.open({ proxy: proxy.url, tls: { ca }, connectTimeoutMs: 100 });
    await expect(get(hasty, secure.origin)).rejects.toMatchObject({
      code: expect.stringMatching(/^UND_ERR_(HEADERS|CONNECT)_TIMEOUT$/) as string,
    });
    await until(() => proxy.open === 0 && hasty.stats().totalConnections === 0);
  });

  it('comes from the environment, unless set otherwise', async () => {
    const { port } = new URL(plain.origin);
    const environments: [Record<string, string>, number][] = [
      [{ HTTP_PROXY: proxy.url }, 1],
      [{ http_proxy: proxy.url, HTTP_PROXY: 'http://127.0.0.1:9' }, 1],
      [{ HTTPS_PROXY: proxy.url }, 0],
      [{ HTTP_PROXY: proxy.url, NO_PROXY: `example.com, 127.0.0.1:${port}` }, 0],
      [{ HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1:1,1.0.0.1' }, 1],
      [{ HTTP_PROXY: proxy.url, no_proxy: '*' }, 0],
    ];
    for (const [env, asked] of environments) {
      const others = new TestPools(engine, env);
      proxy.asked.length = 0;
      await get(others.open(), plain.origin);
      expect([env, proxy.asked.length]).toEqual([env, asked]);
      await get(others.open({ proxy: false }), plain.origin);
      expect(proxy.asked).toHaveLength(asked);
      await others.close();
    }
  });
});
