import { errorIn, hasError, statusOf } from './errors.js';

describe('errorIn', () => {
  it.each<[string, string, string | undefined, object]>([
    [
      'its header',
      '{"message":"no"}',
      'ValidationException:http://internal.amazon.com/coral/',
      { message: 'no', type: 'ValidationException' },
    ],
    [
      'its body',
      '{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}',
      undefined,
      { message: 'no', type: 'AccessDeniedException' },
    ],
    [
      "AWS's front end",
      '{"Output":{"__type":"UnknownOperationException"},"Version":"1.0"}',
      undefined,
      { type: 'UnknownOperationException' },
    ],
    [
      'a stream',
      '{"error":{"message":"slow","type":"throttlingException","code":"429"}}',
      'X',
      { message: 'slow', type: 'throttlingException', code: '429' },
    ],
    ['no name', '{"message":"no"}', undefined, { message: 'no', type: undefined }],
    ['no JSON', '<html>', 'ThrottlingException', { message: undefined, type: 'ThrottlingException' }],
    ['other JSON', '[1]', undefined, { message: undefined }],
  ])('reads the error in %s', (_, body, header, error) => {
    expect(errorIn(body, (name) => (name === 'x-amzn-errortype' ? header : undefined))).toMatchObject(error);
  });
});

it.each<[string, boolean]>([
  ['{"__type":"ThrottlingException"}', true],
  ['{"error":{"message":"x"}}', true],
  ['{"output":{"message":{"content":[{"text":"\\"__type\\": it is"}]}}}', false],
  ['{"__type":1}', false],
  ['{"__type"', false],
])('hasError tells whether %s is one', (body, expected) => {
  expect(hasError(body)).toBe(expected);
});

it.each<[string, number]>([
  ['ThrottlingException', 429],
  ['throttlingException', 429],
  ['ModelNotReadyException', 429],
  ['ModelErrorException', 424],
  ['ModelStreamErrorException', 424],
  ['ModelTimeoutException', 408],
  ['AccessDeniedException', 403],
  ['ResourceNotFoundException', 404],
  ['InternalServerError', 500],
  ['constructor', 500],
  ['', 500],
])('statusOf finds the status of %s', (name, status) => {
  expect(statusOf(name)).toBe(status);
});
