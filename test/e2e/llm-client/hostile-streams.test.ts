import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { ProviderError, type LlmStream } from 'nestjs-fast-litellm';
import { answer, chat, delta, event, eventStream, json, over, target, textOf } from './hostile.js';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// What providers, and what stands between, are known to do.

// Failures are counted per minute.
afterEach(async () => {
  await closeClients();
  await stopProviders();
});

interface Body {
  readonly seed?: unknown;
  readonly stream_options?: unknown;
}

/** Over a server that answers what it is sent with `respond`, and keeps it in `bodies`. */
async function noting(bodies: Body[], respond: (body: Body, response: ServerResponse) => unknown): Promise<OpenClient> {
  const apiBase = await scripted((request, response) => {
    let text = '';
    request.on('data', (data) => (text += String(data)));
    request.on('end', () => {
      const body = JSON.parse(text) as Body;
      bodies.push(body);
      respond(body, response);
    });
  });
  return clientOf({ modelList: [deploymentOf('m', { name: 'old', apiBase })], numRetries: 0 });
}

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

  it('can be cut anywhere: in a character, a name, an end of an event', async () => {
    const open = await over(pieces(bytewise(`: hi\r\n\r\n${delta('grüße ').replaceAll('\n', '\r\n')}${delta('🦀')}data: [DONE]\n\n`)));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect(await textOf(stream)).toBe('grüße 🦀');
    expect(stream.call.deploymentId).toBe('hostile');
    await until(() => isOver(open));
  });

  it('falls back when its first event is an error, in pieces', async () => {
    const open = await over(pieces(bytewise(`: hi\n\n${event({ error: { message: 'overloaded', code: 429 } })}`)));
    const { call } = await open.client.chat({ ...chat, stream: true });
    expect(call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'rate_limit', status: 429 }] });
  });

  it.each([
    ['context_length_exceeded', 'context_window'],
    ['content_filter', 'content_policy'],
  ])('does not count against the deployment when its first event is %s', async (code, kind) => {
    const open = await over(pieces([event({ error: { message: 'no', code } })]));
    const failure = { kind, status: 400 };
    // Another tier may take a longer prompt.
    const answer = open.client.chat({ ...chat, stream: true });
    if (kind === 'context_window') expect((await answer).call).toMatchObject({ deploymentId: 'well', failures: [failure] });
    else await expect(answer).rejects.toMatchObject({ kind, providerStatus: 400 });
    expect(open.router.status()[0]).toMatchObject({ state: 'available', inFlight: 0 });
    await until(() => isOver(open));
  });

  it('throws an error at its end to the reader and counts it as a failure', async () => {
    const open = await over(pieces([delta('half'), event({ error: { message: 'overloaded', type: 'server_error' } })]));
    const reading = textOf(await open.client.chat({ ...chat, stream: true }));
    await expect(reading).rejects.toBeInstanceOf(ProviderError);
    await expect(reading).rejects.toMatchObject({ message: 'overloaded', kind: 'server', deploymentId: 'hostile' });
    expect(open.router.status()[0]).toMatchObject({ failures: 1, successes: 0 });
    await (await open.client.chat({ ...chat, stream: true })).sendTo(target);
    expect(open.router.status()[0]).toMatchObject({ failures: 2, successes: 0 });
    await until(() => isOver(open));
  });

  it.each<[string, string]>([
    ['among other things', event({ id: 'x', error: { message: 'gone', code: 502 }, choices: [{ index: 0, finish_reason: 'error' }] })],
    ['by its name', 'event: error\ndata: {"type":"error","message":"gone"}\n\n'],
  ])('throws an error at its end %s to the reader and counts it as a failure', async (_, last) => {
    const open = await over(pieces([delta('half'), last]));
    await expect(textOf(await open.client.chat({ ...chat, stream: true }))).rejects.toMatchObject({ message: 'gone', kind: 'server' });
    await (await open.client.chat({ ...chat, stream: true })).sendTo(target);
    expect(open.router.status()[0]).toMatchObject({ failures: 2, successes: 0 });
    await until(() => isOver(open));
  });

  it.each<[string, string, string, object]>([
    ['an error', 'application/json; charset=utf-8', '{"error":{"message":"no","code":429}}', { kind: 'rate_limit', status: 429 }],
    ['a whole answer', 'application/json', answer(null), { kind: 'malformed' }],
    ['a page', 'text/html', '<html>', { kind: 'malformed' }],
  ])('falls back when %s comes in its place', async (_, type, body, failure) => {
    const open = await over((response) => response.writeHead(200, { 'content-type': type }).end(body));
    const { call } = await open.client.chat({ ...chat, stream: true });
    expect(call).toMatchObject({ deploymentId: 'well', failures: [failure] });
    await until(() => isOver(open));
  });

  it.each<[number, unknown]>([
    [400, { error: { message: 'Unrecognized request argument supplied: stream_options', type: 'invalid_request_error' } }],
    [422, { detail: [{ type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' }] }],
  ])('is requested without stream_options after these were rejected with %d', async (status, refusal) => {
    const bodies: Body[] = [];
    const open = await noting(bodies, ({ stream_options }, response) => {
      if (stream_options !== undefined) response.writeHead(status, json).end(JSON.stringify(refusal));
      else response.writeHead(200, eventStream).end(delta('a'));
    });
    for (let i = 0; i < 2; i++) {
      const stream = await open.client.chat({ ...chat, stream: true });
      expect([await textOf(stream), stream.call.attempts, stream.call.failures]).toEqual(['a', 1, []]);
    }
    expect(bodies.map(({ stream_options }) => stream_options !== undefined)).toEqual([true, false, false]);
    // Who asks for it is told.
    const asking = open.client.chat({ ...chat, stream: true, stream_options: { include_usage: true } });
    await expect(asking).rejects.toMatchObject({ kind: 'bad_request', message: expect.stringMatching(/Unrecognized|Extra/) as string });
    await until(() => isOver(open));
  });

  it('is still requested with stream_options when an error only repeats the request', async () => {
    const bodies: Body[] = [];
    const { client } = await noting(bodies, (input, response) => {
      if (input.seed === undefined) response.writeHead(200, eventStream).end(delta('a'));
      else response.writeHead(422, json).end(JSON.stringify({ detail: [{ loc: ['body', 'seed'], msg: 'no', input }] }));
    });
    await expect(client.chat({ ...chat, stream: true, seed: 'x' })).rejects.toMatchObject({ message: 'body.seed: no' });
    expect(await textOf(await client.chat({ ...chat, stream: true }))).toBe('a');
    expect(bodies.map(({ stream_options }) => stream_options !== undefined)).toEqual([true, false, true]);
  });

  it.each(['{cut', 'null', '5', '[]', `[${JSON.stringify({ choices: [] })}]`])(
    'throws the unreadable event %s to the reader as a provider error',
    async (garbage) => {
      const open = await over((response) => void response.writeHead(200, eventStream).end(`${delta('grüße')}data: ${garbage}\n\n`));
      await expect(textOf(await open.client.chat({ ...chat, stream: true }))).rejects.toMatchObject({ kind: 'malformed' });
      await until(() => isOver(open));
    },
  );

  // Google's servers wrap their errors in a list, also those with OpenAI's protocol.
  it('throws an error in a list as the provider states it', async () => {
    const error = { code: 429, message: 'Resource has been exhausted', status: 'RESOURCE_EXHAUSTED' };
    const open = await over((response) => void response.writeHead(200, eventStream).end(delta('a') + event([{ error }])));
    const reading = textOf(await open.client.chat({ ...chat, stream: true }));
    await expect(reading).rejects.toMatchObject({ kind: 'rate_limit', message: error.message });
    await until(() => isOver(open));
  });

  it('needs no [DONE], and the last of two usages counts', async () => {
    const usage = (total: number): string =>
      event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: total - 1, total_tokens: total } });
    const open = await over(pieces([usage(5), delta('a'), usage(9)]));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect(await textOf(stream)).toBe('a');
    expect(stream.usage?.totalTokens).toBe(9);
    expect(open.router.status()[0]).toMatchObject({ successes: 1, failures: 0 });
  });

  it('reports its usage in any number of pieces, with comments behind it', async () => {
    const usage = event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 8, total_tokens: 9 } });
    const open = await over(pieces(bytewise(`${delta('a')}${usage}data: [DONE]\n\n: bye\n\n`), { 'content-type': 'Text/Event-Stream' }));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect([await textOf(stream), stream.call.deploymentId, stream.usage?.totalTokens]).toEqual(['a', 'hostile', 9]);
  });

  it.each([
    ['whole', (text: string) => [text]],
    ['byte by byte', bytewise],
  ])('may end its lines with CR alone, %s: text, usage and end are seen', async (_, cut) => {
    const usage = event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 8, total_tokens: 9 } });
    const text = `: hi\n\n${delta('a')}${delta('b')}${usage}data: [DONE]\n\n`.replaceAll('\n', '\r');
    const open = await over(pieces(cut(text)));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect([await textOf(stream), stream.usage?.totalTokens]).toEqual(['ab', 9]);
    expect(open.router.status()[0]).toMatchObject({ successes: 1, failures: 0 });
  });

  it('counts the text for its deployment when it reports no usage', async () => {
    const open = await over(pieces([delta(' word').repeat(30), 'data: [DONE]\n\n']));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect(await textOf(stream)).toBe(' word'.repeat(30));
    expect(stream.usage).toBeUndefined();
    expect(open.router.status()[0].tokens).toBeGreaterThan(30);
  });

  it('counts the text when it breaks without a usage, in any number of pieces', async () => {
    const broken = bytewise(delta('one two') + delta(' three'));
    const open = await over(async (response) => {
      response.writeHead(200, eventStream);
      for (const piece of broken) await new Promise((resolve) => response.write(piece, resolve));
      response.destroy();
    });
    const stream = await open.client.chat({ ...chat, stream: true });
    await expect(textOf(stream)).rejects.toMatchObject({ kind: 'connection' });
    await until(() => isOver(open));
    expect(stream.usage?.completionTokens).toBe(3);
  });

  it.each<[string, (stream: LlmStream) => Promise<unknown>]>([
    ['its reader', textOf],
    ['its client', (stream) => stream.sendTo(target)],
  ])('is aborted when an event without an end would fill the memory of %s', async (_, read) => {
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

  it('falls back when it is compressed without being asked to', async () => {
    const open = await over(pieces([gzipSync(delta('a'))], { ...eventStream, 'content-encoding': 'gzip' }));
    expect((await open.client.chat({ ...chat, stream: true })).call.deploymentId).toBe('well');
  });

  it('pauses for a reader that stopped, with a bounded buffer', async () => {
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
