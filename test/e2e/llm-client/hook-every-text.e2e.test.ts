import fc from 'fast-check';
import { FastLiteLLM, type AnswerText, type LlmAnswer, type LlmClient, type LlmStream, type ModelCallHook } from 'nestjs-fast-litellm';
import type { ServerResponse } from 'node:http';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';
import { eventsIn } from '../../support/stream-events.js';
import { usuallyOrLong } from '../../support/long.js';

type Fields = Record<string, unknown>;

const NAME = 'Jane Roe';
/** Masks a name that parts of a text may cut. */
const masking: ModelCallHook = {
  onText: (_, { text, isLast }: AnswerText) => {
    const masked = text.replaceAll(NAME, '[name]');
    const hold = isLast ? '' : (/(?:J|Ja|Jan|Jane|Jane |Jane R|Jane Ro)$/.exec(masked)?.[0] ?? '');
    return { pass: masked.slice(0, masked.length - hold.length), hold };
  },
};

interface Api {
  readonly model: string;
  readonly whole: Fields;
  /** The events of a stream; `added` is what a delta has besides its own text. */
  readonly events: (text: readonly string[], added: readonly Fields[]) => Fields[];
  readonly isNamed: boolean;
  readonly call: (client: LlmClient, stream: boolean) => Promise<LlmAnswer | LlmStream>;
}

const messages = [{ role: 'user', content: 'Who is it?' }];
const usage = { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 };
const tokens = { input_tokens: 5, output_tokens: 5, total_tokens: 10 };
const chunk = (choice: Fields): Fields => ({
  id: 'c-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'gpt-4o',
  choices: [{ index: 0, ...choice }],
});
const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude', content: [], stop_reason: null, stop_sequence: null };
const response = { id: 'resp_1', object: 'response', created_at: 1, model: 'gpt-4o', status: 'in_progress', output: [] };

const APIS: Readonly<Record<string, Api>> = {
  chat: {
    model: 'openai/gpt-4o',
    isNamed: false,
    whole: {
      id: 'c-1',
      object: 'chat.completion',
      created: 1,
      model: 'gpt-4o',
      choices: [{ index: 0, message: { role: 'assistant', content: `It is ${NAME}.` }, finish_reason: 'stop' }],
      usage,
    },
    events: (texts, added) => [
      ...texts.map((content, at) => chunk({ delta: { content, ...added[at] }, finish_reason: null })),
      chunk({ delta: {}, finish_reason: 'stop' }),
      { ...chunk({}), choices: [], usage },
    ],
    call: (client, stream) => client.chat({ model: 'm', messages, stream }),
  },
  completions: {
    model: 'openai/gpt-3.5-turbo-instruct',
    isNamed: false,
    whole: {
      id: 'c-1',
      object: 'text_completion',
      created: 1,
      model: 'gpt-3.5-turbo-instruct',
      choices: [{ index: 0, text: `It is ${NAME}.`, finish_reason: 'stop' }],
      usage,
    },
    events: (texts, added) => [
      ...texts.map((text, at) => chunk({ text, finish_reason: null, ...added[at] })),
      chunk({ text: '', finish_reason: 'stop' }),
    ],
    call: (client, stream) => client.completions({ model: 'm', prompt: 'Who is it?', stream }),
  },
  messages: {
    model: 'anthropic/claude-sonnet-4-5',
    isNamed: true,
    whole: {
      ...message,
      content: [
        { type: 'text', text: `It is ${NAME}.` },
        { type: 'tool_use', id: 'toolu_1', name: 'find', input: { who: NAME } },
      ],
      stop_reason: 'end_turn',
      usage: tokens,
    },
    events: (texts, added) => [
      { type: 'message_start', message: { ...message, usage: { input_tokens: 5, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      ...texts.flatMap((text, at) => [
        { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
        ...(added[at] === undefined ? [] : [{ type: 'content_block_delta', index: 0, delta: { type: 'new_delta', ...added[at] } }]),
      ]),
      { type: 'content_block_stop', index: 0 },
      { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 'toolu_1', name: 'find', input: { who: NAME } } },
      { type: 'content_block_stop', index: 1 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } },
      { type: 'message_stop' },
    ],
    call: (client, stream) => client.messages({ model: 'm', messages, max_tokens: 50, stream } as never),
  },
  responses: {
    model: 'openai/gpt-4o',
    isNamed: true,
    whole: {
      ...response,
      status: 'completed',
      output_text: `It is ${NAME}.`,
      output: [
        { id: 'i-1', type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: `It is ${NAME}.` }] },
      ],
      usage: tokens,
    },
    events: (texts, added) => {
      const text = texts.join('');
      const place = { item_id: 'i-1', output_index: 0, content_index: 0 };
      const item = {
        id: 'i-1',
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text, annotations: [] }],
      };
      return [
        { type: 'response.created', response },
        { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
        ...texts.flatMap((delta, at) => [
          { type: 'response.output_text.delta', ...place, delta },
          ...(added[at] === undefined ? [] : [{ type: 'response.new_part.delta', ...place, delta: added[at] }]),
        ]),
        { type: 'response.output_text.done', ...place, text, output_text: text },
        { type: 'response.output_item.done', output_index: 0, item },
        { type: 'response.completed', response: { ...response, status: 'completed', output: [item], output_text: text, usage: tokens } },
      ].map((event, at) => ({ ...event, sequence_number: at }));
    },
    call: (client, stream) => client.responses({ model: 'm', input: 'Who is it?', stream }),
  },
};

const FIELDS = `note reasoning reasoning_details annotations citations title message name id signature data type summary thinking text
  content output_text transcript diff url provider error tool_calls safety`.split(/\s+/);
const words = fc
  .array(fc.constantFrom(NAME, 'It', ' is ', 'ü', '\\', '"', 'Jane', ' Roe'), { minLength: 1, maxLength: 4 })
  .map((each) => each.join(''));
const { value: values } = fc.letrec<{ value: unknown; object: Fields }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    words,
    words,
    fc.constantFrom(1, null, true),
    tie('object'),
    fc.array(tie('object'), { maxLength: 2 }),
  ),
  object: fc.dictionary(fc.constantFrom(...FIELDS), tie('value'), { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
}));
const additions = fc.array(fc.record({ place: fc.nat(), field: fc.constantFrom(...FIELDS, `of ${NAME}`), value: values }), {
  minLength: 1,
  maxLength: 4,
});
const [whole, streamed] = [usuallyOrLong(60, 2_000), usuallyOrLong(60, 2_000)];

/** Adds fields to random objects of a value. */
function withAdded(base: Fields, added: readonly { place: number; field: string; value: unknown }[]): Fields {
  const copy = structuredClone(base);
  const objects: Fields[] = [copy];
  for (const each of objects)
    for (const inner of Object.values(each))
      for (const found of Array.isArray(inner) ? (inner as unknown[]) : [inner])
        if (typeof found === 'object' && found !== null) objects.push(found as Fields);
  for (const { place, field, value } of added) {
    const holder = objects[place % objects.length];
    if (!Object.hasOwn(holder, field)) holder[field] = structuredClone(value);
  }
  return copy;
}

/** The texts that a person may read, and what parts at one place are together. */
function readable(events: readonly unknown[]): string[] {
  const places = new Map<string, string>();
  const add = (value: unknown, path: string): void => {
    if (typeof value === 'string') places.set(path, `${places.get(path) ?? ''}${value}`);
    else if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) {
        add(key, `${path} names`);
        add(inner, `${path}.${key}`);
      }
  };
  for (const event of events) {
    add(event, String((event as Fields).type));
    // Tools parse their arguments.
    for (const text of JSON.stringify(event).match(/(?<="(?:arguments|partial_json)":)"(?:[^"\\]|\\.)*"/g) ?? [])
      add(unescapedJson(JSON.parse(text) as string), 'arguments');
  }
  return [...places.values()];
}

const unescapedJson = (text: string): string =>
  text.replace(/\\u([\da-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

afterAll(stopProviders);

describe.each(Object.entries(APIS))('a text anywhere in an answer of %s', (_, api) => {
  let answer: (response: ServerResponse) => void;
  let llm: FastLiteLLM;
  let url: string;
  let stream = false;

  beforeAll(async () => {
    const base = await scripted((request, target) => {
      request.resume().on('end', () => answer(target));
    });
    const apiBase = api.model.startsWith('anthropic') ? base.replace('/v1', '') : base;
    const params = { model: api.model, api_base: apiBase, api_key: 'sk-1', num_retries: 0 };
    const logger = { log: () => {}, warn: () => {}, error: () => {} };
    llm = new FastLiteLLM({
      router: { modelList: [{ model_name: 'm', litellm_params: params }], disableCooldowns: true },
      hooks: [masking],
      logger,
    });
    url = await scripted((__, target) => {
      api.call(llm.client, stream).then(
        (given) => given.sendTo(target),
        (error: { getStatus: () => number; getResponse: () => unknown }) =>
          target.writeHead(error.getStatus()).end(JSON.stringify(error.getResponse())),
      );
    });
  });
  afterAll(() => llm.close());

  const ask = async (isStream: boolean): Promise<{ status: number; text: string }> => {
    stream = isStream;
    const got = await fetch(url);
    return { status: got.status, text: await got.text() };
  };

  it('is guarded in any field of a whole answer', async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(additions, async (added) => {
        const body = JSON.stringify(withAdded(api.whole, added)).replaceAll('ü', '\\u00fc');
        answer = (target) => void target.writeHead(200, { 'content-type': 'application/json' }).end(body);
        const { status, text } = await ask(false);
        expect(readable([JSON.parse(text)]).join('\n')).not.toContain(NAME);
        if (status === 200) answered++;
      }),
      { numRuns: whole },
    );
    // Refusing them all would hold the promise, too.
    expect(answered).toBeGreaterThan(whole / 3);
  });

  it('is guarded in an error', async () => {
    const refused = (): number => llm.client.metrics().find(({ labels }) => labels?.outcome === 'refused')?.value ?? NaN;
    const before = refused();
    const details = { error_code: 'no_access', note: `for ${NAME}` };
    answer = (target) => {
      const error = { message: `${NAME} has no access`, type: NAME, param: null, code: `no access for ${NAME}`, details };
      target.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ type: 'error', error }));
    };
    for (const isStream of [false, true]) {
      const { status, text } = await ask(isStream);
      expect(status).toBe(400);
      expect(text).toContain('[name]');
      expect(text).not.toContain(NAME);
      if (api.model.startsWith('anthropic')) expect(text).toContain('"error_code":"no_access","note":"for [name]"');
    }
    expect(refused() - before).toBe(2);
  });

  it('is guarded in a stream, even if events split it, and in comments', async () => {
    let ended = 0;
    const cut = fc.constantFrom(['It is ', NAME, '.'], ['It is J', 'ane Ro', 'e.'], ['It is ', 'Jane', ' Roe.']);
    const kinds = fc.array(fc.record({ place: fc.nat(), kind: fc.constantFrom('comment', 'error', 'id', 'name') }), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(cut, additions, fc.constantFrom(...FIELDS), kinds, async (texts, added, field, others) => {
        // The same unknown field cut like the known one, in a list or alone.
        const parts = texts.map((text) => ({ [`${field}_new`]: text, details: [{ index: 0, type: 'part', text }] }));
        const events = api.events(texts, parts);
        const changed = events.map((event, at) =>
          withAdded(
            event,
            added.filter(({ place }) => place % events.length === at),
          ),
        );
        const written = changed.map((event) => `${api.isNamed ? `event: ${String(event.type)}\n` : ''}data: ${JSON.stringify(event)}\n\n`);
        for (const { place, kind } of others) {
          const at = place % written.length;
          if (kind === 'comment') written.splice(at, 0, `: ${NAME} is waiting\n\n`);
          if (kind === 'error')
            written.splice(at, 0, `event: error\ndata: ${JSON.stringify({ type: 'error', error: { message: `for ${NAME}` } })}\n\n`);
          if (kind === 'id') written[at] = `id: ${NAME}\n${written[at]}`;
          if (kind === 'name') written[at] = `: ${NAME}\n${written[at]}`;
        }
        answer = (target) =>
          void target
            .writeHead(200, { 'content-type': 'text/event-stream' })
            .end(written.join('') + (api.isNamed ? '' : 'data: [DONE]\n\n'));
        const { status, text } = await ask(true);
        expect(text).not.toContain(NAME);
        if (status !== 200) return;
        const data = eventsIn(text).data.filter((each) => each !== '[DONE]');
        const got = data.map((each) => JSON.parse(each) as Fields);
        expect(readable(got).join('\n')).not.toContain(NAME);
        if (!got.some(({ error }) => error !== undefined && error !== null)) ended++;
      }),
      { numRuns: streamed },
    );
    expect(ended).toBeGreaterThan(streamed / 5);
  });
});

describe('the arguments of a tool', () => {
  it.each([true, false])('reach hooks as characters, and others stay escaped (streamed: %s)', async (isStream) => {
    const escaped = String.raw`{"to":"\u004aane Roe","say":"\u00fc \ud83d\ude00 \u0007 \" \\u0041 \/ \ud800","n":12345678901234567890}`;
    const seen: string[] = [];
    const hook: ModelCallHook = {
      onText: (__, { kind, text, isLast }) => void (kind === 'arguments' && (isLast || isStream) && seen.push(text)),
    };
    const calls = [...escaped].map((part) =>
      chunk({ delta: { tool_calls: [{ index: 0, id: 'call_1', function: { name: 'f', arguments: part } }] }, finish_reason: null }),
    );
    const base = await scripted((request, target) => {
      request.resume().on('end', () => {
        if (isStream) {
          const events = [...calls, chunk({ delta: {}, finish_reason: 'tool_calls' })].map((event) => `data: ${JSON.stringify(event)}\n\n`);
          target.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${events.join('')}data: [DONE]\n\n`);
        } else {
          const tool_calls = [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: escaped } }];
          const choices = [{ index: 0, message: { role: 'assistant', content: null, tool_calls }, finish_reason: 'tool_calls' }];
          target
            .writeHead(200, { 'content-type': 'application/json' })
            .end(JSON.stringify({ id: 'c', object: 'chat.completion', choices, usage }));
        }
      });
    });
    const llm = new FastLiteLLM({
      router: { modelList: [{ model_name: 'm', litellm_params: { model: 'openai/gpt-4o', api_base: base, api_key: 'sk-1' } }] },
      hooks: [hook],
    });
    let received = '';
    if (isStream) {
      for await (const event of await llm.client.chat({ model: 'm', messages, stream: true }))
        received += (event as unknown as { choices: { delta: { tool_calls?: { function: { arguments?: string } }[] } }[] }).choices
          .map(({ delta }) => delta.tool_calls?.map((call) => call.function.arguments ?? '').join('') ?? '')
          .join('');
    } else {
      const whole = JSON.parse((await llm.client.chat({ model: 'm', messages })).bytes.toString()) as {
        choices: { message: { tool_calls: { function: { arguments: string } }[] } }[];
      };
      received = whole.choices[0].message.tool_calls[0].function.arguments;
    }
    expect(seen.join('')).toBe(String.raw`{"to":"Jane Roe","say":"ü 😀 \u0007 \" \\u0041 / \ud800","n":12345678901234567890}`);
    expect(JSON.parse(received)).toEqual(JSON.parse(escaped));
    expect(received).toContain('12345678901234567890');
    await llm.close();
  });
});
