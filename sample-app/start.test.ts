import { Logger } from '@nestjs/common';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
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

  it('takes any free port, and is gone once closed, whoever keeps a connection', async () => {
    const app = await start({ PORT: '0' });
    const url = await app.getUrl();
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const startedMs = performance.now();
    await app.close();
    expect(performance.now() - startedMs).toBeLessThan(2000);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });
});
