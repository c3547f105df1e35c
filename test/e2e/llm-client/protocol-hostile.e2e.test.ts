import { ProviderError, type LlmClient } from 'nestjs-fast-litellm';
import type { ServerResponse } from 'node:http';
import { bedrockEvent } from '../../support/bedrock-frames.js';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { isComplete, usuallyOrLong } from '../../support/long.js';
import { BEDROCK_WIRE, WIRES, type Wire } from '../../support/protocols/wires.js';
import { until } from '../../support/until.js';

// What no provider should send, over sockets, to each operation by each protocol.

const NAMES = ['chat', 'messages', 'responses', 'completions'] as const;
type Name = (typeof NAMES)[number];
/** Each operation and each protocol; each with each where there is time. */
const SAMPLE = ['messages over anthropic', 'chat over bedrock', 'completions over gemini', 'responses over responses'];
const CASES = WIRES.flatMap((wire) =>
  NAMES.filter((name) => wire.name !== 'responses' || name !== 'completions').map((name) => [name, wire.name, wire] as const),
).filter(([name, wire]) => isComplete || SAMPLE.includes(`${name} over ${wire}`));
const TOOLS = usuallyOrLong(3_000, 100_000);
const FIGURES = { prompt: 20, read: 0, written: 0, output: 6 };
const MOST_BYTES = 100_000;
/** What the sockets of a loopback hold, several times. */
const MOST_SENT = 60_000_000;

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

async function over(wire: Wire, respond: (response: ServerResponse) => void): Promise<OpenClient> {
  const base = await scripted((request, response) => void request.resume().on('end', () => respond(response)));
  const deployment = { model_name: 'm', litellm_params: wire.params(new URL(base).origin), model_info: { id: 'hostile' } };
  return clientOf({ modelList: [deployment], numRetries: 0, disableCooldowns: true }, { maxAnswerBytes: MOST_BYTES });
}

function ask(client: LlmClient, name: Name, options: object = {}, fields: object = { stream: true }): Promise<AsyncIterable<object>> {
  const rest = { model: 'm', ...fields };
  const body = { ...rest, max_tokens: 100, messages: HELLO };
  if (name === 'chat') return client.chat(body as never, options) as never;
  if (name === 'messages') return client.messages(body as never, options) as never;
  if (name === 'responses') return client.responses({ ...rest, input: 'Hello' } as never, options) as never;
  return client.completions({ ...rest, prompt: 'Hello' } as never, options) as never;
}

/** As JSON, which is not written as deep as it is read. */
function shown(event: object): string {
  try {
    return JSON.stringify(event);
  } catch {
    return 'too deep';
  }
}

/** The stream's events as JSON, up to `most`, and how it ended. */
async function read(
  open: OpenClient,
  name: Name,
  { most = 1_000, options = {}, fields = { stream: true }, onEvent = (): void => {} } = {},
) {
  let events = 0;
  let text = '';
  let error: unknown;
  try {
    for await (const event of await ask(open.client, name, options, fields)) {
      events++;
      onEvent();
      text += shown(event);
      if (events >= most) break;
    }
  } catch (thrown) {
    error = thrown;
  }
  await until(() => isOver(open));
  return { events, text, error: error as (Error & { kind?: string }) | undefined };
}

const answer =
  (wire: Wire, parts: readonly Buffer[]) =>
  (response: ServerResponse): void =>
    void response.writeHead(200, { 'content-type': wire.type }).end(Buffer.concat(parts));

/** Sends `part` for as long as someone takes it; counts the bytes. */
function endless(wire: Wire, begin: readonly Buffer[], part: Buffer) {
  const sent = { bytes: 0 };
  const respond = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': wire.type }).write(Buffer.concat(begin));
    const more = (): void => {
      for (; !response.destroyed && sent.bytes < MOST_SENT; sent.bytes += part.length) if (!response.write(part)) break;
    };
    response.on('drain', more);
    more();
  };
  return { sent, respond };
}
const many = (part: Buffer, count = 200): Buffer => Buffer.concat(Array.from({ length: count }, () => part));

/** The beginning of an event that has no end. */
function openEvent(wire: Wire): Buffer {
  if (wire !== BEDROCK_WIRE) return Buffer.from('data: {"type":"x","x":"');
  return bedrockEvent('contentBlockDelta', { delta: { text: 'x'.repeat(20_000_000) } }).subarray(0, 1_000);
}

function toolStart(wire: Wire, index: number): Buffer {
  const named = (event: { type: string }): Buffer => Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  switch (wire.name) {
    case 'anthropic':
      return named({
        type: 'content_block_start',
        index,
        content_block: { type: 'tool_use', id: `t${index}`, name: 'a', input: {} },
      } as never);
    case 'bedrock':
      return bedrockEvent('contentBlockStart', { contentBlockIndex: index, start: { toolUse: { toolUseId: `t${index}`, name: 'a' } } });
    case 'gemini':
      return Buffer.from(`data: {"candidates":[{"index":${index},"content":{"parts":[{"functionCall":{"name":"a","args":{}}}]}}]}\n\n`);
    default:
      return named({
        type: 'response.output_item.added',
        output_index: index,
        item: { type: 'function_call', id: `f${index}`, call_id: `c${index}`, name: 'a', arguments: '' },
      } as never);
  }
}

const encoded = new Map<Wire, Buffer>();

/** Encoded once: this takes longer than to refuse them. */
function toolsOf(wire: Wire): Buffer {
  const tools = encoded.get(wire) ?? Buffer.concat(Array.from({ length: TOOLS }, (_, index) => toolStart(wire, index)));
  encoded.set(wire, tools);
  return tools;
}

function deepEvent(wire: Wire): Buffer {
  // The encoder of frames takes no more.
  const depth = wire === BEDROCK_WIRE ? 2_000 : 30_000;
  const deep = `{"a":${'['.repeat(depth)}${']'.repeat(depth)},"type":"content_block_start","index":0}`;
  if (wire !== BEDROCK_WIRE) return Buffer.from(`data: ${deep}\n\n`);
  return bedrockEvent('contentBlockDelta', { toJSON: undefined, delta: { toolUse: JSON.parse(deep) as object } });
}

describe.each(CASES)('%s over a hostile %s', (name, _, wire) => {
  const { head, content, end } = wire.stream(FIGURES);

  it('reads a stream of one byte a packet', async () => {
    const open = await over(wire, (response) => {
      response.socket?.setNoDelay(true);
      response.writeHead(200, { 'content-type': wire.type });
      const all = Buffer.concat([...head, ...content.slice(0, 3), ...content.slice(-1), ...end]);
      const next = (at: number): void => {
        if (at === all.length) response.end();
        else response.write(all.subarray(at, at + 1), () => setImmediate(next, at + 1));
      };
      next(0);
    });
    const { text, error } = await read(open, name);
    expect([error, text]).toEqual([undefined, expect.stringContaining('one ')]);
  });

  it('gives up an event without an end', async () => {
    const { sent, respond } = endless(wire, [...head, ...content, openEvent(wire)], Buffer.alloc(10_000, 'x'));
    const { error } = await read(await over(wire, respond), name);
    expect(error).toBeInstanceOf(ProviderError);
    expect(error?.kind).toBe('malformed');
    expect(sent.bytes).toBeLessThan(MOST_SENT);
  });

  it('waits for no content for longer than the caller', async () => {
    const { respond } = endless(wire, head, many(wire.empty));
    const { error, events } = await read(await over(wire, respond), name, { fields: { stream: true, stream_timeout: 0.1 } as never });
    if (error === undefined) expect(events).toBe(1_000);
    else expect(error).toMatchObject({ kind: expect.stringMatching(/timeout|malformed/) as string });
  });

  it('ends a stream that says no more when its caller leaves', async () => {
    const leaving = new AbortController();
    const { respond } = endless(wire, [...head, ...content], many(wire.empty));
    const onEvent = (): void => leaving.abort();
    const { events, error } = await read(await over(wire, respond), name, { most: 1e9, options: { signal: leaving.signal }, onEvent });
    expect(events).toBeGreaterThan(0);
    expect(error).toBeInstanceOf(Error);
  });

  it(`refuses ${TOOLS} tools`, async () => {
    const { error } = await read(await over(wire, answer(wire, [...head, toolsOf(wire)])), name, { most: 1e6 });
    expect(error).toBeInstanceOf(ProviderError);
  });

  it('refuses half an event', async () => {
    const all = Buffer.concat([...head, ...content, ...end]);
    const { error, text } = await read(
      await over(wire, answer(wire, [all.subarray(0, all.length - end[end.length - 1].length - 9)])),
      name,
    );
    expect(text).toContain('one ');
    expect(error).toBeInstanceOf(ProviderError);
  });

  it('ignores what comes behind the end', async () => {
    const open = await over(wire, answer(wire, [...head, ...content, ...end, ...content, ...end, wire.empty]));
    const { error, text } = await read(open, name);
    expect([error, text]).toEqual([undefined, expect.stringContaining('one ')]);
  });

  it('bears JSON of any depth', async () => {
    for (const begin of [head, [...head, ...content]]) {
      const { error } = await read(await over(wire, answer(wire, [...begin, deepEvent(wire), ...end])), name);
      if (error !== undefined) expect(error).toBeInstanceOf(ProviderError);
    }
    const deep = Buffer.from(`{"content":${'['.repeat(40_000)}${']'.repeat(40_000)}}`);
    const open = await over(wire, (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(deep));
    const whole = await ask(open.client, name, {}, {}).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (whole !== undefined) expect(whole).toBeInstanceOf(ProviderError);
    await until(() => isOver(open));
  });
});

describe.each(NAMES)('%s over frames that lie', (name) => {
  const { head, content } = BEDROCK_WIRE.stream(FIGURES);
  const frame = content[0];
  const withWord = (at: number, value: number): Buffer => {
    const changed = Buffer.from(frame);
    changed.writeUInt32BE(value >>> 0, at);
    return changed;
  };

  it.each<[string, Buffer]>([
    ['of their length', withWord(0, frame.length + 5)],
    ['of a length of 0', withWord(0, 0)],
    ['of 4 GB', withWord(0, 0xffffffff)],
    ['of their headers', withWord(4, 0xffff)],
    ['in the checksum of their prelude', withWord(8, 1)],
    ['in their checksum', withWord(frame.length - 4, 1)],
    ['and are noise', Buffer.alloc(64, 0xa5)],
  ])('refuses those %s', async (_case, lie) => {
    for (const begin of [head, [...head, ...content]]) {
      const { error } = await read(await over(BEDROCK_WIRE, answer(BEDROCK_WIRE, [...begin, lie])), name);
      expect(error).toMatchObject({ kind: 'malformed' });
    }
  });
});
