import { Writable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import { TestPools } from '../../../test/support/connection-pool-engines.js';
import { engineNames } from '../../../test/support/engine-names.js';
import { UNDICI_LINES } from '../../../test/support/undici-lines.js';
import { until } from '../../../test/support/until.js';

interface Asked {
  readonly dispatcher: Dispatcher;
  readonly signal?: AbortSignal;
}

/** Sends a request, and returns the text of its answer. */
type Ask = (url: string, asked: Asked) => Promise<string>;

const post = { method: 'POST', body: 'tea' } as const;

/** Node's own `fetch`, and what each installed undici has that takes a dispatcher. */
const WAYS: readonly (readonly [name: string, ask: Ask])[] = [
  ['fetch of Node', async (url, asked) => (await fetch(url, { ...post, ...asked } as object)).text()],
  ...UNDICI_LINES.flatMap(([name, undici]): [string, Ask][] => [
    [`fetch of ${name}`, async (url, asked) => (await undici.fetch(url, { ...post, ...asked })).text()],
    [`request of ${name}`, async (url, asked) => (await undici.request(url, { ...post, ...asked })).body.text()],
    [
      `stream of ${name}`,
      async (url, asked) => {
        let text = '';
        const write = (chunk: Buffer, _: unknown, done: () => void): void => ((text += chunk.toString()), done());
        await undici.stream(url, { ...post, ...asked }, () => new Writable({ write }));
        return text;
      },
    ],
    [
      `RetryAgent of ${name}`,
      async (url, { dispatcher, signal }) => {
        const agent = new undici.RetryAgent(dispatcher, { minTimeout: 1, maxRetries: 2, methods: ['POST'] });
        return (await undici.request(url, { ...post, dispatcher: agent, signal })).body.text();
      },
    ],
    [
      `redirect of ${name}`,
      async (url, { dispatcher, signal }) => {
        // Version 6 has no interceptors, and redirects by itself.
        const redirecting = name === 'undici6' ? dispatcher : dispatcher.compose(undici.interceptors.redirect({ maxRedirections: 1 }));
        return (await undici.request(url, { ...post, dispatcher: redirecting, signal })).body.text();
      },
    ],
  ]),
];

describe.each(engineNames())('the dispatcher, %s,', (engine) => {
  const pools = new TestPools(engine);
  const held: (() => void)[] = [];
  const reason = new Error('enough');
  let server: TaggedServer;
  let refusals = 0;

  beforeAll(async () => {
    server = await TaggedServer.listen((request, response) => {
      if (request.url === '/hold') held.push(() => response.end('held'));
      else if (request.url === '/refuse' && refusals-- > 0) request.socket.destroy();
      else request.pipe(response);
    });
  });
  afterEach(() => {
    for (const answer of held.splice(0)) answer();
  });
  afterAll(async () => {
    await pools.close();
    await server.close();
  });

  describe.each(WAYS)('under %s', (name, ask) => {
    it('answers, again and again on one connection', async () => {
      const pool = pools.open({ maxConnections: 1 });
      const { dispatcher } = pool;
      const opened = server.opened;
      for (let i = 0; i < 3; i++) expect(await ask(server.origin, { dispatcher })).toBe('tea');
      expect(await Promise.all(Array.from({ length: 9 }, () => ask(server.origin, { dispatcher })))).toEqual(new Array(9).fill('tea'));
      await until(() => pool.stats().activeConnections === 0);
      expect(server.opened).toBe(opened + 1);
    });

    it('closes the connection when its request is aborted while it opens', async () => {
      // A name server that does not answer.
      const pool = pools.open({ tls: { lookup: () => {} } });
      const control = new AbortController();
      const sent = ask('http://nowhere.test', { dispatcher: pool.dispatcher, signal: control.signal });
      await until(() => pool.stats().activeConnections === 1);
      control.abort(reason);
      await expect(sent).rejects.toBe(reason);
      await until(() => pool.stats().totalConnections === 0);
    });

    it('loses no connection on a request that is aborted while it waits for one', async () => {
      const pool = pools.open({ maxConnections: 1 });
      const { dispatcher } = pool;
      const holding = ask(`${server.origin}/hold`, { dispatcher });
      await until(() => held.length === 1);
      const control = new AbortController();
      const waiting = ask(server.origin, { dispatcher, signal: control.signal });
      await until(() => pool.stats().waiting === 1);
      const behind = ask(server.origin, { dispatcher });
      await until(() => pool.stats().waiting === 2);
      control.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      expect(pool.stats().waiting).toBe(1);
      held.pop()!();
      expect([await holding, await behind]).toEqual(['held', 'tea']);
      await until(() => pool.stats().activeConnections === 0);
      expect(pool.stats().totalConnections).toBe(1);
    });

    it('takes the connection back when its request is aborted before the answer', async () => {
      const pool = pools.open({ maxConnections: 1 });
      const { dispatcher } = pool;
      const control = new AbortController();
      const sent = ask(`${server.origin}/hold`, { dispatcher, signal: control.signal });
      await until(() => held.length === 1);
      control.abort(reason);
      await expect(sent).rejects.toBe(reason);
      await until(() => pool.stats().activeConnections === 0);
      expect(await ask(server.origin, { dispatcher })).toBe('tea');
    });

    it('sends nothing for a signal that was aborted before', async () => {
      const pool = pools.open({ maxConnections: 1 });
      const { dispatcher } = pool;
      const requests = server.requests;
      // undici's stream has an error of its own for it.
      const sent = ask(server.origin, { dispatcher, signal: AbortSignal.abort(reason) });
      await expect(sent).rejects.toThrow(/enough|Request aborted/);
      await until(() => pool.stats().activeConnections === 0);
      expect(server.requests).toBe(requests);
    });

    it('passes on that a connection is refused or reset, and keeps none', async () => {
      const pool = pools.open({ maxConnections: 1 });
      const { dispatcher } = pool;
      await expect(ask('http://127.0.0.1:9', { dispatcher })).rejects.toHaveProperty('message');
      refusals = name.startsWith('RetryAgent') ? 1 : 2;
      const reset = ask(`${server.origin}/refuse`, { dispatcher });
      if (name.startsWith('RetryAgent')) expect(await reset).toBe('tea');
      else await expect(reset).rejects.toHaveProperty('message');
      await until(() => pool.stats().activeConnections === 0 && pool.stats().waiting === 0);
    });

    it('ends requests in flight and waiting requests when the pool is destroyed', async () => {
      const pool = pools.open({ maxConnections: 1 });
      const { dispatcher } = pool;
      const holding = ask(`${server.origin}/hold`, { dispatcher });
      await until(() => held.length === 1);
      const waiting = ask(server.origin, { dispatcher });
      await until(() => pool.stats().waiting === 1);
      const ends = [holding, waiting].map((sent) => expect(sent).rejects.toHaveProperty('message'));
      await dispatcher.destroy();
      await Promise.all(ends);
    });

    it('closes when the requests in flight are answered', async () => {
      const pool = pools.open({ maxConnections: 1 });
      const { dispatcher } = pool;
      const holding = ask(`${server.origin}/hold`, { dispatcher });
      await until(() => held.length === 1);
      const closing = dispatcher.close();
      held.pop()!();
      expect(await holding).toBe('held');
      await closing;
      expect(pool.stats().totalConnections).toBe(0);
    });
  });
});
