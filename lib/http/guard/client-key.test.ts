import fc from 'fast-check';
import { clientKey } from './client-key.js';

describe('clientKey', () => {
  const hashed = /^key:[\w-]{22}$/;

  it.each([
    [{ authorization: 'Bearer sk-secret' }],
    [{ authorization: 'bearer sk-secret' }],
    [{ authorization: 'Bearer   sk-secret' }],
    [{ authorization: 'Bearer\tsk-secret and more' }],
    [{ 'x-api-key': 'sk-secret' }],
    [{ 'api-key': 'sk-secret' }],
    [{ authorization: 'Basic abc', 'x-api-key': 'sk-secret' }],
  ])('is the hash of the API key, whichever header has it: %j', (headers) => {
    const key = clientKey({ headers, ip: '192.0.2.1' });
    expect(key).toMatch(hashed);
    expect(key).toBe(clientKey({ headers: { 'x-api-key': 'sk-secret' } }));
    expect(key).not.toContain('secret');
  });

  it('distinguishes long keys', () => {
    const keys = ['a', 'b'].flatMap((end) => [1, 2].map(() => clientKey({ headers: { 'x-api-key': 'k'.repeat(10_000) + end } })));
    expect(new Set(keys).size).toBe(2);
    expect(keys[0]).toBe(keys[1]);
  });

  it.each([
    [{ authorization: 'Basic abc' }],
    [{ authorization: 'Bearer ' }],
    [{ 'x-api-key': '' }],
    [{ 'x-api-key': ['a', 'b'] }],
    [{ 'x-forwarded-for': '203.0.113.9' }],
    [undefined],
  ])('is the address without an API key: %j', (headers) => {
    expect(clientKey({ headers, ip: '192.0.2.1' })).toBe('ip:192.0.2.1');
  });

  it.each([
    ['::ffff:192.0.2.1', 'ip:192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', 'ip:2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::', 'ip:2001:db8:1:2::/64'],
    ['2001:DB8::1', 'ip:2001:db8:0:0::/64'],
    ['::1', 'ip:0:0:0:0::/64'],
    ['fe80::1%eth0', 'ip:fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', 'ip:64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:7::', 'ip:1:2:3:4::/64'],
    ['::ffff:c000:201', 'ip:192.0.2.1'],
    ['0:0:0:0:0:FFFF:192.0.2.1', 'ip:192.0.2.1'],
    ['192.0.2.1:4711', 'ip:192.0.2.1'],
    ['[2001:db8:1:2::3]:4711', 'ip:2001:db8:1:2::/64'],
    ['[2001:db8:1:2::3]', 'ip:2001:db8:1:2::/64'],
    ['[::ffff:192.0.2.1]:4711', 'ip:192.0.2.1'],
    ['not:an:address', 'ip:not:an:address'],
    ['[not:an:address]:4711', 'ip:[not:an:address]:4711'],
    ['', 'ip:unknown'],
    ['x'.repeat(16_000), 'ip:unknown'],
    [`fe80::1%${'x'.repeat(16_000)}`, 'ip:unknown'],
    [undefined, 'ip:unknown'],
  ])('is the /64 network of an IPv6 address: %s', (ip, key) => expect(clientKey({ ip })).toBe(key));

  it('is one key for the addresses of one network', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), fc.array(group, { minLength: 4, maxLength: 4 }), (groups, rest) => {
        fc.pre(groups[5] !== 0xffff);
        const address = (parts: number[]) => parts.map((part) => part.toString(16)).join(':');
        const key = clientKey({ ip: address(groups) });
        expect(clientKey({ ip: address([...groups.slice(0, 4), ...rest]) })).toBe(key);
        expect(clientKey({ ip: address([groups[0] ^ 1, ...groups.slice(1)]) })).not.toBe(key);
      }),
    );
  });

  it('stays the same when more keys come than are remembered', () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => clientKey({ headers: { 'x-api-key': `sk-${i}` } }));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key, i) => key === clientKey({ headers: { 'x-api-key': `sk-${i}` } }))).toBe(true);
  });
});
