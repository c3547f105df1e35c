import { createServer, get, Agent, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { until } from '../../test/support/until.js';
import { GracefulShutdown } from './graceful-shutdown.js';
import { resolveShutdownOptions, type ShutdownOptions } from './shutdown.options.js';

describe('GracefulShutdown', () => {
  const lines: string[] = [];
  const logged: string[] = [];
  const logger = { log: (line: string) => void logged.push(line), warn: (line: string) => void lines.push(line), error: () => {} };
  const agent = new Agent({ keepAlive: true });
  let server: Server;
  let held: ServerResponse[];
  let url: string;

  beforeEach(async () => {
    [lines.length, logged.length, held] = [0, 0, []];
    server = createServer((request, response) => {
      if (request.url === '/slow') held.push(response);
      else response.end('quick');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  afterAll(() => agent.destroy());

  function shutdownWith(options: ShutdownOptions, busy?: () => number, abandon?: () => void) {
    const shutdown = new GracefulShutdown(resolveShutdownOptions(options), logger, busy, abandon);
    shutdown.watch(server);
    return shutdown;
  }
  const ask = (path: string) =>
    new Promise<{ text: string; response: IncomingMessage }>((resolve, reject) => {
      get(`${url}${path}`, { agent }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve({ text, response }));
      }).on('error', reject);
    });

  it('does not wait for pipelined requests of a client that disconnected', async () => {
    const shutdown = shutdownWith({});
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(3));
    await until(() => held.length === 3);
    expect(shutdown.requestsUnderWay).toBe(3);
    socket.destroy();
    await until(() => shutdown.requestsUnderWay === 0);
  });

  it('does not wait without a server and without calls in flight', async () => {
    const order: string[] = [];
    const drained = new GracefulShutdown(resolveShutdownOptions({}), logger).drain().then(() => order.push('drained'));
    await new Promise((resolve) => setImmediate(resolve));
    order.push('a turn later');
    await drained;
    expect(order).toEqual(['drained', 'a turn later']);
  });

  it('waits for requests in flight, accepts no new ones, and aborts none', async () => {
    const shutdown = shutdownWith({ drainMs: 20_000 });
    const slow = ask('/slow');
    await until(() => held.length === 1);
    expect([shutdown.requestsUnderWay, shutdown.isShuttingDown]).toEqual([1, false]);
    let isDrained = false;
    const drained = shutdown.drain().then(() => (isDrained = true));
    expect(shutdown.isShuttingDown).toBe(true);
    await until(() => !server.listening);
    await expect(ask('/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect([isDrained, logged]).toEqual([false, ['Shutdown: waiting up to 20000 ms (shutdown.drainMs) for 1 request in flight']]);
    held[0].end('whole');
    const { text, response } = await slow;
    expect([text, response.headers.connection]).toEqual(['whole', 'close']);
    await drained;
    expect(lines).toEqual([]);
  });

  it('answers a request that arrives on a keep-alive connection', async () => {
    const shutdown = shutdownWith({});
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
    const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    let text = '';
    socket.on('data', (chunk: string) => (text += chunk)).write(request);
    await until(() => text.endsWith('quick\r\n0\r\n\r\n') || text.endsWith('quick'));
    text = '';
    const drained = shutdown.drain();
    const ended = new Promise((resolve) => socket.once('end', resolve));
    socket.write(request);
    await ended;
    expect(text).toMatch(/^HTTP\/1.1 200 OK\r\nConnection: close\r\n.*quick/s);
    await drained;
  });

  it('closes idle keep-alive connections', async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await shutdownWith({}).drain();
    await closed;
  });

  it('accepts requests during noticeMs', async () => {
    const shutdown = shutdownWith({ noticeMs: 1_500 });
    const drained = shutdown.drain();
    expect(shutdown.isShuttingDown).toBe(true);
    expect((await ask('/')).response.headers.connection).toBe('close');
    await drained;
    await expect(ask('/')).rejects.toThrow();
  });

  it('aborts requests at the deadline, and logs how many', async () => {
    const shutdown = shutdownWith({ drainMs: 50 });
    const cut = [ask('/slow'), ask('/slow')].map((answer) => answer.catch(() => 'cut'));
    await until(() => held.length === 2);
    await shutdown.drain();
    expect(lines).toEqual(['Shutdown: aborted 2 requests still in flight after 50 ms; to wait longer, raise shutdown.drainMs']);
    expect(shutdown.requestsUnderWay).toBe(0);
    expect(await Promise.all(cut)).toEqual(['cut', 'cut']);
  });

  it('waits for calls in flight without an HTTP request', async () => {
    let busy = 1;
    let isDrained = false;
    const drained = shutdownWith({}, () => busy)
      .drain()
      .then(() => (isDrained = true));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(isDrained).toBe(false);
    busy = 0;
    await drained;
  });

  it('has abandoned answers settled after the deadline', async () => {
    let left = 1;
    await shutdownWith(
      { drainMs: 20 },
      () => left,
      () => (left = 0),
    ).drain();
    expect(left).toBe(0);
  });

  it('stops counting a request whose client disconnected', async () => {
    const shutdown = shutdownWith({});
    const request = get(`${url}/slow`).on('error', () => {});
    await until(() => shutdown.requestsUnderWay === 1);
    request.destroy();
    await until(() => shutdown.requestsUnderWay === 0);
  });

  it('can be called twice, also with a server that never listened', async () => {
    const idle = createServer();
    const shutdown = new GracefulShutdown(resolveShutdownOptions(), logger);
    shutdown.watch(idle);
    shutdown.watch(idle);
    expect(idle.listenerCount('request')).toBe(1);
    expect(shutdown.drain()).toBe(shutdown.drain());
    await shutdown.drain();
  });

  it.each([
    [{ noticeMs: -1 }, 'shutdown.noticeMs: must be an integer from 0'],
    [{ drainMs: 0.5 }, 'shutdown.drainMs: must be an integer'],
    [{ drainms: 1 }, 'shutdown.drainms: is not a known option (did you mean drainMs?)'],
    ['soon', 'shutdown: must be an object'],
  ])('rejects %j', (options, message) => expect(() => resolveShutdownOptions(options as never)).toThrow(message));
});
