import 'reflect-metadata';
import { LocalProviders } from './providers/local-providers.js';
import { isExplained, start } from './start.js';

async function main(): Promise<void> {
  const { app, url } = await start(process.env);
  // Nest's default list has SIGSEGV and SIGBUS as well: a crash in native code would hang.
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
  const { running } = app.get(LocalProviders, { strict: false });
  process.stdout.write(`
  ${url}/v1                  OpenAI's API: chat/completions, completions, embeddings, models
  ${url}/v1/responses        OpenAI's Responses API
  ${url}/v1/messages         Anthropic's Messages API: ANTHROPIC_BASE_URL=${url}
  ${url}/v1/tokens/count     POST a request body, get its tokens
  ${url}/                    count as you type
  ${url}/dashboard           requests, limits, deployments and cost
  ${url}/health              state of each part
  ${url}/metrics             for Prometheus
${running.map(({ name, pid }) => `\n  ${name}: process ${pid}`).join('')}
`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${isExplained(error) ? error.message : String((error as Error).stack)}\n`);
  process.exit(1);
});
