import { RateLimiterService, type ModelListEntry } from 'nestjs-fast-litellm';
import type { ServerResponse } from 'node:http';
import { request as httpRequest } from 'node:http';
import { GatewayApp } from '../../support/gateway-app.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';
import { ANTHROPIC_WIRE, asksForStream, RESPONSES_WIRE, sendParts, WIRES, type Figures, type Wire } from '../../support/protocols/wires.js';
import { until, untilMinuteLasts } from '../../support/until.js';
import { isSampled } from '../../support/long.js';

// What a client's tokens and the operator's metrics say of each protocol, seen through a gateway.

type Fields = Readonly<Record<string, unknown>>;
const LIMIT = 10_000_000;
const PROMPT = 'one two three four five six seven eight '.repeat(50);
const PATHS = { chat: 'chat/completions', completions: 'completions', messages: 'messages', responses: 'responses' } as const;
type Name = keyof typeof PATHS;
const NAMES = Object.keys(PATHS) as Name[];
/** OpenAI has completions of its own, in no words of Responses. */
const namesOf = (wire: Wire): Name[] => (wire === RESPONSES_WIRE ? NAMES.filter((name) => name !== 'completions') : NAMES);
const bodyOf = (name: Name, stream: boolean, model = 'm'): Fields => ({
  model,
  stream,
  ...(name === 'completions'
    ? { prompt: PROMPT }
    : name === 'responses'
      ? { input: PROMPT }
      : { messages: [{ role: 'user', content: PROMPT }] }),
  [name === 'responses' ? 'max_output_tokens' : 'max_tokens']: 3_000,
});
const FIGURES = { prompt: 1_000, read: 600, written: 300, output: 34 };

interface Spent {
  readonly used: number;
  readonly input: number;
  readonly output: number;
  readonly estimated: number;
  readonly usd: number;
}

class Money {
  respond: (response: ServerResponse, isStream: boolean) => void = (response) => response.destroy();
  asked = 0;
  gateway!: GatewayApp;

  static async over(wire: Wire, others: (origin: string) => ModelListEntry[] = () => [], router: object = {}): Promise<Money> {
    const money = new Money();
    const base = await scripted((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        money.asked++;
        money.respond(response, asksForStream(request.url ?? '', JSON.parse(Buffer.concat(chunks).toString()) as Fields));
      });
    });
    const origin = new URL(base).origin;
    const one = [entryOf('m', wire, origin), ...others(origin)];
    // Beside another deployment a retry does not wait.
    const modelList = [...one, ...one.map((entry) => ({ ...entry, model_info: { id: `${String(entry.model_info?.id)}-2` } }))];
    // The scripted usage says nothing about the prompts.
    const tokenCounter = { estimates: false as const };
    const module = {
      router: { modelList, numRetries: 0, disableCooldowns: true, ...router },
      rateLimit: { tokensPerMinute: LIMIT },
      tokenCounter,
    };
    money.gateway = await GatewayApp.start('Express', {}, { module });
    return money;
  }

  /** Until here, of all calls. */
  spent(): Spent {
    const { llm, app } = this.gateway;
    const samples = llm.client.metrics();
    const metric = (name: string, direction?: string): number =>
      samples.find((each) => each.name === `llm_client_${name}` && each.labels?.direction === direction)?.value ?? NaN;
    const { remainingTokens = NaN } = app.get(RateLimiterService).peek('ip:127.0.0.1', { cost: 0 });
    return {
      used: LIMIT - remainingTokens,
      input: metric('tokens_total', 'input'),
      output: metric('tokens_total', 'output'),
      estimated: metric('estimated_tokens_total', 'input') + metric('estimated_tokens_total', 'output'),
      usd: metric('cost_usd_total'),
    };
  }

  /** What one call costs, once nothing of it is in flight. */
  async costOf(
    name: Name,
    stream: boolean,
    { leaves = false, model = 'm' } = {},
  ): Promise<Spent & { readonly status: number; readonly text: string }> {
    const before = this.spent();
    const [status, text] = await this.ask(PATHS[name], bodyOf(name, stream, model), leaves);
    await until(() => this.isOver());
    const after = this.spent();
    const difference = (key: keyof Spent): number => after[key] - before[key];
    const [used, input, output] = [difference('used'), difference('input'), difference('output')];
    return { status, text, used, input, output, estimated: difference('estimated'), usd: difference('usd') };
  }

  ask(path: string, body: object, leaves = false): Promise<[number, string]> {
    return new Promise((resolve) => {
      const headers = { 'content-type': 'application/json' };
      const request = httpRequest({ port: this.gateway.port, path: `/v1/${path}`, method: 'POST', headers, agent: false }, (response) => {
        let text = '';
        response.on('data', (data) => {
          text += String(data);
          if (leaves) request.destroy();
        });
        for (const event of ['end', 'error']) response.on(event, () => resolve([response.statusCode ?? 0, text]));
      });
      request.on('error', () => resolve([0, '']));
      request.end(JSON.stringify(body));
    });
  }

  private isOver(): boolean {
    const { client, router, connectionPool } = this.gateway.llm;
    const calls = client.metrics().find(({ name }) => name === 'llm_client_calls_in_flight')?.value;
    return calls === 0 && router.status().every(({ inFlight }) => inFlight === 0) && connectionPool.stats().activeConnections === 0;
  }
}

const entryOf = (group: string, wire: Wire, origin: string): ModelListEntry => ({
  model_name: group,
  litellm_params: wire.params(origin),
  model_info: { id: `${group}-${wire.name}` },
});
const whole = (response: ServerResponse, body: object, status = 200): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
/** An answer, whole or as a stream. */
const saying =
  (wire: Wire, figures: Figures | undefined) =>
  (response: ServerResponse, isStream: boolean): void => {
    if (!isStream) return whole(response, wire.whole(figures));
    const { head, content, end } = wire.stream(figures);
    sendParts(response, wire.type, [...head, ...content, ...end]);
  };

const started: Money[] = [];
beforeEach(untilMinuteLasts);
afterAll(async () => {
  await Promise.all(started.map(({ gateway }) => gateway.stop()));
  await stopProviders();
});

describe.each(WIRES.map((wire, row) => [wire.name, wire, row] as const))('money over %s', (_, wire, row) => {
  let money: Money;
  /** Of the call's prompt, as estimated. */
  const prompts = {} as Record<Name, number>;
  beforeAll(async () => {
    started.push((money = await Money.over(wire)));
    for (const name of namesOf(wire)) {
      money.respond = (response) => response.destroy();
      prompts[name] = (await money.costOf(name, false)).used;
      expect(prompts[name]).toBeGreaterThan(300);
      expect(prompts[name]).toBeLessThan(900);
    }
  });
  const [perPrompt, perRead, perWritten, perOutput] = wire.prices.map((price) => price / 1e6);
  const written = perWritten > 0 ? FIGURES.written : 0;
  const figures = { ...FIGURES, written };

  describe.each(namesOf(wire).filter((__, column) => isSampled(row, column, 2)))('by %s', (name) => {
    it.each([false, true])('is settled with its usage, cached tokens at their own prices (stream: %s)', async (stream) => {
      money.respond = saying(wire, figures);
      const cost = await money.costOf(name, stream);
      const usd = (1_000 - 600 - written) * perPrompt + 600 * perRead + written * perWritten + 34 * perOutput;
      expect(cost).toMatchObject({ status: 200, used: 1_034, input: 1_000, output: 34, estimated: 0 });
      expect(cost.usd).toBeCloseTo(usd, 9);
    });

    it('is charged with the prompt and what arrived of a stream that is cut before its usage', async () => {
      money.respond = (response) => {
        const { head, content } = wire.stream(figures);
        response
          .writeHead(200, { 'content-type': wire.type })
          .write(Buffer.concat([...head, ...content.slice(0, -1)]), () => response.destroy());
      };
      const { status, used, estimated, text } = await money.costOf(name, true);
      expect(status).toBe(200);
      expect(text).toContain('one ');
      expect(text).toMatch(/"error"|response.failed/);
      expect(used).toBe(estimated);
      expect(used).toBeGreaterThanOrEqual(prompts[name] + 4);
      expect(used).toBeLessThan(prompts[name] + 20);
    });

    it('is charged with the prompt and what arrived of a stream that its client leaves', async () => {
      money.respond = (response) => {
        const { head, content } = wire.stream(figures);
        response.writeHead(200, { 'content-type': wire.type }).write(Buffer.concat([...head, ...content]));
      };
      const { used, estimated } = await money.costOf(name, true, { leaves: true });
      expect(used).toBe(estimated);
      expect(used).toBeGreaterThanOrEqual(prompts[name] + 4);
      expect(used).toBeLessThan(prompts[name] + 20);
    });

    it.each([false, true])('costs nothing when the provider answers with an error status (stream: %s)', async (stream) => {
      money.respond = (response) => whole(response, wire.errorBody, 500);
      const cost = await money.costOf(name, stream);
      expect(cost).toMatchObject({ used: 0, input: 0, output: 0, usd: 0 });
      expect(cost.status).toBeGreaterThanOrEqual(500);
    });

    it.each([false, true])('is charged with the prompt when an error comes with status 200 (stream: %s)', async (stream) => {
      money.respond = (response) => whole(response, wire.errorBody);
      const { status, used } = await money.costOf(name, stream);
      expect(status).toBeGreaterThanOrEqual(429);
      expect(used).toBeGreaterThanOrEqual(prompts[name]);
      expect(used).toBeLessThan(prompts[name] + 60);
    });

    it('is charged with the prompt when the stream begins and then is an error', async () => {
      money.respond = (response) => sendParts(response, wire.type, [...wire.stream(figures).head, wire.error]);
      const { used, output } = await money.costOf(name, true);
      expect(used).toBeGreaterThanOrEqual(prompts[name]);
      expect(used).toBeLessThan(prompts[name] + 10);
      expect(output).toBeLessThan(10);
    });

    it.each<[string, Figures | undefined]>([
      ['is absent', undefined],
      ['is negative', { prompt: -5, read: 0, written: 0, output: -5 }],
      ['is 1e308', { prompt: 1e308, read: 1e308, written: 1e308, output: 1e308 }],
      ['is text', { prompt: '10', read: '1', written: '1', output: '3' }],
      ['is null', { prompt: null, read: null, written: null, output: null }],
      ['is lists', { prompt: [1], read: {}, written: [], output: [[]] }],
    ])('gives nothing back when the usage %s', async (_case, lie) => {
      money.respond = saying(wire, lie);
      for (const stream of [false, true]) {
        const { status, used, input, usd } = await money.costOf(name, stream);
        expect([status, used > prompts[name], used < LIMIT / 100]).toEqual([200, true, true]);
        expect(input).toBeGreaterThanOrEqual(prompts[name]);
        expect(input).toBeLessThan(LIMIT / 100);
        expect(usd).toBeLessThan(1);
      }
    });
  });
});

describe('money across protocols', () => {
  it('is charged for each prompt that was sent, by retries and by fallbacks', async () => {
    const [first, ...others] = WIRES;
    const money = await Money.over(first, (origin) => others.map((wire) => entryOf(wire.name, wire, origin)), {
      numRetries: 1,
      retryAfterMs: 0,
      fallbacks: [{ m: others.map(({ name }) => name) }],
    });
    started.push(money);
    for (const name of namesOf(RESPONSES_WIRE)) {
      money.asked = 0;
      money.respond = (response) => response.destroy();
      const { used, estimated, status } = await money.costOf(name, false);
      expect(status).toBeGreaterThanOrEqual(500);
      expect(used).toBe(estimated);
      expect(money.asked).toBe(2 * WIRES.length);
      expect(used % money.asked).toBe(0);
      money.asked = 0;
      const last = saying(RESPONSES_WIRE, { ...FIGURES, written: 0 });
      money.respond = (response, isStream) => (money.asked === 7 ? last(response, isStream) : response.destroy());
      const answered = await money.costOf(name, true);
      expect(answered).toMatchObject({ status: 200, used: (used / 8) * 6 + 1_034, output: 34 });
    }
  });

  it('is not charged for counting', async () => {
    const money = await Money.over(ANTHROPIC_WIRE);
    started.push(money);
    for (const path of ['messages/count_tokens', 'responses/input_tokens'] as const) {
      const before = money.spent();
      const [status, text] = await money.ask(path, bodyOf(path === 'messages/count_tokens' ? 'messages' : 'responses', false));
      expect([status, (JSON.parse(text) as { input_tokens: number }).input_tokens > 300]).toEqual([200, true]);
      expect(money.spent()).toEqual(before);
    }
    expect(money.asked).toBe(0);
  });
});
