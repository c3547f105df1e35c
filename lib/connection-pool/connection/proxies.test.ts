import { proxyFor, resolveProxies } from './proxies.js';

const proxied = (noProxy: string, url: string): boolean =>
  proxyFor(new URL(url), resolveProxies({ http: 'http://proxy:1', https: 'http://proxy:2', noProxy }, {}, 'proxy')) !== undefined;

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
  it('are refused with the name of what says so, and never with their password', () => {
    expect(() => resolveProxies('socks5://me:secret@proxy', {}, 'pool.proxy')).toThrow(
      expect.objectContaining({ path: 'pool.proxy', message: expect.not.stringContaining('secret') as string }),
    );
    expect(() => resolveProxies(undefined, { https_proxy: 'me:secret' }, 'proxy')).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIGURATION',
        path: 'https_proxy',
        message: expect.not.stringContaining('secret') as string,
      }),
    );
    expect(() => resolveProxies({ htp: 'x' }, {}, 'proxy')).toThrow('proxy.htp: is not a known option (did you mean http?)');
    expect(() => resolveProxies({ http: 7 }, {}, 'proxy')).toThrow(expect.objectContaining({ path: 'proxy.http' }));
    expect(() => resolveProxies(true, {}, 'proxy')).toThrow(expect.objectContaining({ path: 'proxy' }));
  });

  it('take a password as it is written, with a % of its own', () => {
    const { https } = resolveProxies(undefined, { HTTPS_PROXY: 'http://me:100%safe@proxy:8080' }, 'proxy');
    expect(https?.authorization).toBe(`Basic ${btoa('me:100%safe')}`);
  });

  it('are none where the variable is empty', () => {
    expect(resolveProxies(undefined, { HTTP_PROXY: '', https_proxy: '' }, 'proxy')).toMatchObject({ http: undefined, https: undefined });
  });
});
