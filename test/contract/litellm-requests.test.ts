import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UnsupportedRequestError } from '../../lib/common/http-errors.js';
import { protocolOf } from '../../lib/providers/protocols.js';
import { isResolved, resolveModel } from '../../lib/providers/endpoint/resolution.js';
import { ApiCallRequest } from '../../lib/calls/call-request.js';
import { DEFAULT_BODY_BOUNDS } from '../../lib/http/body/body-bounds.js';

// Compares bodies with those that LiteLLM sends (fixtures/litellm/provider_requests.py).

type Fields = Readonly<Record<string, unknown>>;
/** `same`: the fields that were asked for; `refused`; else the fields that were sent. */
type Sent = 'same' | 'refused' | Fields;

const recorded = JSON.parse(readFileSync(join(__dirname, '../fixtures/litellm/provider-requests.json'), 'utf8')) as {
  readonly cases: { readonly parameters: readonly Fields[]; readonly messages: Readonly<Record<string, readonly Fields[]>> };
  readonly models: Readonly<Record<string, readonly [parameters: readonly Sent[], messages: Readonly<Record<string, Sent>>]>>;
};
const HELLO = [{ role: 'user', content: 'Hello' }];
const bounds = DEFAULT_BODY_BOUNDS;
const limits = { bounds, ofCaller: () => ({ numRetries: 0, timeoutMs: 1, maxFallbacks: 0 }) };

async function sentFor(model: string, fields: Fields): Promise<Sent> {
  const resolved = resolveModel({ model });
  if (!isResolved(resolved)) throw new Error(`${model} is not resolved`);
  const given = { messages: HELLO, ...fields };
  const body = { model, ...given };
  const request = new ApiCallRequest({ operation: 'chat', body }, {}, limits);
  const facts = {
    ...resolved,
    overrides: undefined,
    addsUsage: false,
    defaults: undefined,
    fixed: undefined,
    dropParams: false,
    params: {},
  };
  try {
    const call = protocolOf(resolved.provider, resolved.model).call('chat', { request, body, isAtHome: true, ...facts });
    const { messages, ...all } = JSON.parse(String(await call?.body)) as Fields;
    const rest = Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'model'));
    const shown = isDeepStrictEqual(messages, given.messages) ? rest : { ...rest, messages };
    return isDeepStrictEqual(shown, fields.messages === undefined ? fields : {}) ? 'same' : shown;
  } catch (error) {
    if (error instanceof UnsupportedRequestError) return 'refused';
    throw error;
  }
}

/** What is sent otherwise on purpose. */
const WANTED: readonly (readonly [reason: string, isMeant: (model: string, name: string) => boolean])[] = [
  ['OpenAI knows the role developer', (model, name) => name === 'developer' && model.startsWith('openai/')],
  [
    'cache marks and thinking blocks are for Claude only, and some servers reject them',
    (_, name) => name === 'marks' || name === 'thinking',
  ],
  ['OpenAI accepts null, and o3-mini a system message', (model, name) => isOpenAIs(model) && /^(?:system|names|tool result)$/.test(name)],
  [
    'which Moonshot models reason is read from their names',
    (model, name) => /kimi/.test(model) && /^(?:texts|tool)|temperature/.test(name),
  ],
  ['the text for required tools is our own', (model, name) => /kimi/.test(model) && name.includes('"required"')],
  ['whether a model reasons changes monthly: its provider answers', (_, name) => name.includes('"reasoning_effort"')],
  ['a new limit is translated, not refused', (model, name) => model.startsWith('hyperbolic/') && name.includes('max_completion_tokens')],
  ['Mistral refuses ids of calls but those of nine letters', (model, name) => /^(?:mi|code)stral\//.test(model) && name === 'tool result'],
  ['Groq prefers the new limit', (model, name) => model.startsWith('groq/') && name.includes('max_completion_tokens')],
  [
    'parameters that change no answer are dropped where the provider lacks them, else sent',
    (_, name) => /^\{"(?:user|store|safety_identifier|service_tier|prompt_cache_key)"/.test(name),
  ],
  [
    'the provider answers for its structured output',
    (model, name) => /^(?:volc|meta|zai|groq)/.test(model) && name.includes('response_format'),
  ],
  ['thinking is sent to providers that may know it', (_, name) => name.includes('"thinking"')],
  ['vLLM reads the whole tool', (model, name) => model.startsWith('hosted_vllm/') && name.includes('"tools"')],
  ['auto is sent where it is accepted', (model, name) => model.startsWith('deepinfra/') && name.includes('"auto"')],
  [
    "tools of OpenAI's newest models go by Responses, at OpenAI itself",
    (model, name) => model === 'openai/gpt-5.5' && name.includes('"tools"'),
  ],
  ['the search is a tool of another API', (model, name) => /^(?:xai|groq)/.test(model) && name.includes('web_search_options')],
];

function isOpenAIs(model: string): boolean {
  return model.startsWith('openai/') || model.startsWith('azure/');
}

const used = new Set<string>();

describe('a body for an OpenAI-compatible provider is that of LiteLLM, or differs for a reason', () => {
  it.each(Object.entries(recorded.models))('%s', async (model, [parameters, messages]) => {
    const { cases } = recorded;
    const all: [name: string, given: Fields, litellm: Sent][] = [
      ...cases.parameters.map((given, at): [string, Fields, Sent] => [JSON.stringify(given), given, parameters[at]]),
      ...Object.entries(cases.messages).map(([name, given]): [string, Fields, Sent] => [name, { messages: given }, messages[name]]),
    ];
    for (const [name, given, litellm] of all) {
      const ours = await sentFor(model, given);
      if (isDeepStrictEqual(ours, litellm)) continue;
      const [reason] = WANTED.find(([, isMeant]) => isMeant(model, name)) ?? [];
      if (reason === undefined) expect({ name, sent: ours }).toEqual({ name, sent: litellm });
      else used.add(reason);
    }
  });

  it('needs every reason', () => expect([...used].sort()).toEqual(WANTED.map(([reason]) => reason).sort()));
});
