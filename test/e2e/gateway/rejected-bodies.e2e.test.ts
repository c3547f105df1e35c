import { Controller, Get, Post } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { boundJsonHook, boundJsonMiddleware } from 'nestjs-fast-litellm';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { addressOf, config, gatewayWith } from '../sample-app/sample-requests.js';

const KEY = 'sk-rejected-bodies';
const LIMIT = 4 * 1024 * 1024;
const SAMPLE_LIMIT = 32 * 1024 * 1024;

/** A connection that reads what arrives, response by response. */
class Wire {
  private text = '';
  private isClosed = false;
  private changed = (): void => {};

  private constructor(private readonly socket: Socket) {
    const see = (): void => this.changed();
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      this.text += chunk;
      see();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
      see();
    });
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    return new Wire(socket);
  }

  write(text: string | Buffer): void {
    this.socket.write(text);
  }

  end(): void {
    this.socket.destroy();
  }

  /** The next response; `undefined`: the connection was closed before it. */
  async response(): Promise<{ readonly status: number; readonly closes: boolean } | undefined> {
    for (;;) {
      const head = this.text.indexOf('\r\n\r\n');
      const length = /content-length: (\d+)/i.exec(this.text.slice(0, Math.max(0, head)))?.[1];
      const lastChunk = this.text.indexOf('\r\n0\r\n\r\n', head);
      const end = length === undefined ? lastChunk + 7 : head + 4 + Number(length);
      if (head >= 0 && this.text.length >= end && (length !== undefined || lastChunk >= 0)) {
        const got = this.text.slice(0, end);
        this.text = this.text.slice(end);
        return { status: Number(got.slice(9, 12)), closes: /\r\nconnection: close/i.test(got) };
      }
      if (this.isClosed) return undefined;
      await new Promise<void>((resolve) => (this.changed = resolve));
    }
  }
}

interface Rejected {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes of the body. */
  readonly body: string;
  readonly isChunked?: boolean;
  readonly status: readonly number[];
}

const text = (bytes: number): string => `{"model":"gpt-4o","messages":[{"role":"user","content":"${'a'.repeat(bytes)}"}]}`;
const authorized = { authorization: `Bearer ${KEY}` };
const kindsOf = (limit: number): readonly [string, (bytes: number) => Rejected][] => [
  ['a wrong key', (bytes) => ({ headers: { authorization: 'Bearer sk-wrong' }, body: text(bytes), status: [401] })],
  ['no key', (bytes) => ({ body: text(bytes), isChunked: true, status: [401] })],
  ['another type', (bytes) => ({ headers: { ...authorized, 'content-type': 'text/plain' }, body: text(bytes), status: [415] })],
  ['a stated length above the limit', (bytes) => ({ headers: authorized, body: text(bytes + limit), status: [413] })],
  ['a length above the limit', (bytes) => ({ headers: authorized, body: text(bytes + limit), isChunked: true, status: [413] })],
  ['a nesting above the bounds', (bytes) => ({ headers: authorized, body: `${'['.repeat(2_000)}${text(bytes)}`, status: [400] })],
  ['an unknown route', (bytes) => ({ path: '/v1/nowhere', headers: authorized, body: text(bytes), status: [404, 413] })],
];
const SIZES = [10_000, 300_000, 1_500_000];

function written({ path = '/v1/chat/completions', headers = {}, body, isChunked = false }: Rejected): string {
  const length = isChunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`;
  const fields = Object.entries({ 'content-type': 'application/json', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  const sent = isChunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${fields.join('')}${length}\r\n\r\n${sent}`;
}

const NEXT = `GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${KEY}\r\n\r\n`;

/** What comes of a rejected request, and of the next one on its connection. */
async function askTwice(port: number, rejected: Rejected): Promise<{ first: number | undefined; next: number | 'announced' | undefined }> {
  const wire = await Wire.open(port);
  try {
    const request = written(rejected);
    // A client such as Node's sends the rest of the body also if it has the answer by then.
    wire.write(request.slice(0, request.length / 2));
    setImmediate(() => wire.write(request.slice(request.length / 2)));
    const first = await wire.response();
    if (first?.closes !== true) wire.write(NEXT);
    const next = await wire.response();
    return { first: first?.status, next: next?.status ?? (first?.closes === true ? 'announced' : undefined) };
  } finally {
    wire.end();
  }
}

describe.each(Object.keys(ADAPTERS) as AdapterName[])('a connection whose body was rejected by a gateway on %s', (adapter) => {
  let gateway: GatewayApp;
  beforeAll(async () => {
    const params = { model: 'openai/gpt-4o', api_key: 'sk', api_base: 'http://127.0.0.1:9' };
    gateway = await GatewayApp.start(adapter, { maxBodyBytes: LIMIT, masterKey: KEY, rateLimit: { default: false } } as never, {
      module: { router: { modelList: [{ model_name: 'gpt-4o', litellm_params: params }] } },
    });
  });
  afterAll(() => gateway.stop());

  it.each(kindsOf(LIMIT))('answers the next request, or has announced its end: %s', async (_, kind) => {
    for (const bytes of SIZES) {
      const rejected = kind(bytes);
      const { first, next } = await askTwice(gateway.port, rejected);
      expect([bytes, rejected.status.includes(first ?? 0), first]).toEqual([bytes, true, first]);
      expect([bytes, [200, 'announced'].includes(next as never), next]).toEqual([bytes, true, next]);
    }
  });
});

@Controller()
class Own {
  @Post('own')
  own(): string {
    return 'own';
  }
  @Get('v1/models')
  models(): object {
    return {};
  }
}

/** A hook that has another reader pipe from the request. */
function pipes(instance: { addHook: (name: string, hook: object) => unknown }): void {
  instance.addHook('preParsing', (_: object, __: object, payload: Readable, done: (error: null, next: Readable) => void) => {
    done(null, payload.pipe(new PassThrough()));
  });
}

describe.each(Object.keys(ADAPTERS) as AdapterName[])('a connection whose body was rejected by the bounds of an app on %s', (adapter) => {
  it.each([false, true])('answers the next request (behind another reader: %s)', async (isPiped) => {
    const app = (await Test.createTestingModule({ controllers: [Own] }).compile()).createNestApplication(ADAPTERS[adapter](), {
      logger: false,
    });
    const http = app.getHttpAdapter();
    if (adapter === 'Express') app.use(boundJsonMiddleware(LIMIT));
    else {
      const instance = http.getInstance() as Parameters<typeof pipes>[0];
      if (isPiped) pipes(instance);
      instance.addHook('preParsing', boundJsonHook());
    }
    await app.listen(0, '127.0.0.1');
    try {
      const { port } = app.getHttpServer().address() as AddressInfo;
      for (const bytes of SIZES) {
        const body = `${'['.repeat(2_000)}${text(bytes)}`;
        const { next } = await askTwice(port, { path: '/own', body, isChunked: true, status: [] });
        expect([bytes, [200, 'announced'].includes(next as never), next]).toEqual([bytes, true, next]);
      }
    } finally {
      await app.close();
    }
  });
});

describe('boundJsonHook', () => {
  it.each([false, true])('survives a body out of bounds that the parser has rejected for its size (chunked: %s)', async (isChunked) => {
    const app = (await Test.createTestingModule({ controllers: [Own] }).compile()).createNestApplication(
      new FastifyAdapter({ bodyLimit: 20_000 }),
      { logger: false },
    );
    const instance = app.getHttpAdapter().getInstance() as Parameters<typeof pipes>[0];
    instance.addHook('preParsing', boundJsonHook());
    // A later hook that takes its time: the bytes come meanwhile.
    instance.addHook('preParsing', (_: object, __: object, payload: Readable, done: (error: null, next: Readable) => void) =>
      setTimeout(done, 50, null, payload),
    );
    await app.listen(0, '127.0.0.1');
    try {
      const { port } = app.getHttpServer().address() as AddressInfo;
      for (const body of ['['.repeat(100_000), `"${'x'.repeat(30_000)}"${'['.repeat(100_000)}`]) {
        const { first } = await askTwice(port, { path: '/own', body, isChunked, status: [] });
        expect([400, 413]).toContain(first);
      }
      expect((await fetch(`http://127.0.0.1:${port}/v1/models`)).status).toBe(200);
    } finally {
      await app.close();
    }
  });
});

describe('a connection whose body was rejected by the sample gateway', () => {
  gatewayWith(() => ({ LITELLM_CONFIG: config('{ master_key: os.environ/GATEWAY_MASTER_KEY }'), GATEWAY_MASTER_KEY: KEY }));

  it.each(kindsOf(SAMPLE_LIMIT))('answers the next request, or has announced its end: %s', async (_, kind) => {
    for (const bytes of SIZES) {
      const { first, next } = await askTwice(Number(new URL(addressOf().url).port), kind(bytes));
      expect([bytes, (first ?? 0) >= 400, first]).toEqual([bytes, true, first]);
      expect([bytes, [200, 'announced'].includes(next as never), next]).toEqual([bytes, true, next]);
    }
  });
});
