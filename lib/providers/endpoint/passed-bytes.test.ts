import { jsonBodyEngines, readerOf } from '../../../test/support/json-body-engines.js';
import { usuallyOrLong } from '../../../test/support/long.js';
import { RandomRequests } from '../../../test/support/random-requests.js';
import { DEFAULT_BODY_BOUNDS } from '../../http/body/body-bounds.js';
import { jsonBodyOf } from '../../http/body/body-object.js';
import type { JsonBody } from '../../http/body/json-body.js';
import { DEFAULT_JSON_BOUNDS } from '../../json-body/json-bounds.js';
import { ApiCallRequest } from '../../calls/call-request.js';
import type { ModelRequest } from '../model-request.js';
import { protocolOf } from '../protocols.js';
import type { Operation, SentRequest } from '../protocol.js';

const limits = { bounds: DEFAULT_BODY_BOUNDS, ofCaller: () => ({ timeoutMs: Infinity, numRetries: 0, maxFallbacks: 0 }) };
const reader = readerOf(jsonBodyEngines()[0]);

/** Of a deployment without parameters of its own. */
const SENT = { overrides: undefined, addsUsage: false, defaults: undefined, fixed: undefined, dropParams: false, params: {} };

/** The JSON that a protocol sends, or its error. */
async function sentBy(operation: Operation, provider: string, request: ApiCallRequest, more: Partial<SentRequest>): Promise<unknown> {
  const sent: SentRequest = { ...SENT, request, body: request.body, provider, model: 'mistral-x', isAtHome: true, ...more };
  try {
    const call = protocolOf(provider, sent.model).call(operation, sent);
    return call === undefined ? 'none' : JSON.parse(String(await call.body));
  } catch (error) {
    return (error as Error).message;
  }
}

/** The same body as an object and as bytes. */
async function bothOf(json: string): Promise<readonly [ApiCallRequest, ApiCallRequest]> {
  const body = JSON.parse(json) as ModelRequest;
  // Longer than bodies that are parsed at once.
  const object = (await reader.read(Buffer.from(json + ' '.repeat(10_000)), DEFAULT_JSON_BOUNDS)) as ModelRequest;
  const bytes = (await jsonBodyOf(object)) as JsonBody;
  return [
    new ApiCallRequest({ operation: 'chat', body }, {}, limits),
    new ApiCallRequest({ operation: 'chat', body: object, json: bytes }, {}, limits),
  ];
}

const CHATS = [
  'openai',
  'azure',
  'mistral',
  'groq',
  'deepseek',
  'xai',
  'hosted_vllm',
  'cohere',
  'cerebras',
  'perplexity',
  'moonshot',
  'gemini',
  'anthropic',
  'bedrock',
];
const CHANGES: readonly Partial<SentRequest>[] = [
  {},
  { model: 'o3', dropParams: true },
  { addsUsage: true, defaults: { temperature: 0.5, seed: 1 }, fixed: { extra: true } },
  { overrides: { messages: [{ role: 'user', content: '\uf8ff0' }], temperature: 0 } },
  { params: { additional_drop_params: ['messages[*].name', 'user', 'tools[0].function.strict'] }, dropParams: true },
];

/** Bytes keep `-0`, which JSON.stringify writes as 0. */
function asWritten(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

describe('a body that passes as bytes', () => {
  it('parses to the value that the same body as an object is sent as, by every protocol', async () => {
    for (let seed = 1; seed <= usuallyOrLong(8, 1000); seed++) {
      const requests = new RandomRequests(seed);
      const cases: [Operation, readonly string[], string][] = [
        ['chat', CHATS, requests.chat()],
        ['messages', ['anthropic', 'azure_ai'], requests.messages()],
        ['responses', ['openai', 'azure'], requests.responses()],
        ['embeddings', ['openai', 'mistral', 'gemini'], requests.texts('input')],
        ['completions', ['hosted_vllm'], requests.texts('prompt')],
      ];
      for (const [operation, providers, json] of cases) {
        for (const provider of providers) {
          const [object, bytes] = await bothOf(json);
          const change = CHANGES[seed % CHANGES.length];
          const expected = await sentBy(operation, provider, object, change);
          const sent = await sentBy(operation, provider, bytes, change);
          try {
            expect(asWritten(sent)).toEqual(asWritten(expected));
          } catch (error) {
            throw new Error(`${operation} by ${provider}, seed ${seed}: ${json}\n${(error as Error).message}`, { cause: error });
          }
        }
      }
    }
  }, 3_600_000);

  it.each(['"user":"%"', '"metadata":{"note":"%"}', '"prompt_cache_key":"%"', '"logit_bias":["%"]'])(
    'is written in several turns where a long value stands under another name: %s',
    async (field) => {
      const [, request] = await bothOf(`{"model":"group","messages":[],${field.replace('%', 'x'.repeat(40_000))}}`);
      const sent: SentRequest = { ...SENT, request, body: request.body, provider: 'openai', model: 'm' };
      const call = protocolOf('openai', 'm').call('chat', sent);
      expect(call?.body).toBeInstanceOf(Promise);
      expect(String(await call?.body)).toContain('x'.repeat(40_000));
    },
  );

  it.each(['openai', 'azure', 'hosted_vllm'])('is sent by %s with the texts as they came', async (provider) => {
    const text = `\\u0041\\/ ${'x'.repeat(400)}`;
    const messages = `[ {"role": "user","content":"${text}"}, {"role":"assistant","content":null,"tool_calls":[{"id":"call_12345","type":"function","function":{"name":"f","arguments":"${text}"}}]},
      {"role":"tool","tool_call_id":"call_12345","content":"${text}"} ]`;
    const [, request] = await bothOf(`{"model":"group","messages":${messages},"num_retries":1}`);
    const model = 'm';
    const sent: SentRequest = { ...SENT, request, body: request.body, provider, model };
    const call = protocolOf(provider, model).call('chat', sent);
    const written = String(await call?.body);
    if (provider === 'openai') expect(written).toBe(`{"model":"m","messages":${messages}}`);
    // A content of `null` is left out; the texts stay.
    else expect(written.split(text)).toHaveLength(4);
  });
});
