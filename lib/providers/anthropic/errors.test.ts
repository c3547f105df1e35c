import { errorIn } from './errors.js';

describe('an error of Anthropic', () => {
  it.each([
    ['invalid_request_error', 400],
    ['authentication_error', 401],
    ['billing_error', 402],
    ['permission_error', 403],
    ['not_found_error', 404],
    ['request_too_large', 413],
    ['rate_limit_error', 429],
    ['api_error', 500],
    ['timeout_error', 504],
    ['overloaded_error', 529],
    ['something_new', undefined],
    ['toString', undefined],
  ])('of type %s has the status %s', (type, status) => {
    expect(errorIn(JSON.stringify({ type: 'error', error: { type, message: 'm' }, request_id: 'req_1' }))).toMatchObject({
      type,
      message: 'm',
    });
    expect(errorIn(JSON.stringify({ type: 'error', error: { type, message: 'm' } })).status).toBe(status);
  });

  it.each([
    'prompt is too long: 210000 tokens > 200000 maximum',
    'input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000',
  ])('says by its code that the prompt is too long: %s', (message) => {
    expect(errorIn(JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } })).code).toBe(
      'context_length_exceeded',
    );
  });

  it.each(['', 'x', '[]', '{"error":"busy"}', '{"error":null}'])('may be anything: %j', (body) => {
    expect(errorIn(body).status).toBeUndefined();
  });
});
