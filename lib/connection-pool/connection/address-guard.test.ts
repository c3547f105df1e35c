import { lookup } from 'node:dns';
import { AddressGuard, AddressNotAllowedError, isPublic, type LookupHost } from './address-guard.js';

/** A name service whose answers change with each question. */
function resolving(...answers: (readonly string[])[]): LookupHost {
  let asked = 0;
  return (_hostname, _options, callback) => {
    const addresses = answers[Math.min(asked++, answers.length - 1)];
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
}

const looked = (guard: AddressGuard, host: string, all = true): Promise<unknown> =>
  new Promise((resolve) => guard.lookup(host, { all }, (error, address) => resolve(error ?? address)));

describe('an address', () => {
  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '169.253.255.255', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'])(
    'is public: %s',
    (address) => expect(isPublic(address)).toBe(true),
  );

  it.each(
    (
      '0.0.0.0 10.0.0.1 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 192.0.0.192 100.64.0.1 198.18.0.1 ' +
      '203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:a00:1 0:0:0:0:0:ffff:c0a8:1 ' +
      '64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 name ""'
    ).split(' '),
  )('is not public: %s', (address) => expect(isPublic(address)).toBe(false));
});

describe('a guard', () => {
  it.each([
    '127.0.0.1',
    '[::1]',
    '[::ffff:7f00:1]',
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    '10.0.0.1',
    '169.254.169.254',
    '[fe80::1%25eth0]',
  ])('denies a host by its name: %s', (host) => expect(new AddressGuard().refusalOf(host)).toBeInstanceOf(AddressNotAllowedError));

  it.each<[string, string, boolean]>([
    ['ollama', 'ollama', true],
    ['ollama', 'xollama', false],
    ['OLLAMA.', 'ollama', true],
    ['*.corp.example', 'a.b.corp.example', true],
    ['*.corp.example', 'corp.example', false],
    ['*.corp.example', 'corp.example.evil.test', false],
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', true],
    ['10.0.0.0/8', '192.168.0.1', false],
    ['10.0.0.0/8', '[::ffff:a00:1]', true],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['fd00::/8', '[fd12::1]', true],
    ['fd00::/8', '[fe80::1]', false],
    ['::1', '[::1]', true],
    ['localhost', 'localhost', true],
  ])('with %s on its list allows %s: %s', async (entry, host, isAllowed) => {
    const guard = new AddressGuard([entry], 'list', resolving(['192.168.0.9']));
    expect((await guard.check(host)) === undefined).toBe(isAllowed);
  });

  it.each(['http://a', 'a:80', '10.0.0.0/33', '10.0.0.0/x', 'fd00::/129', 'name/8', '', 'a b', '*.', '1.2.3.4/8/8'])(
    'has no entry such as %j',
    (entry) => expect(() => new AddressGuard([entry], 'admin.allowedAddresses')).toThrow(/^admin\.allowedAddresses\[0\]/),
  );

  it('denies a name if any of its addresses is private', async () => {
    const guard = new AddressGuard([], 'list', resolving(['8.8.8.8', '10.0.0.1']));
    expect(await looked(guard, 'mixed.example')).toMatchObject({ message: expect.stringContaining('resolves to 10.0.0.1') as string });
  });

  it('checks the address of each connection, so a name cannot be bound to another one later', async () => {
    const guard = new AddressGuard([], 'list', resolving(['8.8.8.8'], ['8.8.4.4'], ['127.0.0.1']));
    expect(await guard.check('rebinding.example')).toBeUndefined();
    expect(await looked(guard, 'rebinding.example', false)).toBe('8.8.4.4');
    expect(await looked(guard, 'rebinding.example')).toBeInstanceOf(AddressNotAllowedError);
  });

  it('denies numbers that the name service reads as an address', async () => {
    const guard = new AddressGuard([], 'list', lookup);
    for (const host of ['2130706433', '0x7f000001', '127.1']) expect(await guard.check(host)).toBeInstanceOf(AddressNotAllowedError);
  });

  it('leaves a name without addresses to the connection', async () => {
    const failure = Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
    const guard = new AddressGuard([], 'list', (_host, _options, callback) => callback(failure, []));
    expect(await guard.check('nowhere.example')).toBeUndefined();
    expect(await looked(guard, 'nowhere.example')).toBe(failure);
  });
});
