import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { setPrincipal } from 'nestjs-fast-litellm';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

/** Authenticates each request as the key that it shows. */
class AnyKey implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    const { authorization = 'none' } = request.headers;
    setPrincipal(request, { limitKey: `key:${authorization}`, tags: [], metadata: {}, isAdmin: false, mayCall: () => true });
    return true;
  }
}

const CONNECTIONS = 4;
const DELTA = `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content: 'a'.repeat(60_000) }, finish_reason: null }] })}\n\n`;
const WHOLE = {
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
};
const DENIED = 429;

describe.each(Object.keys(ADAPTERS) as AdapterName[])('clients of a gateway on %s that stop reading', (adapter) => {
  let gateway: GatewayApp;
  let streaming = 0;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    const base = await scripted((request, response) => {
      let asked = '';
      request.on('data', (chunk: Buffer) => (asked += chunk.toString()));
      request.on('end', () => {
        if (!asked.includes('"stream":true'))
          return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(WHOLE));
        streaming++;
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const write = (): void => {
          while (!response.destroyed && response.write(DELTA));
        };
        response.on('drain', write).on('close', () => streaming--);
        write();
      });
    });
    const params = { model: 'openai/gpt-4o', api_key: 'sk', api_base: base };
    gateway = await GatewayApp.start(
      adapter,
      { guards: [AnyKey], rateLimit: { default: false } },
      {
        providers: [AnyKey],
        module: {
          router: { modelList: [{ model_name: 'm', litellm_params: params }] },
          connectionPool: { maxConnectionsPerEndpoint: CONNECTIONS, acquireTimeoutMs: 20_000 },
          llmClient: { writeTimeoutMs: 300, maxCallsPerKey: CONNECTIONS },
        },
      },
    );
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await gateway.stop();
    await stopProviders();
  });

  const stall = async (key: string): Promise<Socket> => {
    const socket = connect(gateway.port, '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
    const body = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    socket.pause();
    return socket;
  };
  const ask = (key: string) =>
    gateway.post('/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }, { authorization: key });

  it('lose their connections to the provider, and others are answered', async () => {
    for (let at = 0; at < CONNECTIONS; at++) await stall(`Bearer ${at}`);
    await until(() => streaming === CONNECTIONS);
    expect((await ask('Bearer other')).status).toBe(200);
    await until(() => streaming === 0);
    expect(gateway.llm.client.callsInFlight).toBe(0);
  });

  it('deny only their own key once it has reached its calls in flight', async () => {
    for (let at = 0; at < CONNECTIONS; at++) await stall('Bearer same');
    await until(() => streaming === CONNECTIONS);
    const denied = await ask('Bearer same');
    expect(denied.status).toBe(DENIED);
    expect(denied.text).toContain('llmClient.maxCallsPerKey');
    expect((await ask('Bearer other')).status).toBe(200);
    await until(() => streaming === 0);
    expect((await ask('Bearer same')).status).toBe(200);
  });
});

describe('clients of a gateway that leave, where answers are read to their end', () => {
  let gateway: GatewayApp;
  afterEach(async () => {
    await gateway.stop();
    await stopProviders();
  });

  it('have these counted among the calls of their key', async () => {
    let asked = 0;
    const base = await scripted((_, response) => {
      if (++asked > 1) response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(WHOLE));
    });
    const params = { model: 'openai/gpt-4o', api_key: 'sk', api_base: base };
    gateway = await GatewayApp.start(
      'Fastify',
      { guards: [AnyKey], rateLimit: { default: false } },
      {
        providers: [AnyKey],
        module: {
          router: { modelList: [{ model_name: 'm', litellm_params: params }] },
          llmClient: { onAbort: 'drain', abortDrainMs: 2_000, maxCallsPerKey: 1 },
        },
      },
    );
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] });
    const head = `host: localhost\r\nauthorization: same\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
    const socket = connect(gateway.port, '127.0.0.1').on('error', () => {});
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n\r\n${body}`);
    await until(() => asked === 1);
    socket.destroy();
    const { client } = gateway.llm;
    await until(() => client.callsInFlight === 0);
    const ask = (authorization: string) => gateway.post('/v1/chat/completions', JSON.parse(body), { authorization });
    expect([(await ask('same')).status, (await ask('other')).status]).toEqual([DENIED, 200]);
    await until(() => client.unsettledCalls === 0);
    expect((await ask('same')).status).toBe(200);
  });
});
