import { Module, type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLM,
  FastLiteLLMGatewayModule,
  FastLiteLLMModule,
  type FastLiteLLMOptions,
  type GatewayMount,
  type GatewayOptions,
} from 'nestjs-fast-litellm';
import { request as send, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** The HTTP servers that a gateway runs on. */
export const ADAPTERS = {
  Express: () => new ExpressAdapter(),
  Fastify: () => new FastifyAdapter({ forceCloseConnections: true } as never),
} as const;

export type AdapterName = keyof typeof ADAPTERS;

/** What surrounds the gateway in an app. */
export interface AppAround {
  readonly module?: FastLiteLLMOptions;
  readonly imports?: readonly (Type<unknown> | DynamicModule)[];
  readonly controllers?: readonly Type<object>[];
  readonly providers?: readonly object[];
  /** Between making the app and listening. */
  readonly prepare?: (app: INestApplication) => void;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** An app with a gateway, listening on loopback. */
export class GatewayApp {
  private constructor(
    readonly app: INestApplication,
    readonly port: number,
  ) {}

  static async start(
    adapter: AdapterName,
    gateway: (GatewayOptions & GatewayMount) | DynamicModule = {},
    { module = {}, imports = [], controllers = [], providers = [], prepare }: AppAround = {},
  ): Promise<GatewayApp> {
    const mounted = 'module' in gateway ? gateway : FastLiteLLMGatewayModule.forRoot(gateway);
    @Module({
      imports: [FastLiteLLMModule.forRoot({ logger: quiet, metrics: false, telemetry: false, ...module }), mounted, ...imports],
      controllers: [...controllers],
      providers: [...providers] as never[],
    })
    class AppModule {}
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    testing.useLogger(false);
    const app = testing.createNestApplication(ADAPTERS[adapter]());
    prepare?.(app);
    await app.listen(0, '127.0.0.1');
    return new GatewayApp(app, (app.getHttpServer() as { address(): AddressInfo }).address().port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get llm(): FastLiteLLM {
    return this.app.get(FastLiteLLM, { strict: false });
  }

  stop(): Promise<void> {
    return this.app.close();
  }

  /** As `sendRaw`. */
  ask(path: string, ask: Ask = {}): Promise<RawAnswer> {
    return sendRaw(this.port, path, ask);
  }

  /** Posts JSON. */
  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
    return this.ask(path, { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
  }
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Sends headers and bytes as no `fetch` would send them. */
export function sendRaw(port: number, path: string, { method = 'POST', headers = {}, body }: Ask): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = send({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
