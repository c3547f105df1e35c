import { array, assert, constantFrom, integer, oneof, property, record, string } from 'fast-check';
import { InvalidArgumentError } from '../../../common/errors.js';
import { UnsupportedRequestError } from '../../../common/http-errors.js';
import type { SentRequest } from '../../protocol.js';
import { OPENAI } from '../openai.js';
import { ResponseToChat } from './chat-stream.js';
import { chatNeedsResponses } from './needs-responses.js';

type Json = Readonly<Record<string, unknown>>;

const user = { role: 'user', content: 'Hi' };
const tool = { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } };

function sentOf(body: object, facts: Partial<SentRequest> = {}): SentRequest {
  const all = { model: 'm', messages: [user], ...body };
  const request = { body: all, stream: (all as Json).stream === true, isLarge: false, hasOwnFields: false, hasTags: false };
  const base = { provider: 'openai', model: 'responses/gpt-5', isAtHome: true, params: {}, dropParams: false, addsUsage: false };
  return { ...base, request, body: all, ...facts } as unknown as SentRequest;
}

const bodyOf = (body: object, facts: Partial<SentRequest> = {}): Json =>
  JSON.parse(OPENAI.call('chat', sentOf(body, facts))?.body as string) as Json;
const inputOf = (...messages: object[]): unknown => bodyOf({ messages }).input;

describe('chat goes to Responses', () => {
  const tools = { tools: [tool] };
  it.each<[boolean, string, object, Partial<SentRequest>]>([
    [true, 'with the prefix', {}, { model: 'responses/gpt-4o' }],
    [true, 'with the prefix at any address', {}, { model: 'responses/x', isAtHome: false, provider: 'hosted_vllm' }],
    [true, 'with mode: responses', {}, { model: 'gpt-4o', mode: 'responses' }],
    [true, 'for gpt-5.4 with tools', tools, { model: 'gpt-5.4' }],
    [true, 'for gpt-5.6-mini with tools and an effort', { ...tools, reasoning_effort: 'low' }, { model: 'gpt-5.6-mini' }],
    [true, 'for gpt-6 with tools', tools, { model: 'gpt-6-sol' }],
    [true, 'on Azure by its base model', tools, { model: 'mine', baseModel: 'azure/gpt-5.4', provider: 'azure', isAtHome: false }],
    [true, 'for a model without chat', {}, { model: 'gpt-5.1-codex' }],
    [true, 'for o3-pro', {}, { model: 'o3-pro-2025-06-10' }],
    [false, 'without tools', {}, { model: 'gpt-5.4' }],
    [false, 'without an effort', { ...tools, reasoning_effort: 'none' }, { model: 'gpt-5.4' }],
    [false, 'without an effort by the deployment', tools, { model: 'gpt-5.4', defaults: { reasoning_effort: 'none' } }],
    [false, 'with custom tools alone', { tools: [{ type: 'custom', custom: { name: 'c' } }] }, { model: 'gpt-5.4' }],
    [false, 'for gpt-5.2 with tools', tools, { model: 'gpt-5.2' }],
    [false, 'for gpt-4o with tools', tools, { model: 'gpt-4o' }],
    [false, 'for a chat model', tools, { model: 'gpt-5.4-chat-latest' }],
    [false, 'elsewhere', tools, { model: 'gpt-5.4', isAtHome: false }],
    [false, 'with mode: chat', tools, { model: 'gpt-5.4', mode: 'chat' }],
  ])('%s: %s', (isNeeded, _, body, facts) => {
    expect(chatNeedsResponses(sentOf(body, facts))).toBe(isNeeded);
  });
});

describe('a chat request in the words of Responses', () => {
  it.each([
    [{}, {}],
    [{ max_tokens: 5 }, { max_output_tokens: 5 }],
    [{ max_completion_tokens: 6, max_tokens: 5 }, { max_output_tokens: 6 }],
    [{ reasoning_effort: 'high' }, { reasoning: { effort: 'high' } }],
    [{ response_format: { type: 'json_object' } }, { text: { format: { type: 'json_object' } } }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: {}, strict: true } }, verbosity: 'low' },
      { text: { format: { type: 'json_schema', name: 'n', schema: {}, strict: true }, verbosity: 'low' } },
    ],
    [
      { tools: [tool], tool_choice: { type: 'function', function: { name: 'f' } }, parallel_tool_calls: false },
      {
        tools: [{ type: 'function', name: 'f', description: 'd', parameters: { type: 'object' }, strict: false }],
        tool_choice: { type: 'function', name: 'f' },
        parallel_tool_calls: false,
      },
    ],
    [
      { tools: [{ type: 'web_search' }], tool_choice: 'auto' },
      { tools: [{ type: 'web_search' }], tool_choice: 'auto' },
    ],
    [
      { logprobs: true, top_logprobs: 2 },
      { include: ['message.output_text.logprobs'], top_logprobs: 2 },
    ],
    [{ stream: true, stream_options: { include_usage: true } }, { stream: true }],
    [
      { store: true, user: 'u', metadata: { a: 'b' }, temperature: 1, n: 1 },
      { store: true, user: 'u', metadata: { a: 'b' }, temperature: 1 },
    ],
    [
      { truncation: 'auto', previous_response_id: 'resp_1' },
      { truncation: 'auto', previous_response_id: 'resp_1' },
    ],
  ])('writes %j', (chat, responses) => {
    const input = [{ type: 'message', role: 'user', content: 'Hi' }];
    expect(bodyOf(chat)).toEqual({ model: 'gpt-5', store: false, input, ...responses });
  });

  it('writes messages as items', () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } };
    const file = { type: 'file', file: { file_data: 'data:application/pdf;base64,AA', filename: 'a.pdf' } };
    const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };
    expect(
      inputOf(
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'text', text: 'Look' }, image, file] },
        { role: 'assistant', content: 'So', tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c1', content: 'done' },
        { role: 'assistant', content: null, refusal: 'No' },
        { role: 'assistant', content: '', tool_calls: null },
      ),
    ).toEqual([
      { type: 'message', role: 'system', content: 'Be kind.' },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'Look' },
          { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'auto' },
          { type: 'input_file', file_data: 'data:application/pdf;base64,AA', filename: 'a.pdf' },
        ],
      },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'So' }] },
      { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: 'done' },
      { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'No' }] },
    ]);
  });

  it('shortens ids that OpenAI refuses, in the call and in its output alike', () => {
    const id = `call_1__thought__${'x'.repeat(500)}`;
    const call = { id, type: 'function', function: { name: 'f', arguments: '{}' } };
    const items = inputOf({ role: 'assistant', content: null, tool_calls: [call] }, { role: 'tool', tool_call_id: id, content: 'done' });
    const [first, second] = items as readonly { readonly call_id: string }[];
    expect(first.call_id).toMatch(/^call_[0-9a-f]{32}$/);
    expect(second.call_id).toBe(first.call_id);
  });

  it.each([
    ['stop', { stop: 'x' }],
    ['seed', { seed: 1 }],
    ['n', { n: 2 }],
    ['logit_bias', { logit_bias: { 1: 2 } }],
    ['messages[0].role', { messages: [{ role: 'function', name: 'f', content: 'a' }] }],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] }],
  ])('names %s, which Responses does not have', (param, body) => {
    expect(() => bodyOf(body)).toThrow(expect.objectContaining({ name: UnsupportedRequestError.name, param }) as Error);
  });

  it.each([
    ['messages', { messages: 'Hi' }],
    ['messages[0]', { messages: ['Hi'] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 7 }] }],
    ['messages[0].tool_calls[0].function', { messages: [{ role: 'assistant', tool_calls: [{}] }] }],
  ])('rejects a wrong %s', (path, body) => {
    expect(() => bodyOf(body)).toThrow(expect.objectContaining({ name: InvalidArgumentError.name, path }) as Error);
  });
});

const usage = { input_tokens: 3, output_tokens: 4, total_tokens: 7, input_tokens_details: { cached_tokens: 2 } };
const chatUsage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7, prompt_tokens_details: { cached_tokens: 2 } };

interface Item {
  readonly type: 'message' | 'reasoning' | 'function_call';
  readonly parts: readonly string[];
}

/** The events and the output of one item. */
function itemOf({ type, parts }: Item, index: number): { readonly events: readonly object[]; readonly item: object } {
  const place = { item_id: `i${index}`, output_index: index, content_index: 0, summary_index: 0 };
  const text = parts.join('');
  const done = {
    message: { type, id: `i${index}`, content: [{ type: 'output_text', text, annotations: [] }] },
    reasoning: { type, id: `i${index}`, summary: [{ type: 'summary_text', text }] },
    function_call: { type, id: `i${index}`, call_id: `c${index}`, name: 'f', arguments: text },
  }[type];
  const delta = { message: 'output_text', reasoning: 'reasoning_summary_text', function_call: 'function_call_arguments' }[type];
  const added = { ...done, arguments: '', content: [], summary: [] };
  return {
    item: done,
    events: [
      { type: 'response.output_item.added', output_index: index, item: added },
      ...parts.map((part) => ({ type: `response.${delta}.delta`, ...place, delta: part })),
      ...(type === 'function_call' ? [{ type: 'response.function_call_arguments.done', ...place, arguments: text }] : []),
      { type: 'response.output_item.done', output_index: index, item: done },
    ],
  };
}

function responseOf(items: readonly Item[], reason?: string) {
  const all = items.map(itemOf);
  const status = reason === undefined ? 'completed' : 'incomplete';
  const details = reason === undefined ? null : { reason };
  const response = {
    id: 'resp_1',
    status,
    model: 'gpt-5',
    created_at: 1,
    incomplete_details: details,
    output: all.map(({ item }) => item),
    usage,
  };
  const created = { type: 'response.created', response: { ...response, status: 'in_progress', output: [], usage: null } };
  return { response, events: [created, ...all.flatMap(({ events }) => events), { type: `response.${status}`, response }] };
}

function translated(events: readonly object[], cuts: readonly number[] = []): string {
  const bytes = Buffer.from(events.map((each) => `event: x\ndata: ${JSON.stringify(each)}\n\n`).join(''));
  const translator = new ResponseToChat('gpt-5', true);
  const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  const parts = at.slice(1).map((to, i) => translator.chunk(bytes.subarray(at[i], to)));
  return Buffer.concat([...parts, translator.end()]).toString();
}

const chunksIn = (stream: string): Json[] =>
  stream
    .split('\n\n')
    .filter((each) => each.startsWith('data: {'))
    .map((each) => JSON.parse(each.slice('data: '.length)) as Json);

/** The message that the chunks make. */
function joined(chunks: readonly Json[]) {
  const calls: { id?: unknown; function: { name?: unknown; arguments: string } }[] = [];
  const texts: Record<string, string> = {};
  let finish: unknown;
  for (const { choices } of chunks) {
    for (const { delta, finish_reason: reason } of choices as readonly { delta: Json; finish_reason: unknown }[]) {
      for (const field of ['content', 'refusal', 'reasoning_content']) {
        if (typeof delta[field] === 'string') texts[field] = (texts[field] ?? '') + delta[field];
      }
      for (const { index, id, function: called } of (delta.tool_calls ?? []) as {
        index: number;
        id?: string;
        function: Record<string, string>;
      }[]) {
        const call = (calls[index] ??= { id, function: { name: called.name, arguments: '' } });
        call.function.arguments += called.arguments;
      }
      finish ??= reason;
    }
  }
  return { ...texts, calls, finish };
}

describe('a response as a chat completion', () => {
  const text = string({ minLength: 1, maxLength: 6, unit: 'grapheme' });
  const items = array(record<Item>({ type: constantFrom('message', 'reasoning', 'function_call'), parts: array(text, { maxLength: 3 }) }), {
    maxLength: 5,
  });

  it('is the same whole and streamed', () => {
    assert(
      property(items, constantFrom(undefined, 'max_output_tokens', 'content_filter'), (all, reason) => {
        const { response, events } = responseOf(all, reason);
        const whole = JSON.parse(new ResponseToChat('gpt-5', true).whole(Buffer.from(JSON.stringify(response))).toString()) as {
          choices: [{ message: Json; finish_reason: string }];
          usage: object;
        };
        const [{ message, finish_reason: finish }] = whole.choices;
        const chunks = chunksIn(translated(events));
        const calls = ((message.tool_calls ?? []) as { id: string; function: object }[]).map(({ id, function: called }) => ({
          id,
          function: called,
        }));
        expect(joined(chunks)).toEqual({
          ...(typeof message.content === 'string' && (message.content !== '' || chunks.length === 2) && { content: message.content }),
          ...(message.reasoning_content !== undefined && { reasoning_content: message.reasoning_content }),
          calls,
          finish,
        });
        expect(chunks.at(-1)).toMatchObject({ choices: [], usage: chatUsage });
        expect(whole.usage).toMatchObject(chatUsage);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same wherever chunks cut the bytes', () => {
    assert(
      property(items, array(integer({ min: 0, max: 10_000 }), { maxLength: 20 }), (all, cuts) => {
        const { events } = responseOf(all);
        const alike = (stream: string) => stream.replace(/"created":\d+/g, '');
        expect(alike(translated(events, cuts))).toBe(alike(translated(events)));
      }),
      { numRuns: 200 },
    );
  });

  it('throws nothing but Error for any events', () => {
    const junk = record({
      type: constantFrom('response.created', 'response.output_item.added', 'response.output_item.done', 'response.completed', 'error', 'x'),
      output_index: oneof(integer(), text),
      item: oneof(
        constantFrom(null, 7, 'a'),
        record({ type: constantFrom('function_call', 'message'), arguments: oneof(text, integer()) }),
      ),
      response: oneof(
        constantFrom(null, 7),
        record({ output: oneof(integer(), array(constantFrom(null, 7))), usage: oneof(integer(), text) }),
      ),
    });
    assert(
      property(array(junk, { maxLength: 8 }), (events) => {
        const stream = translated([...events, { type: 'response.completed', response: {} }]);
        expect(chunksIn(stream).length).toBeGreaterThan(0);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['response.failed', { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message: 'no' } } }],
    ['an error event', { type: 'error', code: 'server_error', message: 'no', param: null }],
    ['an error event with the error inside', { type: 'error', error: { code: 'server_error', message: 'no' } }],
  ])('is an error for %s', (_, event) => {
    expect(chunksIn(translated([event]))).toMatchObject([{ error: { message: 'no', code: 'server_error' } }]);
  });

  it('is an error for a failed whole response', () => {
    const failed = { status: 'failed', error: { code: 'server_error', message: 'no' } };
    const whole = new ResponseToChat('m', false).whole(Buffer.from(JSON.stringify(failed))).toString();
    expect(JSON.parse(whole)).toEqual({ error: { message: 'no', type: null, code: 'server_error' } });
  });

  it('throws for calls without end', () => {
    const added = (at: unknown): string =>
      `data: ${JSON.stringify({ type: 'response.output_item.added', output_index: at, item: { type: 'function_call', call_id: 'c', name: 'f' } })}\n\n`;
    const translator = new ResponseToChat('m', false);
    const endless = (): void => {
      for (let at = 0; at < 2000; at++) translator.chunk(Buffer.from(added(at)));
    };
    expect(endless).toThrow('too many tool calls');
  });

  it('throws for a stream that was cut, and for an answer that is not a response', () => {
    expect(() => translated([{ type: 'response.created', response: {} }])).toThrow('ended without');
    expect(() => new ResponseToChat('m', false).whole(Buffer.from('{}'))).toThrow('no output');
  });

  it('has annotations and the arguments of a call that came whole', () => {
    const annotation = { type: 'url_citation', url: 'https://x', title: 't', start_index: 0, end_index: 1 };
    const chunks = chunksIn(
      translated([
        { type: 'response.output_text.annotation.added', annotation },
        { type: 'response.output_item.done', output_index: 1, item: { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' } },
        { type: 'response.completed', response: {} },
      ]),
    );
    expect(chunks[0]).toMatchObject({ choices: [{ delta: { annotations: [{ url_citation: { url: 'https://x' } }] } }] });
    expect(joined(chunks)).toMatchObject({ calls: [{ id: 'c', function: { arguments: '{}' } }], finish: 'tool_calls' });
  });
});
