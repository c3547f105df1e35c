import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { isComplete } from '../../support/long.js';
import { SampleProcess } from '../sample-app/sample-process.js';
import { until } from '../../support/until.js';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';

const TOKENS = 20;
/** A stream takes five seconds: on a busy machine, too, the signal comes meanwhile. */
const CHUNK_DELAY_MS = 250;
/** The first one has no text. */
const CHUNKS = TOKENS + 1;

describe('shutdown of the sample app', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sigterm-'));
  let upstream: LocalProvider;
  let gateway: SampleProcess;

  async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    upstream = await provider('only', { tokens: TOKENS, chunkDelayMs: CHUNK_DELAY_MS });
    const file = join(folder, 'config.yaml');
    writeFileSync(
      file,
      `model_list:\n  - { model_name: chat, litellm_params: { model: openai/gpt-4o, api_base: ${upstream.apiBase}, api_key: sk } }\n`,
    );
    gateway = await SampleProcess.start({ LITELLM_CONFIG: file, ...env });
  }
  afterEach(async () => {
    await gateway.kill();
    await stopProviders();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const post = (body: object): Promise<Response> =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'chat', messages: HELLO, ...body }),
    });

  /** What came of a stream, and whether its end came. */
  async function read(response: Response): Promise<{ chunks: number; isWhole: boolean }> {
    const text = await response.text();
    return { chunks: text.match(/"content":/g)?.length ?? 0, isWhole: text.trimEnd().endsWith('data: [DONE]') };
  }
  const isRefused = (): Promise<boolean> =>
    fetch(`${gateway.url}/health`).then(
      () => false,
      (error: Error) => (error.cause as { code?: string }).code === 'ECONNREFUSED',
    );

  it.each(isComplete ? (['SIGTERM', 'SIGINT'] as const) : (['SIGTERM'] as const))(
    'finishes the streams in flight on %s, accepts no new requests, and exits with 0',
    async (signal) => {
      await start();
      const streams = await Promise.all(Array.from({ length: 8 }, () => post({ stream: true })));
      const readings = streams.map(read);
      gateway.signal(signal);
      let refused = false;
      while (!refused) refused = await isRefused();
      // Refused before the streams were over, so they were waited for.
      expect(upstream.inFlight).toBe(8);
      for (const reading of readings) expect(await reading).toEqual({ chunks: CHUNKS, isWhole: true });
      expect(await gateway.ended).toBe(0);
      expect([upstream.requests, upstream.abandoned]).toEqual([8, 0]);
      expect(gateway.output).not.toMatch(/WARN|ERROR|aborted/);
    },
  );

  it('ends at once by the signal of a crash, so that a supervisor restarts it', async () => {
    await start();
    gateway.signal('SIGBUS');
    expect(await gateway.ended).toBe('SIGBUS');
  });

  it('reports not ready and still accepts requests for shutdown.noticeMs', async () => {
    await start({ SHUTDOWN_NOTICE_MS: '5000' });
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    gateway.signal('SIGTERM');
    let health = await fetch(`${gateway.url}/health`);
    while (health.status === 200) health = await fetch(`${gateway.url}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({
      error: { fast_litellm: { status: 'down', reason: 'the app is shutting down' } },
    });
    const late = await post({ stream: true });
    expect(late.status).toBe(200);
    expect(await read(late)).toEqual({ chunks: CHUNKS, isWhole: true });
    expect(await gateway.ended).toBe(0);
    await until(() => upstream.inFlight === 0);
    expect(upstream.abandoned).toBe(0);
  });
});
