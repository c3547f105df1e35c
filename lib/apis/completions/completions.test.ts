import { eventsIn } from '../../../test/support/stream-events.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { SentRequest } from '../../providers/protocol.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { COMPLETIONS_BRIDGE } from './completions.js';

const sent = { provider: 'groq', model: 'llama', dropParams: false, params: {}, request: { body: {} } } as unknown as SentRequest;
const chatOf = (fields: object): ModelRequest => COMPLETIONS_BRIDGE.request({ model: 'm', ...fields }, sent);
const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const dataOf = (events: string): unknown[] => {
  const lines = events.split('\n\n').filter((each) => each !== '');
  return lines.map((each) => (each === 'data: [DONE]' ? 'DONE' : (JSON.parse(each.slice('data: '.length)) as unknown)));
};

describe('a completion as a request of chat', () => {
  it.each([['Once'], [['Once']]])('makes the prompt %j a message of the user', (prompt) => {
    expect(chatOf({ prompt, max_tokens: 5, stop: '\n', logprobs: 2, suffix: null, echo: false, best_of: 1 })).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'Once' }],
      max_tokens: 5,
      stop: '\n',
      logprobs: true,
      top_logprobs: 2,
    });
  });

  it('asks for the usage of a stream', () => {
    expect(chatOf({ prompt: 'a', stream: true })).toMatchObject({ stream_options: { include_usage: true } });
  });

  it.each([
    ['prompt', { prompt: ['a', 'b'] }],
    ['prompt', { prompt: [1, 2, 3] }],
    ['prompt', { prompt: [[1, 2]] }],
    ['suffix', { prompt: 'a', suffix: 'b' }],
    ['echo', { prompt: 'a', echo: true }],
    ['best_of', { prompt: 'a', best_of: 3 }],
  ])('names %s, which chat does not have', (param, fields) => {
    expect(() => chatOf(fields)).toThrow(expect.objectContaining({ name: UnsupportedRequestError.name, param }) as Error);
  });

  it.each([[{}], [{ prompt: 7 }], [{ prompt: [] }], [{ prompt: null }]])('rejects %j, which has no prompt', (fields) => {
    expect(() => chatOf(fields)).toThrow(InvalidArgumentError);
  });
});

describe('a chat completion as a text completion', () => {
  const logprobs = { content: [{ token: 'Hi', logprob: -1, bytes: null, top_logprobs: [{ token: 'Hi', logprob: -1 }] }] };

  it('has the texts of all choices', () => {
    const chat = {
      model: 'local',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'length', logprobs },
        { index: 1, message: { role: 'assistant', content: 'Ho' }, finish_reason: 'tool_calls' },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    };
    const bytes = COMPLETIONS_BRIDGE.answer({ model: 'm' }).whole(Buffer.from(JSON.stringify(chat)));
    expect(JSON.parse(bytes.toString())).toEqual({
      id: expect.stringMatching(/^cmpl-/) as string,
      object: 'text_completion',
      created: expect.any(Number) as number,
      model: 'local',
      choices: [
        {
          index: 0,
          text: 'Hi',
          finish_reason: 'length',
          logprobs: { tokens: ['Hi'], token_logprobs: [-1], top_logprobs: [{ Hi: -1 }], text_offset: [0] },
        },
        { index: 1, text: 'Ho', finish_reason: 'stop', logprobs: null },
      ],
      usage: chat.usage,
    });
  });

  it.each([true, false])('streams, with the usage if that was asked for (%s)', (asked) => {
    const delta = (content: string, finish: string | null) =>
      event({ choices: [{ index: 0, delta: { content }, finish_reason: finish, logprobs }] });
    const bridged = COMPLETIONS_BRIDGE.answer({ model: 'm', stream: true, stream_options: { include_usage: asked } });
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    const chat = delta('Hi', null) + delta('Hi', 'stop') + event({ choices: [], usage }) + 'data: [DONE]\n\n';
    const events = dataOf(bridged.events(eventsIn(chat)) + bridged.end());
    expect(events).toMatchObject([
      { choices: [{ text: 'Hi', finish_reason: null, logprobs: { text_offset: [0] } }] },
      { choices: [{ text: 'Hi', finish_reason: 'stop', logprobs: { text_offset: [2] } }] },
      ...(asked ? [{ choices: [], usage }] : []),
      'DONE',
    ]);
  });

  it.each([
    ['is cut', event({ choices: [{ index: 0, delta: { content: 'Hi' } }] })],
    ['has an error', event({ error: { message: 'no' } })],
    ['has an event that is no JSON', 'data: {\n\n'],
  ])('ends with an error when the stream %s', (_, chat) => {
    const bridged = COMPLETIONS_BRIDGE.answer({ model: 'm', stream: true });
    const events = dataOf(bridged.events(eventsIn(chat)) + bridged.end());
    expect(events.at(-1)).toMatchObject({ error: { message: expect.any(String) as string } });
  });

  it('throws for an answer without choices', () => {
    expect(() => COMPLETIONS_BRIDGE.answer({ model: 'm' }).whole(Buffer.from('{"object":"list"}'))).toThrow('no choices');
  });
});
