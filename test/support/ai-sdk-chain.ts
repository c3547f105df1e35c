import { jsonSchema, stepCountIs, tool } from 'ai';
import { FastLiteLLM, type FastLiteLLMOptions } from 'nestjs-fast-litellm';
import { createFastLiteLLM, type FastLiteLLMProviderSettings } from 'nestjs-fast-litellm/ai-sdk';
import { stopProviders } from './llm-client-providers.js';
import { ANTHROPIC_SCRIPT } from './protocols/anthropic-protocol.js';
import { BEDROCK_SCRIPT } from './protocols/bedrock-protocol.js';
import { GEMINI_SCRIPT } from './protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from './protocols/openai-protocol.js';
import { ScriptedProvider, type Fields, type ScriptedAnswer } from './protocols/protocol-script.js';

const PROTOCOLS = [ANTHROPIC_SCRIPT, OPENAI_SCRIPT, GEMINI_SCRIPT, BEDROCK_SCRIPT];
/** The protocols, in the order of the fallbacks. */
export const NAMES = PROTOCOLS.map(({ name }) => name);
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const PDF = Buffer.from('%PDF-1.4\n%%EOF').toString('base64');
const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: FastLiteLLM[] = [];

/** Closes what the suite has opened. */
export async function closeChains(): Promise<void> {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
}

/** A quiet instance, until `closeChains`. */
export function open(options: FastLiteLLMOptions): FastLiteLLM {
  const llm = new FastLiteLLM({ logger: quiet, ...options });
  opened.push(llm);
  return llm;
}

const weather = tool({
  description: 'The weather',
  inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }),
  execute: ({ city }) => `Rain in ${city}.`,
});
const map = tool({
  description: 'A map',
  inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
  execute: () => ({ png: PNG }),
  toModelOutput: ({ output }) => ({
    type: 'content',
    value: [
      { type: 'text', text: 'See:' },
      { type: 'image-data', data: output.png, mediaType: 'image/png' },
    ],
  }),
});
const call = (name: string, city: string): { name: string; input: Fields } => ({ name, input: { city } });
const STEPS: readonly ScriptedAnswer[] = [
  { thinking: 'Two cities.', text: 'Let me see.', calls: [call('weather', 'Oslo'), call('weather', 'Bergen')] },
  { thinking: 'And the map.', calls: [call('map', 'Oslo')] },
  { text: 'It rains in both.' },
];

/** Four providers in one chain of fallbacks. `answering` gives the answers, the others fail. */
export class Chain {
  readonly providers: ScriptedProvider[] = [];
  readonly answeredBy: string[] = [];
  llm!: FastLiteLLM;
  models!: ReturnType<typeof createFastLiteLLM>;

  static async start(answering: (turn: number) => string, steps = STEPS, settings: FastLiteLLMProviderSettings = {}): Promise<Chain> {
    const chain = new Chain();
    const { answeredBy } = chain;
    const modelList = await Promise.all(
      PROTOCOLS.map(async (protocol) => {
        const [provider, origin] = await ScriptedProvider.start(protocol, () => {
          const turn = answeredBy.length;
          if (answering(turn) !== protocol.name) return { status: 503 };
          answeredBy.push(protocol.name);
          return steps[turn % steps.length];
        });
        chain.providers.push(provider);
        return provider.deployment(protocol.name, origin);
      }),
    );
    const [first, ...others] = NAMES;
    chain.llm = open({ router: { modelList, numRetries: 0, disableCooldowns: true, fallbacks: [{ [first]: others }] } });
    chain.models = createFastLiteLLM(chain.llm, settings);
    return chain;
  }

  get faults(): string[] {
    return this.providers.flatMap(({ faults }) => faults);
  }

  counted(name: string, labels: Fields = {}): number {
    const found = this.llm.client.metrics().filter((sample) => sample.name === name);
    return found.find((sample) => Object.entries(labels).every(([key, value]) => sample.labels?.[key] === value))?.value ?? NaN;
  }
}

/** Asks for tools in two steps, with an image and a document. */
export const agent = {
  tools: { weather, map },
  stopWhen: stepCountIs(5),
  maxOutputTokens: 8000,
  system: 'Be short.',
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'text' as const, text: 'Look at this.' },
        { type: 'image' as const, image: Buffer.from(PNG, 'base64') },
        { type: 'file' as const, data: PDF, mediaType: 'application/pdf', filename: 'a.pdf' },
      ],
    },
  ],
};
