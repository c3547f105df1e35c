import type { ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { ProviderError } from 'nestjs-fast-litellm';
import { answer, chat, json, over } from './hostile.js';
import { clientOf, closeClients, isOver } from '../../support/llm-client-setup.js';
import { deploymentOf, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// What providers, and what stands between, are known to do.

const stopping: (() => void)[] = [];
// Failures are counted per minute.
afterEach(async () => {
  await closeClients();
  await stopProviders();
  for (const stop of stopping.splice(0)) stop();
});

/** Over a socket: `answers` in turn for each request that comes on it. */
async function overSocket(serve: (socket: Socket, requests: number) => void): Promise<string> {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    let [requests, seen] = [0, ''];
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    socket.on('data', (data) => {
      seen += data.toString('latin1');
      for (let head = /^[^]*?\r\n\r\n/.exec(seen); head !== null; head = /^[^]*?\r\n\r\n/.exec(seen)) {
        const length = Number(/content-length: *(\d+)/i.exec(head[0])?.[1] ?? 0);
        if (seen.length < head[0].length + length) return;
        seen = seen.slice(head[0].length + length);
        serve(socket, ++requests);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stopping.push(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

describe('a whole answer', () => {
  it.each<[string, unknown]>([
    ['negative', { prompt_tokens: -5, completion_tokens: -1, total_tokens: -6 }],
    ['a text', { prompt_tokens: 'NaN' }],
    ['absurd', { prompt_tokens: 1e308, completion_tokens: 1e308, total_tokens: 1e308 }],
    ['nothing', null],
  ])('with %s as usage is handed on, and corrupts no figure', async (_, usage) => {
    const open = await over((response) => response.writeHead(200, json).end(answer(usage)));
    expect((await open.client.chat(chat)).usage).toBeUndefined();
    for (const { name, value } of open.client.metrics()) expect([name, Number.isFinite(value) && value < 1e6]).toEqual([name, true]);
    expect(open.router.status()[0].tokens).toBeLessThan(100);
    await until(() => isOver(open));
  });

  it('has the provider’s request id, if it is printable', async () => {
    const ids = ['req_1', 'no\tplain one', 'x'.repeat(300)];
    const open = await over((response) => response.writeHead(200, { ...json, 'x-request-id': ids.shift() }).end(answer(null)));
    const named = [await open.client.chat(chat), await open.client.chat(chat), await open.client.chat(chat)];
    expect(named.map(({ call }) => call.providerRequestId)).toEqual(['req_1', undefined, undefined]);
    const failing = await over((response) => response.writeHead(503, { 'request-id': 'req_2' }).end());
    const error: unknown = await failing.client.chat({ ...chat, model: 'hostile' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ providerRequestId: 'req_2' });
  });

  it('is malformed when it is compressed without being asked to', async () => {
    const open = await over((response) => response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(answer(null))));
    expect((await open.client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'malformed' }] });
    await until(() => isOver(open));
  });

  it('is aborted when it is too large, and another deployment is tried', async () => {
    let sent = 0;
    const pieces = Buffer.alloc(64 * 1024, ' ');
    const endless = (response: ServerResponse): void => {
      response.writeHead(200, json);
      const more = (): void => {
        while (!response.destroyed && response.write(pieces)) sent += pieces.length;
      };
      response.on('drain', more);
      more();
    };
    const open = await over(endless, {}, { maxAnswerBytes: 1024 * 1024 });
    expect((await open.client.chat(chat)).call.deploymentId).toBe('well');
    expect(sent).toBeLessThan(50 * 1024 * 1024);
    await until(() => isOver(open));
  });

  it('can have empty lines before and behind it, which some providers send while they work', async () => {
    const open = await over((response) => {
      response.writeHead(200, json);
      const pieces = ['\n', ' \r\n', answer({ total_tokens: 3 }), '\n', '\r\n'];
      const next = (): void => void (pieces.length > 0 ? response.write(pieces.shift(), () => setTimeout(next, 5)) : response.end());
      next();
    });
    expect((await open.client.chat(chat)).usage?.totalTokens).toBe(3);
    const empty = await over((response) => {
      response.writeHead(200, json);
      response.write('\n', () => setTimeout(() => response.end('\n'), 5));
    });
    expect((await empty.client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'malformed' }] });
    await until(() => isOver(open) && isOver(empty));
  });

  it('can take longer than a connection may be silent, where a time limit is set', async () => {
    // undici looks at times as short as these once a second.
    const slow = (silentMs: number): Promise<string[]> => {
      const late = (response: ServerResponse) => setTimeout(() => response.writeHead(200, json).end(answer(null)), silentMs);
      const halting = (response: ServerResponse) => {
        response.writeHead(200, json).flushHeaders();
        setTimeout(() => response.end(answer(null)), silentMs);
      };
      return Promise.all(
        [late, halting].map((serve) => scripted((request, response) => request.resume().on('end', () => serve(response)))),
      );
    };
    const pool = { headersTimeoutMs: 100, bodyTimeoutMs: 100 };
    const ask = (apiBase: string, params: object = {}, settings: object = {}, llmClient: object = {}) => {
      const modelList = [deploymentOf('m', { name: 'slow', apiBase }, { ...params })];
      return clientOf({ modelList, numRetries: 0, ...settings }, llmClient, pool).client.chat(chat);
    };
    const answers = (await slow(2500)).flatMap((apiBase) => [
      expect(ask(apiBase)).rejects.toMatchObject({ kind: 'timeout' }),
      ask(apiBase, { timeout: 60 }),
      ask(apiBase, {}, { timeoutMs: 60_000 }),
      ask(apiBase, {}, {}, { attemptTimeoutMs: 60_000 }),
    ]);
    await Promise.all(answers);
  });

  it('can take longer than a stream may take to begin', async () => {
    const open = await over((response) => void setTimeout(() => response.writeHead(200, json).end(answer(null)), 200), {
      streamTimeoutMs: 50,
      fallbacks: [],
    });
    expect((await open.client.chat({ ...chat, model: 'hostile' })).call.deploymentId).toBe('hostile');
    const late = () => new Promise((resolve) => setTimeout(() => resolve('late'), 200));
    expect(await open.client.execute('m', late)).toBe('late');
  });

  it.each<[string, readonly string[], object]>([
    ['an error', [JSON.stringify({ error: { message: 'slow down', code: 429 }, user_id: 'u' })], { kind: 'rate_limit', status: 429 }],
    ['an error in pieces', ['{', ' "err', 'or": "gone" }'], { kind: 'server', status: 500 }],
    ['an error behind empty lines', ['\n', '\r\n', '{ "error" : "gone" }'], { kind: 'server', status: 500 }],
  ])('is malformed when it is %s, whatever its status', async (_, parts, failure) => {
    const open = await over((response) => {
      response.writeHead(200, json);
      for (const part of parts) response.write(part);
      response.end();
    });
    expect((await open.client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [failure] });
    expect(open.router.status()[0]).toMatchObject({ failures: 1, successes: 0 });
    await until(() => isOver(open));
  });

  it('can have an empty error field', async () => {
    const open = await over((response) => response.writeHead(200, json).end('{"error":null,"choices":[]}'));
    expect((await open.client.chat(chat)).call.deploymentId).toBe('hostile');
  });

  it.each([301, 307])('is malformed when it is a redirection: %d', async (status) => {
    const open = await over((response) => response.writeHead(status, { location: 'https://elsewhere.example/' }).end());
    expect((await open.client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'malformed', status }] });
    const lone = clientOf({
      modelList: open.router
        .deployments()
        .slice(0, 1)
        .map(({ source }) => source),
      numRetries: 0,
    });
    const error: unknown = await lone.client.chat(chat).catch((thrown: unknown) => thrown);
    expect((error as ProviderError).getStatus()).toBe(502);
    expect(error).toMatchObject({ error: { type: 'server_error' } });
  });

  it('can have trailers', async () => {
    const open = await over((response) => {
      response.writeHead(200, { ...json, trailer: 'x-checksum' });
      response.write(answer({ total_tokens: 3 }));
      response.addTrailers({ 'x-checksum': 'abc' });
      response.end();
    });
    expect((await open.client.chat(chat)).usage?.totalTokens).toBe(3);
    await until(() => isOver(open));
  });

  it('can end with its connection, as in HTTP/1.0', async () => {
    const apiBase = await overSocket((socket) => socket.end(`HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n${answer(null)}`));
    const open = clientOf({ modelList: [deploymentOf('m', { name: 'old', apiBase })], numRetries: 0 });
    for (let i = 0; i < 3; i++) expect((await open.client.chat(chat)).json()).toMatchObject({ id: 'x' });
    await until(() => isOver(open));
  });

  it('comes over a new connection when a kept one was reset', async () => {
    const whole = answer(null);
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(whole)}\r\n\r\n`;
    const apiBase = await overSocket((socket, requests) => (requests === 1 ? socket.write(head + whole) : socket.resetAndDestroy()));
    const open = clientOf({ modelList: [deploymentOf('m', { name: 'stale', apiBase })] });
    const calls = [await open.client.chat(chat), await open.client.chat(chat)];
    expect(calls.map(({ call }) => [call.attempts, call.failures.map(({ kind }) => kind)])).toEqual([
      [1, []],
      [2, ['connection']],
    ]);
    await until(() => isOver(open));
  });

  it('comes from another deployment when a proxy rejects it, without a cooldown', async () => {
    const proxy = await overSocket((socket) => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'));
    const well = await provider('well');
    const modelList = [
      deploymentOf('m', { name: 'far', apiBase: 'https://far.example/v1' }, { order: 1 }),
      deploymentOf('m', well, { order: 2 }),
    ];
    const open = clientOf({ modelList, numRetries: 0 }, {}, { proxy: { https: new URL(proxy).origin } });
    expect((await open.client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'connection' }] });
    const lone = clientOf({ modelList: modelList.slice(0, 1), numRetries: 0 }, {}, { proxy: { https: new URL(proxy).origin } });
    await expect(lone.client.chat(chat)).rejects.toMatchObject({ kind: 'connection', cause: { code: 'PROXY_REFUSED', statusCode: 407 } });
    await until(() => isOver(open) && isOver(lone));
  });

  it('does not count against the deployment when no connection was free', async () => {
    const apiBase = await scripted((request) => void request.resume());
    const modelList = [deploymentOf('m', { name: 'busy', apiBase })];
    const open = clientOf({ modelList, numRetries: 0 }, {}, { maxConnectionsPerEndpoint: 1, acquireTimeoutMs: 50 });
    const giveUp = new AbortController();
    const first = open.client.chat(chat, { signal: giveUp.signal });
    await expect(open.client.chat(chat)).rejects.toMatchObject({ code: 'POOL_TIMEOUT' });
    expect(open.router.status()).toMatchObject([{ failures: 0, inFlight: 1, latencyMs: 0 }]);
    giveUp.abort();
    await expect(first).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    await until(() => isOver(open));
  });

  it('leaves connections to waiting calls when other calls give up', async () => {
    const sockets = new Set<Socket | null>();
    const apiBase = await scripted((request, response) => {
      sockets.add(request.socket);
      request.resume().on('end', () => setTimeout(() => response.writeHead(200, json).end(answer(null)), 100));
    });
    const open = clientOf(
      { modelList: [deploymentOf('m', { name: 'busy', apiBase })], numRetries: 0 },
      {},
      { maxConnectionsPerEndpoint: 1 },
    );
    const giveUp = new AbortController();
    const first = open.client.chat(chat);
    const others = Array.from({ length: 5 }, () => open.client.chat(chat, { signal: giveUp.signal }));
    const last = open.client.chat(chat);
    giveUp.abort();
    for (const other of others) await expect(other).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    await Promise.all([first, last]);
    expect(sockets.size).toBe(1);
    await until(() => isOver(open));
  });
});
