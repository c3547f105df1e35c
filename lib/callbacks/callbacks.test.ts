import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM, type FastLiteLLMOptions, type LoggingPayload } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { SinkServer } from '../../test/support/sink-server.js';

let provider: TestProvider;
let sink: SinkServer;
let folder: string;
const lines: string[] = [];
const logger = { log: (line: string) => void lines.push(line), warn: (line: string) => void lines.push(line), error: () => {} };

beforeAll(async () => {
  provider = await startProvider('openai');
});
afterAll(() => provider.close());
beforeEach(async () => {
  lines.length = 0;
  sink = await SinkServer.start();
  folder = mkdtempSync(join(tmpdir(), 'callbacks-'));
});
afterEach(async () => {
  await sink.stop();
  rmSync(folder, { recursive: true });
});

const messages = [{ role: 'user', content: 'my question' }] as const;

/** A file of LiteLLM with the provider as `m`. */
function configured(settings: object): string {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify({ model_list: [provider.deployment('m')], ...settings }));
  return path;
}

function open(options: FastLiteLLMOptions, env: Record<string, string> = {}): FastLiteLLM {
  return new FastLiteLLM({ logger, ...options }, { env: { GENERIC_LOGGER_ENDPOINT: sink.url, ...env } });
}

const payloads = (): LoggingPayload[] => sink.requests.flatMap(({ body }) => JSON.parse(body) as LoggingPayload[]);

describe('callbacks', () => {
  it("send the calls of LiteLLM's file to its sinks, before the app has closed", async () => {
    const llm = open({ router: { configPath: configured({ litellm_settings: { callbacks: ['generic_api'] } }) } });
    expect(lines).toContain('Callbacks: sending finished calls to generic_api');
    await llm.client.chat({ model: 'm', messages });
    await expect(llm.client.chat({ model: 'unknown', messages })).rejects.toThrow();
    await llm.close();
    expect(payloads()).toMatchObject([
      { status: 'success', call_type: 'acompletion', model_group: 'm' },
      { status: 'failure', model: 'unknown' },
    ]);
  });

  it.each([
    ['success_callback', ['success']],
    ['failure_callback', ['failure']],
  ])('of %s get only such calls', async (list, statuses) => {
    const llm = open({ router: { configPath: configured({ litellm_settings: { [list]: ['generic_api'] } }) } });
    await llm.client.chat({ model: 'm', messages });
    await llm.client.chat({ model: 'unknown', messages }).catch(() => {});
    await llm.close();
    expect(payloads().map(({ status }) => status)).toEqual(statuses);
  });

  it('have no texts if the file, the request or its headers say so', async () => {
    const settings = { callbacks: ['generic_api'], turn_off_message_logging: true };
    const redacting = open({ router: { configPath: configured({ litellm_settings: settings }) } });
    await redacting.client.chat({ model: 'm', messages });
    await redacting.close();
    const llm = open({ router: { modelList: [provider.deployment('m')] }, callbacks: { all: ['generic_api'] } });
    await llm.client.chat({ model: 'm', messages, turn_off_message_logging: true } as never);
    await llm.client.chat({ model: 'm', messages }, { request: { headers: { 'litellm-enable-message-redaction': 'true' } } });
    await llm.close();
    expect(payloads().map((payload) => payload.messages)).toEqual(Array(3).fill('redacted-by-litellm'));
    expect(JSON.stringify(payloads())).not.toContain('my question');
  });

  it('have the texts of calls and their answers, also of streams', async () => {
    const llm = open({ router: { modelList: [provider.deployment('m')] }, callbacks: { all: ['generic_api'] } });
    await llm.client.chat({ model: 'm', messages, temperature: 0.5 });
    const stream = await llm.client.chat({ model: 'm', messages, stream: true });
    for await (const _ of stream) void _;
    await llm.client.chat({ model: 'm', messages, turn_off_message_logging: true } as never);
    await llm.close();
    const choices = [{ message: { content: expect.stringContaining('Hello from') as string }, finish_reason: 'stop' }];
    expect(payloads()).toMatchObject([
      { messages, response: { choices }, model_parameters: { temperature: 0.5 }, stream: false },
      { messages, response: { object: 'chat.completion', choices }, stream: true },
      { messages: 'redacted-by-litellm', response: 'redacted-by-litellm' },
    ]);
    expect(payloads()[0].id).toBe((payloads()[0].response as { id: string }).id);
  });

  it('do not get calls with no-log', async () => {
    const llm = open({ router: { modelList: [provider.deployment('m')] }, callbacks: { all: ['generic_api'] } });
    await llm.client.chat({ model: 'm', messages, 'no-log': true } as never);
    await llm.close();
    expect(payloads()).toEqual([]);
  });

  it('of the file that have no effect are one line each, and other sinks work', async () => {
    const names = ['datadog', 'custom_callbacks.handler', 'prometheus', 'langfuse', 'mine', 'generic_apii'];
    const config = {
      litellm_settings: { success_callback: names },
      callback_settings: { mine: { callback_type: 'generic_api', endpoint: `${sink.url}/mine` } },
    };
    const path = configured(config);
    const llm = open({ router: { configPath: path } });
    expect(llm.callbacks?.warnings).toEqual([
      `${path}: the callback datadog has no effect here; use otel with the Datadog Agent, or generic_api`,
      `${path}: the callback custom_callbacks.handler has no effect here; write a call hook (docs/hooks.md)`,
      `${path}: the callback prometheus has no effect here; remove it, because metrics are always exposed (docs/observability.md)`,
      `${path}: the callback langfuse has no effect (LANGFUSE_PUBLIC_KEY must be set)`,
      `${path}: the callback generic_apii has no effect here; use otel, generic_api or a call hook (docs/callbacks.md) (did you mean generic_api?)`,
    ]);
    expect(lines).toEqual(expect.arrayContaining([...(llm.callbacks?.warnings ?? []), 'Callbacks: sending finished calls to mine']));
    expect(lines.filter((line) => line.includes('no effect here') && line.includes('litellm_settings'))).toEqual([]);
    await llm.client.chat({ model: 'm', messages });
    await llm.close();
    expect(sink.requests.map(({ path: at }) => at)).toEqual(['/mine']);
  });

  it('that the app handles itself are not opened', async () => {
    const configPath = configured({ litellm_settings: { callbacks: ['generic_api'] } });
    const llm = open({ router: { configPath, handledSettings: ['litellm_settings.callbacks'] } });
    expect(llm.callbacks).toBeUndefined();
    await llm.close();
  });

  it.each([
    [{ all: ['datadog'] }, 'callbacks: the callback datadog has no effect here; use otel'],
    [{ all: ['otel'] }, 'callbacks: the callback otel has no effect (OTEL_ENDPOINT must be set)'],
    [{ all: 'otel' }, 'callbacks.all: must be an array'],
    [{ every: [] }, 'callbacks.every: is not a known option'],
  ])('of the options %j are refused', (callbacks, message) => {
    expect(() => open({ callbacks: callbacks as never })).toThrow(message);
  });

  it('show in metrics and health', async () => {
    sink.reply = () => 400;
    const llm = open({
      router: { modelList: [provider.deployment('m')] },
      callbacks: { all: ['one'], settings: { one: { callback_type: 'generic_api', log_format: 'single' } } },
    });
    for (let i = 0; i < 8; i++) await llm.client.chat({ model: 'm', messages });
    await llm.close();
    expect((await llm.healthCheckAsync()).components.callbacks).toMatchObject({
      status: 'degraded',
      reason: 'one: payloads were lost',
      sinks: { one: { delivered: 0, rejected: 8, dropped: 0, pending: 0 } },
    });
    const rejected = llm.metrics().find(({ name, labels }) => name === 'callback_payloads_total' && labels?.outcome === 'rejected');
    expect(rejected).toMatchObject({ value: 8, labels: { sink: 'one' } });
  });

  it('are not loaded without any', async () => {
    const llm = open({ router: { modelList: [provider.deployment('m')] } });
    expect(llm.callbacks).toBeUndefined();
    expect(llm.capabilities().map(({ capability }) => capability)).not.toContain('callbacks');
    await llm.close();
  });
});
