import { withoutTrailingSlashes } from './trailing-slashes.js';

test.each([
  ['', ''],
  ['/', ''],
  ['///', ''],
  ['/v1', '/v1'],
  ['/v1//', '/v1'],
  ['//v1/x', '//v1/x'],
])('%j without its trailing slashes is %j', (path, expected) => {
  expect(withoutTrailingSlashes(path)).toBe(expected);
});
