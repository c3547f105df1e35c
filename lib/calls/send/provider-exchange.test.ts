import { Writable } from 'node:stream';
import { nextTurn } from '../../common/next-turn.js';
import { LlmStream } from '../stream/llm-stream.js';
import type { StreamSource } from '../stream/stream-origin.js';
import { OPENAI_READER } from '../../providers/openai/reader.js';
import { ProviderExchange, type ExchangeSettings } from './provider-exchange.js';
import { SecretMask } from '../../providers/secret-mask.js';

const errors = {
  failed: (_kind: string, message: string) => new Error(message),
  inAnswer: (json: string) => new Error(json),
};

function exchangeOf(reader: object = OPENAI_READER): ProviderExchange {
  const endpoint = { mask: new SecretMask([]) };
  return new ProviderExchange({
    known: { errors, endpoint },
    call: { reader },
    stream: true,
    maxBytes: 1 << 20,
  } as unknown as ExchangeSettings);
}

const head = ['content-type', 'text/event-stream'].map((text) => Buffer.from(text));
const DELTA = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n';

function streamOf(openingOf: (bytes: Buffer) => unknown): ProviderExchange {
  const exchange = exchangeOf({ ...OPENAI_READER, openingOf });
  exchange.onConnect(() => {});
  exchange.onHeaders(200, head, () => {});
  return exchange;
}

describe('the beginning of a stream', () => {
  it('is looked at once in a turn of the event loop, however many chunks have it', async () => {
    const seen: number[] = [];
    const exchange = streamOf((bytes) => {
      seen.push(bytes.length);
      return OPENAI_READER.openingOf(bytes);
    });
    for (let turn = 0; turn < 3; turn++) {
      for (let at = 0; at < 1000; at++) exchange.onData(Buffer.from(':\n\n'));
      await nextTurn();
    }
    expect(seen).toEqual([3, 3000, 6000, 9000]);
    exchange.onData(Buffer.from(DELTA));
    await exchange.answered;
  });

  it.each([
    ['an answer', DELTA, 'data: [DONE]\n\n', undefined],
    ['an error', 'data: {"error":"gone"}\n', '\n', '{"error":"gone"}'],
  ])('is %s, also where all of it comes in one turn', async (_, first, rest, message) => {
    const exchange = exchangeOf();
    exchange.onConnect(() => {});
    exchange.onHeaders(200, head, () => {});
    for (const part of [': hi\n', ...first, rest]) exchange.onData(Buffer.from(part));
    exchange.onComplete();
    if (message === undefined) await expect(exchange.answered).resolves.toBeUndefined();
    else await expect(exchange.answered).rejects.toThrow(message);
  });
});

describe('what arrives of a stream', () => {
  function begun(end: string) {
    const exchange = exchangeOf();
    exchange.onConnect(() => {});
    exchange.onHeaders(200, head, () => {});
    let [written, isOver] = ['', false];
    exchange.onData(Buffer.from(DELTA));
    exchange.attach({
      events: ({ bytes }) => {
        written += bytes.toString();
        return true;
      },
      end: () => void (isOver = true),
    });
    exchange.onData(Buffer.from(end));
    exchange.onComplete();
    return { exchange, written, isOver };
  }

  it.each(['data: [DONE]\n\n', 'data: [DONE]', 'data: {"choices":[]}', ''])('is all passed on, also if it ends with %j', (end) => {
    const { written, isOver } = begun(end);
    expect([written.replace(/\n*$/, ''), isOver]).toEqual([(DELTA + end).replace(/\n*$/, ''), true]);
  });

  it('has the tokens of its text', () => {
    const endpoint = { mask: new SecretMask([]) };
    const settings = { known: { errors, endpoint }, call: { reader: OPENAI_READER }, stream: true, maxBytes: 1 << 20 };
    const exchange = new ProviderExchange({ ...settings, count: (text: string) => 10 * text.length } as unknown as ExchangeSettings);
    exchange.onConnect(() => {});
    exchange.onHeaders(200, head, () => {});
    expect(exchange.receivedTokens).toBe(0);
    exchange.onData(Buffer.from(DELTA + DELTA));
    expect(exchange.receivedTokens).toBe(20);
  });
});

it('gives up a provider that sends interim answers without an end', async () => {
  const exchange = exchangeOf();
  const abort = jest.fn();
  exchange.onConnect(abort);
  let isTaken = true;
  for (let at = 0; at < 1001; at++) isTaken = exchange.onHeaders(103, [], () => {});
  await expect(exchange.answered).rejects.toThrow('interim');
  expect([isTaken, abort.mock.calls.length]).toEqual([false, 1]);
});

it('hands a reader as many events as a bridge makes of a chunk', async () => {
  const exchange = streamOf(() => 'answer');
  const many = 200_000;
  const bridged = { events: () => 'data: {}\n\n'.repeat(many), end: () => '' };
  const source = { exchange, bridged, hidesUsage: false, leave: () => {} } as unknown as StreamSource;
  exchange.onData(Buffer.from(DELTA));
  exchange.onComplete();
  let events = 0;
  for await (const event of new LlmStream({} as never, source)) events += Object.keys(event).length + 1;
  expect(events).toBe(many);
});

const CALL = { deploymentId: 'd', group: 'm', model: 'x', durationMs: 1, overheadMs: 1 };

describe('a stream whose end its bridge cannot read', () => {
  const bridged = (fails: 'events' | 'end') => ({
    events: () => '',
    end: () => '',
    [fails]: () => {
      throw new RangeError('too deep');
    },
    error: ({ message }: { readonly message: string }) => message,
  });
  const over = (fails: 'events' | 'end'): LlmStream => {
    const exchange = streamOf(() => 'answer');
    exchange.onData(Buffer.from(DELTA));
    exchange.onComplete();
    return new LlmStream(
      CALL as never,
      { exchange, bridged: bridged(fails), hidesUsage: false, leave: () => {} } as unknown as StreamSource,
    );
  };

  it.each(['events', 'end'] as const)('ends a response with an error: %s', async (fails) => {
    let written = '';
    const response = new Writable({ write: (bytes, _, done) => done(void (written += String(bytes))) });
    const head = { writeHead: () => response, getHeaders: () => ({}), setHeader: () => {} };
    await over(fails).sendTo(Object.assign(response, head));
    expect([response.writableEnded, written]).toEqual([true, expect.stringMatching(/ended early|protocol/)]);
  });

  it('throws to its reader', async () => {
    await expect(over('end')[Symbol.asyncIterator]().next()).rejects.toThrow('protocol');
  });
});
