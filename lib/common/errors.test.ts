import { describeValue, errorMessage, InvalidArgumentError, NO_VALUE } from './errors.js';
import { UnsupportedRequestError } from './http-errors.js';

describe('describeValue', () => {
  it.each<[unknown, string]>([
    [null, 'null'],
    ['short', '"short"'],
    ['x'.repeat(41), 'a string of 41 characters'],
    [NaN, 'NaN'],
    [-12n, '-12n'],
    [10n ** 40n, 'a bigint of more than 40 digits'],
    [Symbol('s'), 'a symbol'],
    [[1, 2], 'an array of 2'],
    [new Map(), 'an object (Map)'],
    [Object.create(null), 'an object (no prototype)'],
    [JSON.parse('{"constructor":{"name":"secret"}}'), 'an object (Object)'],
    [Proxy.revocable({}, {}).proxy, 'an object (Object)'],
  ])('%p is %s', (value, description) => {
    expect(describeValue(value)).toBe(description);
  });

  it('describes a value that throws on inspection as an object', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(describeValue(proxy)).toBe('an object');
  });
});

describe('errorMessage', () => {
  it.each<[unknown, string]>([
    [new TypeError('first\nsecond'), 'first'],
    ['text', 'a value that is not an Error was thrown: "text"'],
    [Object.assign(new Error('a'), { message: { code: 1 } }), 'the error message is an object (Object)'],
  ])('%p gives %s', (error, message) => {
    expect(errorMessage(error)).toBe(message);
  });
});

it('repeats no megabytes of a body in an error', () => {
  const long = 'x'.repeat(1 << 20);
  const errors = [
    new InvalidArgumentError(long, long, long),
    new UnsupportedRequestError({ param: long, provider: 'gemini', reason: long, remedy: 'send less' }),
  ];
  for (const error of errors) expect(JSON.stringify([error, error.message]).length).toBeLessThan(10_000);
});

it('ends an error without a value with its rule', () => {
  const message = (value: unknown): string => new InvalidArgumentError('body', value, 'must not be nested deeper than 32 levels').message;
  expect(message(NO_VALUE)).toBe('body: must not be nested deeper than 32 levels');
  expect(message(undefined)).toBe('body: must not be nested deeper than 32 levels, got undefined');
});
