import { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLMKeysModule, fileApiKeyStore, redisApiKeyStore, type ApiKeyStore } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';

// Keys of LiteLLM's database, where only hashes are, as docs/keys.md describes their records.

/** As LiteLLM makes them. */
const KEY = 'sk-Zr4_tQ9-xW1bN7mLkPqS2A';
const TOKEN = createHash('sha256').update(KEY).digest('hex');
const OTHER = 'sk-aB3dE6gH9jK2mN5pQ8sT1w';
const publicId = TOKEN.slice(0, 12);
const documented = { publicId, hashes: [{ sha256: TOKEN }], alias: 'team-a' };
const misplaced = { publicId, sha256: TOKEN, alias: 'team-a' };
const RULE = 'sha256: must be an entry of hashes: [{ sha256 }]';

describe("a key of LiteLLM's database", () => {
  let provider: TestProvider;
  let gateway: GatewayApp | undefined;
  let directory: string;
  const lines: string[] = [];
  const note = (line: unknown): void => void lines.push(String(line));
  beforeAll(async () => {
    provider = await startProvider('openai', { script: 'Hello.' });
    directory = mkdtempSync(join(tmpdir(), 'litellm-records-'));
  });
  beforeEach(() => void lines.splice(0));
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
  });
  afterAll(async () => {
    await provider.close();
    rmSync(directory, { recursive: true });
  });

  async function start(store: ApiKeyStore): Promise<void> {
    const logger = { log: note, warn: note, error: note };
    gateway = await GatewayApp.start(
      'Express',
      {},
      {
        module: { router: { modelList: [provider.deployment('m', { model: 'openai/gpt-4o' })] }, logger },
        imports: [FastLiteLLMKeysModule.forRoot({ store })],
      },
    );
  }
  async function ask(key: string): Promise<{ readonly status: number; readonly text: string }> {
    const body = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
    return (gateway as GatewayApp).post('/v1/chat/completions', body, { authorization: `Bearer ${key}` });
  }
  const file = (record: object): ApiKeyStore => {
    const path = join(directory, 'keys.json');
    writeFileSync(path, JSON.stringify({ version: 1, keys: [record] }));
    return fileApiKeyStore(path);
  };

  it('works from a file', async () => {
    await start(file(documented));
    expect((await ask(KEY)).text).toContain('Hello.');
    expect((await ask(OTHER)).status).toBe(401);
  });

  it('with its hash in the wrong place keeps the app from starting, with the right place', async () => {
    await expect(start(file(misplaced))).rejects.toThrow(`keys[0].${RULE}`);
    expect(lines.join('\n')).not.toContain(TOKEN);
  });

  (hasRedis ? describe : describe.skip)('in Redis', () => {
    let server: RedisServer;
    let redis: Redis;
    beforeAll(async () => {
      server = await RedisServer.start();
      redis = new Redis(server.url);
    });
    afterAll(async () => {
      redis.disconnect();
      await server.stop();
    });

    it('works', async () => {
      await redis.hset('fast-litellm:{keys}', publicId, JSON.stringify(documented));
      await start(redisApiKeyStore({ url: server.url, timeoutMs: 5_000 }));
      expect((await ask(KEY)).text).toContain('Hello.');
      expect((await ask(OTHER)).status).toBe(401);
    });

    it('with its hash in the wrong place is logged with the right place, and refused alone', async () => {
      const other = createHash('sha256').update(OTHER).digest('hex');
      const good = { publicId: other.slice(0, 12), hashes: [{ sha256: other }] };
      await redis.hset('fast-litellm:{keys}', publicId, JSON.stringify(misplaced), good.publicId, JSON.stringify(good));
      await start(redisApiKeyStore({ url: server.url, timeoutMs: 5_000 }));
      expect((await ask(KEY)).status).toBe(503);
      expect(lines.join('\n')).toContain(`the record of the API key ${publicId} in Redis.${RULE}`);
      expect(lines.join('\n')).not.toContain(TOKEN);
      expect((await ask(OTHER)).text).toContain('Hello.');
    });
  });
});
