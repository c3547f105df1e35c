import Anthropic from '@anthropic-ai/sdk';
import { GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { usuallyOrLong } from '../../support/long.js';
import { disorderIn, joinedMessage, messageEventsIn, type Message } from '../../support/message-events.js';
import { ANTHROPIC_SCRIPT } from '../../support/protocols/anthropic-protocol.js';
import { BEDROCK_SCRIPT } from '../../support/protocols/bedrock-protocol.js';
import { GEMINI_SCRIPT } from '../../support/protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { SCRIPTED_USAGE, ScriptedProvider, type ScriptedAnswer, type ScriptedProtocol } from '../../support/protocols/protocol-script.js';

const PROTOCOLS = [ANTHROPIC_SCRIPT, OPENAI_SCRIPT, GEMINI_SCRIPT, BEDROCK_SCRIPT];
const TURNS = usuallyOrLong(7, 20);
const BILLING = 'x-anthropic-billing-header: cc_version=2.1.9; cc_entrypoint=cli; cch=00000;';
const LONG_NAME = 'mcp__plugin_design_system_figma_desktop__get_variable_definitions_of_node';
const ephemeral = { type: 'ephemeral' as const };
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** The requests of a turn: two calls in parallel, one call, and the answer. */
const ANSWERS: readonly ScriptedAnswer[] = [
  {
    thinking: 'First I read both files.',
    text: 'I read the files.',
    calls: [
      { name: 'Read', input: { file_path: '/src/a "b".ts', limit: 10 } },
      { name: 'Read', input: { file_path: '/src/é🦀.ts', nested: { list: [1, {}] } } },
    ],
  },
  { calls: [{ name: LONG_NAME, input: { node: '1:2' } }] },
  { text: 'Done: both files are fine.' },
];
const STOPS = ['tool_use', 'tool_use', 'end_turn'];

type Params = Anthropic.Beta.MessageCreateParamsNonStreaming;
type Messages = Anthropic.Beta.BetaMessageParam[];

/** What Claude Code sends besides the conversation. */
const SESSION: Omit<Params, 'messages' | 'model'> = {
  max_tokens: 32_000,
  system: [
    { type: 'text', text: BILLING },
    { type: 'text', text: "You are Claude Code, Anthropic's official CLI for Claude.", cache_control: ephemeral },
    { type: 'text', text: 'You are an interactive agent that helps users with software engineering tasks.', cache_control: ephemeral },
  ],
  tools: ['Read', 'Edit', LONG_NAME].map((name) => ({
    name,
    description: `The tool ${name}`,
    input_schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object' as const,
      properties: { file_path: { type: 'string' }, limit: { type: 'number', exclusiveMinimum: 0 } },
      additionalProperties: false,
    },
  })),
  metadata: { user_id: `user_${'0123456789abcdef'.repeat(4)}_account__session_01234567-89ab-cdef-0123-456789abcdef` },
  thinking: { type: 'adaptive' },
  output_config: { effort: 'high' },
  context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
  betas: [
    'claude-code-20250219',
    'interleaved-thinking-2025-05-14',
    'context-management-2025-06-27',
    'effort-2025-11-24',
    'made-up-2099-01-01',
  ],
};

/** A session of Claude Code before a gateway whose models are at one provider. */
class Session {
  readonly messages: Messages = [];

  constructor(
    private readonly sdk: Anthropic,
    readonly provider: ScriptedProvider,
    readonly small: ScriptedProvider,
  ) {}

  static async start(adapter: AdapterName, protocol: ScriptedProtocol): Promise<[Session, GatewayApp]> {
    const [provider, origin] = await ScriptedProvider.start(protocol, (index) => ANSWERS[index % ANSWERS.length]);
    const [small, smallOrigin] = await ScriptedProvider.start(protocol, () => ({ text: '{"title":"Files"}' }));
    const modelList = [provider.deployment('main', origin), small.deployment('small', smallOrigin)];
    const gateway = await GatewayApp.start(
      adapter,
      {},
      { module: { router: { modelList, numRetries: 0 }, rateLimit: { requestsPerMinute: 100_000 } } },
    );
    const sdk = new Anthropic({ baseURL: gateway.url, authToken: 'sk-any', apiKey: null, maxRetries: 0 });
    return [new Session(sdk, provider, small), gateway];
  }

  /** Asks the main model; the answer, put together from its events, is part of the conversation. */
  async ask(): Promise<Message> {
    const answer = await this.sdk.beta.messages.create({ ...SESSION, model: 'main', messages: this.marked(), stream: true }).asResponse();
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = messageEventsIn(await answer.text());
    expect(disorderIn(events)).toBeUndefined();
    expect(Object.keys(events[0].message?.usage ?? {})).toEqual(
      expect.arrayContaining(['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens', 'output_tokens']),
    );
    const message = joinedMessage(events);
    this.messages.push({ role: 'assistant', content: message.content as never });
    return message;
  }

  /** The small model names the session, whole. */
  title(): Promise<Anthropic.Beta.BetaMessage> {
    const schema = { type: 'object', properties: { title: { type: 'string' } }, required: ['title'], additionalProperties: false };
    return this.sdk.beta.messages.create({
      model: 'small',
      max_tokens: 512,
      system: [
        { type: 'text', text: BILLING },
        { type: 'text', text: 'Name the session.' },
      ],
      messages: [{ role: 'user', content: 'Look at my files.' }],
      output_config: { format: { type: 'json_schema', schema } },
      tools: [],
    });
  }

  count(): Promise<Anthropic.Beta.BetaMessageTokensCount> {
    const { system, tools, betas } = SESSION;
    return this.sdk.beta.messages.countTokens({ model: 'main', system, tools, betas, messages: this.messages });
  }

  /** The last block of the conversation has a cache mark. */
  private marked(): Messages {
    const last = this.messages.at(-1) as { readonly role: 'user'; readonly content: object[] };
    const content = last.content.map((block, at) => (at === last.content.length - 1 ? { ...block, cache_control: ephemeral } : block));
    return [...this.messages.slice(0, -1), { ...last, content: content as never }];
  }
}

/** Results of the tools that a message calls, with what Claude Code says beside them. */
function resultsOf({ content }: Message, turn: number): Messages[number] {
  const uses = content.filter(({ type }) => type === 'tool_use');
  const results = uses.map(({ id }, at) => ({
    type: 'tool_result' as const,
    tool_use_id: String(id),
    content:
      turn % 5 === at
        ? [
            { type: 'text' as const, text: 'A picture' },
            { type: 'image' as const, source: { type: 'base64' as const, media_type: 'image/png' as const, data: PNG } },
          ]
        : `contents of a file, ${turn}`,
    ...(turn % 7 === 3 && { is_error: true }),
  }));
  return { role: 'user', content: [...results, { type: 'text', text: '<system-reminder>Be careful.</system-reminder>' }] };
}

afterEach(stopProviders);

describe.each(PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))('a session of Claude Code over %s', (name, protocol) => {
  it.each<AdapterName>(name === 'openai' ? ['Express', 'Fastify'] : ['Express'])(
    `has ${TURNS} turns with tools, on %s`,
    async (adapter) => {
      const [session, gateway] = await Session.start(adapter, protocol);
      const { messages, provider, small } = session;
      const { input, cached, output } = SCRIPTED_USAGE;
      let counted = 0;
      for (let turn = 0; turn < TURNS; turn++) {
        messages.push({ role: 'user', content: [{ type: 'text', text: `Question ${turn}` }] });
        for (let step = 0; step < ANSWERS.length; step++) {
          const message = await session.ask();
          const { text, calls = [] } = ANSWERS[step];
          expect(message.stop_reason).toBe(STOPS[step]);
          expect(message.usage).toMatchObject({
            input_tokens: input - cached,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: cached,
            output_tokens: output,
          });
          const said = message.content.filter(({ type }) => type !== 'thinking').map(({ id: _, ...block }) => block);
          expect(said).toEqual([
            ...(text === undefined ? [] : [{ type: 'text', text }]),
            ...calls.map((call) => ({ type: 'tool_use', ...call })),
          ]);
          if (calls.length > 0) messages.push(resultsOf(message, turn));
        }
        const { input_tokens: tokens } = await session.count();
        expect(tokens).toBeGreaterThan(counted);
        counted = tokens;
      }
      const title = await session.title();
      expect(title).toMatchObject({ content: [{ type: 'text', text: '{"title":"Files"}' }], stop_reason: 'end_turn' });
      expect([...provider.faults, ...small.faults]).toEqual([]);
      expect(provider.asked).toHaveLength(TURNS * ANSWERS.length);
      // Only Anthropic reads the note to its billing.
      const hasNote = [...provider.asked, ...small.asked].map((body) => JSON.stringify(body).includes('x-anthropic-billing-header'));
      expect(new Set(hasNote)).toEqual(new Set([name === 'anthropic']));
      await gateway.stop();
    },
  );
});
