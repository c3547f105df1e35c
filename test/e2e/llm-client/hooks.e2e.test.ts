import { Injectable, Module, Scope } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  CallDeniedError,
  CallHook,
  FastLiteLLM,
  FastLiteLLMModule,
  LlmClient,
  setPrincipal,
  type CallEnd,
  type HookedCall,
  type LlmAnswer,
  type LlmStream,
  type LogSink,
  type ModelCallHook,
  type RequestVerdict,
} from 'nestjs-fast-litellm';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';

const quiet: LogSink = { log: () => {}, warn: () => {}, error: () => {} };
const opened: FastLiteLLM[] = [];

async function open(hooks: ModelCallHook[], logger = quiet) {
  const provider = await testProvider('openai');
  const llm = new FastLiteLLM({ router: { modelList: [provider.deployment('m')] }, hooks, logger });
  opened.push(llm);
  return { llm, client: llm.client, provider };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
});

/** Collects the ends of calls. */
class Ends implements ModelCallHook {
  readonly all: CallEnd[] = [];
  onEnd(_: HookedCall, end: CallEnd) {
    this.all.push(end);
  }
}

const errorOf = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const ask = (content = 'Hello') => ({ model: 'm', messages: [{ role: 'user', content }] });

describe('providers with @CallHook()', () => {
  @Injectable()
  @CallHook({ order: 2 })
  class Second implements ModelCallHook {
    onRequest({ body }: HookedCall): RequestVerdict {
      return { replace: { ...body, user: `${String(body.user)}, then the second` } };
    }
  }

  @Injectable()
  @CallHook({ order: 1 })
  class First implements ModelCallHook {
    readonly ends: CallEnd[] = [];
    onRequest({ body }: HookedCall): RequestVerdict {
      return { replace: { ...body, user: 'first' } };
    }
    onEnd(_: HookedCall, end: CallEnd) {
      this.ends.push(end);
    }
  }

  @Module({ providers: [Second, First], exports: [First] })
  class HookModule {}

  @Module({ imports: [HookModule], providers: [First, { provide: 'alias', useExisting: First }] })
  class OtherModule {}

  it('are found in any module and run once for each call, in their order', async () => {
    const provider = await testProvider('openai');
    const options = { router: { modelList: [provider.deployment('m')] }, logger: quiet };
    const app = await Test.createTestingModule({ imports: [OtherModule, FastLiteLLMModule.forRoot(options)] }).compile();
    await app.init();
    await app.get(LlmClient).chat(ask());
    expect(provider.requests.map(({ body }) => body.user)).toEqual(['first, then the second']);
    const all = [app.select(HookModule).get(First, { strict: true }), app.select(OtherModule).get(First, { strict: true })];
    expect(all.flatMap(({ ends }) => ends)).toMatchObject([{ outcome: 'succeeded', attempts: 1 }]);
    await app.close();
  });

  it('are named in the log', async () => {
    @Injectable()
    @CallHook()
    class Journal implements ModelCallHook {
      onEnd() {}
    }
    const lines: string[] = [];
    const logger = { ...quiet, log: (line: string) => void lines.push(line) };
    const app = await Test.createTestingModule({ imports: [FastLiteLLMModule.forRoot({ logger })], providers: [Journal] }).compile();
    await app.init();
    expect(lines).toContain('Call hooks: installed Journal');
    await app.close();
  });

  it('stop the app at boot where they belong to a request', async () => {
    @Injectable({ scope: Scope.REQUEST })
    @CallHook()
    class PerRequest implements ModelCallHook {
      onEnd() {}
    }
    const app = await Test.createTestingModule({
      imports: [FastLiteLLMModule.forRoot({ logger: quiet })],
      providers: [PerRequest],
    }).compile();
    await expect(app.init()).rejects.toThrow('hooks.PerRequest: must be a provider with the default scope');
    await app.get(FastLiteLLM).close();
  });
});

describe('a hook of requests', () => {
  it('denies with 400 and its own code, before anything is sent', async () => {
    const ends = new Ends();
    const { client, provider } = await open([{ onRequest: () => ({ deny: { message: 'No names.', code: 'names' } }) }, ends]);
    const error = await errorOf(client.chat(ask()));
    expect(error).toMatchObject({ code: 'CALL_DENIED', status: 400, error: { message: 'No names.', code: 'names', param: null } });
    expect(provider.requests).toHaveLength(0);
    expect(ends.all).toEqual([
      {
        outcome: 'denied',
        error,
        durationMs: expect.any(Number) as number,
        attempts: 0,
        attemptEnds: [],
        costUsd: 0,
        retries: 0,
        fallbacks: 0,
      },
    ]);
    expect(client.callsInFlight).toBe(0);
  });

  it('may throw the denial', async () => {
    const deny = () => {
      throw new CallDeniedError('Not now.');
    };
    const { client } = await open([{ onRequest: deny }]);
    expect(await errorOf(client.chat(ask()))).toMatchObject({ code: 'CALL_DENIED', error: { code: 'request_denied' } });
  });

  it('counts the tokens of the body that it puts in the place of the first', async () => {
    const long = 'word '.repeat(500);
    const { llm, client } = await open([{ onRequest: ({ body }) => ({ replace: { ...body, messages: ask(long).messages } }) }]);
    const counted: (number | undefined)[] = [];
    const view = llm.router.view();
    const { acquire } = view;
    view.acquire = (model, context) => {
      counted.push(context?.inputTokens);
      return acquire.call(view, model, context);
    };
    llm.router.view = () => view;
    await client.chat(ask(), { routing: { inputTokens: 3 } });
    expect(counted).toEqual([llm.tokenCounter.estimatePrompt(ask(long))]);
  });

  it('changes the model, and a body in its place', async () => {
    const { client, provider } = await open([
      { onRequest: ({ body }) => void ((body as { user?: string }).user = 'in place') },
      { onRequest: ({ body }) => ({ replace: { ...body, model: 'm', max_tokens: 7 } }) },
    ]);
    const answer = await client.chat({ ...ask(), model: 'no such group' });
    expect(answer.call.group).toBe('m');
    expect(provider.requests.at(-1)?.body).toMatchObject({ user: 'in place', max_tokens: 7 });
  });

  it('changes a body of bytes, whose other fields pass unparsed', async () => {
    const text = 'a secret word '.repeat(2000);
    const { client, provider } = await open([
      {
        onRequest: ({ body }) => ({
          replace: { ...body, messages: JSON.parse(JSON.stringify(body.messages).replaceAll('secret', '[…]')) as unknown },
        }),
      },
    ]);
    await client.chat(Buffer.from(JSON.stringify(ask(text))));
    expect(provider.requests[0].body).toMatchObject({ messages: [{ content: text.replaceAll('secret', '[…]') }] });
  });

  it.each([
    ['chat', (client: LlmClient, stream: boolean) => client.chat({ ...ask(), stream })],
    ['completions', (client: LlmClient, stream: boolean) => client.completions({ model: 'm', prompt: 'Hi', stream })],
    ['responses', (client: LlmClient, stream: boolean) => client.responses({ model: 'm', input: 'Hi', stream })],
    ['messages', (client: LlmClient, stream: boolean) => client.messages({ ...ask(), max_tokens: 9, stream } as never)],
  ])('answers %s by a text, whole and streamed', async (_, call) => {
    const ends = new Ends();
    const { client, provider } = await open([{ onRequest: () => ({ answer: 'Ask a person.' }) }, ends]);
    const whole = (await call(client, false)) as LlmAnswer;
    expect(whole.bytes.toString()).toContain('Ask a person.');
    let events = '';
    for await (const event of (await call(client, true)) as LlmStream) events += JSON.stringify(event);
    expect(events).toContain('Ask a person.');
    expect(events).not.toContain('"error":{');
    expect(provider.requests).toHaveLength(0);
    expect(ends.all).toMatchObject([
      { outcome: 'answered', costUsd: 0 },
      { outcome: 'answered', costUsd: 0 },
    ]);
  });

  it('answers by an object, or by the events of a stream', async () => {
    const answer = { object: 'chat.completion', choices: [] };
    const chunk = { object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'Hi' } }] };
    const { client } = await open([{ onRequest: ({ stream }) => ({ answer: stream ? [chunk, chunk] : answer }) }]);
    expect((await client.chat(ask())).json()).toEqual(answer);
    const chunks: unknown[] = [];
    for await (const each of await client.chat({ ...ask(), stream: true })) chunks.push(each);
    expect(chunks).toEqual([chunk, chunk]);
  });
});

describe('a hook of answers', () => {
  it('replaces and denies whole answers', async () => {
    const { client } = await open([
      { onAnswer: (_, answer) => ({ replace: { ...answer.json(), system_fingerprint: answer.facts.group } }) },
      { onAnswer: (_, { bytes }) => (bytes.includes('Hello') ? { deny: 'No greetings.' } : undefined) },
    ]);
    expect(await errorOf(client.chat(ask()))).toMatchObject({ code: 'CALL_DENIED' });
    const { client: other } = await open([{ onAnswer: (_, answer) => ({ replace: { ...answer.json(), id: 'other' } }) }]);
    expect((await other.chat(ask())).json().id).toBe('other');
  });

  it('settles what a denied answer has cost', async () => {
    const ends = new Ends();
    const { client, llm } = await open([{ onAnswer: () => ({ deny: 'No.' }) }, ends]);
    await errorOf(client.chat(ask()));
    expect(ends.all).toMatchObject([{ outcome: 'denied', attempts: 1, costUsd: expect.any(Number) as number }]);
    expect(ends.all[0].costUsd).toBeGreaterThan(0);
    expect(llm.router.status()[0]).toMatchObject({ inFlight: 0 });
    expect(llm.router.healthyCount('m')).toBe(1);
  });

  it('refuses streams, which have no whole answer, before anything is sent', async () => {
    const ends = new Ends();
    const { client, provider } = await open([{ onAnswer: () => undefined }, ends]);
    expect(await errorOf(client.chat({ ...ask(), stream: true }))).toMatchObject({ code: 'CALL_HOOK_FAILED', status: 503 });
    expect(provider.requests).toHaveLength(0);
    expect(ends.all).toMatchObject([{ outcome: 'failed', attempts: 0 }]);
  });
});

describe('a guard that fails', () => {
  const hang = () => new Promise<never>(() => {});
  const fail = () => {
    throw new Error('quotes the prompt: Hello');
  };
  const cyclic: Record<string, unknown> = {};
  cyclic.cyclic = cyclic;

  @CallHook({ failure: 'closed', timeoutMs: 50 })
  class Closed implements ModelCallHook {
    constructor(readonly onRequest: ModelCallHook['onRequest']) {}
  }

  @CallHook({ failure: 'open', timeoutMs: 50 })
  class Open extends Closed {}

  const faults: [string, () => unknown][] = [
    ['throws', fail],
    ['hangs', hang],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['returns a text', () => 'yes'],
    ['returns a list', () => []],
    ['returns an unknown verdict', () => ({ allow: true })],
    ['returns two verdicts', () => ({ deny: 'a', answer: 'b' })],
    ['denies with a number', () => ({ deny: 7 })],
    ['replaces the body by a text', () => ({ replace: 'x' })],
    ['takes the model away', () => ({ replace: { messages: [] } })],
    ['makes a stream of it', () => ({ replace: { ...ask(), stream: true } })],
    [
      'returns more messages than a body may have',
      () => ({ replace: { model: 'm', messages: Array.from({ length: 10_001 }, () => ask().messages[0]) } }),
    ],
    ['answers with events where no stream was asked for', () => ({ answer: [{}] })],
    ['answers with what is no JSON', () => ({ answer: cyclic })],
  ];

  it.each(faults)('refuses the call with 503 if it %s, and fails closed', async (_, onRequest) => {
    const [ends, lines] = [new Ends(), [] as string[]];
    const logger = { ...quiet, error: (line: string) => void lines.push(line) };
    const { client, provider } = await open([new Closed(onRequest as never), ends], logger);
    for (let i = 0; i < 3; i++) {
      expect(await errorOf(client.chat(ask()))).toMatchObject({
        code: 'CALL_HOOK_FAILED',
        hook: 'Closed',
        error: { message: 'The request could not be checked at the moment.', code: 'call_hook_failed' },
      });
    }
    expect(provider.requests).toHaveLength(0);
    expect(ends.all.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed']);
    expect(lines).toEqual([
      expect.stringMatching(/^Call hook: Closed\.onRequest failed \(.*\); calls that the hook cannot check are denied/),
    ]);
    expect(lines[0]).not.toContain('quotes the prompt');
    expect(client.metrics().find(({ name }) => name === 'llm_client_hook_failures_total')).toMatchObject({
      value: 3,
      labels: { hook: 'Closed' },
    });
    expect(client.callsInFlight).toBe(0);
  });

  it.each(faults)('lets the call go on as it is if it %s, and fails open', async (_, onRequest) => {
    const ends = new Ends();
    const { client, provider } = await open([new Open(onRequest as never), ends]);
    await client.chat(ask());
    expect(provider.requests).toHaveLength(1);
    expect(provider.requests[0].body).toMatchObject({ messages: ask().messages });
    expect(ends.all.map(({ outcome }) => outcome)).toEqual(['succeeded']);
  });

  it('is left at once by a client that leaves', async () => {
    @CallHook({ timeoutMs: 600_000 })
    class Patient implements ModelCallHook {
      readonly onRequest = hang;
    }
    const ends = new Ends();
    const { client } = await open([new Patient(), ends]);
    const leaving = new AbortController();
    const asked = errorOf(client.chat(ask(), { signal: leaving.signal }));
    setTimeout(() => leaving.abort(), 20);
    expect(await asked).toMatchObject({ code: 'REQUEST_CANCELLED' });
    expect(ends.all.map(({ outcome }) => outcome)).toEqual(['cancelled']);
  });

  it('refuses `execute`, whose request it cannot read', async () => {
    const { client } = await open([{ onRequest: () => undefined }]);
    const send = jest.fn(() => Promise.resolve({}));
    expect(await errorOf(client.execute('m', send))).toMatchObject({ code: 'CALL_HOOK_FAILED' });
    expect(send).not.toHaveBeenCalled();
  });
});

describe('hooks that observe', () => {
  it('change nothing by their errors, which are logged once', async () => {
    const lines: string[] = [];
    const ends = new Ends();
    const fail = () => {
      throw new TypeError('quotes the prompt: Hello');
    };
    const hook: ModelCallHook = { onAttempt: fail, onEnd: () => Promise.reject(new RangeError('no')) };
    const { client } = await open([hook, ends], { ...quiet, error: (line: string) => void lines.push(line) });
    client.observe({ started: fail });
    client.observe({ started: () => ({ attempt: () => ({ run: fail, firstChunk: fail, ended: fail }), ended: fail }) });
    await client.chat(ask());
    await client.chat(ask());
    await new Promise(setImmediate);
    expect(ends.all.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
    expect(lines.map((line) => line.replace(/ at .*\)/, ')').replace(/;.*/, ''))).toEqual([
      'Call observer: an observer threw (TypeError)',
      'Call hook: Object.onAttempt failed (TypeError)',
      'Call observer: an observer threw (TypeError)',
      'Call hook: Object.onEnd failed (RangeError)',
    ]);
  });

  it('see calls by `execute` and `stream`', async () => {
    const ends = new Ends();
    const { client } = await open([ends]);
    await client.execute('m', () => Promise.resolve({ usage: { prompt_tokens: 3, completion_tokens: 4 } }));
    await errorOf(client.execute('m', () => Promise.reject(new TypeError('no'))));
    expect(ends.all).toMatchObject([{ outcome: 'succeeded', inputTokens: 3, outputTokens: 4 }, { outcome: 'failed' }]);
  });
});

it('tells hooks who sends the request of a call', async () => {
  const seen: unknown[] = [];
  const { client } = await open([{ onEnd: ({ principal, request }) => void seen.push(principal?.keyId, request) }]);
  const request = {};
  setPrincipal(request, { limitKey: 'key:k', keyId: 'k', tags: [], metadata: {}, isAdmin: false, mayCall: () => true });
  await client.chat(ask(), { request });
  await client.chat(ask());
  expect(seen).toEqual(['k', request, undefined, undefined]);
});

describe('a hook that calls models itself', () => {
  it('is not asked about its own calls, others are', async () => {
    const asked: string[] = [];
    const judge = (name: string): ModelCallHook => ({
      async onRequest({ body }) {
        asked.push(`${name}: ${String((body.messages as { content: unknown }[])[0].content)}`);
        await client.chat(ask(`judge ${name}`));
      },
    });
    const { client, provider } = await open([judge('a'), judge('b')]);
    await client.chat(ask());
    expect(asked).toEqual(['a: Hello', 'b: judge a', 'b: Hello', 'a: judge b']);
    // Each guard's own call, guarded by the other one, whose call no guard is left for.
    expect(provider.requests).toHaveLength(5);
  });

  it('is not asked about its own calls after the hooks of another call have ended', async () => {
    const asked: string[] = [];
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const { client } = await open([
      {
        async onRequest({ body }) {
          const text = String((body.messages as { content: unknown }[])[0].content);
          asked.push(text);
          if (text !== 'Hello') return;
          await gate;
          await client.chat(ask('its own'));
        },
      },
      { onEnd: () => {} },
    ]);
    const waiting = client.chat(ask('Hello'));
    await client.chat(ask('another'));
    goOn();
    await waiting;
    expect(asked).toEqual(['Hello', 'another']);
  });

  it('is not asked about the calls that a method without a promise makes, others are', async () => {
    const ended: string[] = [];
    let own: Promise<unknown> = Promise.resolve();
    const observer = (name: string, calls: boolean): ModelCallHook => ({
      onEnd({ body }) {
        const text = String((body.messages as { content: unknown }[])[0].content);
        ended.push(`${name}: ${text}`);
        if (calls && text === 'Hello') own = client.chat(ask('its own'));
      },
    });
    const { client } = await open([observer('a', true), observer('b', false)]);
    for (let i = 0; i < 3; i++) {
      await client.chat(ask());
      await own;
      expect(ended.splice(0)).toEqual(['a: Hello', 'b: Hello', 'b: its own']);
    }
  });

  it('may return a promise after calls without one, whose failure is counted', async () => {
    let calls = 0;
    const { client } = await open([
      {
        onEnd: () => {
          if (++calls === 3) throw new Error('thrown');
          return calls > 3 ? Promise.reject(new Error('rejected')) : undefined;
        },
      },
    ]);
    for (let i = 0; i < 5; i++) await client.chat(ask());
    await Promise.resolve();
    const failures = client.metrics().find(({ name }) => name === 'llm_client_hook_failures_total');
    expect([calls, failures?.value]).toEqual([5, 3]);
  });

  it('is asked about calls that it makes when its turn is over', async () => {
    let asked = 0;
    let later: Promise<unknown> = Promise.resolve();
    const { client } = await open([
      {
        onRequest() {
          if (++asked > 1) return;
          later = new Promise((resolve) => setTimeout(() => resolve(client.chat(ask())), 20));
        },
      },
    ]);
    await client.chat(ask());
    await later;
    expect(asked).toBe(2);
  });
});
