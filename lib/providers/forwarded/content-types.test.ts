import { safeContentType } from './content-types.js';

describe('safeContentType', () => {
  it.each([
    ['audio/mpeg', 'audio/mpeg'],
    ['Audio/WAV; rate=8000', 'audio/wav'],
    ['application/json; charset=utf-8', 'application/json'],
    ['text/plain', 'text/plain; charset=utf-8'],
    ['text/html', 'application/octet-stream'],
    ['image/svg+xml', 'application/octet-stream'],
    ['application/xml', 'application/octet-stream'],
    ['', 'application/octet-stream'],
    ['audio/mpeg\r\nset-cookie: a', 'application/octet-stream'],
  ])('passes %j on as %s', (stated, passed) => {
    expect(safeContentType(stated)).toBe(passed);
  });
});
