import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM, type CallbackOptions, type LoggingPayload } from 'nestjs-fast-litellm';
import { SinkServer, type SinkReply, type SunkRequest } from '../../test/support/sink-server.js';
import { until } from '../../test/support/until.js';
import type { SinkName } from './sink-names.js';

// More than one batch of each sink.
const CALLS = 600;
const MOST_PENDING = 100;
const SINKS: readonly SinkName[] = ['langfuse', 'langfuse_otel', 'otel', 'generic_api', 's3_v2'];
const FAULTS: readonly SinkReply[] = ['hang', 'trickle', 'cut', 503];
const MODEL_LIST = [{ model_name: 'm', litellm_params: { model: 'openai/gpt-4o', api_base: 'http://127.0.0.1:9', api_key: 'sk' } }];

interface SinkHealth {
  readonly delivered: number;
  readonly dropped: number;
  readonly pending: number;
  readonly spilledBytes: number;
}

let server: SinkServer;
let folder: string;
let open: FastLiteLLM[];
beforeEach(async () => {
  server = await SinkServer.start();
  folder = mkdtempSync(join(tmpdir(), 'faulty-sinks-'));
  open = [];
});
afterEach(async () => {
  await Promise.all(open.map((llm) => llm.close()));
  await server.stop();
  rmSync(folder, { recursive: true });
});

function start(sink: SinkName, callbacks: CallbackOptions): FastLiteLLM {
  const { url } = server;
  const env = {
    ...{ LANGFUSE_HOST: url, LANGFUSE_OTEL_HOST: url, LANGFUSE_PUBLIC_KEY: 'pk', LANGFUSE_SECRET_KEY: 'sk' },
    ...{ OTEL_EXPORTER: 'otlp_http', OTEL_ENDPOINT: url, GENERIC_LOGGER_ENDPOINT: url },
  };
  const s3 = {
    ...{ s3_bucket_name: 'b', s3_region_name: 'eu-central-1', s3_endpoint_url: url },
    ...{ s3_aws_access_key_id: 'id', s3_aws_secret_access_key: 'secret' },
  };
  const silent = { log: () => {}, warn: () => {}, error: () => {} };
  const options = { router: { modelList: MODEL_LIST }, callbacks: { all: [sink], s3, ...callbacks }, logger: silent };
  const llm = new FastLiteLLM(options, { env });
  open.push(llm);
  return llm;
}

const call = ({ client }: FastLiteLLM): Promise<unknown> =>
  client.execute('m', () => Promise.resolve({ usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }));

function healthOf(llm: FastLiteLLM, sink: SinkName): SinkHealth {
  const { components } = llm.healthCheck() as unknown as { components: { callbacks: { sinks: Record<string, SinkHealth> } } };
  return components.callbacks.sinks[sink];
}

/** What distinguishes the calls in a request: ids, names of objects, or traces. */
function callsIn(sink: SinkName, { body, path }: SunkRequest): readonly string[] {
  if (sink === 'generic_api') return (JSON.parse(body) as LoggingPayload[]).map(({ litellm_call_id: id }) => id);
  return sink === 's3_v2' ? [path] : [...body.matchAll(/"traceId":"(\w+)"/g)].map(([, id]) => id);
}

describe.each(SINKS)('%s', (sink) => {
  it.each(FAULTS)('holds up no call and no shutdown (%s), and has every payload after a restart', async (fault) => {
    server.reply = () => fault;
    const first = start(sink, { spillFolder: folder, timeoutMs: 300, closeMs: 300 });
    for (let i = 0; i < CALLS; i++) await call(first);
    await until(() => server.requests.length > 0);
    expect(healthOf(first, sink).delivered).toBe(0);
    await first.close();
    expect(readdirSync(folder).length).toBeGreaterThan(0);

    server.requests.length = 0;
    server.reply = () => 200;
    const second = start(sink, { spillFolder: folder });
    await until(() => healthOf(second, sink).delivered === CALLS);
    expect(new Set(server.requests.flatMap((request) => callsIn(sink, request))).size).toBe(CALLS);
    await until(() => readdirSync(folder).length === 0);
    expect(healthOf(second, sink)).toMatchObject({ dropped: 0, pending: 0, spilledBytes: 0 });
  });

  it('keeps no more in memory than its limit without a folder, and counts the rest', async () => {
    server.reply = () => 'hang';
    const llm = start(sink, { maxPending: MOST_PENDING, timeoutMs: 60_000, closeMs: 100 });
    let most = 0;
    for (let i = 0; i < CALLS; i++) {
      await call(llm);
      most = Math.max(most, healthOf(llm, sink).pending);
    }
    expect(most).toBe(MOST_PENDING);
    expect(healthOf(llm, sink).dropped).toBeGreaterThan(0);
    await llm.close();
    expect(healthOf(llm, sink)).toMatchObject({ delivered: 0, dropped: CALLS, pending: 0 });
  });
});
