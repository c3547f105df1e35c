import { Logger } from '@nestjs/common';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask, config, count, error, gatewayWith, json } from './sample-requests.js';

beforeAll(() => Logger.overrideLogger(false));

describe('the sample gateway with a master key and a file of keys', () => {
  const MASTER = 'sk-master-0123456789';
  const folder = mkdtempSync(join(tmpdir(), 'sample-keys-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  gatewayWith(() => ({
    LITELLM_CONFIG: config(`{ master_key: ${MASTER} }`),
    API_KEYS_FILE: join(folder, 'keys.json'),
  }));
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const post = (path: string, key: string, body: object = {}) =>
    ask(path, { method: 'POST', headers: { ...json, ...bearer(key) }, body: JSON.stringify(body) });

  it('makes keys, which open the API and neither the page, the metrics nor the keys themselves', async () => {
    const made = await post('/key/generate', MASTER, { key_alias: 'mobile', rpm_limit: 2 });
    expect(made.status).toBe(200);
    const { key, token } = JSON.parse(made.text) as { key: string; token: string };
    expect((await ask('/v1/models', { headers: bearer(key) })).status).toBe(200);
    expect((await count(bearer(key))).status).toBe(200);
    for (const path of ['/', '/metrics', '/nowhere']) expect((await ask(path, { headers: bearer(key) })).status).toBe(401);
    expect((await ask('/dashboard/data', { headers: bearer(key) })).status).toBe(401);
    expect(JSON.parse((await ask('/health', { headers: bearer(key) })).text)).not.toHaveProperty('details');
    expect((await ask('/key/list', { headers: bearer(key) })).status).toBe(403);
    await count(bearer(key));
    const denied = await count(bearer(key));
    expect([denied.status, error(denied)]).toEqual([429, expect.objectContaining({ code: 'rate_limit_exceeded' })]);
    await post('/key/block', MASTER, { key: token });
    expect((await count(bearer(key))).status).toBe(403);
    expect((await ask('/v1/models', { headers: bearer(key) })).status).toBe(403);
  });

  it('takes large bodies from clients with a key, and from no other', async () => {
    const { key } = JSON.parse((await post('/key/generate', MASTER)).text) as { key: string };
    const input = { model: 'none', input: 'x'.repeat(3 * 2 ** 20) };
    for (const known of [key, MASTER]) expect((await post('/v1/embeddings', known, input)).status).toBe(404);
    const refused = await post('/v1/embeddings', `sk-abcdefghijkl-${'A'.repeat(43)}`, input).catch(() => ({ status: 401 }));
    expect(refused.status).toBe(401);
  });

  it('makes no keys for clients without the master key', async () => {
    const { key } = JSON.parse((await post('/key/generate', MASTER)).text) as { key: string };
    expect((await post('/key/generate', key)).status).toBe(403);
    expect((await post('/key/generate', 'sk-two')).status).toBe(401);
  });
});
