import { visibleText } from './visible-text.js';

describe('visibleText', () => {
  it.each([
    ['gpt-4o', 'gpt-4o'],
    ['grüße 🦀 – ok', 'grüße 🦀 – ok'],
    ['a\u001b[31m\nb', 'a\\x1b[31m\\x0ab'],
    ['\0\r\t\u007f\u009b', '\\x00\\x0d\\x09\\x7f\\x9b'],
    ['\u2028\u2029\u202e\u2066', '\\u2028\\u2029\\u202e\\u2066'],
  ])('shows %j as %j', (text, shown) => {
    expect(visibleText(text)).toBe(shown);
  });
});
