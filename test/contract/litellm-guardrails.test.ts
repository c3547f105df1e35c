import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import type { GuardrailEntry } from 'nestjs-fast-litellm';
import { GatewayApp, type RawAnswer } from '../support/gateway-app.js';
import { scripted, stopProviders } from '../support/llm-client-providers.js';
import { until } from '../support/until.js';
import { tableAfter } from '../project/readme-document.js';
import { GUARDRAIL_DIFFERENCES, INVALID_ENTRY, type GuardrailDifference } from './litellm-guardrails-differences.js';

// Compares what a gateway does with what LiteLLM's proxy did when guardrails checked the same calls
// (fixtures/litellm/guardrail_contract.py, which also says how to record them).

type Fields = Readonly<Record<string, unknown>>;

/** What happened in a call. */
interface Outcome {
  readonly status: number;
  readonly error?: Fields;
  /** What the provider got; absent if it was not asked. */
  readonly sent?: string;
  readonly received: string;
  readonly receivedTools?: readonly string[];
  readonly applied: string;
}

interface Case extends Outcome {
  readonly name: string;
  readonly guardrails?: readonly string[];
  readonly prompt: string;
  readonly reply?: string;
  readonly tools?: readonly string[];
  readonly called?: string;
  readonly stream?: boolean;
  /** Default: that of chat completions. */
  readonly path?: string;
}

/** Where an outcome of ours differs. */
interface Found {
  readonly name: string;
  readonly field: string;
  readonly text: string;
}

const contract = JSON.parse(readFileSync(join(__dirname, '../fixtures/litellm/guardrail-contract.json'), 'utf8')) as {
  readonly entries: Readonly<Record<string, Fields>>;
  readonly invalid: Readonly<Record<string, Fields>>;
  readonly cases: readonly Case[];
};
const HELLO = 'Hello there.';

/** What the provider answers next, and what it was asked. */
const script: { reply: string; called: string | undefined; sent: string | undefined } = {
  reply: HELLO,
  called: undefined,
  sent: undefined,
};

type Places = readonly { readonly start: number; readonly end: number; readonly entity_type: string }[];

/** What a service answers, by its path. */
const SERVICES: Readonly<Record<string, (asked: Record<string, never>) => unknown>> = {
  '/presidio/analyze': ({ text }: { text: string }) =>
    [
      ['PERSON', 'Jane Doe'],
      ['EMAIL_ADDRESS', 'jane@example.org'],
    ].flatMap(([kind, found]) => {
      const start = text.indexOf(found);
      return start < 0 ? [] : [{ entity_type: kind, start, end: start + found.length, score: 0.95 }];
    }),
  '/presidio/anonymize': ({ text, analyzer_results: places }: { text: string; analyzer_results: Places }) => {
    const replaced = [...places]
      .sort((a, b) => b.start - a.start)
      .reduce((all, { start, end, entity_type: kind }) => `${all.slice(0, start)}<${kind}>${all.slice(end)}`, text);
    return { text: replaced, items: [] };
  },
  '/v1/moderations': ({ input }: { input: string | readonly string[] }) => ({
    id: 'modr-1',
    model: 'omni-moderation-latest',
    results: [input].flat().map((each) => {
      const hate = each.includes('hateful');
      return { flagged: hate, categories: { hate, violence: false }, category_scores: { hate: hate ? 0.9 : 0.1, violence: 0.1 } };
    }),
  }),
  '/lakera/v2/guard': ({ messages }: { messages: readonly { readonly content: string }[] }) => {
    const payload = messages.flatMap(({ content }, at) => {
      const start = content.indexOf('jane@example.org');
      return start < 0
        ? []
        : [{ start, end: start + 16, text: 'jane@example.org', detector_type: 'pii/email', labels: [], message_id: at }];
    });
    const isAttack = messages.some(({ content }) => content.includes('jailbreak'));
    const breakdown = [
      { detector_type: 'prompt_attack', detected: isAttack },
      { detector_type: 'pii/email', detected: payload.length > 0 },
    ];
    return { flagged: isAttack || payload.length > 0, payload, breakdown };
  },
  '/generic/beta/litellm_basic_guardrail_api': ({ texts }: { texts: readonly string[] }) => {
    if (texts.some((each) => each.includes('forbidden'))) return { action: 'BLOCKED', blocked_reason: 'The topic is not allowed.' };
    if (texts.some((each) => each.includes('secret')))
      return { action: 'GUARDRAIL_INTERVENED', texts: texts.map((each) => each.replaceAll('secret', '******')) };
    return { action: 'NONE' };
  },
} as never;

/** A service of `during_call` answers once the provider was asked: which is first is left to chance. */
let answersAfterProvider = false;

function serve(request: IncomingMessage, response: ServerResponse): void {
  void textOf(request).then(async (body) => {
    const asked = JSON.parse(body) as Fields;
    const path = request.url!;
    if (path === '/v1/chat/completions') return chat(asked, response);
    if (answersAfterProvider) await until(() => script.sent !== undefined);
    const answer = path.startsWith('/error/')
      ? { error: { message: 'The service is overloaded.', code: 'overloaded' } }
      : SERVICES[path](asked as never);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
}

function chat({ messages, stream }: Fields, response: ServerResponse): void {
  const { content } = (messages as readonly { readonly role: string; readonly content: unknown }[]).findLast(
    ({ role }) => role === 'user',
  )!;
  script.sent = typeof content === 'string' ? content : (content as { text: string }[]).map(({ text }) => text).join('');
  const { reply, called } = script;
  const calls =
    called === undefined ? [] : [{ index: 0, id: 'call_1', type: 'function', function: { name: called, arguments: '{"path":"a"}' } }];
  const head = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'gpt-4o' };
  const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 };
  const reason = called === undefined ? 'stop' : 'tool_calls';
  if (stream !== true) {
    const message = called === undefined ? { role: 'assistant', content: reply } : { role: 'assistant', content: null, tool_calls: calls };
    const choices = [{ index: 0, finish_reason: reason, message }];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }));
    return;
  }
  const texts = (reply.match(/.{1,4}/gs) ?? []).map((text) => ({ content: text }));
  const deltas = [{ role: 'assistant', content: '' }, ...(called === undefined ? texts : [{ tool_calls: calls }])];
  const events: Fields[] = [
    ...deltas.map((delta) => ({ choices: [{ index: 0, delta, finish_reason: null }] })),
    { choices: [{ index: 0, delta: {}, finish_reason: reason }] },
    { choices: [], usage },
  ];
  response.setHeader('content-type', 'text/event-stream');
  for (const event of events) response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...event })}\n\n`);
  response.end('data: [DONE]\n\n');
}

interface ReadPart {
  readonly content?: string | null;
  readonly tool_calls?: readonly { readonly function: { readonly name?: string } }[];
}

interface TextPart {
  readonly text?: string;
}

/** An event or an answer of Messages or Responses. */
interface TypedAnswer {
  readonly type?: string;
  readonly delta?: string | TextPart;
  readonly content?: readonly TextPart[];
  readonly output?: readonly { readonly content?: readonly TextPart[] }[];
}

function textsOf({ type, delta, content, output }: TypedAnswer): string {
  if (type === 'content_block_delta') return (delta as TextPart).text ?? '';
  if (type === 'response.output_text.delta') return delta as string;
  const parts = type === 'message' ? content : output?.flatMap((item) => item.content ?? []);
  return (parts ?? []).map(({ text }) => text ?? '').join('');
}

/** An answer as the recorder writes LiteLLM's. */
function outcomeOf({ status, headers, text }: RawAnswer, applied: string): Outcome {
  const isStream = String(headers['content-type']).startsWith('text/event-stream');
  const lines = isStream ? text.split('\n').flatMap((line) => (line.startsWith('data: {') ? [line.slice(6)] : [])) : [text];
  let error: Fields | undefined;
  let received = '';
  const receivedTools: string[] = [];
  for (const line of lines) {
    const event = JSON.parse(line) as TypedAnswer & {
      readonly error?: Fields;
      readonly choices?: readonly { readonly delta?: ReadPart; readonly message?: ReadPart }[];
      readonly response?: TypedAnswer & { readonly error?: Fields };
    };
    error = event.error ?? error;
    if (event.type === 'response.failed') error = event.response?.error ?? error;
    received += textsOf(event);
    const whole = event.type === 'response.completed' ? textsOf(event.response!) : '';
    if (!received.includes(whole)) received += ` + ${whole}`;
    for (const { delta, message } of event.choices ?? []) {
      const { content, tool_calls: calls } = delta ?? message ?? {};
      received += content ?? '';
      receivedTools.push(...(calls ?? []).flatMap(({ function: { name } }) => name ?? []));
    }
  }
  return {
    status,
    ...(error !== undefined && { error }),
    ...(script.sent !== undefined && { sent: script.sent }),
    received,
    ...(receivedTools.length > 0 && { receivedTools }),
    applied,
  };
}

const VALUES: readonly (readonly [string, (outcome: Outcome) => unknown])[] = [
  ['status', ({ status }) => status],
  ['message', ({ error }) => error?.message],
  ['type', ({ error }) => error?.type],
  ['code', ({ error }) => error?.code ?? undefined],
  ['sent', ({ sent }) => sent],
  ['received', ({ received }) => received],
  ['tools', ({ receivedTools }) => receivedTools?.join()],
  ['applied', ({ applied }) => applied],
];

/** Fields that differ, with both values. */
function differencesOf(name: string, theirs: Outcome, ours: Outcome): readonly Found[] {
  return VALUES.flatMap(([field, value]) => {
    const [their, own] = [value(theirs), value(ours)];
    return their === own ? [] : [{ name, field, text: `${String(their)} / ${String(own)}` }];
  });
}

const expressions = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
  let expression = expressions.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's');
    expressions.set(pattern, expression);
  }
  return expression.test(text);
}

/** The patterns of a difference that apply to what was found. */
function applying({ cases, values }: GuardrailDifference, { name, field, text }: Found): readonly string[] {
  const ofCase = cases.filter((pattern) => matches(pattern, name));
  const expected = values[field];
  return ofCase.length > 0 && expected !== undefined && matches(expected, text) ? [...ofCase, field] : [];
}

describe('calls that guardrails check', () => {
  const found: Found[] = [];
  let gateway: GatewayApp;
  let services: string;
  let closed: string;

  const filled = <T>(value: T): T =>
    JSON.parse(
      JSON.stringify(value).replaceAll('$services', services).replaceAll('$error', `${services}/error`).replaceAll('$closed', closed),
    ) as T;
  const entryOf = ([name, params]: readonly [string, Fields]): GuardrailEntry =>
    ({ guardrail_name: name, litellm_params: filled(params) }) as unknown as GuardrailEntry;

  const start = (guardrails: readonly GuardrailEntry[]): Promise<GatewayApp> => {
    const modelList = [
      ['m', 'openai/gpt-4o'],
      ['/v1/messages', 'hosted_vllm/gpt-4o'],
      ['/v1/responses', 'deepseek/deepseek-chat'],
    ].map(([group, model]) => ({
      model_name: group,
      litellm_params: { model, api_base: `${services}/v1`, api_key: 'sk-provider' },
    }));
    return GatewayApp.start('Fastify', { rateLimit: { default: false } }, { module: { router: { modelList, numRetries: 0 }, guardrails } });
  };

  const tool = (name: string): Fields => {
    const parameters = { type: 'object', properties: { path: { type: 'string' } } };
    return { type: 'function', function: { name, parameters } };
  };

  async function ask({ guardrails, prompt, reply = HELLO, tools, called, stream, path }: Case): Promise<Outcome> {
    Object.assign(script, { reply, called, sent: undefined });
    answersAfterProvider = guardrails?.some((name) => contract.entries[name]?.mode === 'during_call') === true;
    const messages = [{ role: 'user', content: prompt }];
    const answer = await gateway.post(path ?? '/v1/chat/completions', {
      model: path ?? 'm',
      ...(path === '/v1/responses' ? { input: messages } : { messages }),
      ...(path === '/v1/messages' && { max_tokens: 99 }),
      ...(guardrails !== undefined && { guardrails }),
      ...(tools !== undefined && { tools: tools.map(tool) }),
      ...(stream !== undefined && { stream }),
    });
    return outcomeOf(answer, String(answer.headers['x-litellm-applied-guardrails'] ?? ''));
  }

  beforeAll(async () => {
    services = (await scripted(serve)).replace(/\/v1$/, '');
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    closed = `http://127.0.0.1:${(free.address() as AddressInfo).port}`;
    await new Promise((resolve) => free.close(resolve));
    gateway = await start(Object.entries(contract.entries).map(entryOf));
    for (const each of contract.cases) found.push(...differencesOf(each.name, each, await ask(each)));
  }, 60_000);

  afterAll(async () => {
    await gateway?.stop();
    await stopProviders();
  });

  it('have the outcome that they have in LiteLLM, except for the differences of the table', () => {
    const unexpected = found.filter((each) => GUARDRAIL_DIFFERENCES.every((difference) => applying(difference, each).length === 0));
    expect(unexpected.map(({ name, field, text }) => `${name}: ${field}: ${text}`)).toEqual([]);
  });

  it('differ in all that the table names', () => {
    const unused = GUARDRAIL_DIFFERENCES.flatMap((difference) => {
      const used = new Set(found.flatMap((each) => applying(difference, each)));
      const named = [...difference.cases, ...Object.keys(difference.values)];
      return named.filter((pattern) => !used.has(pattern)).map((pattern) => `${difference.here}: ${pattern}`);
    });
    expect(unused).toEqual([]);
  });

  it.each(Object.keys(contract.invalid))('are not made with the invalid entry %s, which stops the start', async (name) => {
    await expect(start([entryOf([name, contract.invalid[name]])])).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' });
  });
});

// To write it: `UPDATE_DOCS=1 npx jest test/contract/litellm-guardrails`, then prettier.
it('docs/guardrails.md has the table of differences', () => {
  const path = join(__dirname, '../../docs/guardrails.md');
  const marker = '<!-- litellm:guardrails -->';
  const document = readFileSync(path, 'utf8');
  const rows = [INVALID_ENTRY, ...GUARDRAIL_DIFFERENCES].map(({ where, litellm, here, reason }) => [where, litellm, here, reason]);
  if (process.env.UPDATE_DOCS === '1') {
    const [before, after] = document.split(`${marker}\n`);
    const table = [['where', 'LiteLLM', 'here', 'reason'], ['-', '-', '-', '-'], ...rows].map((cells) => `| ${cells.join(' | ')} |\n`);
    writeFileSync(path, `${before}${marker}\n\n${table.join('')}${after.replace(/^\n*(?:\|.*\n)*/, '')}`);
  } else expect(tableAfter(document, marker)).toEqual(rows);
});
