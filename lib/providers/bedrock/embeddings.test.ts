import type { ApiCallRequest } from '../../calls/call-request.js';
import type { WireCall } from '../protocol.js';
import { BEDROCK } from './bedrock.js';

type Fields = Record<string, unknown>;

function call(fields: Fields, model: string): WireCall | undefined {
  const body = { model: 'm', ...fields };
  const request = { body, stream: false, isLarge: false, hasOwnFields: false, hasTags: false, addsUsage: false, options: {} };
  const rest = { overrides: undefined, addsUsage: false, defaults: undefined, fixed: undefined, dropParams: false, params: {} };
  return BEDROCK.call('embeddings', {
    request: request as unknown as ApiCallRequest,
    body,
    provider: 'bedrock',
    model,
    ...rest,
  });
}
const TITAN = 'amazon.titan-embed-text-v2:0';
const COHERE = 'cohere.embed-multilingual-v3';

it.each<[string, Fields, string, Fields]>([
  ['Titan 1', { input: 'a' }, 'amazon.titan-embed-text-v1', { inputText: 'a' }],
  ['Titan 2', { input: ['a'], dimensions: 256, normalize: true, user: 'u' }, TITAN, { inputText: 'a', dimensions: 256, normalize: true }],
  [
    'Cohere',
    { input: ['a', 'b'], dimensions: 512, input_type: 'search_query' },
    COHERE,
    { texts: ['a', 'b'], input_type: 'search_query', embedding_types: ['float'], output_dimension: 512 },
  ],
])('asks %s for embeddings', (_, fields, model, body) => {
  const { path, body: sent } = call(fields, model) as WireCall;
  expect(path).toBe(`/model/${encodeURIComponent(model)}/invoke`);
  expect(JSON.parse(sent as string)).toEqual(body);
});

it.each<[string, Fields, string, Fields, unknown[], number]>([
  ['Titan', { input: 'a' }, TITAN, { embedding: [0.5, 1], inputTextTokenCount: 3 }, [[0.5, 1]], 3],
  ['Titan, by type', { input: 'a' }, TITAN, { embeddingsByType: { float: [0.5] }, inputTextTokenCount: 3 }, [[0.5]], 3],
  ['Cohere', { input: ['abcd', 'abcd'] }, COHERE, { embeddings: { float: [[1], [2]] } }, [[1], [2]], 2],
  ['Cohere without types', { input: ['abcd'] }, COHERE, { embeddings: [[1]] }, [[1]], 1],
  ['base64', { input: 'a', encoding_format: 'base64' }, TITAN, { embedding: [1], inputTextTokenCount: 3 }, ['AACAPw=='], 3],
])('reads the embeddings of %s', (_, fields, model, answer, embeddings, tokens) => {
  const list = JSON.parse(
    call(fields, model)
      ?.translator?.whole(Buffer.from(JSON.stringify(answer)))
      .toString() ?? '',
  ) as { data: { embedding: unknown }[] };
  expect(list).toMatchObject({ object: 'list', model, usage: { prompt_tokens: tokens, total_tokens: tokens } });
  expect(list.data.map(({ embedding }) => embedding)).toEqual(embeddings);
});

it.each<[string, Fields, string, RegExp]>([
  ['several texts at once', { input: ['a', 'b'] }, TITAN, /^input is not supported: .*one text in a request, not 2; send one text/],
  ['tokens', { input: [1, 2] }, COHERE, /^input\[0\]: must be a non-empty string/],
  ['nothing', { input: [] }, COHERE, /^input: must be a non-empty string/],
  ['an empty text', { input: '' }, TITAN, /^input: must be a non-empty string/],
  ['another format', { input: 'a', encoding_format: 'int8' }, TITAN, /^encoding_format is not supported/],
])('refuses %s', (_, fields, model, message) => {
  expect(() => call(fields, model)).toThrow(message);
});

it.each<[string, string]>([
  ['no JSON', '{'],
  ['no embedding', '{}'],
  ['an embedding that is none', '{"embedding":"x"}'],
])('refuses an answer with %s', (_, answer) => {
  expect(() => call({ input: 'a' }, TITAN)?.translator?.whole(Buffer.from(answer))).toThrow();
});

it('states an exception, and leaves models that do not embed to the router', () => {
  const answer = call({ input: 'a' }, TITAN)?.translator?.whole(Buffer.from('{"__type":"ThrottlingException","message":"slow"}'));
  expect(JSON.parse(String(answer))).toEqual({ error: { message: 'slow', type: 'ThrottlingException', code: '429' } });
  expect(call({ input: 'a' }, 'anthropic.claude-sonnet-4-5-20250929-v1:0')).toBeUndefined();
});
