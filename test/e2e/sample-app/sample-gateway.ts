import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { register } from 'prom-client';
import { AppModule } from '../../../sample-app/app.module.js';
import { LocalProviders, type RunningProvider } from '../../../sample-app/providers/local-providers.js';
import { createHttpAdapter } from '../../../sample-app/start.js';

/** The sample app as `npm start` has it, in this process, with its two providers. */
export class SampleGateway {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly url: string,
  ) {}

  static async start(): Promise<SampleGateway> {
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    testing.useLogger(false);
    const app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter());
    await app.listen(0, '127.0.0.1');
    return new SampleGateway(app, await app.getUrl());
  }

  get providers(): readonly RunningProvider[] {
    return this.app.get(LocalProviders, { strict: false }).running;
  }

  async stop(): Promise<void> {
    await this.app.close();
    register.clear();
  }

  async text(path: string): Promise<string> {
    return (await fetch(this.url + path)).text();
  }

  /** The status of the answer, when all of it has come. */
  async post(path: string, body: object): Promise<number> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    await response.arrayBuffer();
    return response.status;
  }

  chat(body: object = {}): Promise<number> {
    return this.post('/v1/chat/completions', {
      model: 'gpt-4o-mini',
      messages: [{ role: 'user', content: 'Hello, how are you?' }],
      ...body,
    });
  }

  /** Uses much of a client's burst, which is refilled while a busy machine answers. */
  async requestBurst(): Promise<void> {
    await Promise.all(Array.from({ length: 80 }, () => this.post('/v1/tokens/count', { model: 'gpt-4o', input: 'Hello' })));
  }

  /** Something for each capability to do, and a request that fails. */
  async exercise(): Promise<void> {
    for (let i = 0; i < 4; i++) await this.chat({ stream: i % 2 === 1 });
    await Promise.all([
      this.chat({ model: 'gpt-4o' }),
      this.chat({ model: 'unknown-model' }),
      this.post('/v1/embeddings', { model: 'text-embedding-3-small', input: 'Hello' }),
      this.post('/v1/tokens/count', { model: 'gpt-4o', input: 'Hello world' }),
      this.text('/v1/models'),
      this.text('/health'),
    ]);
  }
}
