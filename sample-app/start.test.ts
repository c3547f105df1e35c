import { Logger } from '@nestjs/common';
import { connect, createServer, type AddressInfo } from 'node:net';
import { StartError } from './listen-address.js';
import { start } from './start.js';

beforeAll(() => Logger.overrideLogger(false));

describe('start', () => {
  it('says in one line that the port is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    const attempt = start({ PORT: String(port) });
    await expect(attempt).rejects.toBeInstanceOf(StartError);
    await expect(attempt).rejects.toThrow(`port ${port} on 127.0.0.1 is taken: set PORT to another one, or to 0 for any that is free`);
    await new Promise((resolve) => holder.close(resolve));
  });

  it('takes any free port, and is gone at once when closed, whatever clients keep open', async () => {
    const { app, url } = await start({ PORT: '0' });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const { hostname, port } = new URL(url);
    const half = connect(Number(port), hostname);
    half.on('error', () => {});
    half.write('POST /v1/tokens/count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    // An answer to a later request shows that the server has read the half one.
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const startedMs = performance.now();
    await app.close();
    expect(performance.now() - startedMs).toBeLessThan(2000);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    half.destroy();
  });
});
