import fc from 'fast-check';
import { MESSAGES_BRIDGE } from '../../apis/messages/messages.js';
import { RESPONSES_BRIDGE } from '../../apis/responses/responses.js';
import type { ProviderExchange } from '../send/provider-exchange.js';
import { eventsCutAt, eventsIn } from '../../../test/support/stream-events.js';
import type { EventSink } from '../stream/stream-origin.js';
import type { AnswerText, HookFailurePolicy, ModelCallHook, TextVerdict } from './call-hook.js';
import { resolveCallHookOptions } from './call-hook.js';
import { EventGuard } from './event-guard.js';
import { HookedStream } from './hooked-stream.js';
import { InstalledHook } from './installed-hook.js';
import { RunningCall } from './running-call.js';
import { textFormatOf } from './text/text-formats.js';

type Operation = 'chat' | 'messages' | 'responses' | 'completions';
type Fields = Record<string, unknown>;

const silent = { log: () => {}, warn: () => {}, error: () => {} };

/** An exchange whose bytes the test sends. */
class Sent {
  sink: EventSink | undefined = undefined;
  isPaused = false;
  attach(sink: EventSink): void {
    this.sink = sink;
  }
  resume(): void {
    this.isPaused = false;
  }
  aborted: Error | undefined = undefined;
  abort(error: Error): void {
    this.aborted = error;
    this.sink?.end(error);
  }
  detach(error: Error): boolean {
    this.sink?.end(error);
    return true;
  }
  unreadable = (error: unknown): Error => error as Error;
  errorEvent = (): undefined => undefined;
}

interface Guarded {
  readonly operation: Operation;
  readonly events: string;
  readonly hooks: readonly ModelCallHook[];
  readonly minTextChars?: number;
  readonly failure?: HookFailurePolicy;
  readonly timeoutMs?: number;
  /** Where the bytes are cut. */
  readonly cuts?: readonly number[];
  readonly maxChars?: number;
}

/** What the reader gets of a stream, and its error. */
async function read({
  operation,
  events,
  hooks,
  cuts = [],
  maxChars = 1e6,
  failure,
  timeoutMs,
  minTextChars = 1,
}: Guarded): Promise<{ text: string; error?: Error }> {
  const installed = hooks.map(
    (hook) =>
      new InstalledHook(
        'Hook',
        hook,
        { ...resolveCallHookOptions('hooks', { ...(failure && { failure }), ...(timeoutMs && { timeoutMs }) }), minTextChars },
        silent,
      ),
  );
  const call = new RunningCall(installed, { operation, model: 'm', stream: true, startedAtMs: 0, options: {} }, {});
  const sent = new Sent();
  const guard = new EventGuard(call, textFormatOf(operation), maxChars);
  const stream = new HookedStream(
    sent as unknown as ProviderExchange,
    guard,
    { hidesUsage: false, writesCost: false, bridged: undefined, bridgeAnew: () => undefined },
    () => {},
  );
  stream.begin();
  let text = '';
  const over = new Promise<Error | undefined>((resolve) =>
    stream.attach({
      events: ({ bytes }) => {
        if (bytes.length === 0) text += '(nothing was written)';
        text += bytes.toString();
        return true;
      },
      end: resolve,
    }),
  );
  for (const arrived of eventsCutAt(Buffer.from(events), cuts)) {
    while (sent.isPaused) await new Promise(setImmediate);
    sent.isPaused = sent.sink?.events(arrived) === false;
  }
  while (sent.isPaused) await new Promise(setImmediate);
  sent.sink?.end(undefined);
  return { text, error: await over };
}

const chatEvents = (deltas: readonly Fields[], finish = 'stop'): string => {
  const chunk = (delta: Fields, reason: string | null): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }] })}\n\n`;
  return deltas.map((delta) => chunk(delta, null)).join('') + chunk({}, finish) + 'data: [DONE]\n\n';
};

/** The same answer in another API. */
function eventsOf(operation: Operation, deltas: readonly Fields[]): string {
  const chat = chatEvents(deltas);
  if (operation === 'chat') return chat;
  if (operation === 'completions') {
    const texts = deltas.map(({ content }) => ({ index: 0, text: content ?? '', finish_reason: null, logprobs: null }));
    const last = { index: 0, text: '', finish_reason: 'stop', logprobs: null };
    return [...texts, last].map((choice) => `data: ${JSON.stringify({ id: 'c', choices: [choice] })}\n\n`).join('') + 'data: [DONE]\n\n';
  }
  const bridge = operation === 'messages' ? MESSAGES_BRIDGE : RESPONSES_BRIDGE;
  const bridged = bridge.answer({ model: 'm', stream: true, messages: [], input: 'Hi', store: false });
  return bridged.events(eventsIn(chat)) + bridged.end();
}

const parsed = (text: string): Fields[] =>
  eventsIn(text)
    .data.filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data) as Fields);

/** The text that a client puts together. */
function contentOf(events: readonly Fields[]): string {
  const deltas = events.map((event) => {
    const { choices, type, delta } = event as {
      choices?: { text?: string; delta?: { content?: string } }[];
      type?: string;
      delta?: unknown;
    };
    if (choices !== undefined) return choices.map((choice) => choice.text ?? choice.delta?.content ?? '').join('');
    if (type === 'response.output_text.delta') return delta as string;
    return type === 'content_block_delta' ? ((delta as { text?: string }).text ?? '') : '';
  });
  return deltas.join('');
}

const OPERATIONS: readonly Operation[] = ['chat', 'completions', 'messages', 'responses'];
const redacted = (text: string): string => text.replace(/[a-z]+@[a-z]+/g, '[email]');
const redact = ({ text, isLast }: AnswerText): TextVerdict => {
  const end = isLast ? text.length : text.lastIndexOf(' ') + 1;
  return { pass: redacted(text.slice(0, end)), hold: text.slice(end) };
};

const words = fc.array(fc.constantFrom('a', 'me@home', ' ', 'ü', '𝄞 ', 'x@', '@y', ' z'), { minLength: 1, maxLength: 20 });
const cuts = fc.array(fc.nat(), { maxLength: 30 });

describe.each(OPERATIONS)('the texts of %s', (operation) => {
  it('are redacted alike at any cut of texts and bytes, by guards that answer at once or later', async () => {
    await fc.assert(
      fc.asyncProperty(words, cuts, fc.boolean(), async (parts, places, isLate) => {
        const whole = parts.join('');
        const hook: ModelCallHook = {
          onText: (_, text) => (isLate ? new Promise((resolve) => setImmediate(() => resolve(redact(text)))) : redact(text)),
        };
        const seen: unknown[] = [];
        const observer: ModelCallHook = { onEvent: (_, event) => void seen.push(event) };
        const events = eventsOf(
          operation,
          parts.map((content) => ({ content })),
        );
        const { text, error } = await read({ operation, events, hooks: [hook, observer], cuts: places });
        expect(error).toBeUndefined();
        const got = parsed(text);
        expect(contentOf(got)).toBe(redacted(whole));
        expect(seen).toEqual(got);
        // Texts that later events repeat.
        if (/me@home/.test(whole)) expect(text).not.toContain('me@home');
        const numbers = got.map(({ sequence_number: number }) => number).filter((number) => number !== undefined);
        expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] as number) + at));
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 7, Infinity])('are given when %d new characters are there', async (minTextChars) => {
    const asked: string[] = [];
    const hook: ModelCallHook = {
      onText: (_, { text, isLast }) => {
        if (!isLast) asked.push(text);
      },
    };
    const events = eventsOf(
      operation,
      [...'abcdefghij'].map((content) => ({ content })),
    );
    const { text } = await read({ operation, events, hooks: [hook], minTextChars });
    expect(contentOf(parsed(text))).toBe('abcdefghij');
    expect(asked).toEqual(minTextChars === 1 ? [...'abcdefghij'] : minTextChars === 7 ? ['abcdefg'] : []);
  });

  it('pass one hook after the other', async () => {
    const first: ModelCallHook = { onText: (_, text) => redact(text) };
    const second: ModelCallHook = { onText: (_, { text }) => text.replaceAll('[email]', '[address]') };
    const events = eventsOf(
      operation,
      [...'to me@home now'].map((content) => ({ content })),
    );
    expect(contentOf(parsed((await read({ operation, events, hooks: [first, second] })).text))).toBe('to [address] now');
  });

  it('end with an error where a hook holds more back than an answer may have', async () => {
    const hook: ModelCallHook = { onText: (_, { text }) => ({ pass: '', hold: text }) };
    const events = eventsOf(
      operation,
      Array.from({ length: 50 }, () => ({ content: 'word ' })),
    );
    const { text, error } = await read({ operation, events, hooks: [hook], maxChars: 100 });
    expect(error).toMatchObject({ code: 'CALL_HOOK_FAILED' });
    expect(text).not.toContain('word');
  });
});

describe('a stream that its caller has left', () => {
  it('keep the bytes of events that no hook changes, but not their comments', async () => {
    const odd = (text: string, more = ''): string =>
      `${more}data: {"id": "c",  "choices": [ {"index":0, "delta":{"content":"${text}"}} ]}\n\n`;
    const end = 'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    const hooks = [{ onText: () => undefined }];
    const events = odd('a') + odd('b', 'event: message\n') + end;
    expect((await read({ operation: 'chat', events, hooks })).text).toBe(events);
    const { text } = await read({ operation: 'chat', events: odd('a', ': secret\n') + end, hooks });
    expect(text).not.toContain('secret');
  });

  it('is ended with its provider once it is read no further', () => {
    const sent = Object.assign(new Sent(), { showsReasoning: true });
    const call = new RunningCall([], { operation: 'chat', model: 'm', stream: true, startedAtMs: 0, options: {} }, {});
    const source = { hidesUsage: false, writesCost: false, bridged: undefined, bridgeAnew: () => undefined };
    const guard = new EventGuard(call, textFormatOf('chat'), 1e6);
    const stream = new HookedStream(sent as unknown as ProviderExchange, guard, source, () => {});
    stream.begin();
    const left = new Error('left');
    expect(stream.detach(left, () => {})).toBe(true);
    expect([sent.aborted, stream.showsReasoning]).toEqual([undefined, true]);
    stream.abort(left);
    expect(sent.aborted).toBe(left);
  });
});

describe('a stream that opens text after text and ends none', () => {
  const chunk = (index: number): string =>
    `data: ${JSON.stringify({ id: 'c', choices: [{ index, delta: { content: 'word' }, finish_reason: null }] })}\n\n`;
  const events = Array.from({ length: 5_000 }, (_, index) => chunk(index)).join('');
  const hold: ModelCallHook = { onText: (_, { text, isLast }) => (isLast ? text : { pass: '', hold: text }) };

  it('ends with an error', async () => {
    const { error } = await read({ operation: 'chat', events, hooks: [hold] });
    expect(error).toMatchObject({ code: 'CALL_HOOK_FAILED' });
  });

  it('ends with an error where all texts together are larger than an answer may be', async () => {
    const { text, error } = await read({ operation: 'chat', events, hooks: [hold], maxChars: 100 });
    expect(error).toMatchObject({ code: 'CALL_HOOK_FAILED' });
    expect(text).not.toContain('word');
  });

  it('continues unguarded if the guard fails open', async () => {
    const { text, error } = await read({ operation: 'chat', events, hooks: [{ onText: () => undefined }], failure: 'open' });
    expect([error, parsed(text).length]).toEqual([undefined, 5_000]);
  });
});

describe('a guard of texts that hangs, and fails open', () => {
  it('is waited for once in a stream', async () => {
    let asked = 0;
    const onText = () => {
      asked++;
      return new Promise<never>(() => {});
    };
    const events = eventsOf(
      'chat',
      // To wait for each of them would exceed the time of the test.
      Array.from({ length: 1_000 }, () => ({ content: 'word ' })),
    );
    const { text, error } = await read({ operation: 'chat', events, hooks: [{ onText }], failure: 'open', timeoutMs: 300 });
    expect(error).toBeUndefined();
    expect(contentOf(parsed(text))).toBe('word '.repeat(1_000));
    expect(asked).toBe(1);
  });
});

describe('the texts of chat, by their kinds', () => {
  const guard = (deltas: readonly Fields[], hook: ModelCallHook) => read({ operation: 'chat', events: chatEvents(deltas), hooks: [hook] });

  it('have kinds: content, refusal, reasoning, arguments of tools', async () => {
    const kinds = new Map<string, string>();
    const hold: ModelCallHook = {
      onText: (_, { kind, part, text, isLast }) => {
        if (!isLast) return { pass: '', hold: text };
        kinds.set(part, `${kind}: ${text}`);
        return text.toUpperCase();
      },
    };
    const call = (args: string) => ({ tool_calls: [{ index: 1, id: 'call', function: { name: 'f', arguments: args } }] });
    const { text } = await guard(
      [
        { role: 'assistant', reasoning_content: 'thi' },
        { reasoning_content: 'nk', thinking_blocks: [{ type: 'thinking', thinking: 'block' }] },
        { content: 'he' },
        { content: 'llo', refusal: 'no' },
        call('{"a"'),
        call(':1}'),
      ],
      hold,
    );
    expect(Object.fromEntries(kinds)).toEqual({
      '0:content': 'content: hello',
      '0:refusal': 'refusal: no',
      '0:reasoning_content': 'reasoning: think',
      '0:thinking_blocks': 'reasoning: block',
      '0:tool_calls.1': 'arguments: {"a":1}',
    });
    const last = parsed(text).at(-1) as { choices: Fields[] };
    expect(last.choices[0]).toMatchObject({
      finish_reason: 'stop',
      delta: {
        content: 'HELLO',
        refusal: 'NO',
        reasoning_content: 'THINK',
        thinking_blocks: [{ type: 'thinking', thinking: 'BLOCK' }],
        tool_calls: [{ index: 1, function: { arguments: '{"A":1}' } }],
      },
    });
  });

  it('that were held back come before the end of a stream without a finish reason', async () => {
    const events = chatEvents([{ content: 'me@home' }]).replace('"finish_reason":"stop"', '"finish_reason":null');
    const { text } = await read({ operation: 'chat', events, hooks: [{ onText: (_, given) => redact(given) }] });
    expect(contentOf(parsed(text))).toBe('[email]');
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
  });

  it.each([
    ['sound', { audio: { data: 'AAAA' } }],
    ['content that is no text', { content: { text: 'hidden' } }],
  ])('are refused as %s, which no hook can read', async (_, delta) => {
    const { text, error } = await guard([delta], { onText: () => undefined });
    expect(error).toMatchObject({ code: 'CALL_HOOK_FAILED' });
    expect(text).toBe('');
  });

  it('are guarded next to an error', async () => {
    const events = chatEvents([{ content: 'me@home ' }]).replace('{"id":"c"', '{"error":{"message":"no"},"id":"c"');
    expect((await read({ operation: 'chat', events, hooks: [{ onText: (_, given) => redact(given) }] })).text).not.toContain('me@home');
  });

  it('do not show in logprobs', async () => {
    const events = chatEvents([{ content: 'me@home' }]).replace('"logprobs":null', '"logprobs":{"content":[{"token":"me@home"}]}');
    expect((await read({ operation: 'chat', events, hooks: [{ onText: (_, given) => redact(given) }] })).text).not.toContain('me@home');
  });

  it('end with an error at an event that is not JSON', async () => {
    const { error } = await read({ operation: 'chat', events: 'data: {"cut\n\n', hooks: [{ onText: () => undefined }] });
    expect(error).toMatchObject({ code: 'CALL_HOOK_FAILED' });
  });
});
