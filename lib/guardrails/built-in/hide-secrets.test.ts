import { judge, localGuardrail, rewritten } from '../../../test/support/built-in-guardrail.js';

const AWS = `AKIA${'IOSFODNN7EXAMPLE'}`;
const RANDOM = 'q8Zr3Vd0Lx7Np5Kt2Wm9Yb4Hs6Jc1Gf';

function hidden(text: string, params = {}): string | undefined {
  return rewritten(judge(localGuardrail('hide-secrets', params), [text]), [text])?.[0];
}

test.each([
  ['a key of a provider', `use sk-${'abcdefghij0123456789'} now`, 'use [REDACTED] now'],
  ['two keys', `${AWS} and npm_${'a1B2'.repeat(9)}`, '[REDACTED] and [REDACTED]'],
  ['the password in an address', 'postgres://me:hunter22@db/x', 'postgres://me:[REDACTED]@db/x'],
  ['a random text', `id ${RANDOM}`, 'id [REDACTED]'],
  ['a random hexadecimal text in quotes', '"d41d8cd98f00b204e9800998ecf8427e"', '"[REDACTED]"'],
])('hides %s', (_, text, expected) => {
  expect(hidden(text)).toBe(expected);
});

test.each([
  'The quick brown fox jumps over the lazy dog.',
  'commit d41d8cd98f00b204e9800998ecf8427e of yesterday',
  '550e8400-e29b-41d4-a716-446655440000',
  'aLongIdentifierNameInCamelCaseWithoutDigits',
  'see https://example.org/a/long/path/with/many/parts',
])('leaves %s', (text) => {
  expect(hidden(text)).toBe(text);
});

test('only what the plugins of detect-secrets name', () => {
  const only = (name: string, limit?: number): object => ({ detect_secrets_config: { plugins_used: [{ name, ...(limit && { limit }) }] } });
  expect(hidden(`${AWS} ${RANDOM}`, only('AWSKeyDetector'))).toBe(`[REDACTED] ${RANDOM}`);
  expect(hidden(`${AWS} ${RANDOM}`, only('Base64HighEntropyString'))).toBe(`${AWS} [REDACTED]`);
  expect(hidden(RANDOM, only('Base64HighEntropyString', 7.9))).toBe(RANDOM);
  expect(hidden(RANDOM, { detect_secrets_config: {} })).toBe('[REDACTED]');
});

test.each([
  [{ plugins_used: [{ name: 'AwsKeyDetector' }] }, 'plugins_used[0].name: must be one of'],
  [{ plugins_used: [{ name: 'AWSKeyDetector', limits: 1 }] }, 'plugins_used[0].limits'],
  [{ plugins_used: [{ name: 'HexHighEntropyString', limit: 9 }] }, 'plugins_used[0].limit: must be a number from 0 to 8'],
  [{ plugins_used: [] }, 'plugins_used: must not be empty'],
  [{ plugins: [] }, 'detect_secrets_config.plugins'],
])('rejects %j', (config, message) => {
  expect(() => localGuardrail('hide-secrets', { detect_secrets_config: config })).toThrow(message);
});
