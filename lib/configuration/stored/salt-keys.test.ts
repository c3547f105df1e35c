import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigurationStore, StoredRow } from './configuration-store.js';
import { fileConfigurationStore } from './file-store.js';
import { refuseMasterKey, SaltKeys } from './salt-keys.js';
import { rotateSalt } from './salt-rotation.js';
import { openedContent, sealedContent } from './sealed-rows.js';

const OLD = 'the former salt key';
const NEW = 'the new salt key of it';
const place = { entity: 'models', id: 'm1', field: 'litellm_params.api_key', address: 'https://a' } as const;

function rowOf(id: string, keys: SaltKeys): StoredRow {
  const values = { model: 'openai/gpt-4o', api_key: `secret of ${id}`, extra_headers: { a: 'b' } };
  const now = new Date(0).toISOString();
  const by = { createdAt: now, createdBy: 'app', updatedAt: now, updatedBy: 'app' };
  return { entity: 'models', id, revision: 1, ...by, ...sealedContent('models', id, { facts: { model_name: id }, values }, keys) };
}

describe('an encrypted value', () => {
  const keys = new SaltKeys(OLD);

  it.each(['text', '', 'ä€😀', 12.5, null, { nested: ['x', { y: true }] }])('is decrypted to what it was: %j', (value) => {
    expect(keys.open(place, keys.seal(place, value))).toEqual(value);
  });

  it('differs each time and shows nothing of the value', () => {
    const [one, other] = [keys.seal(place, 'secret'), keys.seal(place, 'secret')];
    expect(one).not.toBe(other);
    expect(one).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]+$/);
    expect(Buffer.from(one.slice(12), 'base64url').includes('secret')).toBe(false);
  });

  it.each([
    ['another row', { ...place, id: 'm2' }],
    ['another table', { ...place, entity: 'credentials' as const }],
    ['another field', { ...place, field: 'litellm_params.api_base' }],
    ['another address', { ...place, address: 'https://b' }],
  ])('is worthless in %s', (_, elsewhere) => {
    expect(() => keys.open(elsewhere, keys.seal(place, 'secret'))).toThrow(/changed outside of the admin API/);
  });

  it('cannot be changed, in any byte', () => {
    const sealed = keys.seal(place, 'secret');
    const [version, id, text] = sealed.split('.');
    const bytes = Buffer.from(text, 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] ^= 1;
      expect(() => keys.open(place, [version, id, changed.toString('base64url')].join('.'))).toThrow(/changed/);
    }
    for (const cut of ['', 'v1', `v1.${id}.`, `v1.${id}.AAAA`, `v2.${id}.${text}`, 'secret']) expect(() => keys.open(place, cut)).toThrow();
  });

  it('is named with the key that it needs, and not with the key itself', () => {
    const other = new SaltKeys(NEW);
    const reading = (): unknown => other.open(place, keys.seal(place, 'secret'));
    expect(reading).toThrow(`encrypted with the salt key ${keys.id}, and this process has ${other.id}`);
    expect(reading).not.toThrow(NEW);
    expect(new SaltKeys(NEW, [OLD]).open(place, keys.seal(place, 'secret'))).toBe('secret');
  });
});

describe('a salt key', () => {
  it.each(['', 'short', ' with spaces around it '])('must be long: %j', (key) => {
    expect(() => new SaltKeys(key)).toThrow(/admin\.saltKey: must have at least 16 characters/);
    expect(() => new SaltKeys(OLD, [key])).toThrow(/admin\.otherSaltKeys\[0\]/);
  });

  it('must not be the master key', () => {
    expect(() => refuseMasterKey([OLD, NEW], (key) => key === NEW)).toThrow(/must differ from the master key/);
    expect(() => refuseMasterKey([OLD], (key) => key === NEW)).not.toThrow();
  });

  it('is needed to store a secret, and nothing else', () => {
    const content = (values: object) => sealedContent('models', 'm', { facts: {}, values: values as never }, undefined);
    const plain = { model: 'openai/x', rpm: 5, tags: ['a'], api_base: 'https://example.com/v1', input_cost_per_token: '0.000001' };
    expect(content(plain)).toEqual({ plain: { litellm_params: plain }, sealed: {} });
    for (const secret of [{ api_key: 'x' }, { extra_headers: { a: 'b' } }, { api_base: 'https://a.example?key=x' }, { unknown: 'text' }])
      expect(() => content(secret)).toThrow(/litellm_params\.\w+: secrets cannot be stored without a salt key; set LITELLM_SALT_KEY/);
  });
});

describe('a rotation', () => {
  let folder: string;
  let file: string;
  let store: ConfigurationStore;
  const both = new SaltKeys(NEW, [OLD]);
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rotation-'));
    file = join(folder, 'configuration.json');
    store = fileConfigurationStore(file).configuration;
    for (const id of ['a', 'b', 'c']) await store.put(rowOf(id, new SaltKeys(OLD)));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('encrypts every secret with the new key, once', async () => {
    expect(await rotateSalt(store, both)).toEqual({ rotated: 3, unchanged: 0 });
    const text = readFileSync(file, 'utf8');
    expect(await rotateSalt(store, both)).toEqual({ rotated: 0, unchanged: 3 });
    expect(readFileSync(file, 'utf8')).toBe(text);
    for (const row of await store.list()) {
      expect(openedContent(row, new SaltKeys(NEW)).values).toEqual({
        model: 'openai/gpt-4o',
        api_key: `secret of ${row.id}`,
        extra_headers: { a: 'b' },
      });
      expect(row.updatedAt).toBe(new Date(0).toISOString());
    }
  });

  it('continues where an earlier one was interrupted; both keys are read meanwhile', async () => {
    let writes = 0;
    const failing: ConfigurationStore = {
      list: () => store.list(),
      delete: (entity, id) => store.delete(entity, id),
      onChange: (listener) => store.onChange(listener),
      put: (row) => (++writes > 1 ? Promise.reject(new Error('killed')) : store.put(row)),
    };
    await expect(rotateSalt(failing, both)).rejects.toThrow('killed');
    const rows = await store.list();
    expect(rows.map((row) => openedContent(row, both).values.api_key)).toEqual(['secret of a', 'secret of b', 'secret of c']);
    expect(rows.filter(({ sealed }) => both.isCurrent(Object.values(sealed)[0]))).toHaveLength(1);
    expect(await rotateSalt(store, both)).toEqual({ rotated: 2, unchanged: 1 });
  });

  it('changes nothing of a row that neither key can decrypt, and names it', async () => {
    const text = readFileSync(file, 'utf8');
    await expect(rotateSalt(store, new SaltKeys(NEW, ['a key of someone else']))).rejects.toThrow(
      /^models a: litellm_params\.\w+: was encrypted/,
    );
    expect(readFileSync(file, 'utf8')).toBe(text);
  });
});

describe('a store in a file', () => {
  it('is read completely or not at all', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'file-store-'));
    const file = join(folder, 'configuration.json');
    const { configuration: store } = fileConfigurationStore(file);
    expect(await store.list()).toEqual([]);
    const row = rowOf('a', new SaltKeys(OLD));
    const results = await Promise.all([store.put(row), store.put(row), fileConfigurationStore(file).configuration.put(row)]);
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await store.put({ ...row, revision: 3 })).toBe(false);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"entity":"models"', '"entity":"secret-in-the-wrong-place"'));
    await expect(store.list()).rejects.toThrow(/rows\[0\]\.entity: must be one of models, credentials, settings/);
    await expect(store.list()).rejects.not.toThrow(/wrong-place/);
    expect(store.fault?.()).toContain('entity');
    rmSync(folder, { recursive: true });
  });
});
