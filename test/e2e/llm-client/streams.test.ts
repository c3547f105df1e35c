import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { ProviderError, RequestCancelledError } from 'nestjs-fast-litellm';
import { RequestContext } from '../../../lib/http/request-context.js';
import type { ProviderBehaviour } from '../../support/local-provider/provider-behaviour.js';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { reservationOf } from '../../support/reservation.js';
import { until } from '../../support/until.js';

const closing: (() => void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await closeClients();
  await stopProviders();
});

const chat = { model: 'm', messages: HELLO, stream: true } as const;
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

async function over(behaviours: readonly Partial<ProviderBehaviour>[], settings: object = {}, options: object = {}) {
  const providers = await Promise.all(behaviours.map((behaviour, i) => provider(`p${i}`, behaviour)));
  return {
    ...clientOf({ modelList: providers.map((each, order) => deploymentOf('m', each, { order })), ...settings }, options),
    providers,
  };
}

/** Over a server that answers each stream with these pieces. */
async function overScript(pieces: readonly string[], also: readonly { name: string; apiBase: string }[] = []): Promise<OpenClient> {
  const apiBase = await scripted((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    void (async () => {
      for (const piece of pieces) {
        response.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      response.end();
    })();
  });
  const first = deploymentOf('m', { name: 'script', apiBase }, { order: 1 });
  return clientOf({ modelList: [first, ...also.map((each) => deploymentOf('m', each, { order: 2 }))], numRetries: 0 });
}

async function read(stream: AsyncIterable<Record<string, unknown>>): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    const [choice] = (chunk as { choices: { delta?: { content?: string } }[] }).choices;
    text += choice?.delta?.content ?? '';
  }
  return text;
}

/** A server whose requests are answered by the client's stream; the body that a caller gets. */
async function served(open: OpenClient, body: object = {}): Promise<{ url: string; finished: Promise<void> }> {
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const server = createServer((request, response) => {
    void (async () => {
      try {
        const stream = await open.client.chat({ ...chat, ...body }, { request, response });
        await stream.sendTo(response);
      } catch (error) {
        response.statusCode = error instanceof ProviderError ? error.getStatus() : 499;
        response.end();
      }
      finish();
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, finished };
}

describe('a stream', () => {
  it('yields chunk by chunk, without the usage event that the client did not ask for', async () => {
    const open = await over([{}]);
    const stream = await open.client.chat(chat);
    expect(stream.call).toMatchObject({ deploymentId: 'p0', attempts: 1 });
    expect(await read(stream)).toMatch(/^p0: the quick brown/);
    expect(stream.usage).toMatchObject({ completionTokens: 12 });
    expect(open.providers[0].latest?.body.stream_options).toEqual({ include_usage: true });
    await until(() => isOver(open));
    expect(open.router.status()[0]).toMatchObject({ successes: 1, tokens: stream.usage?.totalTokens });
    await expect(read(stream)).rejects.toThrow('the stream has already been read');
  });

  it('passes through unchanged, with the call’s facts in the headers', async () => {
    const open = await over([{ chunkDelayMs: 1 }]);
    const { apiBase } = open.providers[0];
    const direct = await fetch(`${apiBase}/chat/completions`, { method: 'POST', body: JSON.stringify({ ...chat, model: 'gpt-4o' }) });
    const { url } = await served(open);
    const through = await fetch(url);
    const anonymous = (text: string): string => text.replace(/chatcmpl-p0-\d+/g, 'id');
    expect(anonymous(await through.text())).toBe(anonymous(await direct.text()));
    expect(through.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(through.headers.get('x-litellm-model-id')).toBe('p0');
    expect(through.headers.get('x-litellm-attempted-retries')).toBe('0');
    const asked = await served(open, { stream_options: { include_usage: true } });
    expect(await (await fetch(asked.url)).text()).toContain('"usage":{"prompt_tokens"');
  });

  it.each<[string, Partial<ProviderBehaviour>]>([
    ['is refused', { fault: 'status', status: 503 }],
    ['never comes', { fault: 'hang' }],
    ['is reset', { fault: 'reset' }],
    ['is no stream', { fault: 'garbage' }],
    ['is cut before its first chunk', { fault: 'cut', cutAfterChunks: 0 }],
  ])('falls back to another deployment before its first chunk: the first %s', async (_, behaviour) => {
    const open = await over([behaviour, {}], { streamTimeoutMs: 1_000 });
    for (let i = 0; i < 6; i++) expect(await read(await open.client.chat(chat))).toMatch(/^p1: /);
    expect(open.providers[0].requests).toBeGreaterThan(0);
    await until(() => isOver(open));
  });

  it('takes comments and an error event for no first chunk', async () => {
    const other = await provider('other');
    const comments = ': PROCESSING\n\n';
    const failing = await overScript([comments, event({ error: { message: 'overloaded', code: 'overloaded' } })], [other]);
    expect(await read(await failing.client.chat(chat))).toMatch(/^other: /);
    const empty = await overScript([comments], [other]);
    expect(await read(await empty.client.chat(chat))).toMatch(/^other: /);
  });

  it('tries no other deployment after its first chunk', async () => {
    const open = await over([{ fault: 'cut', cutAfterChunks: 3, chunkDelayMs: 5 }, { tokens: 40 }], {
      countConnectionErrors: true,
      disableCooldowns: true,
    });
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, async () => read(await open.client.chat(chat)).catch((error: unknown) => error)),
    );
    const broken = outcomes.filter((outcome) => outcome instanceof ProviderError);
    expect(broken).toHaveLength(10);
    expect(open.providers.map(({ requests }) => requests)).toEqual([10, 0]);
    for (const error of broken) expect(error).toMatchObject({ kind: 'connection', deploymentId: 'p0' });
    expect(open.router.status().map(({ failures }) => failures)).toEqual([10, 0]);
    await until(() => isOver(open));
  });

  it('ends with an error event when it breaks', async () => {
    const open = await over([{ fault: 'cut', chunkDelayMs: 5 }]);
    const { url } = await served(open);
    const text = await (await fetch(url)).text();
    expect(text).not.toContain('[DONE]');
    const last = text.trim().split('\n\n').at(-1) ?? '';
    expect(JSON.parse(last.slice(5))).toEqual({
      error: {
        message: expect.stringContaining('The connection to the provider failed') as string,
        type: 'server_error',
        param: null,
        code: null,
      },
    });
  });

  it('can pause between chunks, but not beyond the call’s time limit', async () => {
    const open = await over([{ chunkDelayMs: 30, tokens: 1000 }]);
    const started = await open.client.chat(chat, { streamTimeoutMs: 1000, timeoutMs: 1500 });
    await expect(read(started)).rejects.toMatchObject({ kind: 'timeout' });
    await until(() => isOver(open));
  });

  it('pauses the provider for a slow reader', async () => {
    const open = await over([{ tokens: 100_000 }]);
    const { url } = await served(open);
    const response = await new Promise<IncomingMessage>((resolve) => get(url, resolve));
    const [{ inFlight: begun }] = open.providers;
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Tens of megabytes are in no buffer of this process: the provider is still writing.
    expect([begun, open.providers[0].inFlight]).toEqual([1, 1]);
    let length = 0;
    for await (const chunk of response) length += (chunk as Buffer).length;
    expect(length).toBeGreaterThan(10_000_000);
    await until(() => isOver(open));
  });
});

describe('a client that leaves', () => {
  const reserved = (request: object): { settled: number[] } => {
    const settled: number[] = [];
    const limiter = {
      settleHeld: (_: unknown, tokens: number) => void settled.push(tokens),
      charge: () => {},
      release: () => {},
    };
    RequestContext.of(request).hold.add(limiter as never, reservationOf(0));
    return { settled };
  };

  it('ends its stream at the provider and in the router, and the received part is settled', async () => {
    const open = await over([{ chunkDelayMs: 10, tokens: 1000 }]);
    let reservation: { settled: number[] } | undefined;
    const server = createServer((request, response) => {
      reservation = reserved(request);
      response.once('close', () => RequestContext.of(request).hold.end(false));
      void open.client.chat(chat, { request, response }).then((stream) => stream.sendTo(response));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close().closeAllConnections());
    const response = await new Promise<IncomingMessage>((resolve) => get({ port: (server.address() as AddressInfo).port }, resolve));
    let events = 0;
    for await (const chunk of response) {
      events += String(chunk).split('\n\n').length - 1;
      if (events >= 5) break;
    }
    response.destroy();
    await until(() => open.providers[0].abandoned === 1);
    expect(open.providers[0].inFlight).toBe(0);
    await until(() => isOver(open));
    expect(open.router.status()[0]).toMatchObject({ failures: 0, successes: 0 });
    const [tokens, ...more] = reservation?.settled ?? [];
    expect(more).toEqual([]);
    // Hello is 8 tokens of a prompt; each event counts as one.
    expect(tokens).toBeGreaterThanOrEqual(8 + 5);
    expect(tokens).toBeLessThan(8 + 1000);
    expect(open.client.metrics()).toContainEqual(expect.objectContaining({ labels: { outcome: 'cancelled' }, value: 1 }));
  });

  it.each<[string, Partial<ProviderBehaviour>]>([
    ['before an answer', { fault: 'hang' }],
    ['while a retry waits', { fault: 'status', status: 429, retryAfter: '20' }],
  ])('ends the call: %s', async (_, behaviour) => {
    const open = await over([behaviour]);
    const { url, finished } = await served(open, { stream: false });
    const request = get(url);
    request.on('error', () => {});
    await until(() => open.providers[0].requests === 1);
    await until(() => behaviour.fault === 'hang' || open.router.status()[0].failures === 1);
    request.destroy();
    await finished;
    await until(() => open.providers[0].inFlight === 0);
    expect(open.providers[0].requests).toBe(1);
    await until(() => isOver(open));
  });

  it('ends a stream that is sent to a closed response', async () => {
    const open = await over([{ chunkDelayMs: 10, tokens: 1000 }]);
    let sent: Promise<void> | undefined;
    const server = createServer((_, response) => {
      response.once('close', () => {
        sent = open.client.chat(chat).then((stream) => stream.sendTo(response));
      });
      request.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close().closeAllConnections());
    const request = get({ port: (server.address() as AddressInfo).port });
    request.on('error', () => {});
    await until(() => sent !== undefined);
    await sent;
    await until(() => isOver(open));
    expect(open.router.status()[0]).toMatchObject({ failures: 0, successes: 0 });
  });

  it('ends a stream whose request was answered already', async () => {
    const open = await over([{ chunkDelayMs: 10, tokens: 1000 }]);
    const refusals: unknown[] = [];
    const server = createServer((_, response) => {
      const late = async (): Promise<void> => {
        const stream = await open.client.chat(chat, { response });
        response.writeHead(408).end();
        await stream.sendTo(response);
      };
      void late().catch((error: unknown) => refusals.push(error));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close().closeAllConnections());
    const response = await new Promise<IncomingMessage>((resolve) => get({ port: (server.address() as AddressInfo).port }, resolve));
    expect(response.resume().statusCode).toBe(408);
    await until(() => refusals.length === 1 && isOver(open));
    expect(refusals).toMatchObject([{ code: 'ERR_HTTP_HEADERS_SENT' }]);
  });

  it('rejects by its signal, and sends nothing for one that is aborted already', async () => {
    const open = await over([{ fault: 'hang' }]);
    const controller = new AbortController();
    const call = open.client.chat({ model: 'm', messages: HELLO }, { signal: controller.signal });
    await until(() => open.providers[0].requests === 1);
    controller.abort(new Error('enough'));
    await expect(call).rejects.toMatchObject({ code: 'REQUEST_CANCELLED', cause: new Error('enough') });
    await expect(open.client.chat(chat, { signal: controller.signal })).rejects.toBeInstanceOf(RequestCancelledError);
    expect(open.providers[0].requests).toBe(1);
    await until(() => isOver(open));
  });

  describe.each(['events', 'bytes', 'chunks of a function'])('of %s', (kind) => {
    const begun = event({ id: 'x', choices: [{ index: 0, delta: { content: 'a' } }] });
    /** A stream that says no more after its beginning. */
    async function silent(): Promise<{ open: OpenClient; stream: AsyncIterable<unknown>; left: () => boolean }> {
      let hasLeft = false;
      const apiBase = await scripted((request, response) => {
        request.resume();
        response.on('close', () => (hasLeft = true));
        response.writeHead(200, { 'content-type': kind === 'bytes' ? 'audio/mpeg' : 'text/event-stream' });
        response.write(begun);
      });
      const open = clientOf({ modelList: [deploymentOf('m', { name: 'silent', apiBase })], numRetries: 0 });
      const chunks = async function* (signal: AbortSignal) {
        signal.addEventListener('abort', () => (hasLeft = true));
        yield 'a';
        await new Promise(() => {});
      };
      const stream = await (kind === 'events'
        ? open.client.chat(chat)
        : kind === 'bytes'
          ? open.client.speech({ model: 'm', input: 'a', voice: 'b' })
          : open.client.stream('m', async (__, { signal }) => chunks(signal)));
      return { open, stream, left: () => hasLeft };
    }

    it.each<[string, (iterator: AsyncIterator<unknown>) => unknown]>([
      ['before it reads', (iterator) => iterator.return?.()],
      [
        'while it waits for the next part',
        async (iterator) => {
          await iterator.next();
          const waiting = iterator.next();
          await iterator.return?.();
          expect(await waiting).toEqual({ done: true, value: undefined });
        },
      ],
      ['by an error of its own', async (iterator) => expect(iterator.throw?.(new Error('mine'))).rejects.toThrow('mine')],
    ])('ends the stream when its reader leaves %s', async (_, leave) => {
      const { open, stream, left } = await silent();
      await leave(stream[Symbol.asyncIterator]());
      await until(() => left() && isOver(open));
      const again = stream[Symbol.asyncIterator]().next();
      if (kind === 'chunks of a function') expect(await again).toMatchObject({ done: true });
      else await expect(again).rejects.toThrow('the stream has already been read');
    });

    it('ends the stream when a Readable of it is destroyed', async () => {
      for (const begin of [(): void => {}, (readable: Readable) => void readable.read()]) {
        const { open, stream, left } = await silent();
        const readable = Readable.from(stream);
        begin(readable);
        await new Promise((resolve) => setImmediate(resolve));
        readable.destroy();
        await until(() => left() && isOver(open));
      }
    });
  });

  it('keeps a stream that another loop reads', async () => {
    const open = await over([{ chunkDelayMs: 5, tokens: 20 }]);
    const stream = await open.client.chat(chat);
    const reading = read(stream);
    await stream[Symbol.asyncIterator]().return(undefined);
    expect(await reading).not.toBe('');
  });

  it('ends the stream by leaving the loop or by cancel()', async () => {
    const open = await over([{ chunkDelayMs: 5, tokens: 1000 }]);
    for await (const chunk of await open.client.chat(chat)) {
      expect(chunk.object).toBe('chat.completion.chunk');
      break;
    }
    const stream = await open.client.chat(chat);
    stream.cancel();
    await until(() => open.providers[0].abandoned === 2);
    await until(() => isOver(open));
    expect(open.router.status()[0].failures).toBe(0);
  });
});
