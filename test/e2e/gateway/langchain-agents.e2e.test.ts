import { ChatOpenAI } from '@langchain/openai';
import { createAgent, tool, toolStrategy } from 'langchain';
import { z } from 'zod';
import { agentAnswer, ANSWER, CITY } from '../../support/agent-script.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { ANTHROPIC_SCRIPT } from '../../support/protocols/anthropic-protocol.js';
import { BEDROCK_SCRIPT } from '../../support/protocols/bedrock-protocol.js';
import { GEMINI_SCRIPT } from '../../support/protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { ScriptedProvider } from '../../support/protocols/protocol-script.js';

const GROQ = { ...OPENAI_SCRIPT, params: (origin: string) => ({ ...OPENAI_SCRIPT.params(origin), model: 'groq/llama-3.3-70b' }) };
const PROTOCOLS = [GROQ, ANTHROPIC_SCRIPT, GEMINI_SCRIPT, BEDROCK_SCRIPT];
const CASES = PROTOCOLS.flatMap((protocol) => [false, true].map((useResponsesApi) => [protocol.name, useResponsesApi, protocol] as const));

describe.each(CASES)("LangChain's agents over %s (by Responses: %s)", (_, useResponsesApi, protocol) => {
  let provider: ScriptedProvider;
  let gateway: GatewayApp;
  let model: ChatOpenAI;
  beforeAll(async () => {
    const [started, origin] = await ScriptedProvider.start(protocol, agentAnswer);
    provider = started;
    const router = { modelList: [provider.deployment('m', origin)], numRetries: 0 };
    gateway = await GatewayApp.start('Express', {}, { module: { router } });
    model = new ChatOpenAI({ model: 'm', apiKey: 'any', maxRetries: 0, useResponsesApi, configuration: { baseURL: `${gateway.url}/v1` } });
  });
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });

  it('call tools and answer', async () => {
    const weather = tool(({ city }) => `cold in ${city}`, {
      name: 'weather',
      description: 'The weather',
      schema: z.object({ city: z.string() }),
    });
    const { messages } = await createAgent({ model, tools: [weather] }).invoke({ messages: [{ role: 'user', content: 'Weather?' }] });
    // The kit gives each answer of Gemini the same id, by which LangChain merges messages.
    expect(messages.map(({ text }) => text)).toContain(ANSWER);
    expect([provider.asked.length, provider.faults]).toEqual([2, []]);
  });

  it('answer in a form', async () => {
    const responseFormat = toolStrategy(z.object({ city: z.string() }).meta({ title: 'Place' }));
    const { structuredResponse } = await createAgent({ model, tools: [], responseFormat }).invoke({
      messages: [{ role: 'user', content: 'Where?' }],
    });
    expect([structuredResponse, provider.faults]).toEqual([{ city: CITY }, []]);
    expect(await model.withStructuredOutput(z.object({ city: z.string() })).invoke('Where?')).toEqual({ city: CITY });
  });
});
