import { errorIn, hasError } from './errors.js';

it.each<[string, unknown, object]>([
  [
    'OpenAI',
    { error: { message: 'no', type: 'invalid_request_error', param: 'model', code: 404 } },
    { message: 'no', type: 'invalid_request_error', param: 'model', code: '404' },
  ],
  ['a text', { error: 'no', code: 'x' }, { message: 'no', code: 'x' }],
  ['vLLM', { object: 'error', message: 'no', type: 'BadRequestError', code: 400 }, { message: 'no', type: 'BadRequestError', code: '400' }],
  ['Gemini', [{ error: { code: 400, message: 'no', status: 'INVALID_ARGUMENT' } }], { message: 'no', code: '400' }],
  ['Anthropic', { type: 'error', error: { type: 'overloaded_error', message: 'no' } }, { message: 'no', type: 'overloaded_error' }],
  ['an error within one', { error: { error: { message: 'no' } } }, { message: 'no' }],
  ['FastAPI', { detail: 'Not Found' }, { message: 'Not Found' }],
  ['FastAPI, of a field', { detail: [{ type: 'x', loc: ['body', 'tools', 0], msg: 'no' }] }, { message: 'body.tools.0: no' }],
  ['a location that is not a string', { detail: [{ loc: ['body', { toString: 1 }], msg: 'no' }] }, { message: 'body.: no' }],
  ['Mistral', { object: 'error', message: { detail: [{ loc: ['body', 'n'], msg: 'no' }] } }, { message: 'body.n: no' }],
])('errorIn reads the error of %s', (_, body, expected) => expect(errorIn(JSON.stringify(body))).toMatchObject(expected));

it.each([
  '',
  '<html>',
  'null',
  '7',
  '[]',
  '{}',
  '{"error":null}',
  '{"error":{}}',
  '{"message":{"message":{"message":{"message":{"message":{"message":{}}}}}}}',
])('errorIn finds no message in %s', (body) => expect(errorIn(body).message).toBeUndefined());

it('hasError distinguishes an error from an empty error field', () => {
  expect(['{"error":{}}', '{"id":"x","error":"no"}'].map(hasError)).toEqual([true, true]);
  const none = [
    '{"error":null}',
    '{"error":""}',
    '{"text":"\\"error\\""}',
    '{"choices":[{"error":{}}]}',
    '{"error":{',
    '[DONE]',
    '"error"',
  ];
  expect(none.map(hasError)).toEqual(none.map(() => false));
});
