import { containersIn } from './containers.js';

it.each<[string, number]>([
  ['{"a":[{},[]],"b":{}}', 5],
  ['{"a":"{[{[","b\\"{":"\\\\"}', 1],
  ['"[[', 0],
  ['', 0],
])('counts objects and arrays outside of strings in %s', (json, count) => {
  expect(containersIn(json)).toBe(count);
});
