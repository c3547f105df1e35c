import { createServer as createTcpServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { ProviderError, type LlmStream } from 'nestjs-fast-litellm';
import { clientOf, closeClients, isOver, type OpenClient } from './llm-client-setup.js';
import { deploymentOf, HELLO, provider, scripted, stopProviders } from './llm-client-providers.js';
import { until } from './until.js';

// What providers, and what stands between, are known to do.

const stopping: (() => void)[] = [];
afterEach(async () => {
  await closeClients();
  await stopProviders();
  for (const stop of stopping.splice(0)) stop();
});

const chat = { model: 'm', messages: HELLO } as const;
const json = { 'content-type': 'application/json' };
const eventStream = { 'content-type': 'text/event-stream' };
const answer = (usage: unknown): string => JSON.stringify({ id: 'x', choices: [{ message: { content: 'grüße 🦀' } }], usage });
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const target = { writeHead: () => {}, write: () => true, end: () => {}, on: () => {}, off: () => {}, removeListener: () => {} };
const delta = (content: string): string => event({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] });

/** Over a server that answers with `respond`, and behind it, where the first fails, one that is well. */
async function over(respond: (response: ServerResponse) => unknown, settings: object = {}, llmClient: object = {}): Promise<OpenClient> {
  const apiBase = await scripted((request, response) => void request.resume().on('end', () => respond(response)));
  const well = await provider('well');
  const modelList = [deploymentOf('m', { name: 'hostile', apiBase }, { order: 1 }), deploymentOf('m', well, { order: 2 })];
  return clientOf({ modelList, numRetries: 0, countConnectionErrors: true, ...settings }, llmClient);
}

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

async function textOf(stream: AsyncIterable<Record<string, unknown>>): Promise<string> {
  let text = '';
  for await (const { choices } of stream) text += (choices as { delta?: { content?: string } }[])[0]?.delta?.content ?? '';
  return text;
}

describe('a whole answer', () => {
  it.each<[string, unknown]>([
    ['negative', { prompt_tokens: -5, completion_tokens: -1, total_tokens: -6 }],
    ['a text', { prompt_tokens: 'NaN' }],
    ['absurd', { prompt_tokens: 1e308, completion_tokens: 1e308, total_tokens: 1e308 }],
    ['nothing', null],
  ])('with usage that is %s is handed on, and spoils no figure', async (_, usage) => {
    const open = await over((response) => response.writeHead(200, json).end(answer(usage)));
    expect((await open.client.chat(chat)).usage).toBeUndefined();
    for (const { name, value } of open.client.metrics()) expect([name, Number.isFinite(value) && value < 1e6]).toEqual([name, true]);
    expect(open.router.status()[0].tokens).toBeLessThan(100);
    await until(() => isOver(open));
  });

  it('names itself to the provider’s support, if the name can be repeated', async () => {
    const ids = ['req_1', 'no\tplain one', 'x'.repeat(300)];
    const open = await over((response) => response.writeHead(200, { ...json, 'x-request-id': ids.shift() }).end(answer(null)));
    const named = [await open.client.chat(chat), await open.client.chat(chat), await open.client.chat(chat)];
    expect(named.map(({ call }) => call.providerRequestId)).toEqual(['req_1', undefined, undefined]);
    const failing = await over((response) => response.writeHead(503, { 'request-id': 'req_2' }).end());
    const error: unknown = await failing.client.chat({ ...chat, model: 'hostile' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ providerRequestId: 'req_2' });
  });

  it('that is compressed, though nobody asked for it, is none', async () => {
    const open = await over((response) => response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(answer(null))));
    expect((await open.client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'malformed' }] });
    await until(() => isOver(open));
  });

  it('that is too large is cut off, and the next one asked', async () => {
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

  it('may have empty lines before and behind it: some send them until it is there', async () => {
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

  it('may take longer than a stream may to begin', async () => {
    const open = await over((response) => void setTimeout(() => response.writeHead(200, json).end(answer(null)), 200), {
      streamTimeoutMs: 50,
      fallbacks: [],
    });
    expect((await open.client.chat({ ...chat, model: 'hostile' })).call.deploymentId).toBe('hostile');
    const late = () => new Promise((resolve) => setTimeout(() => resolve('late'), 200));
    expect(await open.client.execute('m', late)).toBe('late');
  });

  it('may have trailers', async () => {
    const open = await over((response) => {
      response.writeHead(200, { ...json, trailer: 'x-checksum' });
      response.write(answer({ total_tokens: 3 }));
      response.addTrailers({ 'x-checksum': 'abc' });
      response.end();
    });
    expect((await open.client.chat(chat)).usage?.totalTokens).toBe(3);
    await until(() => isOver(open));
  });

  it('may end with its connection, as of HTTP/1.0, and the next has another', async () => {
    const apiBase = await overSocket((socket) => socket.end(`HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n${answer(null)}`));
    const open = clientOf({ modelList: [deploymentOf('m', { name: 'old', apiBase })], numRetries: 0 });
    for (let i = 0; i < 3; i++) expect((await open.client.chat(chat)).json()).toMatchObject({ id: 'x' });
    await until(() => isOver(open));
  });

  it('of a connection that is reset when it is used again comes from a new one', async () => {
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
});

describe('a stream', () => {
  const pieces =
    (parts: readonly (Buffer | string)[], headers: Record<string, string> = eventStream) =>
    (response: ServerResponse) => {
      response.writeHead(200, headers);
      void (async () => {
        for (const part of parts) {
          response.write(part);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        response.end();
      })();
    };
  const bytewise = (text: string): Buffer[] => [...Buffer.from(text)].map((byte) => Buffer.of(byte));

  it('may be cut anywhere: in the middle of a character, of a name, of an end', async () => {
    const open = await over(pieces(bytewise(`: hi\r\n\r\n${delta('grüße ').replaceAll('\n', '\r\n')}${delta('🦀')}data: [DONE]\n\n`)));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect(await textOf(stream)).toBe('grüße 🦀');
    expect(stream.call.deploymentId).toBe('hostile');
    await until(() => isOver(open));
  });

  it('whose first event is an error, in pieces, is asked for elsewhere', async () => {
    const open = await over(pieces(bytewise(`: hi\n\n${event({ error: { message: 'overloaded', code: 429 } })}`)));
    const { call } = await open.client.chat({ ...chat, stream: true });
    expect(call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'rate_limit', status: 429 }] });
  });

  it('that ends with an error is thrown to its reader, and counted as a failure', async () => {
    const open = await over(pieces([delta('half'), event({ error: { message: 'overloaded', type: 'server_error' } })]));
    const reading = textOf(await open.client.chat({ ...chat, stream: true }));
    await expect(reading).rejects.toBeInstanceOf(ProviderError);
    await expect(reading).rejects.toMatchObject({ message: 'overloaded', kind: 'server', deploymentId: 'hostile' });
    expect(open.router.status()[0]).toMatchObject({ failures: 1, successes: 0 });
    await (await open.client.chat({ ...chat, stream: true })).sendTo(target);
    expect(open.router.status()[0]).toMatchObject({ failures: 2, successes: 0 });
    await until(() => isOver(open));
  });

  it.each(['{cut', 'null', '5'])('with the event %s is thrown to its reader, as an error of its provider', async (garbage) => {
    const open = await over((response) => void response.writeHead(200, eventStream).end(`${delta('grüße')}data: ${garbage}\n\n`));
    await expect(textOf(await open.client.chat({ ...chat, stream: true }))).rejects.toMatchObject({ kind: 'malformed' });
    await until(() => isOver(open));
  });

  it('needs no [DONE], and of usage that comes twice the last is right', async () => {
    const usage = (total: number): string =>
      event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: total - 1, total_tokens: total } });
    const open = await over(pieces([usage(5), delta('a'), usage(9)]));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect(await textOf(stream)).toBe('a');
    expect(stream.usage?.totalTokens).toBe(9);
    expect(open.router.status()[0]).toMatchObject({ successes: 1, failures: 0 });
  });

  it('tells its usage in however many pieces, and behind it comments', async () => {
    const usage = event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 8, total_tokens: 9 } });
    const open = await over(pieces(bytewise(`${delta('a')}${usage}data: [DONE]\n\n: bye\n\n`), { 'content-type': 'Text/Event-Stream' }));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect([await textOf(stream), stream.call.deploymentId, stream.usage?.totalTokens]).toEqual(['a', 'hostile', 9]);
  });

  it('without usage that breaks has used a token for each event, in however many pieces', async () => {
    const broken = bytewise(delta('a') + delta('b'));
    const open = await over(async (response) => {
      response.writeHead(200, eventStream);
      for (const piece of broken) await new Promise((resolve) => response.write(piece, resolve));
      response.destroy();
    });
    const stream = await open.client.chat({ ...chat, stream: true });
    await expect(textOf(stream)).rejects.toMatchObject({ kind: 'connection' });
    await until(() => isOver(open));
    expect(stream.usage?.completionTokens).toBe(2);
  });

  it.each<[string, (stream: LlmStream) => Promise<unknown>]>([
    ['its reader', textOf],
    ['its client', (stream) => stream.sendTo(target)],
  ])('whose event has no end is broken off before it takes all memory of %s', async (_, read) => {
    let sent = 0;
    const open = await over(
      (response) => {
        response.writeHead(200, eventStream).write(`${delta('a')}data: {"x":"`);
        const more = (): void => {
          while (!response.destroyed && sent < 50_000_000 && response.write('x'.repeat(10_000))) sent += 10_000;
        };
        response.on('drain', more);
        more();
      },
      {},
      { maxAnswerBytes: 100_000 },
    );
    const stream = await open.client.chat({ ...chat, stream: true });
    await read(stream).catch((error: unknown) => expect(error).toMatchObject({ kind: 'malformed' }));
    await until(() => isOver(open));
    expect(sent).toBeLessThan(40_000_000);
    expect(open.router.status()[0]).toMatchObject({ failures: 1, successes: 0 });
  });

  it('that is compressed, though nobody asked for it, is none', async () => {
    const open = await over(pieces([gzipSync(delta('a'))], { ...eventStream, 'content-encoding': 'gzip' }));
    expect((await open.client.chat({ ...chat, stream: true })).call.deploymentId).toBe('well');
  });

  it('waits for a reader who has stopped reading, and holds little meanwhile', async () => {
    let sent = 0;
    const piece = delta('x'.repeat(1000)).repeat(16);
    const open = await over((response) => {
      response.writeHead(200, eventStream);
      const more = (): void => {
        while (!response.destroyed && sent < 200_000_000 && response.write(piece)) sent += piece.length;
      };
      response.on('drain', more);
      more();
    });
    const stream = await open.client.chat({ ...chat, stream: true });
    const reader = stream[Symbol.asyncIterator]();
    await reader.next();
    let before = -1;
    await until(() => before === (before = sent));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(sent).toBeLessThan(50_000_000);
    await reader.return?.(undefined);
    await until(() => isOver(open));
  });
});
