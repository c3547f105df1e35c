import { InvalidArgumentError, InvalidConfigurationError } from './errors.js';
import { nearestName } from './nearest-name.js';
import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkOneOf,
  checkPositiveInteger,
  checkRoutePath,
  checkString,
  optional,
  refuseArgument,
  refuseOption,
} from './options.js';

describe('option checks', () => {
  it.each([
    ['an integer', () => checkPositiveInteger('a', 3), 3],
    ['a number on the edge', () => checkNumber('a', 100, { min: 0, max: 100 }), 100],
    ['zero where it is allowed', () => checkInteger('a', 0, { min: 0 }), 0],
    ['false', () => checkBoolean('a', false), false],
    ['a choice', () => checkOneOf('a', 'auto', ['auto', 'native']), 'auto'],
    ['a string', () => checkString('a', 'x'), 'x'],
    ['a missing value', () => optional(undefined, 7, (value) => checkPositiveInteger('a', value)), 7],
  ])('let %s through', (_, check, expected) => expect(check()).toBe(expected));

  it.each([
    [() => checkPositiveInteger('rateLimit.requestsPerMinute', 0), 'rateLimit.requestsPerMinute: must be a positive integer, got 0'],
    [() => checkPositiveInteger('a', '5'), 'a: must be a positive integer, got "5"'],
    [() => checkPositiveInteger('a', 2 ** 53), 'a: must be a positive integer, got 9007199254740992'],
    [() => checkNumber('a', NaN), 'a: must be a number, got NaN'],
    [() => checkNumber('a', 100.01, { min: 0, max: 100 }), 'a: must be a number from 0 to 100, got 100.01'],
    [() => checkInteger('a', 1.5, { min: 1 }), 'a: must be a positive integer, got 1.5'],
    [() => checkInteger('a', 9, { max: 8 }), 'a: must be an integer of at most 8, got 9'],
    [() => checkBoolean('a', 'true'), 'a: must be true or false, got "true"'],
    [() => checkString('a', ''), 'a: must be a non-empty string, got ""'],
    [() => checkFunction('a', 1), 'a: must be a function, got 1'],
    [() => checkObject('a', []), 'a: must be an object, got an array of 0'],
    [() => checkObject('a', null), 'a: must be an object, got null'],
    [() => checkArray('a', ['x', 1], checkString), 'a[1]: must be a non-empty string, got 1'],
    [() => checkArray('a', {}, checkString), 'a: must be an array, got an object (Object)'],
    [() => checkOneOf('engine', 'natve', ['auto', 'native']), 'engine: must be one of auto, native (did you mean native?), got "natve"'],
    [() => checkOneOf('engine', true, ['auto', 'native']), 'engine: must be one of auto, native, got true'],
    [() => optional(null, 7, (value) => checkPositiveInteger('a', value)), 'a: must be a positive integer, got null'],
  ])('refuse with path, rule and value (%#)', (check, message) => {
    expect(check).toThrow(InvalidConfigurationError);
    expect(check).toThrow(expect.objectContaining({ message }));
  });

  it('can speak of arguments instead', () => {
    expect(() => checkPositiveInteger('limit', -1, refuseArgument)).toThrow(InvalidArgumentError);
    expect(() => checkPositiveInteger('limit', -1, refuseArgument)).toThrow(
      expect.objectContaining({ path: 'limit', code: 'INVALID_ARGUMENT' }),
    );
  });

  it('name an unknown key, and the one that was meant', () => {
    expect(() => checkKnownKeys('rateLimit', { request_per_minute: 1 }, ['requestsPerMinute', 'burst'])).toThrow(
      'rateLimit.request_per_minute: is not a known option (did you mean requestsPerMinute?), got 1',
    );
    expect(() => checkKnownKeys('', { zzz: 1 }, ['engine', 'featureFlags'])).toThrow(
      'zzz: is not a known option; known options are engine, featureFlags, got 1',
    );
  });

  it('do not show the text of an unknown key, which may be a password', () => {
    for (const refuse of [refuseOption, refuseArgument]) {
      expect(() => checkKnownKeys('', { redisPassword: 'hunter2' }, ['engine'], refuse)).toThrow(
        'redisPassword: is not a known option; known options are engine, got a string of 7 characters',
      );
    }
  });

  it('do not take inherited names for known ones', () => {
    expect(() => checkKnownKeys('', JSON.parse('{"__proto__": 1}') as object, ['engine'])).toThrow(InvalidConfigurationError);
  });
});

describe('nearestName', () => {
  it.each([
    ['tokenCoutner', 'tokenCounter'],
    ['token_counter', 'tokenCounter'],
    ['RUST_ROUTNG', 'rust_routing'],
    ['engin', 'engine'],
    ['somethingElse', undefined],
    ['', undefined],
    ['x'.repeat(1_000_000), undefined],
  ])('finds what was meant, or nothing (%#)', (typed, expected) =>
    expect(nearestName(typed, ['tokenCounter', 'engine', 'rust_routing'])).toBe(expected),
  );
});

it.each(['v1', '/v1', 'v1/', '/ops/llm/', 'a.b~c-d_e'])('reads the path of routes %j', (path) => {
  expect(checkRoutePath('a', path)).toBe(path.replace(/^\/|\/$/g, ''));
});

it.each(['', '/', '//v1', 'v1//', 'a b', 'a?b', ':id', 'a/*'])('rejects the path of routes %j', (path) => {
  expect(() => checkRoutePath('a', path)).toThrow(InvalidConfigurationError);
});
