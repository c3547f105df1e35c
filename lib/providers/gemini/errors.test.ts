import { errorIn, hasError, openAIErrorIn } from './errors.js';

const google = (code: number, status: string, message: string, details?: object[]): string =>
  JSON.stringify({ error: { code, message, status, ...(details && { details }) } });
const retryInfo = (retryDelay: unknown): object => ({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay });

describe("Google's errors", () => {
  it.each([
    [400, 'INVALID_ARGUMENT'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [429, 'RESOURCE_EXHAUSTED'],
    [500, 'INTERNAL'],
    [503, 'UNAVAILABLE'],
    [504, 'DEADLINE_EXCEEDED'],
  ])('%d %s keep their status, and have its name as code', (status, name) => {
    expect(errorIn(google(status, name, 'Why'))).toEqual({ message: 'Why', code: name, status, retryAfterMs: undefined });
    expect(errorIn(`[${google(status, name, 'Why')}]`)).toMatchObject({ message: 'Why', code: name, status });
  });

  it.each([
    ['API key not valid. Please pass a valid API key.', undefined],
    ['API key expired. Please renew the API key.', undefined],
    ['Why', [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }]],
  ])('of a wrong key are of authentication: %s', (message, details) => {
    expect(errorIn(google(400, 'INVALID_ARGUMENT', message, details))).toMatchObject({ status: 401, code: 'INVALID_ARGUMENT' });
  });

  it.each([
    'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
    'Unable to submit request because the input token count is 2000000 but the model only supports up to 1048576.',
  ])('of a long prompt have the code of one: %s', (message) => {
    expect(errorIn(google(400, 'INVALID_ARGUMENT', message))).toMatchObject({ code: 'context_length_exceeded', status: 400 });
  });

  it.each<[unknown, number | undefined]>([
    ['12s', 12_000],
    ['34.074824224s', 34_075],
    ['0s', 0],
    ['soon', undefined],
    ['-5s', undefined],
    [7, undefined],
    [undefined, undefined],
  ])('that ask to wait %j say so', (delay, ms) => {
    expect(errorIn(google(429, 'RESOURCE_EXHAUSTED', 'Quota', [{ reason: 'x' }, retryInfo(delay)])).retryAfterMs).toBe(ms);
  });

  it('are the same once they are in the shape of OpenAI', () => {
    const body = google(429, 'RESOURCE_EXHAUSTED', 'Quota', [retryInfo('1.5s')]);
    expect(errorIn(JSON.stringify(openAIErrorIn(body)))).toEqual(errorIn(body));
  });

  it.each<[string, string, object]>([
    ["OpenAI's", '{"error":{"message":"No","type":"t","param":"p","code":"c"}}', { message: 'No', type: 't', param: 'p', code: 'c' }],
    ["Anthropic's", '{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}', { message: 'Busy', type: 'overloaded_error' }],
    ['a text', '{"error":"No"}', { message: 'No' }],
    ['no JSON', '<html>', {}],
    ['null', 'null', {}],
    ['details that are none', '{"error":{"message":"No","status":5,"details":[null,5]}}', { message: 'No' }],
  ])('of others are read, too: %s', (_, body, stated) => expect(errorIn(body)).toMatchObject(stated));

  it('are found in objects and lists', () => {
    expect(
      [google(500, 'INTERNAL', 'a'), `[${google(500, 'INTERNAL', 'a')}]`, '{"candidates":[]}', '[]', '{"error":null}'].map(hasError),
    ).toEqual([true, true, false, false, false]);
  });
});
