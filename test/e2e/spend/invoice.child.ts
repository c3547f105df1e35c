import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLM, FastLiteLLMModule, FastLiteLLMSpendModule, postgresStore } from 'nestjs-fast-litellm';
import { createInterface } from 'node:readline';

/** Calls a model for each line of its input, which is the number of the call. */
const [url, apiBase, spillFile] = process.argv.slice(2);
const prices = { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6, cache_read_input_token_cost: 5e-7 };
const deployment = (group: string, order: number) => ({
  model_name: group,
  litellm_params: { model: 'openai/gpt-4o', api_base: apiBase, api_key: 'sk', order, ...prices },
  model_info: { id: `${group}-${order}` },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const log = { log: () => {}, warn: say, error: say };

@Module({
  imports: [
    FastLiteLLMModule.forRoot({
      router: { modelList: [deployment('group', 1), deployment('group', 2)], cooldownMs: 1, numRetries: 2 },
      logger: log,
      metrics: false,
      telemetry: false,
    }),
    FastLiteLLMSpendModule.forRoot({ store: postgresStore({ url }), spillFile, flushMs: 200 }),
  ],
})
class InvoiceModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(InvoiceModule, { logger: false, abortOnError: false });
  app.enableShutdownHooks();
  const { client } = app.get(FastLiteLLM);
  const call = async (number: string): Promise<void> => {
    const body = { model: 'group', messages: [{ role: 'user' as const, content: 'Hello' }], user: number };
    if (Number(number) % 10 > 2) await client.chat(body);
    else {
      const chunks = (await client.chat({ ...body, stream: true, stream_options: { include_usage: true } }))[Symbol.asyncIterator]();
      while ((await chunks.next()).done !== true);
    }
  };
  createInterface({ input: process.stdin }).on('line', (number) => {
    void call(number)
      .catch((error: unknown) => say(String(error)))
      .finally(() => process.stdout.write(`${number}\n`));
  });
  process.stdout.write('ready\n');
}

void main();
