import { listenAddress, listenFailure, StartError } from './listen-address.js';

describe('listenAddress', () => {
  it.each([
    [{}, { host: '127.0.0.1', port: 3000 }],
    [
      { PORT: '', HOST: ' ' },
      { host: '127.0.0.1', port: 3000 },
    ],
    [{ PORT: '0' }, { host: '127.0.0.1', port: 0 }],
    [
      { PORT: ' 65535 ', HOST: '::1' },
      { host: '::1', port: 65535 },
    ],
  ])('reads %j', (env, address) => {
    expect(listenAddress(env)).toEqual(address);
  });

  it.each(['65536', '-1', '80.5', '3e3', 'http', '0x50', '1234567'])('refuses the port %s, naming the variable', (PORT) => {
    expect(() => listenAddress({ PORT })).toThrow(new StartError(`PORT must be a number from 0 to 65535, got "${PORT}"`));
  });
});

describe('listenFailure', () => {
  it.each([
    ['EADDRINUSE', 'port 80 on box is taken: set PORT to another one, or to 0 for any that is free'],
    ['EACCES', 'port 80 on box is not allowed to this user: set PORT to 1024 or above'],
    ['ENOTFOUND', 'box is no address of this machine: set HOST to one that is'],
    ['EADDRNOTAVAIL', 'box is no address of this machine: set HOST to one that is'],
    ['EMFILE', 'as Node puts it'],
  ])('explains %s', (code, line) => {
    expect(listenFailure(Object.assign(new Error('as Node puts it'), { code }), { host: 'box', port: 80 })).toBe(line);
  });
});
