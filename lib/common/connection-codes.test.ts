import { causeCodeOf, neverConnected } from './connection-codes.js';

const nested = (depth: number, innermost: object): object => (depth === 0 ? innermost : { cause: nested(depth - 1, innermost) });

describe('neverConnected', () => {
  it.each<[string, unknown, boolean]>([
    ['nothing', undefined, false],
    ['null', null, false],
    ['a text', 'ECONNREFUSED', false],
    ['a refused connection', { code: 'ECONNREFUSED' }, true],
    ['a reset, which can come after the request', { code: 'ECONNRESET' }, false],
    ['a reset while connecting', { code: 'ECONNRESET', syscall: 'connect' }, true],
    ['a failed look-up', { code: 'ESERVFAIL', syscall: 'getaddrinfo' }, true],
    ['a failed read', { code: 'EIO', syscall: 'read' }, false],
    ['the fifth error in a chain', nested(4, { code: 'ECONNREFUSED' }), true],
    ['the sixth error in a chain', nested(5, { code: 'ECONNREFUSED' }), false],
  ])('of %s', (_, error, expected) => {
    expect(neverConnected(error)).toBe(expected);
  });
});

describe('causeCodeOf', () => {
  it.each<[string, unknown, string | undefined]>([
    ['nothing', undefined, undefined],
    ["the error's own code", { code: 'EOWN' }, undefined],
    ['its cause', { code: 'EOWN', cause: { code: 'EPIPE' } }, 'EPIPE'],
    ['the innermost cause', { cause: { code: 'EOUTER', cause: { code: 'EINNER' } } }, 'EINNER'],
    ['the innermost cause with a code', { cause: { code: 'EOUTER', cause: {} } }, 'EOUTER'],
    ['the first of several addresses', { errors: [{ code: 'EFIRST' }, { code: 'ELAST' }] }, 'EFIRST'],
    ['a cause before addresses', { cause: { code: 'ECAUSE' }, errors: [{ code: 'EFIRST' }] }, 'ECAUSE'],
    ['no address', { errors: [] }, undefined],
    ['errors that are no list', { errors: 'ETEXT' }, undefined],
    ['a number', { cause: { code: 7 } }, undefined],
    ['a code in lower case', { cause: { code: 'epipe' } }, undefined],
    ['a sentence', { cause: { code: 'PROMPT SAYS' } }, undefined],
    ['the fifth cause', nested(5, { code: 'EDEEP' }), 'EDEEP'],
    ['the sixth cause', nested(6, { code: 'EDEEP' }), undefined],
    ['two characters', { cause: { code: 'EA' } }, undefined],
    ['three characters', { cause: { code: 'EAI' } }, 'EAI'],
  ])('of %s', (_, error, expected) => {
    expect(causeCodeOf(error)).toBe(expected);
  });
});
