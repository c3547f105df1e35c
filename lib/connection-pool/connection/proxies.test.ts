import { checkProxies, proxiesOfEnvironment, proxyFor } from './proxies.js';

const proxied = (noProxy: string, url: string): boolean =>
  proxyFor(new URL(url), checkProxies('proxy', { http: 'http://proxy:1', https: 'http://proxy:2', noProxy })) !== undefined;

describe('NO_PROXY', () => {
  it.each([
    ['example.com', 'http://example.com', false],
    ['example.com', 'https://api.example.com', false],
    ['.example.com', 'https://api.example.com', false],
    ['*.example.com', 'https://api.example.com', false],
    ['EXAMPLE.com', 'https://example.com', false],
    ['example.com', 'https://notexample.com', true],
    ['example.com:8443', 'https://example.com', true],
    ['example.com:443', 'https://example.com', false],
    ['a b,c', 'http://b', false],
    ['::1', 'http://[::1]:3000', false],
    ['[::1]:3000', 'http://[::1]:3000', false],
    ['[::1]:3001', 'http://[::1]:3000', true],
    ['', 'http://example.com', true],
    ['*', 'http://example.com', false],
  ])('%j and %s: through the proxy is %s', (noProxy, url, expected) => expect(proxied(noProxy, url)).toBe(expected));
});

describe('proxies', () => {
  it('are rejected with the name of the setting, and never with their password', () => {
    expect(() => checkProxies('pool.proxy', 'socks5://me:secret@proxy')).toThrow(
      expect.objectContaining({ path: 'pool.proxy', message: expect.not.stringContaining('secret') as string }),
    );
    expect(() => proxiesOfEnvironment({ https_proxy: 'me:secret' })).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIGURATION',
        path: 'https_proxy',
        message: expect.not.stringContaining('secret') as string,
      }),
    );
    expect(() => checkProxies('proxy', { htp: 'x' })).toThrow('proxy.htp: is not a known option (did you mean http?)');
    expect(() => checkProxies('proxy', { http: 7 })).toThrow(expect.objectContaining({ path: 'proxy.http' }));
    expect(() => checkProxies('proxy', true)).toThrow(expect.objectContaining({ path: 'proxy' }));
  });

  it('take a password as it is written, with a % of its own', () => {
    const { https } = proxiesOfEnvironment({ HTTPS_PROXY: 'http://me:100%safe@proxy:8080' });
    expect(https?.authorization).toBe(`Basic ${btoa('me:100%safe')}`);
  });

  it('are none where the variable is empty', () => {
    expect(proxiesOfEnvironment({ HTTP_PROXY: '', https_proxy: '' })).toMatchObject({ http: undefined, https: undefined });
  });
});
