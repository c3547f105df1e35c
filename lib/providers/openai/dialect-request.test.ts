import { DEFAULT_BODY_BOUNDS } from '../../http/body/body-bounds.js';
import { ApiCallRequest } from '../../calls/call-request.js';
import type { SentRequest } from '../protocol.js';
import { OPENAI } from './openai.js';

type Fields = Readonly<Record<string, unknown>>;

const limits = { bounds: DEFAULT_BODY_BOUNDS, ofCaller: () => ({ numRetries: 0, timeoutMs: 1, maxFallbacks: 0 }) };
const HELLO = [{ role: 'user', content: 'Hello' }];

/** The body of a chat: `messages` only where they are not those of the request. */
function bodyFor(provider: string, model: string, fields: Fields, more: Partial<SentRequest> = {}): Fields {
  const body = { model: 'group', messages: HELLO, ...fields };
  const request = new ApiCallRequest({ operation: 'chat', body }, {}, limits);
  const rest = {
    overrides: undefined,
    addsUsage: false,
    defaults: undefined,
    fixed: undefined,
    dropParams: false,
    params: {},
    isAtHome: true,
  };
  const call = OPENAI.call('chat', { request, body, provider, model, ...rest, ...more });
  const { messages, ...all } = JSON.parse(call?.body as string) as Fields;
  const sent = Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'model'));
  return messages === undefined || JSON.stringify(messages) === JSON.stringify(body.messages) ? sent : { ...sent, messages };
}

describe('a chat in the dialect of its provider', () => {
  it.each<[string, string, string, Fields, Partial<SentRequest>, Fields]>([
    ['a field that is named like one of all objects', 'openai', 'o3', { constructor: 'x' }, {}, { constructor: 'x' }],
    ['the newer limit for an o-series model', 'openai', 'o3', { max_tokens: 5 }, {}, { max_completion_tokens: 5 }],
    [
      'the newer limit where both are stated',
      'openai',
      'gpt-5',
      { max_tokens: 5, max_completion_tokens: 6 },
      {},
      { max_completion_tokens: 6 },
    ],
    [
      'the newer limit behind a server of the operator',
      'openai',
      'gpt-5-mini',
      { max_tokens: 5, stop: 'a' },
      { isAtHome: false },
      { max_completion_tokens: 5, stop: 'a' },
    ],
    [
      'the limit as it is for an unknown name',
      'openai',
      'o-my-model',
      { max_tokens: 5, temperature: 0 },
      { isAtHome: false },
      { max_tokens: 5, temperature: 0 },
    ],
    [
      "Azure's newer limit by base_model",
      'azure',
      'mine',
      { max_tokens: 5 },
      { baseModel: 'azure/gpt-5-mini' },
      { max_completion_tokens: 5 },
    ],
    [
      "Azure's newer limit by the series",
      'azure',
      'mine',
      { max_tokens: 5 },
      { baseModel: 'azure/o_series/mine' },
      { max_completion_tokens: 5 },
    ],
    ["Azure's older limit without one", 'azure', 'mine', { max_tokens: 5 }, {}, { max_tokens: 5 }],
    [
      'temperature without reasoning',
      'openai',
      'gpt-5.5',
      { reasoning_effort: 'none', temperature: 0 },
      {},
      { reasoning_effort: 'none', temperature: 0 },
    ],
    ['temperature of a model that reasons only when asked', 'openai', 'gpt-5.1', { temperature: 0 }, {}, { temperature: 0 }],
    ['no user where the provider lacks it', 'mistral', 'mistral-large-latest', { user: 'ann', n: 1, seed: 3 }, {}, { random_seed: 3 }],
    ['no neutral value where the provider lacks it', 'perplexity', 'sonar', { n: 1, logit_bias: {}, tool_choice: 'auto' }, {}, {}],
    ["a provider's own parameters", 'perplexity', 'sonar', { search_recency_filter: 'day' }, {}, { search_recency_filter: 'day' }],
    ['what may be dropped not', 'perplexity', 'sonar', { stop: 'a' }, { dropParams: true }, {}],
    ['what the request has dropped not', 'perplexity', 'sonar', { stop: 'a', drop_params: true }, {}, {}],
    ['what the deployment has dropped not', 'openai', 'o3', { temperature: 0 }, { params: { drop_params: true } }, {}],
    ['what is allowed', 'perplexity', 'sonar', { stop: 'a' }, { params: { allowed_openai_params: ['stop'] } }, { stop: 'a' }],
    ['what the request allows', 'openai', 'o3', { temperature: 0, allowed_openai_params: ['temperature'] }, {}, { temperature: 0 }],
    [
      'no additional_drop_params of any provider',
      'openai',
      'gpt-4o',
      { seed: 1, stop: 'a' },
      { params: { additional_drop_params: ['seed'] } },
      { stop: 'a' },
    ],
    [
      'no additional_drop_params by path',
      'openai',
      'gpt-4o',
      { tools: [{ type: 'function', function: { name: 'f', strict: true } }], additional_drop_params: ['tools[*].function.strict'] },
      {},
      { tools: [{ type: 'function', function: { name: 'f' } }] },
    ],
    [
      "the deployment's extra_body unchecked and last",
      'perplexity',
      'sonar',
      { top_p: 1 },
      { fixed: { stop: 'b', top_p: 2 } },
      { top_p: 2, stop: 'b' },
    ],
    ["the request's extra_body", 'openai', 'gpt-4o', { extra_body: { top_k: 4 } }, {}, { top_k: 4 }],
    [
      "no model, key, address or limit of the request's extra_body",
      'openai',
      'gpt-4o',
      { extra_body: { model: 'gpt-5', api_key: 'k', api_base: 'http://h', max_tokens: 9, messages: [], stream: true } },
      {},
      {},
    ],
    ['a bounded temperature', 'moonshot', 'moonshot-v1-8k', { temperature: 1.5 }, {}, { temperature: 1 }],
    [
      'a value by the name of its provider',
      'fireworks_ai',
      'm',
      { tools: [], tool_choice: 'required' },
      {},
      { tools: [], tool_choice: 'any' },
    ],
    ['thinking as a switch', 'deepseek', 'm', { thinking: { type: 'enabled', budget_tokens: 5 } }, {}, { thinking: { type: 'enabled' } }],
    ['the effort as a switch', 'deepseek', 'm', { reasoning_effort: 'none' }, {}, { thinking: { type: 'disabled' } }],
    ['functions only', 'deepseek', 'm', { tools: [{ type: 'custom' }] }, {}, {}],
    [
      'unknown fields called like those of a prototype',
      'mistral',
      'm',
      JSON.parse('{"__proto__":1,"constructor":2}') as Fields,
      {},
      JSON.parse('{"__proto__":1,"constructor":2}') as Fields,
    ],
  ])('sends %s', (_, provider, model, fields, more, expected) => expect(bodyFor(provider, model, fields, more)).toEqual(expected));

  it.each<[string, string, string, Fields, string]>([
    [
      'a parameter',
      'perplexity',
      'sonar',
      { stop: 'a' },
      'stop is not supported: perplexity does not support this parameter for sonar; remove it, or set drop_params: true',
    ],
    ['a value', 'openai', 'o3', { temperature: 0 }, 'temperature is not supported: openai accepts only 1 for o3; remove it'],
    ['a value while reasoning', 'openai', 'gpt-5', { temperature: 0 }, 'accepts only 1 for gpt-5 unless reasoning_effort is none'],
    ['a parameter while reasoning', 'openai', 'gpt-5', { top_p: 0.5 }, 'gpt-5 supports this parameter only with reasoning_effort none'],
    [
      'a tool choice',
      'deepinfra',
      'm',
      { tools: [], tool_choice: 'required' },
      'tool_choice is not supported: deepinfra accepts only auto, none for m',
    ],
  ])('refuses %s, naming the parameter and the switch', (_, provider, model, fields, message) => {
    expect(() => bodyFor(provider, model, fields)).toThrow(message);
    expect(bodyFor(provider, model, { ...fields, drop_params: true })).not.toHaveProperty(Object.keys(fields).at(-1) as string);
  });

  const call = { id: 'call_1__thought__c2ln', type: 'function', index: 0, function: { name: 'f', arguments: '{}' } };
  const sentCall = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
  it.each<[string, string, string, readonly unknown[], readonly unknown[]]>([
    ['developer as system', 'groq', 'm', [{ role: 'developer', content: 'a' }], [{ role: 'system', content: 'a' }]],
    ['system as user for the first o1', 'openai', 'o1-mini', [{ role: 'system', content: 'a' }], [{ role: 'user', content: 'a' }]],
    [
      'names of tools only',
      'mistral',
      'm',
      [
        { role: 'user', content: 'a', name: 'n' },
        { role: 'tool', name: 'f', content: 'b' },
      ],
      [
        { role: 'user', content: 'a' },
        { role: 'tool', name: 'f', content: 'b' },
      ],
    ],
    [
      'no null of the assistant',
      'groq',
      'm',
      [{ role: 'assistant', content: 'a', function_call: null }],
      [{ role: 'assistant', content: 'a' }],
    ],
    ['no empty assistant', 'mistral', 'm', [{ role: 'assistant', content: '' }, ...HELLO], HELLO],
    [
      'texts as a string',
      'sambanova',
      'm',
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
      [{ role: 'user', content: 'ab' }],
    ],
    [
      'images as they are',
      'sambanova',
      'm',
      [{ role: 'user', content: [{ type: 'image_url', image_url: 'u' }] }],
      [{ role: 'user', content: [{ type: 'image_url', image_url: 'u' }] }],
    ],
    [
      "no signatures of other providers' calls",
      'openai',
      'gpt-4o',
      [
        { role: 'assistant', content: 'a', thinking_blocks: [], reasoning_content: 'r', tool_calls: [call] },
        { role: 'tool', tool_call_id: call.id, content: 'b' },
      ],
      [
        { role: 'assistant', content: 'a', tool_calls: [sentCall] },
        { role: 'tool', tool_call_id: 'call_1', content: 'b' },
      ],
    ],
    ...[
      ['openai', 'x'.repeat(41), '3164596df4fdd018b2c567ec8c03e79b'],
      ['mistral', 'call_1', '74196fe72'],
    ].map(([provider, given, sent]): [string, string, string, object[], object[]] => [
      'ids of calls that the provider takes',
      provider,
      'm',
      [
        { role: 'assistant', content: 'a', tool_calls: [{ ...call, id: given }] },
        { role: 'tool', tool_call_id: given, content: 'b' },
      ],
      [
        { role: 'assistant', content: 'a', tool_calls: [{ ...sentCall, id: sent }] },
        { role: 'tool', tool_call_id: sent, content: 'b' },
      ],
    ]),
    [
      'an answer between results of tools and the user',
      'mistral',
      'm',
      [
        { role: 'tool', tool_call_id: 'abcdefghi', content: 'b' },
        { role: 'user', content: 'c' },
        { role: 'user', content: 'd' },
      ],
      [
        { role: 'tool', tool_call_id: 'abcdefghi', content: 'b' },
        { role: 'assistant', content: 'OK.' },
        { role: 'user', content: 'c' },
        { role: 'user', content: 'd' },
      ],
    ],
    [
      'marks of the cache where they are read',
      'dashscope',
      'm',
      [{ role: 'user', content: [{ type: 'text', text: 'a', cache_control: {} }] }],
      [{ role: 'user', content: [{ type: 'text', text: 'a', cache_control: {} }] }],
    ],
    [
      'no marks elsewhere',
      'groq',
      'm',
      [{ role: 'user', content: [{ type: 'text', text: 'a', cache_control: {} }], cache_control: {} }],
      [{ role: 'user', content: [{ type: 'text', text: 'a' }] }],
    ],
    [
      'a lost thinking as a space',
      'moonshot',
      'kimi-k2-thinking',
      [{ role: 'assistant', tool_calls: [sentCall] }],
      [{ role: 'assistant', tool_calls: [sentCall], reasoning_content: ' ' }],
    ],
    [
      'thinking as a part',
      'mistral',
      'magistral-small',
      [{ role: 'assistant', content: 'a', reasoning_content: 'r' }],
      [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: [{ type: 'text', text: 'r' }], closed: true },
            { type: 'text', text: 'a' },
          ],
        },
      ],
    ],
    [
      'what is no message for the provider to refuse',
      'groq',
      'm',
      [null, 'a', { role: 'user', content: 5 }],
      [null, 'a', { role: 'user', content: 5 }],
    ],
  ])('sends %s', (_, provider, model, messages, expected) => {
    expect(bodyFor(provider, model, { messages }).messages ?? messages).toEqual(expected);
  });
});
