import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';

const STATED = 4 * 1024 * 1024;
const CONNECTIONS = 100;
const MEBIBYTE = 1024 * 1024;
const before = process.memoryUsage().external;

describe.each(Object.keys(ADAPTERS) as AdapterName[])('bodies of a gateway on %s', (adapter) => {
  it('take no memory for what a client states and does not send', async () => {
    const begun = new Set<IncomingMessage>();
    const count = (request: IncomingMessage): number => (begun.add(request), STATED);
    const deployment = { model_name: 'gpt-4o', litellm_params: { model: 'openai/gpt-4o', api_key: 'sk', api_base: 'http://127.0.0.1:9' } };
    const gateway = await GatewayApp.start(
      adapter,
      { maxBodyBytes: count, rateLimit: { default: false } },
      { module: { router: { modelList: [deployment] } } },
    );
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${STATED}\r\n\r\n{`;
    const sockets: Socket[] = [];
    try {
      for (let at = 0; at < CONNECTIONS; at++) sockets.push(connect(gateway.port, '127.0.0.1').on('error', () => {}));
      await Promise.all(sockets.map(async (socket) => (await once(socket, 'connect'), socket.write(head))));
      while (begun.size < CONNECTIONS) await gateway.ask('/v1/models', { method: 'GET' });
      expect((await gateway.post('/v1/chat/completions', [])).status).toBe(400);
      expect((process.memoryUsage().external - before) / MEBIBYTE).toBeLessThan(50);
    } finally {
      for (const socket of sockets) socket.destroy();
      await gateway.stop();
    }
  });
});
