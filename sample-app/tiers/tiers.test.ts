import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { Logger } from '@nestjs/common';
import { register } from 'prom-client';
import request from 'supertest';
import { AppModule } from '../app.module.js';
import { createHttpAdapter } from '../http-adapter.js';
import { TIERS } from './tiers.js';

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => register.clear());

describe('the two tiers of POST /v1/tokens/count', () => {
  let app: NestFastifyApplication;
  beforeAll(async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter());
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });
  afterAll(() => app.close());

  const count = (key?: string) => {
    const post = request(app.getHttpServer()).post('/v1/tokens/count').send({ model: 'gpt-4o', input: 'hello world' });
    return key === undefined ? post : post.set('authorization', `Bearer ${key}`);
  };

  it('tells a client which limits are theirs', async () => {
    const free = await count().expect(200);
    expect(free.headers['ratelimit-policy']).toBe('"free-burst";q=100;w=5, "free-minute";q=600;w=60');
    const pro = await count('sk-pro-demo').expect(200);
    expect(pro.headers['ratelimit-policy']).toBe('"pro-burst";q=1000;w=5, "pro-minute";q=6000;w=60');
  });

  it('refuses in the shape of OpenAI, whatever key is made up, and lets those who pay pass', async () => {
    // Injected without sockets: on a busy machine the connections would take too long to exceed the
    // limit.
    const ask = (key: string, remoteAddress = '127.0.0.1') =>
      app.inject({
        remoteAddress,
        method: 'POST',
        url: '/v1/tokens/count',
        headers: { authorization: `Bearer ${key}` },
        payload: { model: 'gpt-4o', input: 'hello world' },
      });
    const answers = await Promise.all(Array.from({ length: 2 * TIERS.free.burst }, (_, i) => ask(`sk-made-up-${i}`)));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200, 429]));
    const refused = answers.find(({ statusCode }) => statusCode === 429)!;
    expect(refused.json()).toMatchObject({ error: { type: 'requests', code: 'rate_limit_exceeded', param: null } });
    expect(refused.headers['retry-after']).toBe('1');
    await count('sk-pro-demo').expect(200);
    // A client of IPv6 has a network of addresses.
    const fromNetwork = await Promise.all(Array.from({ length: 2 * TIERS.free.burst }, (_, i) => ask('sk-made-up', `2001:db8:1:2::${i}`)));
    expect(new Set(fromNetwork.map(({ statusCode }) => statusCode))).toEqual(new Set([200, 429]));
  });
});
