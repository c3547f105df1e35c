import { InvalidConfigurationError } from '../common/errors.js';
import { checkApiKeyRecord, checkApiKeySettings } from './api-key-record.js';

const HASH = { sha256: 'a'.repeat(64) };
const RECORD = { publicId: 'key000000001', hashes: [HASH] };

function nested(levels: number): object {
  return levels === 0 ? {} : { a: nested(levels - 1) };
}

it.each<[string, unknown]>([
  ['a date', { expiresAt: '2027-01-31' }],
  ['a time', { expiresAt: '2027-01-31T00:00Z' }],
  ['a time with an offset', { expiresAt: '2027-01-31T00:00:00+02:00' }],
  ['nine decimal digits', { expiresAt: '2027-01-31T00:00:00.123456789Z' }],
  ['the longest text', { alias: 'a'.repeat(256) }],
  ['no models', { models: [] }],
  ['the most models', { models: Array<string>(1_000).fill('m') }],
  ['the most tags', { tags: Array<string>(64).fill('t') }],
  ['the deepest metadata', { metadata: nested(99) }],
  ['null in metadata', { metadata: { a: null, b: [null] } }],
  ['the largest metadata', { metadata: { a: 'a'.repeat(16_384 - '{"a":""}'.length) } }],
  ['a limit', { limits: { requestsPerMinute: 0 } }],
])('checkApiKeySettings accepts %s', (_, settings) => {
  expect(checkApiKeySettings('key', settings)).toEqual(settings);
});

it.each<[string, unknown, string]>([
  ['a date in words', { expiresAt: 'Jan 31 2027' }, 'key.expiresAt: must be an ISO 8601 date'],
  ['a time without a zone', { expiresAt: '2027-01-31T00:00:00' }, 'key.expiresAt: must be an ISO 8601 date'],
  ['text before a date', { expiresAt: 'on 2027-01-31' }, 'key.expiresAt: must be an ISO 8601 date'],
  ['text after a date', { expiresAt: '2027-01-31 or so' }, 'key.expiresAt: must be an ISO 8601 date'],
  ['a month of 13', { expiresAt: '2027-13-31' }, 'key.expiresAt: must be an ISO 8601 date'],
  ['a number as a date', { expiresAt: 2027 }, 'key.expiresAt: must be an ISO 8601 date'],
  ['an empty text', { alias: '' }, 'key.alias: must be a string of 1 to 256 characters'],
  ['a longer text', { user: 'a'.repeat(257) }, 'key.user: must be a string of 1 to 256 characters'],
  ['a number as a text', { team: 7 }, 'key.team: must be a string of 1 to 256 characters'],
  ['an empty model', { models: ['m', ''] }, 'key.models[1]: must be a string'],
  ['more models', { models: Array<string>(1_001).fill('m') }, 'key.models: must have at most 1000 entries'],
  ['more tags', { tags: Array<string>(65).fill('t') }, 'key.tags: must have at most 64 entries'],
  ['deeper metadata', { metadata: nested(100) }, 'key.metadata: must not be nested deeper than 100 levels'],
  ['deeper metadata beside shallow', { metadata: { a: 1, b: nested(99) } }, 'key.metadata: must not be nested deeper than 100 levels'],
  ['larger metadata', { metadata: { a: 'a'.repeat(16_385 - '{"a":""}'.length) } }, 'key.metadata: must have at most 16384'],
  ['a list as metadata', { metadata: [] }, 'key.metadata: must be an object'],
  ['a wrong limit', { limits: { requestsPerMinute: -1 } }, 'key.limits.requestsPerMinute: must be'],
  ['a field of a record', { publicId: 'key000000001' }, 'key.publicId: '],
])('checkApiKeySettings refuses %s', (_, settings, message) => {
  expect(() => checkApiKeySettings('key', settings)).toThrow(InvalidConfigurationError);
  expect(() => checkApiKeySettings('key', settings)).toThrow(message);
});

it('checkApiKeyRecord fills the revision, and leaves out what is undefined', () => {
  expect(checkApiKeyRecord('key', { ...RECORD, alias: undefined })).toEqual({ ...RECORD, revision: 1 });
  const hashes = [HASH, { ...HASH, validUntil: '2027-01-31' }];
  expect(checkApiKeyRecord('key', { ...RECORD, hashes, revision: 7 })).toEqual({ ...RECORD, hashes, revision: 7 });
  const most = Array<object>(8).fill(HASH);
  expect(checkApiKeyRecord('key', { ...RECORD, hashes: most }).hashes).toHaveLength(8);
});

it.each<[string, object, string]>([
  ['a public id of 11 characters', { publicId: 'key00000001' }, 'key.publicId: must be 12 letters or digits'],
  [
    'a key as its public id',
    { publicId: 'sk-secret-in-a-file' },
    'key.publicId: must be 12 letters or digits, got a string of 19 characters',
  ],
  ['no hashes', { hashes: [] }, 'key.hashes: must have 1 to 8 hashes'],
  ['more hashes', { hashes: Array<object>(9).fill(HASH) }, 'key.hashes: must have 1 to 8 hashes'],
  ['a hash in capitals', { hashes: [{ sha256: 'A'.repeat(64) }] }, 'key.hashes[0].sha256: must be a SHA-256 hash'],
  ['a longer hash', { hashes: [HASH, { sha256: 'a'.repeat(65) }] }, 'key.hashes[1].sha256: must be a SHA-256 hash'],
  ['a hash beside the hashes', { sha256: 'a'.repeat(64) }, 'key.sha256: must be an entry of hashes'],
  ['a revision of 0', { revision: 0 }, 'key.revision: must be'],
])('checkApiKeyRecord refuses %s', (_, more, message) => {
  expect(() => checkApiKeyRecord('key', { ...RECORD, ...more })).toThrow(message);
});
