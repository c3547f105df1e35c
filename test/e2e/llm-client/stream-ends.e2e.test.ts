import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { LlmClient, LlmStream } from 'nestjs-fast-litellm';
import { HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { ANTHROPIC_WIRE, BEDROCK_WIRE, GEMINI_WIRE, RESPONSES_WIRE, type Wire } from '../../support/protocols/wires.js';
import { until } from '../../support/until.js';

// Streams whose provider keeps the connection open behind the event that ends them.

type Params = ReturnType<Wire['params']>;
const event = (data: object | string): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const chunk = (delta: object, finish: string | null = null): string =>
  event({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o', choices: [{ index: 0, delta, finish_reason: finish }] });
const usage = { prompt_tokens: 9, completion_tokens: 34, total_tokens: 43 };
const openAI = (origin: string): Params => ({ model: 'openai/gpt-4o', api_base: `${origin}/v1`, api_key: 'k' });

/** A stream as its provider sends it. */
interface EndingStream {
  readonly params: (origin: string) => Params;
  readonly type: string;
  readonly bytes: Buffer;
  /** Without its end. */
  readonly begun: Buffer;
  /** An event that may come for ever. */
  readonly ping: Buffer;
  readonly error: Buffer;
}

const FIGURES = { prompt: 9, read: 0, written: 0, output: 34 };
const CHAT: EndingStream = {
  params: openAI,
  type: 'text/event-stream',
  bytes: Buffer.from(
    chunk({ content: 'one ' }) +
      chunk({ content: 'data: [DONE]' }, 'stop') +
      event({ id: 'c', object: 'chat.completion.chunk', choices: [], usage }) +
      event('[DONE]'),
  ),
  begun: Buffer.from(chunk({ content: 'one ' })),
  ping: Buffer.from(': ping\n\n'),
  error: Buffer.from(event({ error: { message: 'Overloaded', type: 'server_error', code: 503 } })),
};
const streamOf = (wire: Wire): EndingStream => {
  const { head, content, end } = wire.stream(FIGURES);
  const begun = Buffer.concat([...head, ...content]);
  return { params: wire.params, type: wire.type, begun, bytes: Buffer.concat([begun, ...end]), ping: wire.empty, error: wire.error };
};
const CASES: readonly [string, keyof LlmClient, EndingStream][] = [
  ['chat', 'chat', CHAT],
  ['chat, bridged to Messages', 'messages', CHAT],
  ['chat, bridged to completions', 'completions', { ...CHAT, params: (origin) => ({ ...openAI(origin), model: 'groq/llama' }) }],
  ['Anthropic, below chat', 'chat', streamOf(ANTHROPIC_WIRE)],
  ['Anthropic, as it is', 'messages', streamOf(ANTHROPIC_WIRE)],
  ['Bedrock', 'chat', streamOf(BEDROCK_WIRE)],
  ['Responses, below chat', 'chat', streamOf(RESPONSES_WIRE)],
  ['Responses, as it is', 'responses', { ...streamOf(RESPONSES_WIRE), params: openAI }],
];

const BODIES = {
  chat: { model: 'm', messages: HELLO, stream: true },
  messages: { model: 'm', messages: HELLO, max_tokens: 64, stream: true },
  completions: { model: 'm', prompt: 'Hello', stream: true },
  responses: { model: 'm', input: 'Hello', stream: true },
} as const;

let sockets: Set<Socket>;
// Failures are counted per minute.
beforeEach(() => (sockets = new Set()));
afterEach(async () => {
  await closeClients();
  await stopProviders();
});

/** A client of a provider that answers each request by `respond`. */
async function over({ params, type }: EndingStream, respond: (response: ServerResponse) => void): Promise<OpenClient> {
  const base = await scripted((incoming, response) => {
    sockets.add(incoming.socket);
    incoming.resume();
    incoming.on('end', () => {
      response.writeHead(200, { 'content-type': type });
      respond(response);
    });
  });
  return clientOf({
    modelList: [{ model_name: 'm', litellm_params: params(new URL(base).origin), model_info: { id: 'a' } }],
    numRetries: 0,
  });
}

async function stream({ client }: OpenClient, operation: keyof LlmClient): Promise<LlmStream> {
  const call = client[operation as 'chat'].bind(client) as (body: object) => Promise<LlmStream>;
  return call(BODIES[operation as keyof typeof BODIES]);
}

async function events(from: LlmStream): Promise<string> {
  const all: object[] = [];
  for await (const each of from) all.push(each);
  return JSON.stringify(all);
}

/** What a client gets that the stream is sent to. */
async function sent(from: LlmStream): Promise<string> {
  const server = createServer((_, response) => void from.sendTo(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const text = await answer.text();
  server.close().closeAllConnections();
  return text;
}

describe.each([...CASES, ['Gemini', 'chat', streamOf(GEMINI_WIRE)] as (typeof CASES)[number]])(
  'a broken stream of %s',
  (_, operation, ending) => {
    it('ends at its error, although its provider sends pings for ever', async () => {
      const open = await over(ending, (response) => {
        response.write(Buffer.concat([ending.begun, ending.error]));
        const timer = setInterval(() => response.write(ending.ping), 1);
        response.on('close', () => clearInterval(timer));
      });
      expect(await sent(await stream(open, operation))).toContain('Overloaded');
      await until(() => isOver(open));
      expect(open.router.status()[0]).toMatchObject({ successes: 0, failures: 1 });
    });
  },
);

it('ends streams at their last events, and gives up connections that stay open', async () => {
  await Promise.all(
    CASES.map(async ([, operation, ending]) => {
      const open = await over(ending, (response) => response.write(ending.bytes));
      const answer = await stream(open, operation);
      expect(await events(answer)).toContain('one ');
      expect(answer.usage).toMatchObject({ completionTokens: 34 });
      expect(open.router.status()[0]).toMatchObject({ successes: 1, failures: 0, inFlight: 0 });
      await until(() => isOver(open));
    }),
  );
  await until(() => [...sockets].every(({ destroyed }) => destroyed));
});

describe.each(CASES)('a stream of %s', (_, operation, ending) => {
  it('ends although its provider sends pings for ever, at any cut', async () => {
    const open = await over(ending, (response) => {
      for (let at = 0; at < ending.bytes.length; at += 7) response.write(ending.bytes.subarray(at, at + 7));
      const timer = setInterval(() => response.write(ending.ping), 1);
      response.on('close', () => clearInterval(timer));
    });
    const answer = await stream(open, operation);
    expect(await events(answer)).toContain('one ');
    expect(answer.usage).toMatchObject({ completionTokens: 34 });
    await until(() => isOver(open));
  });

  it('passes nothing that comes behind its end', async () => {
    const open = await over(ending, (response) => {
      response.write(ending.bytes);
      response.end(Buffer.concat([ending.error, ending.bytes]));
    });
    const once = await events(await stream(open, operation));
    const plain = await over(ending, (response) => response.end(ending.bytes));
    const expected = await events(await stream(plain, operation));
    const anonymous = (text: string): string => text.replace(/"(?:id|item_id|created|created_at)":(?:"[^"]*"|\d+)/g, '');
    expect(anonymous(once)).toBe(anonymous(expected));
    await until(() => isOver(open));
  });

  it('keeps the connection of a provider that ends its answer', async () => {
    const open = await over(ending, (response) => {
      response.write(ending.bytes);
      setTimeout(() => response.end(), 5);
    });
    for (let call = 0; call < 3; call++) {
      await events(await stream(open, operation));
      await until(() => isOver(open));
    }
    expect(sockets.size).toBe(1);
  });
});
