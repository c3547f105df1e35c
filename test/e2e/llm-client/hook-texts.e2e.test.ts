import {
  FastLiteLLM,
  type AnswerText,
  type CallEnd,
  type HookedCall,
  type LlmAnswer,
  type LlmClient,
  type LlmStream,
  type ModelCallHook,
  CallHook,
} from 'nestjs-fast-litellm';
import type { ProviderProtocol, ScriptedAnswer } from 'nestjs-fast-litellm/testing';
import { scripted, stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { isSampled } from '../../support/long.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: FastLiteLLM[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
});

async function open(hooks: ModelCallHook[], script: ScriptedAnswer, protocol: ProviderProtocol = 'openai') {
  const provider = await testProvider(protocol, { script });
  const llm = new FastLiteLLM({ router: { modelList: [provider.deployment('m')] }, hooks, logger: quiet });
  opened.push(llm);
  return { client: llm.client, provider };
}

const messages = [{ role: 'user', content: 'Hello' }];
const CALLS: Readonly<Record<string, (client: LlmClient, stream: boolean) => Promise<LlmAnswer | LlmStream>>> = {
  chat: (client, stream) => client.chat({ model: 'm', messages, stream }),
  completions: (client, stream) => client.completions({ model: 'm', prompt: 'Hello', stream }),
  responses: (client, stream) => client.responses({ model: 'm', input: 'Hello', stream }),
  messages: (client, stream) => client.messages({ model: 'm', messages, max_tokens: 50, stream } as never),
};
const PROVIDERS: readonly ProviderProtocol[] = ['openai', 'anthropic', 'gemini', 'bedrock'];
const FORMATS = Object.keys(CALLS).flatMap((operation, row) =>
  PROVIDERS.filter((_, column) => isSampled(row, column, 2)).map((protocol) => [operation, protocol] as const),
);

/** All strings of a value. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

/** What a client gets of a stream: its events, and their deltas as one text. */
async function eventsOf(stream: LlmStream): Promise<{ events: Record<string, unknown>[]; text: string }> {
  const events: Record<string, unknown>[] = [];
  for await (const event of stream) events.push(event);
  return { events, text: events.map(deltaOf).join('') };
}

function deltaOf(event: Record<string, unknown>): string {
  const { choices, delta, type } = event as { choices?: { text?: string; delta?: { content?: string } }[]; delta?: unknown; type?: string };
  if (choices !== undefined) return choices.map((choice) => choice.text ?? choice.delta?.content ?? '').join('');
  if (type === 'response.output_text.delta') return delta as string;
  return type === 'content_block_delta' ? ((delta as { text?: string }).text ?? '') : '';
}

const SECRET = 'jo.doe@example.com';
const TEXT = `Write to ${SECRET}, or to ${SECRET} and then ${SECRET}`;
const REDACTED = TEXT.replaceAll(SECRET, '[email]');

/** Redacts words; the last one may be unfinished. */
class Redaction implements ModelCallHook {
  onText(_: HookedCall, { text, isLast }: AnswerText) {
    const end = isLast ? text.length : text.lastIndexOf(' ') + 1;
    return { pass: text.slice(0, end).replace(/[\w.]+@[\w.]+\w/g, '[email]'), hold: text.slice(end) };
  }
}

class Late extends Redaction {
  override onText(call: HookedCall, text: AnswerText): never {
    return new Promise((resolve) => setTimeout(() => resolve(super.onText(call, text)), 2)) as never;
  }
}

class Ends implements ModelCallHook {
  readonly all: CallEnd[] = [];
  onEnd(_: HookedCall, end: CallEnd) {
    this.all.push(end);
  }
}

describe.each(FORMATS)('texts of %s at a provider of %s', (operation, protocol) => {
  const call = CALLS[operation];

  it('are guarded in a whole answer', async () => {
    const { client } = await open([new Redaction()], { text: TEXT }, protocol);
    const answer = (await call(client, false)) as LlmAnswer;
    expect(stringsIn(answer.json())).toContain(REDACTED);
    expect(answer.bytes.includes('example')).toBe(false);
  });

  it.each([
    ['at once', () => new Redaction()],
    ['later', () => new Late()],
  ])('are guarded %s in a stream, wherever its chunks cut them', async (_, hook) => {
    const ends = new Ends();
    const { client } = await open([hook(), ends], { text: TEXT }, protocol);
    const { events, text } = await eventsOf((await call(client, true)) as LlmStream);
    expect(text).toBe(REDACTED);
    expect(stringsIn(events).join('|')).not.toMatch(/example|jo\.doe/);
    expect(ends.all).toMatchObject([{ outcome: 'succeeded', inputTokens: expect.any(Number) as number, attempts: 1 }]);
  });

  it('pass as the same bytes where no hook changes them', async () => {
    const seen: string[] = [];
    const written = async (hooks: ModelCallHook[]): Promise<string> => {
      const { client } = await open(hooks, { text: TEXT }, protocol);
      const { events } = await eventsOf((await call(client, true)) as LlmStream);
      // Ids and times differ from call to call.
      return JSON.stringify(events).replace(/"(?:id|item_id|created|created_at|completed_at)":(?:"[^"]*"|\d+)/g, '');
    };
    const observed = await written([{ onText: (_, { text }) => void seen.push(text), onEvent: () => {} }]);
    expect(observed).toBe(await written([]));
    expect(seen.join('')).toBe(TEXT);
  });

  it('end a stream with an error when a hook denies them, and their tokens are settled', async () => {
    const ends = new Ends();
    const deny: ModelCallHook = { onText: (_, { text }) => (text.includes('or') ? { deny: 'No.' } : { pass: '', hold: text }) };
    const { client, provider } = await open([new Redaction(), deny, ends].slice(1), { text: TEXT }, protocol);
    const read: unknown[] = [];
    const stream = (await call(client, true)) as LlmStream;
    const error = await (async () => {
      for await (const event of stream) read.push(event);
    })().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CALL_DENIED', error: { message: 'No.' } });
    expect(stringsIn(read).join('')).not.toContain('jo.');
    expect(ends.all).toMatchObject([{ outcome: 'denied', error, attempts: 1, costUsd: expect.any(Number) as number }]);
    expect(ends.all[0].costUsd).toBeGreaterThan(0);
    expect(client.callsInFlight).toBe(0);
    expect(provider.inFlight).toBe(0);
  });

  it('end the response of a stream with an error event of the API', async () => {
    const deny: ModelCallHook = { onText: (_, { text }) => (text.includes('or') ? { deny: 'No.' } : { pass: '', hold: text }) };
    const { client } = await open([deny], { text: TEXT }, protocol);
    const url = await scripted((_, response) => void call(client, true).then((answer) => answer.sendTo(response)));
    const body = await (await fetch(url)).text();
    const last = body.trimEnd().split('\n\n').at(-1) ?? '';
    expect(last).toMatch(
      operation === 'messages' || operation === 'responses' ? /^event: error\ndata: \{"type":"error"/ : /^data: \{"error"/,
    );
    expect(last).toContain('No.');
    expect(body).not.toContain('jo.doe');
  });

  it('stay unsent where a guard fails closed, and are sent where it fails open', async () => {
    const fail = () => {
      throw new Error('no');
    };
    class Closed implements ModelCallHook {
      readonly onText = fail;
    }
    @CallHook({ failure: 'open' })
    class Open extends Closed {}
    const ends = new Ends();
    const closed = await open([new Closed(), ends], { text: TEXT }, protocol);
    await expect(call(closed.client, false)).rejects.toMatchObject({ code: 'CALL_HOOK_FAILED' });
    await expect(eventsOf((await call(closed.client, true)) as LlmStream)).rejects.toMatchObject({ code: 'CALL_HOOK_FAILED' });
    expect(ends.all.map(({ outcome }) => outcome)).toEqual(['failed', 'failed']);
    const { client } = await open([new Open()], { text: TEXT }, protocol);
    expect((await eventsOf((await call(client, true)) as LlmStream)).text).toBe(TEXT);
  });
});
