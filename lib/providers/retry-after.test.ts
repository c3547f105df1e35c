import { retryAfterOf } from './retry-after.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');

it.each<[string, Parameters<typeof retryAfterOf>[0], number | undefined]>([
  ['seconds', { 'retry-after': '30' }, 30_000],
  ['parts of seconds', { 'retry-after': '0.5' }, 500],
  ['a date', { 'retry-after': 'Thu, 01 Jan 2026 00:00:20 GMT' }, 20_000],
  ['a date that is past', { 'retry-after': 'Thu, 01 Jan 2025 00:00:20 GMT' }, 0],
  ['milliseconds first', { 'retry-after': '30', 'retry-after-ms': '120' }, 120],
  ["Azure's", { 'x-ms-retry-after-ms': ['250'] }, 250],
  ['a Headers object', new Headers({ 'Retry-After': '2' }), 2000],
  ['nothing', {}, undefined],
  ['no headers', undefined, undefined],
  ['nonsense', { 'retry-after': 'soon' }, undefined],
  ['emptiness', { 'retry-after': ' ' }, undefined],
  ['less than nothing', { 'retry-after': '-3' }, undefined],
  ['ten years', { 'retry-after': '315360000' }, undefined],
])('retryAfterOf reads %s', (_, headers, ms) => {
  expect(retryAfterOf(headers, NOW)).toBe(ms);
});
