import { mayBeLarge } from './body-object.js';

it.each<[boolean, Record<string, string>]>([
  [false, {}],
  [false, { 'content-length': '0' }],
  [false, { 'content-length': '16384' }],
  [true, { 'content-length': '16385' }],
  [true, { 'content-length': 'many' }],
  [true, { 'transfer-encoding': 'chunked' }],
  [false, { 'content-length': '9', 'content-encoding': 'identity' }],
  [true, { 'content-length': '9', 'content-encoding': 'gzip' }],
])('mayBeLarge is %s for %j', (expected, headers) => {
  expect(mayBeLarge(headers)).toBe(expected);
});
