import { basicAuthorization } from './basic-authorization.js';

describe('basicAuthorization', () => {
  it.each([
    ['http://me:secret@proxy', 'me:secret'],
    ['http://me@proxy', 'me:'],
    ['http://u%40:p%3A@proxy', 'u@:p:'],
    ['http://me:p%ss%C3%A9@proxy', 'me:p%ssé'],
    ['http://me:100%@proxy', 'me:100%'],
    ['http://me:%ff%41@proxy', 'me:%ff%41'],
  ])('of %s', (url, credentials) => {
    expect(basicAuthorization(new URL(url))).toBe(`Basic ${Buffer.from(credentials).toString('base64')}`);
  });
});
