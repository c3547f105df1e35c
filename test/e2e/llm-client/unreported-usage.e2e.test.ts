import { RateLimiterService, type LlmClientOptions } from 'nestjs-fast-litellm';
import type { ProviderProtocol, ScriptedAnswer } from 'nestjs-fast-litellm/testing';
import { request as httpRequest, type ServerResponse } from 'node:http';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until, untilMinuteLasts } from '../../support/until.js';

// Answers whose provider reports no usage, or a part of it: the invoice and the budget, seen through a gateway.

const [INPUT, OUTPUT] = [1e-3, 2e-3];
const PRICES = { input_cost_per_token: INPUT, output_cost_per_token: OUTPUT };
const TOKENS = 100_000_000;
const WORDS = 'The river bends twice before it reaches the old mill, and nobody fishes there on Sundays. ';
const CONTENT = 'hello world '.repeat(150);
const event = (data: object | string): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const delta = (fields: object, finish: string | null = null): string =>
  event({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'x',
    choices: [{ index: 0, delta: fields, finish_reason: finish }],
  });

const started: GatewayApp[] = [];
beforeEach(untilMinuteLasts);
afterEach(async () => {
  await Promise.all(started.splice(0).map((gateway) => gateway.stop()));
  await stopProviders();
});

class Unreported {
  answer: ScriptedAnswer = {};
  gateway!: GatewayApp;
  /** Tokens of the prompt, as they are counted before the call. */
  prompt = 0;
  private before = 0;

  static async start(protocol: ProviderProtocol, params: object = {}, llmClient: LlmClientOptions = {}): Promise<Unreported> {
    const unreported = new Unreported();
    const provider = await testProvider(protocol, { script: () => unreported.answer });
    unreported.gateway = await GatewayApp.start(
      'Express',
      {},
      {
        module: {
          llmClient,
          rateLimit: { usdPerDay: 1_000_000, tokensPerMinute: TOKENS },
          tokenCounter: { estimates: false },
          router: { numRetries: 0, disableCooldowns: true, modelList: [provider.deployment('m', { ...PRICES, ...params })] },
        },
      },
    );
    started.push(unreported.gateway);
    unreported.prompt = unreported.gateway.llm.tokenCounter.estimatePrompt(unreported.body({}));
    return unreported;
  }

  body(more: object): Record<string, unknown> {
    return { model: 'm', messages: [{ role: 'user', content: CONTENT }], ...more };
  }

  count(text: string): number {
    return this.gateway.llm.tokenCounter.countTokens(text, 'gpt-4o');
  }

  private get standing() {
    return this.gateway.app.get(RateLimiterService).getBudgets('ip:127.0.0.1')[0] ?? { heldUsd: 0, spentUsd: 0 };
  }

  get usedTokens(): number {
    const { remainingTokens = NaN } = this.gateway.app.get(RateLimiterService).peek('ip:127.0.0.1', { cost: 0 });
    return TOKENS - remainingTokens;
  }

  /** USD of one call. @param leavesAt its client disconnects once it has read so much */
  async costOf(more: object, leavesAt?: string, path = 'chat/completions'): Promise<number> {
    const headers = { 'content-type': 'application/json' };
    await new Promise<void>((resolve) => {
      const options = { port: this.gateway.port, path: `/v1/${path}`, method: 'POST', headers, agent: false };
      const request = httpRequest(options, (response) => {
        let text = '';
        response.on('data', (data) => {
          text += String(data);
          if (leavesAt !== undefined && text.includes(leavesAt)) request.destroy();
        });
        response.on('error', () => {});
      });
      request.on('close', () => resolve()).on('error', () => {});
      request.end(JSON.stringify(this.body(more)));
    });
    await until(() => this.standing.heldUsd === 0 && this.standing.spentUsd > this.before);
    const cost = this.standing.spentUsd - this.before;
    this.before = this.standing.spentUsd;
    return cost;
  }
}

describe('a usage of which a part is missing', () => {
  const [prompt, output] = [1_000, 10];
  const whole = (usage: object, text = WORDS): ScriptedAnswer => ({
    body: {
      id: 'c',
      object: 'chat.completion',
      model: 'x',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage,
    },
  });
  const stream = (...usages: object[]): ScriptedAnswer => ({
    respond: (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const [first, ...rest] = usages;
      response.write(event({ choices: [{ index: 0, delta: { content: WORDS } }], usage: rest.length > 0 ? first : null }));
      for (let turn = 0; turn < 60; turn++) response.write(delta({ content: WORDS }));
      response.end(event({ choices: [], usage: rest[0] ?? first }) + event('[DONE]'));
    },
  });

  it.each<[string, object, (own: number, text: number) => [number, number]]>([
    ['completion alone', { completion_tokens: output }, (own) => [own, output]],
    ['the prompt alone', { prompt_tokens: prompt }, (_, text) => [prompt, text]],
    ['the total alone', { total_tokens: 2_000 }, (own) => [own, 2_000 - own]],
    ['total and completion', { total_tokens: prompt + output, completion_tokens: output }, () => [prompt, output]],
    ['total and prompt', { total_tokens: prompt + output, prompt_tokens: prompt }, () => [prompt, output]],
    ['nulls beside completion', { prompt_tokens: null, completion_tokens: output, total_tokens: null }, (own) => [own, output]],
    ['a prompt of 0', { prompt_tokens: 0, completion_tokens: output, total_tokens: output }, (own) => [own, output]],
  ])('costs what is stated and what is counted: %s', async (_, usage, expected) => {
    const unreported = await Unreported.start('openai');
    unreported.answer = whole(usage);
    const [input, written] = expected(unreported.prompt, unreported.count(WORDS));
    expect(await unreported.costOf({ max_tokens: 3_000 })).toBeCloseTo(input * INPUT + written * OUTPUT, 9);
    unreported.answer = stream(usage);
    const [streamInput, streamed] = expected(unreported.prompt, unreported.count(WORDS.repeat(61)));
    expect(await unreported.costOf({ max_tokens: 3_000, stream: true })).toBeCloseTo(streamInput * INPUT + streamed * OUTPUT, 9);
  });

  it('is completed by the other events of its stream', async () => {
    const unreported = await Unreported.start('openai');
    for (const usages of [
      [{ prompt_tokens: prompt }, { completion_tokens: output }],
      [
        { prompt_tokens: prompt, completion_tokens: 0 },
        { completion_tokens: output, prompt_tokens: null },
      ],
    ]) {
      unreported.answer = stream(...usages);
      expect(await unreported.costOf({ stream: true, max_tokens: 3_000 })).toBeCloseTo(prompt * INPUT + output * OUTPUT, 9);
    }
  });

  it.each<[ProviderProtocol, object]>([
    [
      'anthropic',
      {
        id: 'm',
        type: 'message',
        role: 'assistant',
        content: [{ type: 'text', text: 'hi' }],
        stop_reason: 'end_turn',
        usage: { output_tokens: output },
      },
    ],
    [
      'gemini',
      { candidates: [{ content: { parts: [{ text: 'hi' }] }, finishReason: 'STOP' }], usageMetadata: { candidatesTokenCount: output } },
    ],
    [
      'bedrock',
      { output: { message: { role: 'assistant', content: [{ text: 'hi' }] } }, stopReason: 'end_turn', usage: { outputTokens: output } },
    ],
  ])('never makes the prompt free over %s', async (protocol, body) => {
    const unreported = await Unreported.start(protocol);
    unreported.answer = { body };
    for (const path of ['chat/completions', 'messages']) {
      const cost = await unreported.costOf({ max_tokens: 100 }, undefined, path);
      expect(cost).toBeGreaterThan(unreported.prompt * INPUT * 0.9);
      expect(cost).toBeLessThan(unreported.prompt * INPUT * 1.2 + output * OUTPUT + 0.03);
    }
  });
});

describe('a stream without a usage', () => {
  const LONG = WORDS.repeat(12);
  const END = 'the end is reached';
  const streamed = (deltas: readonly string[], finish: (response: ServerResponse) => void): ScriptedAnswer => ({
    respond: (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const each of deltas) response.write(each);
      finish(response);
    },
  });
  const kinds: readonly [string, (text: string) => object][] = [
    ['content', (content) => ({ content })],
    ['reasoning', (text) => ({ content: '', reasoning: text, reasoning_details: [{ type: 'reasoning.text', text }] })],
    ['tool arguments', (text) => ({ tool_calls: [{ index: 0, function: { arguments: JSON.stringify({ text }) } }] })],
    ['a refusal', (refusal) => ({ refusal })],
  ];

  it.each(kinds)('costs its text, whole, left or cut: %s', async (kind, fields) => {
    const unreported = await Unreported.start('openai');
    const texts = [...Array.from({ length: 20 }, (_, at) => `${at}. ${LONG}`), END];
    const deltas = texts.map((text) => delta(fields(text)));
    const written = texts.map((text) => (kind === 'tool arguments' ? JSON.stringify({ text }) : text)).join('');
    const expected = unreported.prompt * INPUT + unreported.count(written) * OUTPUT;
    for (const [finish, leavesAt] of [
      [(response: ServerResponse) => void response.end(event('[DONE]')), undefined],
      [() => {}, END],
      [(response: ServerResponse) => void setTimeout(() => response.destroy(), 50), undefined],
    ] as const) {
      unreported.answer = streamed(deltas, finish);
      const cost = await unreported.costOf({ stream: true, max_tokens: 16_000 }, leavesAt);
      expect(Math.abs(cost / expected - 1)).toBeLessThan(0.005);
    }
  });

  it.each<[ProviderProtocol, string]>([
    ['anthropic', 'messages'],
    ['anthropic', 'chat/completions'],
    ['gemini', 'chat/completions'],
    ['bedrock', 'messages'],
    ['openai', 'messages'],
  ])('costs the same over %s by /v1/%s', async (protocol, path) => {
    // It hides no reasoning.
    const model = protocol === 'gemini' ? { model: 'gemini/gemini-2.0-flash' } : {};
    const unreported = await Unreported.start(protocol, model);
    unreported.answer = { text: LONG + END, chunkLength: 400, usage: null };
    const cost = await unreported.costOf({ stream: true, max_tokens: 16_000 }, undefined, path);
    const prompt = cost - unreported.count(LONG + END) * OUTPUT;
    // Models without a public tokenizer have their own estimates.
    expect(Math.abs(prompt / (unreported.prompt * INPUT) - 1)).toBeLessThan(0.5);
    expect(cost).toBeGreaterThan(unreported.count(LONG) * OUTPUT);
  });

  it('costs the reasoning that it hides: the median of the group, before that the hold', async () => {
    const unreported = await Unreported.start('openai', { model: 'openai/gpt-5-mini' });
    const left = streamed([delta({ content: 'So ' })], () => {});
    unreported.answer = left;
    const hold = await unreported.costOf({ stream: true, max_completion_tokens: 4_000 }, 'So ');
    expect(hold).toBeCloseTo(unreported.prompt * INPUT + 4_000 * OUTPUT, 6);
    const details = { completion_tokens_details: { reasoning_tokens: 700 } };
    unreported.answer = streamed([], (response) => {
      const usage = { prompt_tokens: unreported.prompt, completion_tokens: 710, total_tokens: unreported.prompt + 710, ...details };
      response.end(delta({ content: 'So it is.' }, 'stop') + event({ choices: [], usage }) + event('[DONE]'));
    });
    for (let turn = 0; turn < 3; turn++) await unreported.costOf({ stream: true });
    unreported.answer = left;
    const cost = await unreported.costOf({ stream: true, max_completion_tokens: 4_000 }, 'So ');
    expect(cost).toBeCloseTo(unreported.prompt * INPUT + 702 * OUTPUT, 6);
  });

  it('costs nothing for events without a text', async () => {
    const unreported = await Unreported.start('openai');
    const pings = Array.from({ length: 5_000 }, () => delta({ role: 'assistant', content: '' }));
    unreported.answer = streamed([...pings, delta({ content: 'one' })], (response) => void response.end(event('[DONE]')));
    expect(await unreported.costOf({ stream: true })).toBeCloseTo(unreported.prompt * INPUT + OUTPUT, 9);
  });
});

describe('a whole answer that is cut', () => {
  const LONG = WORDS.repeat(12);
  type Cut = (body: string) => ScriptedAnswer;
  const ended: Cut = (body) => ({ body });
  const broken: Cut = (body) => ({
    respond: (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length + 100) });
      response.write(body, () => response.destroy());
    },
  });
  const bodies: Readonly<Record<string, (text: string) => object>> = {
    openai: (content) => ({ id: 'c', choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }] }),
    anthropic: (text) => ({ id: 'm', type: 'message', role: 'assistant', content: [{ type: 'text', text }], stop_reason: 'end_turn' }),
    gemini: (text) => ({ candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP' }] }),
  };
  const cases = (['openai', 'anthropic', 'gemini'] as const).flatMap((protocol) =>
    (
      [
        ['by its connection', broken],
        ['in its JSON', ended],
      ] as const
    ).map(([name, cut]) => [protocol, name, cut] as const),
  );

  it.each(cases)('costs what such an answer usually costs, or its text where that is whole or longer: %s, %s', async (protocol, _, cut) => {
    const model = protocol === 'gemini' ? { model: 'gemini/gemini-2.0-flash' } : {};
    const unreported = await Unreported.start(protocol, model);
    const costOf = async (body: string, more: object = {}): Promise<number> => {
      unreported.answer = cut(body);
      return unreported.costOf({ max_tokens: 1_000, ...more });
    };
    const json = JSON.stringify(bodies[protocol](`${LONG}END`));
    const [cutInText, cutBehindText] = [json.slice(0, json.indexOf(WORDS) + 20), json.slice(0, json.indexOf('END') + 4)];
    const prompt = await costOf('{');
    const short = await costOf(cutInText);
    expect(short).toBeLessThan(prompt + 10 * OUTPUT);
    const text = (await costOf(cutBehindText)) - prompt;
    expect(text).toBeGreaterThan(100 * OUTPUT);
    for (const completionTokens of [90, 700, 40, 90]) {
      unreported.answer = { text: 'yes', usage: { promptTokens: 300, completionTokens } };
      await unreported.costOf({ max_tokens: 1_000 });
    }
    // The median is 90.
    expect(await costOf('{')).toBeCloseTo(prompt + 90 * OUTPUT, 9);
    expect(await costOf(cutInText)).toBeCloseTo(prompt + 90 * OUTPUT, 9);
    expect(await costOf(cutInText, { max_tokens: 50 })).toBeCloseTo(prompt + 50 * OUTPUT, 9);
    expect(await costOf(json.slice(0, json.indexOf('END')))).toBeGreaterThan(prompt + text * 0.9);
    const done = JSON.stringify(bodies[protocol]('No.'));
    expect(await costOf(done.slice(0, done.indexOf('No.') + 4))).toBeLessThan(prompt + 5 * OUTPUT);
  });

  it('costs its prompt if it was never JSON', async () => {
    const unreported = await Unreported.start('openai');
    unreported.answer = { text: 'yes', usage: { promptTokens: unreported.prompt, completionTokens: 90 } };
    await unreported.costOf({});
    unreported.answer = ended('<html>Sign in</html>');
    expect(await unreported.costOf({})).toBeCloseTo(unreported.prompt * INPUT, 9);
  });
});

describe('an answer that fails by its provider’s fault', () => {
  const flood = (response: ServerResponse, parts: number, part: string): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let turn = 0; turn < parts; turn++) response.write(part);
    setTimeout(() => response.destroy(), 50);
  };
  const usage = { prompt_tokens: 1e9, completion_tokens: 1e9, prompt_tokens_details: { cached_tokens: 1e9 } };

  it.each<[string, ScriptedAnswer, object]>([
    ['a whole answer that is too long', { body: JSON.stringify({ choices: [{ message: { content: WORDS.repeat(30_000) } }] }) }, {}],
    ['a whole answer of garbage', { body: WORDS.repeat(10_000) }, {}],
    ['a stream of pings that breaks', { respond: (response) => flood(response, 40_000, delta({ content: '' })) }, { stream: true }],
    [
      'a stream that ignores max_tokens and breaks',
      { respond: (response) => flood(response, 500, delta({ content: WORDS })) },
      { stream: true },
    ],
    [
      'an absurd usage, and a cut',
      { respond: (response) => flood(response, 1, event({ choices: [{ index: 0, delta: { content: 'a' } }], usage })) },
      { stream: true },
    ],
  ])('costs at most its hold: %s', async (_, answer, body) => {
    const unreported = await Unreported.start('openai', {}, { maxAnswerBytes: 1_000_000 });
    unreported.answer = answer;
    const cost = await unreported.costOf({ max_tokens: 50, ...body });
    expect(cost).toBeGreaterThanOrEqual(unreported.prompt * INPUT - 1e-9);
    expect(cost).toBeLessThanOrEqual(unreported.prompt * INPUT + 50 * OUTPUT + 1e-9);
    expect(unreported.usedTokens).toBeLessThanOrEqual(unreported.prompt + 50);
  });

  it('costs the reported usage if its sums fit the hold, even if the prompt exceeds our count', async () => {
    const unreported = await Unreported.start('openai');
    const longer = { prompt_tokens: unreported.prompt + 30, completion_tokens: 15 };
    const broken = event({ choices: [{ index: 0, delta: { content: 'a' } }], usage: longer });
    unreported.answer = { respond: (response) => flood(response, 1, broken) };
    const cost = await unreported.costOf({ max_tokens: 50, stream: true });
    expect(cost).toBeCloseTo(longer.prompt_tokens * INPUT + 15 * OUTPUT, 9);
  });

  it('costs what was used if its client disconnects', async () => {
    const unreported = await Unreported.start('openai');
    unreported.answer = {
      respond: (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(delta({ content: WORDS.repeat(50) }) + delta({ content: 'END' }));
      },
    };
    const cost = await unreported.costOf({ max_tokens: 50, stream: true }, 'END');
    expect(cost).toBeCloseTo(unreported.prompt * INPUT + unreported.count(`${WORDS.repeat(50)}END`) * OUTPUT, 6);
  });

  it.each<[string, object]>([
    ['prompt_tokens_details', { cached_tokens: 1e9 }],
    ['prompt_tokens_details', { cached_tokens: 600, cache_write_tokens: 1e9 }],
    ['prompt_tokens_details', { audio_tokens: 1e9, image_tokens: 1e9 }],
    ['completion_tokens_details', { reasoning_tokens: 1e9, audio_tokens: 1e9 }],
  ])('never bills more of %s than there is (%j)', async (name, details) => {
    const dearest = { cache_read_input_token_cost: 5e-4, cache_creation_input_token_cost: INPUT, output_cost_per_reasoning_token: OUTPUT };
    const audio = { input_cost_per_audio_token: INPUT, output_cost_per_audio_token: OUTPUT };
    const unreported = await Unreported.start('openai', { ...dearest, ...audio });
    const figures = { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010, [name]: details };
    unreported.answer = { body: { choices: [{ index: 0, message: { role: 'assistant', content: 'hi' } }], usage: figures } };
    const cost = await unreported.costOf({ max_tokens: 50 });
    expect(cost).toBeGreaterThan(0.4);
    expect(cost).toBeLessThanOrEqual(1_000 * INPUT + 10 * OUTPUT + 1e-9);
  });
});

describe('a mixed run', () => {
  it.each<[LlmClientOptions, number]>([
    [{}, 0.01],
    [{ onAbort: 'drain', abortDrainMs: 5_000 }, 0.003],
  ])(
    'is within its share of the invoice (%j: %f)',
    async (llmClient, share) => {
      const unreported = await Unreported.start('openai', { timeout: 0.5 }, llmClient);
      let [billed, spent] = [0, 0];
      for (let turn = 0; turn < 36; turn++) {
        const text = `${turn} ${WORDS.repeat(4 + (turn % 3))}END`;
        const [prompt, completion] = [unreported.prompt, unreported.count(text)];
        const usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
        const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }];
        const kinds: readonly [ScriptedAnswer, object, string?][] = [
          [{ body: { choices, usage } }, {}],
          [{ body: { choices } }, {}],
          [{ body: JSON.stringify({ choices }).slice(0, -1) }, {}],
          [{ body: { choices, usage: { completion_tokens: completion } } }, {}],
          [{ body: { choices, usage }, delayMs: 900 }, {}],
          [
            { respond: (response) => void response.end(delta({ content: text }) + event({ choices: [], usage }) + event('[DONE]')) },
            { stream: true },
          ],
          [{ respond: (response) => void response.end(delta({ content: text }) + event('[DONE]')) }, { stream: true }],
          [{ respond: (response) => void response.write(delta({ content: text })) }, { stream: true }, 'END'],
        ];
        const [answer, body, leavesAt] = kinds[turn % kinds.length];
        const { respond } = answer;
        unreported.answer =
          respond === undefined
            ? answer
            : {
                respond: (response, request) => {
                  response.writeHead(200, { 'content-type': 'text/event-stream' });
                  // A provider that its client has left goes on to the end.
                  if (leavesAt !== undefined) setTimeout(() => response.end(event({ choices: [], usage }) + event('[DONE]')), 300);
                  return respond(response, request);
                },
              };
        billed += prompt * INPUT + completion * OUTPUT;
        spent += await unreported.costOf({ max_tokens: 1_000, ...body }, leavesAt);
      }
      expect(Math.abs(spent / billed - 1)).toBeLessThan(share);
    },
    60_000,
  );
});
