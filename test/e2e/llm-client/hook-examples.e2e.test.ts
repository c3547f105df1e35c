import { Test } from '@nestjs/testing';
import * as library from 'nestjs-fast-litellm';
import { FastLiteLLM, type LlmClient, type LlmStream, type ModelCallHook } from 'nestjs-fast-litellm';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { codeBlocks, documents } from '../../project/readme-document.js';
import { scripted, stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

type Type<T> = new (...args: never[]) => T;

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const page = documents.find(({ path }) => path === 'docs/hooks.md');
const opened: { close(): Promise<unknown> }[] = [];

/** A class of an example, compiled from the guide. */
function example<T>(name: string): Type<T> {
  const block = (page === undefined ? [] : codeBlocks(page)).find(({ text }) => text.includes(`export class ${name} `));
  if (block === undefined) throw new Error(`docs/hooks.md has no example ${name}`);
  const compilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  const { outputText } = ts.transpileModule(block.text, { compilerOptions });
  const exported: Record<string, unknown> = {};
  const load = (specifier: string): unknown => (specifier === 'nestjs-fast-litellm' ? library : jest.requireActual(specifier));
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the guide's own text
  const run = new Function('require', 'exports', outputText) as (...args: unknown[]) => void;
  run(load, exported);
  return exported[name] as Type<T>;
}

function open(modelList: library.FastLiteLLMOptions['router'] & object, hooks: ModelCallHook[] = []): LlmClient {
  const llm = new FastLiteLLM({ router: modelList, hooks, logger: quiet });
  opened.push(llm);
  return llm.client;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  await stopProviders();
});

const ask = (content: string) => ({ model: 'm', messages: [{ role: 'user', content }] });
const streamed = async (stream: LlmStream<library.ChatCompletionChunk>): Promise<string> => {
  let text = '';
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
  return text;
};

describe('the examples of docs/hooks.md', () => {
  it('redact requests', async () => {
    const provider = await testProvider('openai');
    const client = open({ modelList: [provider.deployment('m')] }, [new (example<ModelCallHook>('Redaction'))()]);
    await client.chat(ask('I am jo.doe@mail.example.com, write to jo@example.org'));
    expect(provider.latest.body.messages).toEqual(ask('I am [email], write to [email]').messages);
  });

  it('redact answers, whole and streamed', async () => {
    const provider = await testProvider('openai', { script: { text: 'Write to jo.doe@example.com, or jo@example.org', chunkLength: 3 } });
    const client = open({ modelList: [provider.deployment('m')] }, [new (example<ModelCallHook>('AnswerRedaction'))()]);
    const redacted = 'Write to [email], or [email]';
    expect((await client.chat(ask('Hi'))).json().choices[0].message.content).toBe(redacted);
    expect(await streamed(await client.chat({ ...ask('Hi'), stream: true }))).toBe(redacted);
  });

  it('guard answers by another model, and fail closed', async () => {
    const inputs: string[] = [];
    let isOut = false;
    const moderation = await scripted((request, response) => {
      void textOf(request).then((body) => {
        const { input } = JSON.parse(body) as { input: string };
        inputs.push(input);
        const results = [{ flagged: input.includes('poison'), categories: {}, category_scores: {}, category_applied_input_types: {} }];
        response.writeHead(isOut ? 500 : 200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: 'x', model: 'm', results }));
      });
    });
    const good = 'Water is wet. '.repeat(100).trim();
    const provider = await testProvider('openai', {
      script: ({ body }) => ({ text: JSON.stringify(body).includes('bad') ? `${good} This is poison. ${good}` : good }),
    });
    const judge = {
      model_name: 'moderation',
      litellm_params: { model: 'openai/omni-moderation-latest', api_base: moderation, api_key: 'sk-x' },
    };
    const client = open({ modelList: [provider.deployment('m'), judge], numRetries: 0 });
    client.addHook(new (example<ModelCallHook>('Guardrail'))(client as never));

    expect(await streamed(await client.chat({ ...ask('good'), stream: true }))).toBe(good);
    expect(inputs.every((input) => input.length < 450)).toBe(true);
    const before = inputs.length;
    await expect(client.chat(ask('bad'))).rejects.toMatchObject({ code: 'CALL_DENIED', error: { code: 'answer_withheld' } });
    expect(inputs).toHaveLength(before + 1);
    await expect(streamed(await client.chat({ ...ask('bad'), stream: true }))).rejects.toMatchObject({ code: 'CALL_DENIED' });
    isOut = true;
    await expect(client.chat(ask('good'))).rejects.toMatchObject({ code: 'CALL_HOOK_FAILED', status: 503 });
    await expect(streamed(await client.chat({ ...ask('good'), stream: true }))).rejects.toMatchObject({ code: 'CALL_HOOK_FAILED' });
  });

  it('log calls to Langfuse, which may be out', async () => {
    const received: { headers: IncomingHttpHeaders; url?: string; batch: { type: string; body: Record<string, unknown> }[] }[] = [];
    let status = 207;
    const url = await scripted((request, response) => {
      void textOf(request).then((body) => {
        received.push({ headers: request.headers, url: request.url, ...(JSON.parse(body) as { batch: [] }) });
        response.writeHead(status, { 'content-type': 'application/json' }).end('{"successes":[],"errors":[]}');
      });
    });
    const project = { url: url.replace(/\/v1$/, ''), publicKey: 'pk-lf-1', secretKey: 'sk-lf-1' };
    const provider = await testProvider('openai', { script: { text: 'A blue sky', usage: { promptTokens: 7, completionTokens: 3 } } });
    const hook = new (example<ModelCallHook>('LangfuseLog'))(project as never);
    const client = open({ modelList: [provider.deployment('m', { input_cost_per_token: 0.01, output_cost_per_token: 0.1 })] }, [hook]);
    await client.chat(ask('Why?'));
    expect(await streamed(await client.chat({ ...ask('Why?'), stream: true }))).toBe('A blue sky');
    await until(() => received.length === 2);
    for (const { url: path, headers, batch } of received) {
      expect(path).toBe('/api/public/ingestion');
      expect(headers.authorization).toBe(`Basic ${Buffer.from('pk-lf-1:sk-lf-1').toString('base64')}`);
      expect(batch.map(({ type }) => type)).toEqual(['trace-create', 'generation-create']);
      const [trace, generation] = batch.map(({ body }) => body);
      expect(trace).toMatchObject({ id: generation.traceId, name: 'chat m', input: ask('Why?').messages, output: 'A blue sky' });
      expect(generation).toMatchObject({
        model: expect.any(String) as string,
        input: ask('Why?').messages,
        output: 'A blue sky',
        usageDetails: { input: 7, output: 3 },
        level: 'DEFAULT',
      });
      expect((generation.costDetails as { total: number }).total).toBeCloseTo(0.37, 9);
      expect(Date.parse(String(generation.endTime))).toBeGreaterThanOrEqual(Date.parse(String(generation.startTime)));
    }
    status = 500;
    await expect(client.chat(ask('Why?'))).resolves.toBeDefined();
    await until(() => received.length === 3);
  });

  it('keep a journal, which is whole when the app has shut down', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'journal-'));
    process.env.CALL_JOURNAL = join(folder, 'calls.jsonl');
    try {
      const provider = await testProvider('openai');
      const llm = new FastLiteLLM({ router: { modelList: [provider.deployment('m')] }, logger: quiet });
      const testing = Test.createTestingModule({ imports: [example<object>('JournalModule')] });
      const app = await testing.overrideProvider(FastLiteLLM).useValue(llm).compile();
      await app.init();
      await Promise.all(Array.from({ length: 20 }, () => llm.client.chat(ask('a secret'))));
      await app.close();
      const text = readFileSync(process.env.CALL_JOURNAL, 'utf8');
      expect(
        text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as object),
      ).toHaveLength(20);
      expect(text).not.toContain('secret');
    } finally {
      delete process.env.CALL_JOURNAL;
      rmSync(folder, { recursive: true });
    }
  });
});
