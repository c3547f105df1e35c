import fc from 'fast-check';
import type { LlmAnswer, LlmClient } from 'nestjs-fast-litellm';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { usuallyOrLong } from '../../support/long.js';
import { disorderIn, joinedMessage, type Message, type MessageEvent } from '../../support/message-events.js';
import { ANTHROPIC_SCRIPT, CLAUDE_SIGNATURE } from '../../support/protocols/anthropic-protocol.js';
import { BEDROCK_SCRIPT } from '../../support/protocols/bedrock-protocol.js';
import { geminiSignaturesIn, GEMINI_SCRIPT, SKIPPED } from '../../support/protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { listIn, ScriptedProvider, type Fields, type ScriptedAnswer } from '../../support/protocols/protocol-script.js';

const PROTOCOLS = [ANTHROPIC_SCRIPT, OPENAI_SCRIPT, GEMINI_SCRIPT, BEDROCK_SCRIPT];
const NAMES = PROTOCOLS.map(({ name }) => name);
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** What the models say in turns, whichever they are: calls of tools, then an answer. */
const ANSWERS: readonly ScriptedAnswer[] = [
  {
    thinking: 'Two cities.',
    text: 'Let me see.',
    calls: [
      { name: 'weather', input: { city: 'Oslo' } },
      { name: 'weather', input: { city: 'Bergen' } },
    ],
  },
  { thinking: 'And the map.', calls: [{ name: 'map', input: {} }] },
  { text: 'It rains in both.' },
];

/** Four providers behind one model group, of which one answers and the others fail. */
class Providers {
  private answering = '';
  private answer: ScriptedAnswer = {};
  private readonly all: ScriptedProvider[] = [];
  client!: LlmClient;

  static async start(): Promise<Providers> {
    const providers = new Providers();
    const modelList = await Promise.all(
      PROTOCOLS.map(async (protocol) => {
        const script = (): ScriptedAnswer => (providers.answering === protocol.name ? providers.answer : { status: 503 });
        const [provider, origin] = await ScriptedProvider.start(protocol, script);
        providers.all.push(provider);
        return provider.deployment(protocol.name, origin);
      }),
    );
    const [first, ...others] = NAMES;
    const router = { modelList, numRetries: 0, disableCooldowns: true, fallbacks: [{ [first]: others }] };
    providers.client = clientOf(router).client;
    return providers;
  }

  get faults(): string[] {
    return this.all.flatMap(({ faults }) => faults);
  }

  /** The last request to a provider. */
  lastOf(name: string): Fields {
    return this.all.find(({ protocol }) => protocol.name === name)?.asked.at(-1) ?? {};
  }

  /** From here on the provider of this name answers. */
  next(name: string, step: number): void {
    this.answering = name;
    this.answer = ANSWERS[step % ANSWERS.length];
  }
}

/** A conversation by one API: what is asked, and the turns that an answer leads to. */
interface Conversation {
  ask(client: LlmClient, streams: boolean): Promise<void>;
  readonly saidCalls: number;
}

/** By Anthropic's Messages API. */
class MessagesConversation implements Conversation {
  saidCalls = 0;
  private readonly messages: Fields[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Look at this.' },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
      ],
    },
  ];

  async ask(client: LlmClient, streams: boolean): Promise<void> {
    const schema = { type: 'object' as const, properties: { city: { type: 'string' } } };
    const body = {
      model: NAMES[0],
      max_tokens: 8000,
      thinking: { type: 'enabled', budget_tokens: 2048 },
      tools: ['weather', 'map'].map((name) => ({ name, description: name, input_schema: schema })),
      messages: this.messages,
    } as never;
    const message = streams ? await this.joined(client, body) : whole<Message>(await client.messages(body));
    this.messages.push({ role: 'assistant', content: message.content });
    const uses = message.content.filter(({ type }) => type === 'tool_use');
    expect(message.stop_reason).toBe(uses.length > 0 ? 'tool_use' : 'end_turn');
    this.saidCalls += uses.length;
    const results = uses.map(({ id }, at) => ({ type: 'tool_result', tool_use_id: id, content: resultOf(at) }));
    this.messages.push({ role: 'user', content: [...results, { type: 'text', text: 'Go on.' }] });
  }

  private async joined(client: LlmClient, body: object): Promise<Message> {
    const events: MessageEvent[] = [];
    for await (const event of await client.messages({ ...body, stream: true } as never)) events.push(event as unknown as MessageEvent);
    expect(disorderIn(events)).toBeUndefined();
    return joinedMessage(events);
  }
}

/** The overloads of the client are for the types of its requests. */
function whole<T>(answer: object): T {
  return (answer as LlmAnswer).json<T>();
}

function resultOf(at: number): unknown {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } };
  return at === 0 ? 'Rain.' : [{ type: 'text', text: 'See:' }, image];
}

/** By OpenAI's chat. */
class ChatConversation implements Conversation {
  saidCalls = 0;
  private readonly messages: Fields[] = [
    { role: 'system', content: 'Be short.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Look at this.' },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
      ],
    },
  ];

  async ask(client: LlmClient, streams: boolean): Promise<void> {
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const body = {
      model: NAMES[0],
      max_tokens: 8000,
      reasoning_effort: 'medium',
      tools: ['weather', 'map'].map((name) => ({ type: 'function', function: { name, description: name, parameters } })),
      messages: this.messages,
    } as never;
    const message = streams
      ? await this.joined(client, body)
      : whole<{ choices: { message: Fields }[] }>(await client.chat(body)).choices[0].message;
    this.messages.push(message);
    const calls = listIn(message.tool_calls);
    this.saidCalls += calls.length;
    this.messages.push(...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'Rain.' })));
    if (calls.length === 0) this.messages.push({ role: 'user', content: 'Go on.' });
  }

  /** As clients join it that know LiteLLM's fields. */
  private async joined(client: LlmClient, body: object): Promise<Fields> {
    const [texts, thoughts, blocks]: [string[], string[], Fields[]] = [[], [], []];
    const calls: { id: unknown; type: 'function'; function: { name: unknown; arguments: string } }[] = [];
    for await (const event of await client.chat({ ...body, stream: true } as never)) {
      const delta = (listIn((event as unknown as Fields).choices)[0]?.delta ?? {}) as Fields;
      if (typeof delta.content === 'string') texts.push(delta.content);
      if (typeof delta.reasoning_content === 'string') thoughts.push(delta.reasoning_content);
      blocks.push(...listIn(delta.thinking_blocks));
      for (const { index, id, function: called } of listIn(delta.tool_calls)) {
        const { name, arguments: json } = called as Fields;
        const call = (calls[Number(index)] ??= { id, type: 'function', function: { name, arguments: '' } });
        call.function.arguments += typeof json === 'string' ? json : '';
      }
    }
    return {
      role: 'assistant',
      content: texts.length > 0 ? texts.join('') : null,
      ...(thoughts.length > 0 && { reasoning_content: thoughts.join('') }),
      ...(blocks.length > 0 && { thinking_blocks: blocks }),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
  }
}

const APIS: readonly (readonly [string, () => Conversation])[] = [
  ['messages', () => new MessagesConversation()],
  ['chat', () => new ChatConversation()],
];

describe.each(APIS)('a conversation by %s goes on across protocols', (_, begin) => {
  afterEach(async () => {
    await closeClients();
    await stopProviders();
  });

  it.each([false, true])('around and back, streamed: %p', async (streams) => {
    const providers = await Providers.start();
    const conversation = begin();
    const schedule = [...NAMES, ...NAMES, ...[...NAMES].reverse(), 'anthropic', 'bedrock', 'gemini'];
    for (const [step, name] of schedule.entries()) {
      providers.next(name, step);
      await conversation.ask(providers.client, streams);
    }
    expect(providers.faults).toEqual([]);
    // What each provider signed returns to it, and to no other.
    const claudes = ['anthropic', 'bedrock'].map((name) => JSON.stringify(providers.lastOf(name)).split(CLAUDE_SIGNATURE).length - 1);
    expect(Math.min(...claudes)).toBeGreaterThan(1);
    expect(geminiSignaturesIn(providers.lastOf('gemini')).length).toBeGreaterThan(0);
    expect(JSON.stringify(providers.lastOf('gemini'))).toContain(SKIPPED);
    for (const name of ['openai', 'gemini']) expect(JSON.stringify(providers.lastOf(name))).not.toContain(CLAUDE_SIGNATURE);
    for (const name of ['openai', 'anthropic', 'bedrock'])
      expect(JSON.stringify(providers.lastOf(name))).not.toMatch(/__thought__|thoughtSignature/);
    expect(conversation.saidCalls).toBe(schedule.reduce((sum, __, step) => sum + (ANSWERS[step % ANSWERS.length].calls?.length ?? 0), 0));
  });

  it('whichever provider answers, and however', async () => {
    const step = fc.record({ name: fc.constantFrom(...NAMES), kind: fc.nat(ANSWERS.length - 1), streams: fc.boolean() });
    const providers = await Providers.start();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 8 }), async (steps) => {
        const conversation = begin();
        for (const { name, kind, streams } of steps) {
          providers.next(name, kind);
          await conversation.ask(providers.client, streams);
        }
      }),
      { numRuns: usuallyOrLong(8, 30) },
    );
    expect(providers.faults).toEqual([]);
  });
});
