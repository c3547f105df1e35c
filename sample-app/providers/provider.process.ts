import { startProvider as startServer, type ProviderProtocol, type ReceivedRequest, type ScriptStep } from 'nestjs-fast-litellm/testing';
import type { RunningProvider } from './local-providers.js';

/** Models of both providers, and those that only the first one has. */
const SHARED = ['openai/gpt-4o-mini', 'openai/text-embedding-3-small'];
const OF_THE_FIRST = ['openai/gpt-4o', 'anthropic/claude-opus-4-8', 'gemini/gemini-2.5-flash', 'bedrock/amazon.nova-lite-v1:0'];

/** Starts a provider in this process: a server for each model, in the protocol of the model. */
export async function startProvider(name: string): Promise<RunningProvider> {
  const models = name === 'local-one' ? [...SHARED, ...OF_THE_FIRST] : SHARED;
  const servers = await Promise.all(
    models.map((model) => startServer(model.split('/')[0] as ProviderProtocol, { name, script: (request) => answerTo(request, name) })),
  );
  const deployments = servers.map((server, at) =>
    server.deployment(models[at].replace(/^\w+\/(?:amazon\.)?|-v1:0$/g, ''), { model: models[at] }),
  );
  // Tests read the requests; here they would fill the memory.
  const forgetting = setInterval(() => servers.forEach(({ requests }) => (requests.length = 0)), 1000).unref();
  const stop = (): Promise<unknown> => {
    clearInterval(forgetting);
    return Promise.all(servers.map((server) => server.close()));
  };
  return { name, pid: process.pid, deployments, stop };
}

/** Calls the first tool offered, otherwise answers with nonsense. */
function answerTo({ toolNames: [tool] }: ReceivedRequest, name: string): ScriptStep {
  if (tool !== undefined) return { toolCalls: [{ name: tool, arguments: { city: 'Oslo' } }] };
  return `${name}: the quick brown fox jumps over a lazy dog while rain`;
}

/** `node provider.process.js NAME`: sends its deployments to its parent, and ends with it. */
async function main(name: string): Promise<void> {
  process.on('disconnect', () => process.exit());
  // Ctrl-C reaches the whole process group; the parent decides when this process ends.
  process.on('SIGINT', () => {});
  process.send?.((await startProvider(name)).deployments);
}

if (require.main === module) void main(process.argv[2]);
