import { Logger } from '@nestjs/common';
import { connect, createServer, type AddressInfo } from 'node:net';
import { isExplained, start } from './start.js';

beforeAll(() => Logger.overrideLogger(false));

describe('start', () => {
  it('says in one line that the port is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    const attempt = start({ PORT: String(port) });
    await expect(attempt).rejects.toThrow(
      `PORT: port ${port} on 127.0.0.1 is already in use; set PORT to another one, or to 0 for any free port`,
    );
    await new Promise((resolve) => holder.close(resolve));
  });

  it.each(['65536', '-1', '80.5', '3e3', 'http', '0x50', '1234567'])('rejects the port %s, naming the variable', async (PORT) => {
    await expect(start({ PORT })).rejects.toThrow(`PORT: must be an integer from 0 to 65535, got "${PORT}"`);
  });

  it('says in one line what is wrong with a configuration', async () => {
    const logged = jest.spyOn(process.stderr, 'write');
    process.env.LITELLM_CONFIG = '/nowhere/config.yaml';
    try {
      const error: unknown = await start({ PORT: '0' }).catch((thrown: unknown) => thrown);
      expect(isExplained(error)).toBe(true);
      expect((error as Error).message).toMatch(/^\/nowhere\/config\.yaml: cannot be read \(ENOENT/);
      expect(logged).not.toHaveBeenCalled();
    } finally {
      delete process.env.LITELLM_CONFIG;
      logged.mockRestore();
    }
  });

  it('takes any free port, and is gone when closed, however long clients keep their connections', async () => {
    const { app, url } = await start({ PORT: '0' });
    // The connection stays open behind this answer.
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await app.close();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it('waits for a request that arrives while it is closed', async () => {
    const { app, url } = await start({ PORT: '0' });
    const { hostname, port } = new URL(url);
    const late = connect(Number(port), hostname);
    const body = '{"model":"gpt-4o","input":"Hello"}';
    late.write(`POST /v1/tokens/count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n{`);
    // An answer to a later request shows that the server has read the half one.
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const closed = app.close();
    late.write(body.slice(1));
    let answer = '';
    for await (const bytes of late) answer += String(bytes);
    expect(answer).toContain('"prompt_tokens":1,');
    await closed;
  });
});
