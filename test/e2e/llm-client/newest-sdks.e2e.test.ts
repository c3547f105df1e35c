import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { agentAnswer, ANSWER, CITY } from '../../support/agent-script.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { ANTHROPIC_SCRIPT } from '../../support/protocols/anthropic-protocol.js';
import { BEDROCK_SCRIPT } from '../../support/protocols/bedrock-protocol.js';
import { GEMINI_SCRIPT } from '../../support/protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { ScriptedProvider } from '../../support/protocols/protocol-script.js';
import { deploymentOf, stopProviders } from '../../support/llm-client-providers.js';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { gatewayTo, recorder, sendChat } from '../../support/responses-gateway.js';

const run = promisify(execFile);
/** They need Node 22, so they are no devDependencies; the versions are those that were looked at. */
const PACKAGES = { ai: '7.0.173', '@ai-sdk/anthropic': '4.0.105', '@ai-sdk/openai': '4.0.118', openai: '7.59.0', zod: '^4.1.8' };
const canRun = Number(process.versions.node.split('.')[0]) >= 22;

let folder: string;

beforeAll(async () => {
  if (!canRun) return;
  folder = mkdtempSync(join(tmpdir(), 'newest-sdks-'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies: PACKAGES }));
  copyFileSync(join(__dirname, 'newest-sdks.child.mjs'), join(folder, 'program.mjs'));
  copyFileSync(join(__dirname, 'newest-objects.child.mjs'), join(folder, 'objects.mjs'));
  copyFileSync(join(__dirname, 'newest-ai-sdk.child.mjs'), join(folder, 'ai-sdk.mjs'));
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
});

afterAll(async () => {
  await closeClients();
  await stopProviders();
  if (canRun) rmSync(folder, { recursive: true, force: true });
});

(canRun ? test : test.skip)('the AI SDK 7 and openai 7 are served, unchanged', async () => {
  const provider = await recorder((_, body, response) => {
    const { messages, tools } = body as {
      readonly messages: readonly { readonly role: string; readonly content: string }[];
      tools?: object;
    };
    const last = messages[messages.length - 1];
    const toolCalls = [{ id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' }];
    if (tools !== undefined && last.role !== 'tool') sendChat(response, body, { tool_calls: toolCalls });
    else sendChat(response, body, { content: last.role === 'tool' ? `It is ${last.content}.` : 'Hello there.' });
  });
  const params = { model: 'groq/llama', api_base: provider.apiBase };
  const { client } = clientOf({ modelList: [deploymentOf('m', { name: 'chat', apiBase: provider.apiBase }, params)] });
  const { stdout } = await run(process.execPath, [join(folder, 'program.mjs'), await gatewayTo(client)]);
  expect(JSON.parse(stdout)).toEqual({
    aiSdk: { whole: 'Hello there.', tokens: 11, streamed: 'Hello there.', agent: 'It is cold in Bern.', steps: 2 },
    openai: { whole: 'Hello there.', streamed: 'Hello there.', response: 'Hello there.' },
  });
});

(canRun ? test : test.skip)('the AI SDK 7 makes objects and calls tools at four protocols of providers', async () => {
  const protocols = [OPENAI_SCRIPT, ANTHROPIC_SCRIPT, GEMINI_SCRIPT, BEDROCK_SCRIPT].map((protocol) =>
    protocol !== OPENAI_SCRIPT
      ? protocol
      : { ...protocol, params: (at: string) => ({ ...protocol.params(at), model: 'groq/llama-3.3-70b' }) },
  );
  const started = await Promise.all(protocols.map((protocol) => ScriptedProvider.start(protocol, agentAnswer)));
  const names = protocols.map(({ name }) => name);
  const modelList = started.map(([scripted, origin], at) => scripted.deployment(names[at], origin));
  const gateway = await GatewayApp.start(
    'Express',
    {},
    { module: { router: { modelList, numRetries: 0 }, rateLimit: { requestsPerMinute: 100_000 } } },
  );
  const { stdout } = await run(process.execPath, [join(folder, 'objects.mjs'), gateway.url, names.join(',')]);
  await gateway.stop();
  const came = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  expect(Object.keys(came)).toHaveLength(12);
  for (const each of Object.values(came)) expect(each).toEqual([{ city: CITY }, ANSWER, 2, 1, { city: CITY }]);
  expect(started.flatMap(([{ faults }]) => faults)).toEqual([]);
});

(canRun ? test : test.skip)('the AI SDK 7 calls model groups, and its models are deployments', async () => {
  const asked: Readonly<Record<string, unknown>>[] = [];
  const provider = await recorder((_, body, response) => {
    asked.push(body);
    const { messages = [], tools } = body as { readonly messages?: readonly { readonly role: string }[]; tools?: object };
    const last = messages[messages.length - 1];
    const toolCalls = [{ id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' }];
    if (tools !== undefined && last.role !== 'tool') sendChat(response, body, { tool_calls: toolCalls });
    else sendChat(response, body, { content: last?.role === 'tool' ? 'It is cold.' : 'Hello there.' });
  });
  const down = await recorder((_, __, response) => void response.writeHead(503, { 'content-type': 'application/json' }).end('{}'));
  const hook = join(__dirname, '..', '..', 'support', 'typescript-hook.js');
  const addresses = JSON.stringify({ down: down.apiBase, up: provider.apiBase });
  const { stdout } = await run(process.execPath, ['--require', hook, join(folder, 'ai-sdk.mjs'), addresses]);
  const expected = {
    agent: 'It is cold.',
    steps: 2,
    tokens: [22, 10],
    streamed: 'Hello there.',
    seen: 'Hello there.',
    error: [true, 404, false],
  };
  expect(JSON.parse(stdout)).toEqual({ groups: expected, deployment: expected });
  expect(asked.filter(({ reasoning_effort: effort }) => effort === 'low')).toHaveLength(4);
  expect(JSON.stringify(asked)).toContain('data:image/png;base64,iVBORw0KGgo');
});
