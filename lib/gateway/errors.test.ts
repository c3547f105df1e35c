import { ForbiddenException, HttpException } from '@nestjs/common';
import { FastLiteLLMError, InvalidArgumentError, RequestCancelledError } from '../common/errors.js';
import { answerTo } from './errors.js';

const ofFramework = (statusCode: unknown): Error => Object.assign(new Error('Body is not valid JSON'), { statusCode });

it.each<[string, unknown, number, object, boolean]>([
  [
    'an argument',
    new InvalidArgumentError('tools[0]', 1, 'must be an object'),
    400,
    { param: 'tools[0]', code: 'invalid_argument' },
    false,
  ],
  ['a client that left', new RequestCancelledError(new Error('gone')), 499, { code: 'request_cancelled' }, false],
  ['a full pool', new FastLiteLLMError('POOL_TIMEOUT', 'x'), 503, { code: 'pool_timeout' }, false],
  ['a closed pool', new FastLiteLLMError('POOL_CLOSED', 'x'), 503, { code: 'pool_closed' }, false],
  ['400 of the framework', ofFramework(400), 400, { message: 'Body is not valid JSON', code: null }, false],
  ['413 of the framework', ofFramework(413), 413, { code: 'request_too_large' }, false],
  ['499 of the framework', ofFramework(499), 499, { code: null }, false],
  ['399 of the framework', ofFramework(399), 500, {}, true],
  ['500 of the framework', ofFramework(500), 500, {}, true],
  ['no number as a status', ofFramework('400'), 500, {}, true],
  ['nothing', undefined, 500, {}, true],
  ["an app's guard", new ForbiddenException('not here'), 403, { message: 'not here' }, false],
  ["an app's pipe", new HttpException({ message: ['a', 'b'] }, 422), 422, { message: 'a; b' }, false],
  ["an error in OpenAI's format", new HttpException({ error: { message: 'm', code: 'c' } }, 429), 429, { message: 'm', code: 'c' }, false],
  ['an error whose `error` is a text', new HttpException({ error: 'Bad', message: 'why' }, 400), 400, { message: 'why' }, false],
])('answerTo %s', (_, error, status, body, isUnexpected) => {
  const answer = answerTo(error);
  expect(answer).toMatchObject({ status, error: body });
  expect(answer.isUnexpected).toBe(isUnexpected);
  if (isUnexpected) expect(answer.error.message).toBe('The server had an error while processing your request.');
});
