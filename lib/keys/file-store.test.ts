import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, until } from '../../test/support/until.js';
import type { ApiKeyStore } from './api-key-store.js';
import { fileApiKeyStore } from './file-store.js';

const HASH = 'a'.repeat(64);

describe('the file of API keys', () => {
  let folder: string;
  let file: string;
  let stores: ApiKeyStore[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keys-'));
    file = join(folder, 'keys.json');
    stores = [];
  });
  afterEach(async () => {
    for (const store of stores) await store.close?.();
    rmSync(folder, { recursive: true });
  });
  const open = (): ApiKeyStore => {
    const store = fileApiKeyStore(file);
    stores.push(store);
    return store;
  };
  const record = (publicId: string, more: object = {}) => ({ publicId, hashes: [{ sha256: HASH }], revision: 1, ...more });
  const content = (...keys: object[]): string => JSON.stringify({ version: 1, keys });

  it('is made with the first key, for its owner only, and leaves no other file', async () => {
    const store = open();
    expect(await store.list()).toEqual([]);
    expect(existsSync(file)).toBe(false);
    expect(await store.put(record('key000000001', { alias: 'one', limits: { usdPerWindow: 2, usdWindow: '30d' } }))).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(existsSync(`${file}.lock`)).toBe(false);
    const again = open();
    expect(await again.findByPublicId('key000000001')).toMatchObject({ alias: 'one', limits: { usdPerWindow: 2, usdWindow: '30d' } });
    expect(await again.findByPublicId('key000000002')).toBeUndefined();
  });

  it('refuses a record whose revision is not the next one', async () => {
    const store = open();
    await store.put(record('key000000001'));
    expect(await store.put(record('key000000001'))).toBe(false);
    expect(await store.put(record('key000000001', { revision: 3 }))).toBe(false);
    expect(await store.put(record('key000000001', { revision: 2, blocked: true }))).toBe(true);
    expect(await store.delete('key000000002')).toBe(false);
    expect(await store.delete('key000000001')).toBe(true);
    expect(await store.list()).toEqual([]);
  });

  it('loses no key when several stores write at the same time', async () => {
    const writers = [open(), open(), open()];
    const ids = Array.from({ length: 45 }, (_, i) => `key0000000${String(i).padStart(2, '0')}`);
    expect(await Promise.all(ids.map((id, i) => writers[i % 3].put(record(id))))).toEqual(ids.map(() => true));
    expect((await open().list()).map(({ publicId }) => publicId).sort()).toEqual(ids);
  });

  it('gives an alias to one of several keys that are made at the same time', async () => {
    const writers = [open(), open(), open()];
    const made = await Promise.allSettled(writers.map((writer, i) => writer.put(record(`key00000000${i}`, { alias: 'one' }))));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = made.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    expect(refused.reason).toMatchObject({ path: 'alias', rule: 'must be unique among keys' });
    const [kept] = await open().list();
    expect(await writers[0].put({ ...kept, revision: 2, blocked: true })).toBe(true);
    expect(await writers[1].put({ ...kept, revision: 3, alias: 'other' })).toBe(true);
    expect(await writers[2].put(record('key000000009', { alias: 'one' }))).toBe(true);
  });

  it('sees what another process or an editor has written, and tells which key', async () => {
    const [reader, writer] = [open(), open()];
    const changes: (string | null)[] = [];
    const stop = reader.onChange?.((publicId) => changes.push(publicId));
    await writer.put(record('key000000001'));
    await until(async () => (await reader.findByPublicId('key000000001')) !== undefined);
    writeFileSync(file, content(record('key000000001', { blocked: true }), record('key000000002')));
    await until(async () => (await reader.list()).length === 2);
    expect(changes).toEqual(['key000000001', 'key000000001', 'key000000002']);
    rmSync(file);
    await until(async () => (await reader.list()).length === 0);
    stop?.();
  });

  it('does not return to the former content that it was reading while it wrote', async () => {
    const store = open();
    const { onFileChange } = store as unknown as { readonly onFileChange: () => void };
    await store.put(record('key000000001'));
    // A text that takes longer to read than the file to replace.
    const many = Array.from({ length: 60 }, (_, at) =>
      record(`key${String(at + 2).padStart(9, '0')}`, { metadata: { text: 'x'.repeat(16_000) } }),
    );
    await store.putAll!(many);
    for (let revision = 2; revision < 10; revision++) {
      let isWritten = false;
      const written = store.put(record('key000000001', { revision })).then(() => (isWritten = true));
      while (!isWritten) {
        onFileChange();
        await sleep(1);
      }
      await written;
      for (let turn = 0; turn < 200; turn++) {
        expect((await store.findByPublicId('key000000001'))?.revision).toBe(revision);
        await new Promise(setImmediate);
      }
    }
  });

  it('checks only the changed part of a file again', async () => {
    const store = open();
    const heard: (string | null)[] = [];
    store.onChange?.((publicId) => heard.push(publicId));
    const [one, two] = [record('key000000001'), record('key000000002')];
    await store.put(one);
    await store.put(two);
    const known = await store.findByPublicId('key000000001');
    const changed = { ...two, alias: 'two' };
    writeFileSync(file, content(one, changed));
    await until(async () => (await store.findByPublicId('key000000002'))?.alias === 'two');
    expect(await store.findByPublicId('key000000001')).toBe(known);
    expect(heard).toEqual(['key000000001', 'key000000002', 'key000000002']);
    writeFileSync(file, content(one, { ...changed, models: 'all' }));
    await until(() => store.fault?.()?.includes('keys[1].models: must be an array') === true);
  });

  it('keeps the last good content while the file is half written, and says so', async () => {
    const store = open();
    await store.put(record('key000000001'));
    writeFileSync(file, '{ "version": 1, "keys": [{ "publicId": "key0');
    await until(() => store.fault?.() !== undefined);
    expect(store.fault?.()).toBe(`${file}: must be valid JSON`);
    expect(await store.findByPublicId('key000000001')).toBeDefined();
    await expect(store.put(record('key000000002'))).rejects.toThrow('must be valid JSON');
    writeFileSync(file, content(record('key000000003')));
    await until(() => store.fault?.() === undefined);
    expect(await store.findByPublicId('key000000001')).toBeUndefined();
  });

  it.each<[string, () => void, string]>([
    ['a folder', () => mkdirSync(file), 'must be a regular file'],
    ['a link to itself', () => symlinkSync('keys.json', file), 'ELOOP'],
    ['more than memory holds', () => (writeFileSync(file, ''), truncateSync(file, 3 * 2 ** 30)), 'must have at most 268435456 bytes'],
    // What blocks the reader of a pipe, and fills its memory from a device.
    ...(process.platform === 'win32'
      ? []
      : ([
          ['a pipe', () => void execFileSync('mkfifo', [file]), 'must be a regular file'],
          ['an endless device', () => symlinkSync('/dev/zero', file), 'must be a regular file'],
        ] as [string, () => void, string][])),
  ])('keeps the last good content while the file is %s', async (_, replace, reason) => {
    const store = open();
    await store.put(record('key000000001'));
    rmSync(file);
    replace();
    await until(() => store.fault?.() !== undefined);
    expect(store.fault?.()).toContain(reason);
    expect(await store.findByPublicId('key000000001')).toBeDefined();
    await expect(store.put(record('key000000002'))).rejects.toThrow(reason);
    rmSync(file, { recursive: true });
    writeFileSync(file, content(record('key000000003')));
    await until(() => store.fault?.() === undefined);
    expect(await store.findByPublicId('key000000003')).toBeDefined();
  });

  it('loses no key when several stores find the lock of a process that died', async () => {
    const longAgo = new Date(Date.now() - 11_000);
    const writers = [open(), open(), open(), open()];
    for (let round = 0; round < 10; round++) {
      writeFileSync(`${file}.lock`, 'dead');
      utimesSync(`${file}.lock`, longAgo, longAgo);
      const ids = Array.from({ length: 4 }, (_, i) => `key${round}000000${i}0`);
      expect(await Promise.all(ids.map((id, i) => writers[i].put(record(id))))).toEqual(ids.map(() => true));
    }
    expect(await open().list()).toHaveLength(40);
    expect(readdirSync(folder)).toEqual(['keys.json']);
  });

  it('removes files left by killed processes, and nothing else', async () => {
    for (const name of ['keys.json.1.tmp', 'keys.json.99999.tmp', 'keys.json.bak.tmp', 'other.json.1.tmp', 'keys.json.1.tmp.txt'])
      writeFileSync(join(folder, name), 'left');
    expect(await open().put(record('key000000001'))).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['keys.json', 'keys.json.1.tmp.txt', 'keys.json.bak.tmp', 'other.json.1.tmp']);
  });

  it('makes the target of a dangling link, and keeps the link', async () => {
    mkdirSync(join(folder, 'real'));
    symlinkSync('second', file);
    symlinkSync(join('real', 'target.json'), join(folder, 'second'));
    expect(await open().put(record('key000000001'))).toBe(true);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, 'real', 'target.json'), 'utf8')).toContain('key000000001');
    expect(await open().list()).toHaveLength(1);
  });

  it('leaves no lock if the disk is full', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const probe = await openFile(join(folder, 'probe'), 'w');
    const handles = Object.getPrototypeOf(probe) as typeof probe;
    await probe.close();
    rmSync(join(folder, 'probe'));
    const store = open();
    const write = jest.spyOn(handles, 'writeFile').mockRejectedValue(full);
    await expect(store.put(record('key000000001'))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(readdirSync(folder)).toEqual([]);
    write.mockRestore();
    expect(await store.put(record('key000000001'))).toBe(true);
  });

  it('writes again where another process has taken the lock meanwhile', async () => {
    const store = open();
    await store.put(record('key000000001'));
    let isFirst = true;
    // Called while the record is written.
    const toJSON = (): object => {
      if (isFirst) {
        writeFileSync(`${file}.lock`, 'another process');
        writeFileSync(file, content(record('key000000001'), record('key000000003')));
        setTimeout(() => rmSync(`${file}.lock`), 50);
      }
      isFirst = false;
      return {};
    };
    expect(await store.put(record('key000000002', { metadata: { toJSON } }))).toBe(true);
    expect((await open().list()).map(({ publicId }) => publicId).sort()).toEqual(['key000000001', 'key000000002', 'key000000003']);
  });

  it('takes the lock of a process that died, and waits for one that is alive', async () => {
    const store = open();
    writeFileSync(`${file}.lock`, '');
    const longAgo = new Date(Date.now() - 11_000);
    utimesSync(`${file}.lock`, longAgo, longAgo);
    expect(await store.put(record('key000000001'))).toBe(true);
    writeFileSync(`${file}.lock`, '');
    const waiting = store.put(record('key000000002'));
    setTimeout(() => rmSync(`${file}.lock`), 100);
    expect(await waiting).toBe(true);
  });

  it.each<[string, string, RegExp]>([
    ['text', 'sk-secret', /keys\.json: must be valid JSON$/],
    ['another version', '{ "version": 2, "keys": [] }', /keys\.json: version: must be 1/],
    ['no list', '{ "version": 1, "keys": {} }', /keys\.json: keys: must be an array/],
    ['an unknown field', '{ "version": 1, "keys": [], "secret": 1 }', /keys\.json: secret: is not a known option/],
    [
      'a key in place of its hash',
      content({ publicId: 'key000000001', hashes: [{ sha256: 'sk-secret' }] }),
      /keys\[0\]\.hashes\[0\]\.sha256: must be a SHA-256.*got a string of 9 characters/,
    ],
    ['no hash', content({ publicId: 'key000000001', hashes: [] }), /keys\[0\]\.hashes: must have 1 to 8 hashes/],
    [
      'a public id that is none',
      content({ publicId: 'sk-secret', hashes: [{ sha256: HASH }] }),
      /keys\[0\]\.publicId: must be 12 letters or digits/,
    ],
    ['the same key twice', content(record('key000000001'), record('key000000001')), /keys\[1\]\.publicId: must be unique/],
    [
      'an expiry that is no date',
      content(record('key000000001', { expiresAt: 'tomorrow' })),
      /keys\[0\]\.expiresAt: must be an ISO 8601 date/,
    ],
    [
      'a misspelt limit',
      content(record('key000000001', { limits: { requestPerMinute: 1 } })),
      /keys\[0\]\.limits\.requestPerMinute: is not a known option \(did you mean requestsPerMinute/,
    ],
    [
      'a limit below 0',
      content(record('key000000001', { limits: { usdPerDay: -1 } })),
      /keys\[0\]\.limits\.usdPerDay: must be a number from 0/,
    ],
    ['models that are no list', content(record('key000000001', { models: 'gpt-4o' })), /keys\[0\]\.models: must be an array/],
    [
      'a priority that is none',
      content(record('key000000001', { priority: 'high' })),
      /keys\[0\]\.priority: must be one of critical, default, batch/,
    ],
  ])('is refused at the start with %s, without showing a secret', async (_, text, message) => {
    writeFileSync(file, text);
    expect(() => open().onChange?.(() => {})).toThrow(message);
    await expect(open().list()).rejects.toThrow(message);
    await expect(open().list()).rejects.not.toThrow('sk-secret');
    expect(readFileSync(file, 'utf8')).toBe(text);
  });
});
