import 'reflect-metadata';
import { FastLiteLLMError } from 'nestjs-fast-litellm';
import { StartError } from './listen-address.js';
import { start } from './start.js';

async function main(): Promise<void> {
  const { app, url } = await start(process.env);
  app.enableShutdownHooks([], { useProcessExit: true });
  process.stdout.write(`
  ${url}/                   count as you type
  ${url}/dashboard          how it does
  ${url}/v1/tokens/count    POST a request body, get its tokens
  ${url}/health             is it well
  ${url}/metrics            for Prometheus

`);
}

main().catch((error: unknown) => {
  // These say all there is to know in their message.
  const isExpected = error instanceof StartError || error instanceof FastLiteLLMError;
  process.stderr.write(`${isExpected ? error.message : String((error as Error).stack)}\n`);
  process.exit(1);
});
