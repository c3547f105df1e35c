import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { sleep, until } from '../../test/support/until.js';
import { whenOver } from './response-end.js';

describe('the end of responses on one connection', () => {
  let server: Server;
  let client: Socket;
  const responses: ServerResponse[] = [];

  /** So many requests, sent before any is answered. */
  async function ask(times: number): Promise<readonly ServerResponse[]> {
    client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
    client.resume().write('GET / HTTP/1.1\r\nhost: here\r\n\r\n'.repeat(times));
    await until(() => responses.length === times);
    return responses.splice(0);
  }

  // `once` of Node takes a connection that is reset for a failure.
  const gone = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

  beforeEach(async () => {
    server = createServer((_, response) => void responses.push(response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    client.destroy();
    server.close();
    await once(server, 'close');
  });

  it('is notified once for each response that ends with the connection, without a warning about many listeners', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const told: number[] = [];
    const asked = await ask(12);
    asked.forEach((response, number) => whenOver(response, () => told.push(number)));
    const { socket } = asked[0].req;
    client.destroy();
    await gone(socket);
    await sleep(20);
    process.off('warning', onWarning);
    expect(told.sort((a, b) => a - b)).toEqual(asked.map((_, number) => number));
    expect(warnings).toEqual([]);
    let late = 0;
    whenOver(asked[11], () => late++);
    expect(late).toBe(1);
  });

  it('is notified once of a response that was answered in its turn', async () => {
    const told: string[] = [];
    const [first, second] = await ask(2);
    whenOver(first, () => told.push('first'));
    whenOver(second, () => told.push('second'));
    first.end();
    await once(first, 'close');
    second.end();
    await once(second, 'close');
    expect(told).toEqual(['first', 'second']);
    const { socket } = second.req;
    client.destroy();
    await gone(socket);
    expect(told).toEqual(['first', 'second']);
  });

  it('is not notified after it has unsubscribed', async () => {
    const [first, second] = await ask(2);
    let told = 0;
    const before = [first, second].map((response) => response.listenerCount('close'));
    for (const response of [first, second]) whenOver(response, () => told++)();
    expect([first, second].map((response) => response.listenerCount('close'))).toEqual(before);
    const { socket } = first.req;
    client.destroy();
    await gone(socket);
    await sleep(20);
    expect(told).toBe(0);
  });
});
