import { counted } from './plural.js';

it.each([
  [0, 'calls', '0 calls'],
  [1, 'call', '1 call'],
  [2, 'calls', '2 calls'],
])('counts %d %s', (count, _, text) => {
  expect(counted(count, 'call')).toBe(text);
});
