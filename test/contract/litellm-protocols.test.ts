import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { ProviderError, type LlmAnswer, type LlmClient, type LlmStream, type ModelListEntry, type ModelRequest } from 'nestjs-fast-litellm';
import { clientOf, closeClients } from '../support/llm-client-setup.js';
import { scripted, stopProviders } from '../support/llm-client-providers.js';
import { bodyFacts, differences, factsOf, withCountedIds, type Fields } from './litellm-protocols-facts.js';
import { WANTED, type Wanted } from './litellm-protocols-differences.js';

// Replays what LiteLLM made of requests and answers for fixtures/litellm/protocols
// (protocols.py): the same request must reach the provider, and the same answer the client.

/** Tokens of Vertex AI. */
jest.mock('google-auth-library', () => ({
  GoogleAuth: class {
    getClient = async (): Promise<object> => ({ credentials: {}, getAccessToken: async () => ({ token: 'token-of-google' }) });
  },
}));

type Operation = 'chat' | 'messages' | 'responses';

interface Case {
  readonly request: string;
  readonly answer: string | { readonly error: number | string };
  readonly stream?: true;
  readonly model?: string;
  readonly sent: { readonly path: string; readonly headers: Fields; readonly body: Fields } | null;
  /** The index of the result. */
  readonly litellm: number;
}

/** What LiteLLM made of an answer. */
interface Result {
  readonly answer?: Fields;
  readonly chunks?: readonly Fields[];
  readonly error?: { readonly class: string; readonly status: number | null };
}

interface Fixture {
  readonly operation: Operation;
  readonly params: { readonly model: string };
  readonly base: string;
  readonly baseKey: string;
  readonly streamType: string;
  readonly answers: Readonly<Record<string, { readonly whole?: Fields; readonly stream?: readonly string[] }>>;
  readonly errors: Readonly<Record<string, readonly [number, Fields]>>;
  readonly results: readonly Result[];
  readonly cases: readonly Case[];
}

/** What our client did: the same parts as LiteLLM's. */
interface Played {
  readonly sent?: { readonly path: string; readonly headers: Fields; readonly body: Fields };
  readonly answer?: Fields;
  readonly error?: { readonly kind: string; readonly status: number };
}

const folder = join(__dirname, '../fixtures/litellm/protocols');
const read = <T>(name: string): T => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as T;
const requests = read<Readonly<Record<Operation, Readonly<Record<string, Fields>>>>>('requests');

const PROTOCOLS = [
  'openai',
  'azure',
  'anthropic',
  'gemini',
  'vertex',
  'bedrock-claude',
  'bedrock-nova',
  'messages',
  'messages-anthropic',
  'responses',
  'responses-anthropic',
];
const used = new Set<Wanted>();

/** LiteLLM's exceptions by our kinds of failures. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^(?:Authentication|PermissionDenied)Error$/, 'authentication'],
  [/^(?:RateLimitError)$/, 'rate_limit'],
  [/^ContextWindowExceededError$/, 'context_window'],
  [/^ContentPolicyViolationError$/, 'content_policy'],
  [/^(?:BadRequest|UnsupportedParams|UnprocessableEntity)Error$/, 'bad_request'],
  [/^NotFoundError$/, 'not_found'],
  [/^Timeout$/, 'timeout'],
  [/./, 'server'],
];

/** A provider that plays the answer of a case, and a client of it. */
class Replay {
  private received: Played['sent'] = undefined;
  private playing: Case | undefined = undefined;
  private pieceSize = Infinity;
  private client: LlmClient | undefined = undefined;

  constructor(private readonly fixture: Fixture) {}

  async open(): Promise<void> {
    const { fixture } = this;
    const origin = new URL(await scripted((request, response) => this.answer(request, response))).origin;
    // Only credentials of the deployment itself go to an address that is not Google's.
    const credentials = fixture.params.model.startsWith('vertex_ai/') && { vertex_credentials: { type: 'service_account' } };
    const models = new Set([fixture.params.model, ...fixture.cases.flatMap(({ model }) => model ?? [])]);
    const modelList = [...models].map((model): ModelListEntry => {
      const base = origin + fixture.base.replace('{model}', model.slice(model.indexOf('/') + 1));
      return { model_name: model, litellm_params: { ...fixture.params, ...credentials, model, [fixture.baseKey]: base } };
    });
    this.client = clientOf({ modelList, routerSettings: { num_retries: 0, disable_cooldowns: true } }).client;
  }

  /** @param pieceSize of a stream, in bytes */
  async play(played: Case, pieceSize = Infinity): Promise<Played> {
    const { operation, params } = this.fixture;
    this.playing = played;
    this.pieceSize = pieceSize;
    this.received = undefined;
    const stream = played.stream && { stream: true, ...(operation === 'chat' && { stream_options: { include_usage: true } }) };
    const body = { ...requests[operation][played.request], ...stream, model: played.model ?? params.model } as ModelRequest;
    try {
      const answer = await this.call(operation, body);
      return { sent: this.received, answer: factsOf(operation, await contentOf(answer, played), played.stream === true) };
    } catch (error) {
      if (error instanceof ProviderError)
        return { sent: this.received, error: { kind: error.kind, status: error.providerStatus ?? error.getStatus() } };
      const status = (error as { getStatus?: () => number }).getStatus?.() ?? ((error as Error).name === 'InvalidArgumentError' ? 400 : 0);
      if (status === 0) throw error;
      return { sent: this.received, error: { kind: 'bad_request', status } };
    }
  }

  private call(operation: Operation, body: ModelRequest): Promise<LlmAnswer<unknown> | LlmStream<unknown>> {
    const client = this.client as LlmClient;
    if (operation === 'chat') return client.chat(body);
    return operation === 'messages' ? client.messages(body) : client.responses(body);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.on('data', (data) => (body += String(data)));
    request.on('end', () => {
      this.received = { path: request.url ?? '', headers: headerFacts(request), body: bodyFacts(JSON.parse(body) as Fields) };
      this.write(response, this.playing as Case);
    });
  }

  private write(response: ServerResponse, { answer, stream }: Case): void {
    const { answers, errors, streamType } = this.fixture;
    if (typeof answer === 'object') {
      const [status, body] = errors[answer.error];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      return;
    }
    const isBinary = streamType !== 'text/event-stream';
    const parts = answers[answer];
    response.setHeader('content-type', stream ? streamType : 'application/json');
    if (!stream) response.end(JSON.stringify(parts.whole));
    else
      void inPieces(
        response,
        Buffer.concat((parts.stream ?? []).map((part) => Buffer.from(part, isBinary ? 'base64' : 'utf8'))),
        this.pieceSize,
      );
  }
}

/** Each piece is a chunk of its own, written when the one before it is. */
async function inPieces(response: ServerResponse, bytes: Buffer, size: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += size) {
    await new Promise((written) => response.write(bytes.subarray(at, Math.min(at + size, bytes.length)), written));
  }
  response.end();
}

/** Headers that decide, without their secrets, as protocols.py records them. */
function headerFacts({ headers }: IncomingMessage): Fields {
  const kept = ['anthropic-version', 'anthropic-beta'].map((name) => [name, headers[name]]);
  const secret = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'].map((name) => [
    name,
    masked(headers[name] as string | undefined),
  ]);
  return Object.fromEntries([...kept, ...secret]) as Fields;
}

function masked(value: string | undefined): string | undefined {
  const space = value?.indexOf(' ') ?? -1;
  return value === undefined ? undefined : `${value.slice(0, space + 1)}***`;
}

async function contentOf(answer: LlmAnswer<unknown> | LlmStream<unknown>, { stream }: Case): Promise<unknown> {
  if (stream !== true) return (answer as LlmAnswer).json();
  const events: unknown[] = [];
  for await (const event of answer as LlmStream) events.push(event);
  return events;
}

function expected({ operation, results }: Fixture, { sent, litellm, stream }: Case): Played {
  const { answer, chunks, error } = results[litellm];
  const request = sent === null ? undefined : { path: sent.path, headers: sent.headers, body: bodyFacts(sent.body) };
  // Messages state an error of the stream by an event.
  if (chunks?.some(({ type }) => type === 'error')) return { sent: request, error: { kind: 'server', status: 500 } };
  if (error === undefined) return { sent: request, answer: factsOf(operation, stream ? chunks : answer, stream === true) };
  return { sent: request, error: { kind: kindOf(error), status: error.status ?? 0 } };
}

/** Answers that are recorded whole and as a stream, for one request. */
function answersOfBoth({ cases, answers }: Fixture): [answer: string, whole: Case, stream: Case][] {
  return Object.entries(answers).flatMap(([answer, { whole, stream }]): [string, Case, Case][] => {
    const streamed = cases.find((each) => each.answer === answer && each.stream === true);
    if (whole === undefined || stream === undefined || streamed === undefined) return [];
    return [[answer, { ...streamed, stream: undefined }, streamed]];
  });
}

function kindOf({ class: name, status }: { readonly class: string; readonly status: number | null }): string {
  if (name === 'MidStreamFallbackError' && status === 429) return 'rate_limit';
  return KINDS.find(([known]) => known.test(name))?.[1] ?? '';
}

/** @returns those that are not wanted */
function unwanted(protocol: string, request: string, found: readonly string[]): readonly string[] {
  return found.filter((difference) => {
    const wanted = WANTED.find(
      ({ protocol: of, request: asked, difference: known }) =>
        of.test(protocol) && (asked?.test(request) ?? true) && known.test(difference),
    );
    if (wanted !== undefined) used.add(wanted);
    return wanted === undefined;
  });
}

function nameOf({ request, answer, stream, model }: Case): string {
  const played = typeof answer === 'string' ? answer : `error ${answer.error}`;
  return `${request} → ${played}${stream ? ', streamed' : ''}${model === undefined ? '' : `, ${model}`}`;
}

describe.each(PROTOCOLS)('the protocol %s as LiteLLM speaks it', (protocol) => {
  const fixture = read<Fixture>(protocol);
  const replay = new Replay(fixture);

  beforeAll(() => replay.open());

  it.each(answersOfBoth(fixture))('joins the stream of "%s" to the whole answer, wherever its bytes are cut', async (_, whole, stream) => {
    const { answer, error } = await replay.play(whole);
    const expected = withCountedIds({ answer, error });
    for (const pieceSize of [Infinity, 7]) {
      const streamed = await replay.play(stream, pieceSize);
      expect(withCountedIds({ answer: streamed.answer, error: streamed.error })).toEqual(expected);
    }
  });

  it.each(fixture.cases.map((each) => [nameOf(each), each] as const))('%s', async (name, each) => {
    const found = differences(withCountedIds(expected(fixture, each)), withCountedIds(await replay.play(each)));
    expect(unwanted(protocol, name, found)).toEqual([]);
  });
});

describe('the differences that are wanted', () => {
  it.each(WANTED.map((wanted) => [wanted.why, wanted] as const))('occur: %s', (_, wanted) => {
    expect(used.has(wanted)).toBe(true);
  });
});

afterAll(async () => {
  await closeClients();
  await stopProviders();
});
