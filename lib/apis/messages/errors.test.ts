import { messagesError } from './errors.js';

describe('messagesError', () => {
  it.each([
    [400, null, 'invalid_request_error'],
    [401, 'invalid_request_error', 'authentication_error'],
    [402, null, 'billing_error'],
    [403, null, 'permission_error'],
    [404, null, 'not_found_error'],
    [413, null, 'request_too_large'],
    [422, null, 'invalid_request_error'],
    [429, 'tokens', 'rate_limit_error'],
    [500, 'server_error', 'api_error'],
    [502, null, 'api_error'],
    [504, null, 'timeout_error'],
    [529, null, 'overloaded_error'],
    [500, 'overloaded_error', 'overloaded_error'],
  ])('puts the status %d and the type %s into %s', (status, type, expected) => {
    expect(messagesError(status, { message: 'no', type }, 'req_1')).toEqual({
      type: 'error',
      error: { type: expected, message: 'no' },
      request_id: 'req_1',
    });
  });

  it("says in Anthropic's words that a prompt is too long, by which Claude Code shortens it", () => {
    const error = { message: 'Maximum context length is 10.', code: 'context_length_exceeded' };
    expect(messagesError(400, error).error.message).toBe('prompt is too long: Maximum context length is 10.');
    expect(messagesError(400, { ...error, message: 'Prompt is too long' }).error.message).toBe('Prompt is too long');
  });

  it('has a message whatever the error says', () => {
    for (const error of [undefined, null, {}]) expect(messagesError(500, error).error.message).toBe('The request failed.');
  });
});
