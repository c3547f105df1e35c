import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtInGuardrail, judgeLater, rewritten } from '../../../test/support/built-in-guardrail.js';
import { GuardrailUnreachableError, type Guardrail } from '../guardrail.js';
import { openGuardrailHttp, type GuardrailHttp } from '../guardrail-http.js';

interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
}

/** The services of all types, in one server. */
let server: Server;
let base: string;
let asked: Asked[];
let answer: (asked: Asked, response: ServerResponse) => unknown;
let http: GuardrailHttp;
let warnings: string[];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const got = { path: request.url!, headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) as Asked['body'] };
      asked.push(got);
      const value = answer(got, response);
      if (value !== undefined) response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  warnings = [];
  http = openGuardrailHttp({ log() {}, warn: (line) => warnings.push(line), error() {} });
});

const KINDS = {
  presidio: () => ({ presidio_analyzer_api_base: base }),
  openai_moderation: () => ({ api_base: base, api_key: 'sk-test' }),
  lakera_v2: () => ({ api_base: base, api_key: 'lk-test' }),
  generic_guardrail_api: () => ({ api_base: base }),
};
type Kind = keyof typeof KINDS;
const ALL = Object.keys(KINDS) as Kind[];

function guardrail(kind: Kind, more: object = {}, parts: { numRetries?: number; modes?: ['during_call'] } = {}): Guardrail {
  return builtInGuardrail(kind, { ...KINDS[kind](), ...more }, { http, ...parts });
}

/** Entities of a text as the analyzer reports them: in code points. */
function entitiesIn(text: string, entities: Readonly<Record<string, RegExp>>, score = 0.9): object[] {
  const found = Object.entries(entities).flatMap(([kind, pattern]) =>
    [...text.matchAll(pattern)].map((match) => {
      const start = [...text.slice(0, match.index)].length;
      return { entity_type: kind, start, end: start + [...match[0]].length, score };
    }),
  );
  return found;
}

async function texts(of: Guardrail, given: readonly string[], input: object = {}): Promise<readonly string[] | undefined> {
  return rewritten(await judgeLater(of, given, input), given);
}

describe.each(ALL)('%s fails', (kind) => {
  const fails = async (): Promise<unknown> => judgeLater(guardrail(kind), ['a text']);

  test.each([502, 503, 504])('as unreachable with status %d', async (status) => {
    answer = (_, response) => void response.writeHead(status).end('{}');
    await expect(fails()).rejects.toThrow(GuardrailUnreachableError);
  });

  test('as unreachable if the connection breaks', async () => {
    answer = (_, response) => void response.destroy();
    await expect(fails()).rejects.toThrow(GuardrailUnreachableError);
  });

  test('as unreachable if the answer is cut off', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"flagged":');
      setImmediate(() => response.destroy());
    };
    await expect(fails()).rejects.toThrow(GuardrailUnreachableError);
  });

  test('as unreachable if it takes too long', async () => {
    answer = () => undefined;
    await expect(fails()).rejects.toThrow('no answer within 1000 ms');
  });

  test.each([
    ['status 500', (response: ServerResponse) => response.writeHead(500).end('{}')],
    ['a redirect', (response: ServerResponse) => response.writeHead(302, { location: base }).end()],
    ['no JSON', (response: ServerResponse) => response.end('<html>')],
    ['an error with status 200', (response: ServerResponse) => response.end('{"error":{"message":"quota"}}')],
    ['an empty object', (response: ServerResponse) => response.end('{}')],
    ['an answer that is too large', (response: ServerResponse) => response.writeHead(200, { 'content-length': 2 ** 30 }).end()],
  ])('with %s', async (_, write) => {
    answer = (_request, response) => void write(response);
    const failure = fails();
    await expect(failure).rejects.toThrow();
    await expect(failure).rejects.not.toThrow(GuardrailUnreachableError);
  });
});

describe('the client', () => {
  test('repeats requests to a service that cannot be reached', async () => {
    answer = (_, response) => (asked.length < 3 ? void response.writeHead(503).end() : { action: 'NONE' });
    expect(await judgeLater(guardrail('generic_guardrail_api', {}, { numRetries: 2 }), ['a'])).toBeUndefined();
    expect(asked).toHaveLength(3);
  });

  test('does not repeat what the service rejects', async () => {
    answer = (_, response) => void response.writeHead(400).end('{}');
    await expect(judgeLater(guardrail('generic_guardrail_api', {}, { numRetries: 2 }), ['a'])).rejects.toThrow('status 400');
    expect(asked).toHaveLength(1);
  });

  test('pauses after five failures in a row, and counts', async () => {
    answer = (_, response) => void response.writeHead(503).end();
    const one = guardrail('generic_guardrail_api');
    for (let call = 0; call < 7; call++) await expect(judgeLater(one, ['a'])).rejects.toThrow(GuardrailUnreachableError);
    expect(asked).toHaveLength(5);
    expect(warnings).toEqual([`Guardrails: ${base} cannot be reached; asking again in 5 s`]);
    expect(http.metrics?.().map(({ value, labels }) => [labels?.outcome, value])).toEqual([
      ['unreachable', 5],
      ['paused', 2],
    ]);
  });
});

describe('presidio', () => {
  const ENTITIES = { PERSON: /Ann|Bob/g, EMAIL_ADDRESS: /\S+@\S+/g };
  beforeEach(() => {
    answer = ({ path, body }) => {
      const text = String(body.text);
      if (path === '/analyze') return entitiesIn(text, ENTITIES);
      const results = body.analyzer_results as { entity_type: string; start: number; end: number }[];
      const points = [...text];
      for (const { entity_type: type, start, end } of [...results].reverse()) points.splice(start, end - start, `{${type}}`);
      return { text: points.join(''), items: [] };
    };
  });

  test('replaces entities by their type', async () => {
    expect(await texts(guardrail('presidio'), ['😀 Ann and Bob', 'no one', '…'])).toEqual(['😀 <PERSON> and <PERSON>', 'no one', '…']);
    expect(asked.map(({ body }) => body)).toEqual([
      { text: '😀 Ann and Bob', language: 'en' },
      { text: 'no one', language: 'en' },
    ]);
  });

  test('lets the anonymizer replace them', async () => {
    const of = guardrail('presidio', { presidio_anonymizer_api_base: `${base}/` });
    expect(await texts(of, ['😀 Ann'])).toEqual(['😀 {PERSON}']);
    expect(asked[1]).toMatchObject({
      path: '/anonymize',
      body: { text: '😀 Ann', analyzer_results: [{ entity_type: 'PERSON', start: 2, end: 5 }] },
    });
  });

  test('denies entities to block, by their type only', async () => {
    const of = guardrail('presidio', { pii_entities_config: { PERSON: 'MASK', EMAIL_ADDRESS: 'BLOCK' } });
    const verdict = await judgeLater(of, ['Ann', 'Bob: b@x.org']);
    expect(verdict).toEqual({
      block: {
        message: 'Blocked entity detected: EMAIL_ADDRESS by Guardrail: local. This entity is not allowed to be used in this request.',
        details: { entity_type: 'EMAIL_ADDRESS' },
      },
      findings: [{ kind: 'EMAIL_ADDRESS', path: 'messages.1.content', action: 'blocked', count: 1 }],
    });
    expect(asked[0].body.entities).toEqual(['PERSON', 'EMAIL_ADDRESS']);
  });

  test('leaves low scores and denied types', async () => {
    expect(await texts(guardrail('presidio', { presidio_score_thresholds: { PERSON: 0.95 } }), ['Ann a@b'])).toEqual([
      'Ann <EMAIL_ADDRESS>',
    ]);
    expect(await texts(guardrail('presidio', { presidio_score_thresholds: { ALL: 0.95, PERSON: 0.1 } }), ['Ann a@b'])).toEqual([
      '<PERSON> a@b',
    ]);
    expect(await texts(guardrail('presidio', { presidio_entities_deny_list: ['PERSON'] }), ['Ann a@b'])).toEqual(['Ann <EMAIL_ADDRESS>']);
  });

  test('masks all of entities that overlap', async () => {
    answer = () => [
      { entity_type: 'URL', start: 4, end: 9, score: 0.5 },
      { entity_type: 'EMAIL', start: 0, end: 6, score: 0.9 },
    ];
    expect(await texts(guardrail('presidio'), ['a@b.org/x y'])).toEqual(['<EMAIL><URL> y']);
  });

  test('gives answers their text back', async () => {
    const of = guardrail('presidio', { output_parse_pii: true });
    const state = new Map<string, unknown>();
    expect(await texts(of, ['Ann, Bob, Ann'], { state })).toEqual(['<PERSON_1>, <PERSON_2>, <PERSON_1>']);
    const answers = { state, side: 'answer', mode: 'post_call' };
    expect(await texts(of, ['Dear <PERSON_2> and <PERSON_3>'], answers)).toEqual(['Dear Bob and <PERSON_3>']);
    expect(of.abilities).toMatchObject({ alsoIn: ['post_call'] });
    expect(['Dear <PERS', 'a <', 'a <PERSON_12', 'a < b', '<PERSON_1>'].map((text) => of.heldBack?.(text))).toEqual([5, 1, 10, 0, 0]);
  });

  test('checks one side, in the language of the request', async () => {
    const of = guardrail('presidio', { presidio_filter_scope: 'input', presidio_language: 'de' });
    expect(await texts(of, ['Ann'], { side: 'answer' })).toEqual(['Ann']);
    expect(await texts(of, ['Ann'], { extra: { language: 'fr' } })).toEqual(['<PERSON>']);
    expect(await texts(of, ['Ann'], { call: { body: { guardrail_config: { language: 'es' } } } })).toEqual(['<PERSON>']);
    expect(await texts(of, ['Ann'], { extra: { language: '../x' } })).toEqual(['<PERSON>']);
    expect(asked.map(({ body }) => body.language)).toEqual(['fr', 'es', 'de']);
  });

  test('analyzes a long text in parts that overlap', async () => {
    const of = guardrail('presidio', { presidio_analyze_chunk_size_bytes: 12_000 });
    const text = `${'word '.repeat(290)}Ann${' word'.repeat(2_000)} Bob`;
    expect(await texts(of, [text])).toEqual([text.replace('Ann', '<PERSON>').replace('Bob', '<PERSON>')]);
    expect(asked.length).toBeGreaterThan(4);
    for (const { body } of asked) expect(JSON.stringify(body).length).toBeLessThan(12_000);
  });

  test('sends recognizers of a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'presidio-'));
    const file = join(folder, 'recognizers.json');
    writeFileSync(file, '[{"name":"x"}]');
    await texts(guardrail('presidio', { presidio_ad_hoc_recognizers: file }), ['Ann']);
    expect(asked[0].body.ad_hoc_recognizers).toEqual([{ name: 'x' }]);
    writeFileSync(file, '{}');
    expect(() => guardrail('presidio', { presidio_ad_hoc_recognizers: file })).toThrow('must be a file with a JSON list');
    rmSync(folder, { recursive: true });
    expect(() => guardrail('presidio', { presidio_ad_hoc_recognizers: file })).toThrow('must be a JSON file that can be read');
  });

  test.each([
    ['an entity outside of the text', [{ entity_type: 'A', start: 0, end: 99, score: 1 }]],
    ['an entity without a score', [{ entity_type: 'A', start: 0, end: 1 }]],
  ])('fails for %s', async (_, entities) => {
    answer = () => entities;
    await expect(judgeLater(guardrail('presidio'), ['Ann'])).rejects.toThrow('an answer of the analyzer');
  });
});

describe('openai_moderation', () => {
  const result = (flagged: boolean): object => ({
    flagged,
    categories: { hate: flagged, violence: false },
    category_scores: { hate: 0.9 },
  });

  test('allows and denies all texts at once', async () => {
    answer = ({ body }) => ({ results: (body.input as string[]).map((text) => result(text.includes('hate'))) });
    const of = guardrail('openai_moderation', { model: 'text-moderation-latest' });
    expect(await judgeLater(of, ['a', 'b'])).toBeUndefined();
    expect(await judgeLater(of, ['a', 'hate'])).toEqual({
      block: {
        message: 'Violated OpenAI moderation policy',
        details: { moderation_result: { violated_categories: ['hate'], category_scores: { hate: 0.9 } } },
      },
      findings: [{ kind: 'hate', path: 'messages.1.content', action: 'blocked', count: 1 }],
    });
    expect(asked[0]).toMatchObject({
      path: '/moderations',
      headers: { authorization: 'Bearer sk-test' },
      body: { model: 'text-moderation-latest', input: ['a', 'b'] },
    });
  });

  test('fails without a result for each text', async () => {
    answer = () => ({ results: [result(false)] });
    await expect(judgeLater(guardrail('openai_moderation'), ['a', 'b'])).rejects.toThrow('1 results for 2 texts');
  });

  test('needs a key', () => {
    expect(() => builtInGuardrail('openai_moderation', {}, { http })).toThrow('api_key: must be set, or OPENAI_API_KEY');
  });
});

describe('lakera_v2', () => {
  const flagged = (detectors: readonly string[], payload: readonly object[] = []): object => ({
    flagged: true,
    breakdown: [...detectors.map((type) => ({ detector_type: type, detected: true })), { detector_type: 'other', detected: false }],
    payload,
  });
  const EMAIL = { start: 3, end: 6, detector_type: 'pii/email', message_id: 1 };

  test('sends messages, and allows what is not flagged', async () => {
    answer = () => ({ flagged: false });
    const of = guardrail('lakera_v2', { project_id: 'p', metadata: { a: 1 } });
    const messages = [{ text: 'be nice', role: 'system' }, { text: 'hi', role: 'user' }, 'x'] as const;
    expect(await judgeLater(of, messages)).toBeUndefined();
    expect(asked[0]).toMatchObject({
      path: '/v2/guard',
      headers: { authorization: 'Bearer lk-test' },
      body: {
        messages: [
          { role: 'system', content: 'be nice' },
          { role: 'user', content: 'hi' },
          { role: 'user', content: 'x' },
        ],
        project_id: 'p',
        metadata: { a: 1 },
        payload: true,
      },
    });
  });

  test('lets clients add metadata, and replace nothing', async () => {
    answer = () => ({ flagged: false });
    const extra = { messages: [], project_id: 'lax', payload: false, breakdown: false, dev_info: true, metadata: { a: 2, b: 3 } };
    await judgeLater(guardrail('lakera_v2', { metadata: { a: 1 } }), ['hi'], { extra });
    const messages = [{ role: 'user', content: 'hi' }];
    expect(asked[0].body).toEqual({ messages, payload: true, breakdown: true, dev_info: false, metadata: { a: 1, b: 3 } });
  });

  test.each([
    ['denies by default', {}, ['pii/email'], [EMAIL], 'block'],
    ['masks personal data', { on_flagged: 'mask' }, ['pii/email'], [EMAIL], ['a', '😀 [MASKED EMAIL]!']],
    ['denies anything else', { on_flagged: 'mask' }, ['pii/email', 'prompt_attack'], [EMAIL], 'block'],
    ['denies what has no place', { on_flagged: 'mask' }, ['pii/email'], [], 'block'],
    ['denies a place outside of the text', { on_flagged: 'mask' }, ['pii/email'], [{ ...EMAIL, end: 99 }], 'block'],
    ['records only', { on_flagged: 'monitor' }, ['prompt_attack'], [], ['a', '😀 a@b!']],
  ] as const)('%s', async (_, params, detectors, payload, expected) => {
    answer = () =>
      flagged(
        detectors,
        payload.map((each) => ({ ...each, start: 2, end: each.end === 99 ? 99 : 5 })),
      );
    const verdict = await judgeLater(guardrail('lakera_v2', params), ['a', '😀 a@b!']);
    if (expected === 'block') expect(verdict).toMatchObject({ block: { message: 'Violated guardrail policy' } });
    else expect(rewritten(verdict, ['a', '😀 a@b!'])).toEqual(expected);
    expect(verdict?.findings.length).toBeGreaterThan(0);
  });

  test('rejects settings that cannot mask', () => {
    expect(() => guardrail('lakera_v2', { on_flagged: 'mask', payload: false })).toThrow('payload: must be true');
    expect(() => guardrail('lakera_v2', { on_flagged: 'inject_system_message' })).toThrow('on_flagged: must be');
    expect(() => guardrail('lakera_v2', { on_flagged: 'mask' }, { modes: ['during_call'] })).toThrow('must not be during_call');
  });
});

describe('generic_guardrail_api', () => {
  test('sends what a service may know', async () => {
    answer = () => ({ action: 'NONE' });
    const of = guardrail('generic_guardrail_api', {
      api_key: 'gk',
      headers: { 'x-tenant': 't' },
      extra_headers: ['X-Request-Id'],
      additional_provider_specific_params: { policy: 'strict', level: 1 },
    });
    const body = {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'https://x.org/a.png' } },
            { type: 'text', text: 'hi' },
          ],
        },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
      user: 'end',
      metadata: { trace_id: 't-1' },
    };
    const headers = { 'user-agent': 'ua', authorization: 'Bearer sk-1', 'x-request-id': 'r-1', 'x-litellm-api-key': 'sk-2' };
    const call = { id: 'c', model: 'm', body, request: { headers }, principal: { keyId: 'k', team: 't', alias: 'a' } };
    expect(await judgeLater(of, ['hi'], { call: call as never, extra: { level: 2, mine: 3 } })).toBeUndefined();
    expect(asked[0]).toMatchObject({
      path: '/beta/litellm_basic_guardrail_api',
      headers: { 'x-api-key': 'gk', 'x-tenant': 't' },
      body: {
        input_type: 'request',
        litellm_call_id: 'c',
        litellm_trace_id: 't-1',
        texts: ['hi'],
        images: ['https://x.org/a.png'],
        tools: body.tools,
        structured_messages: body.messages,
        model: 'm',
        request_data: { user_api_key_hash: 'k', user_api_key_alias: 'a', user_api_key_team_id: 't', user_api_key_end_user_id: 'end' },
        request_headers: { 'user-agent': 'ua', authorization: '[present]', 'x-request-id': 'r-1', 'x-litellm-api-key': '[present]' },
        additional_provider_specific_params: { policy: 'strict', level: 1, mine: 3 },
      },
    });
  });

  test.each([
    ['allows', { action: 'NONE' }, ['a', 'b']],
    ['allows the same texts', { action: 'NONE', texts: ['a', 'b'], images: [] }, ['a', 'b']],
    ['rewrites', { action: 'GUARDRAIL_INTERVENED', texts: ['a', '*'] }, ['a', '*']],
    ['rewrites whatever the action', { action: 'NONE', texts: ['x', 'b'] }, ['x', 'b']],
  ])('%s', async (_, given, expected) => {
    answer = () => given;
    expect(await texts(guardrail('generic_guardrail_api'), ['a', 'b'])).toEqual(expected);
  });

  test('denies with the reason of the service', async () => {
    answer = () => ({ action: 'BLOCKED', blocked_reason: 'no' });
    expect(await judgeLater(guardrail('generic_guardrail_api'), ['a'])).toMatchObject({ block: { message: 'no' } });
    answer = () => ({ action: 'BLOCKED' });
    expect(await judgeLater(guardrail('generic_guardrail_api'), ['a'])).toMatchObject({ block: { message: 'Content violates policy' } });
  });

  test.each([
    ['another number of texts', { action: 'NONE', texts: ['a'] }],
    ['an intervention without texts', { action: 'GUARDRAIL_INTERVENED' }],
    ['other images', { action: 'NONE', images: ['x'] }],
    ['an unknown action', { action: 'MAYBE' }],
  ])('fails for %s', async (_, given) => {
    answer = () => given;
    await expect(judgeLater(guardrail('generic_guardrail_api'), ['a', 'b'])).rejects.toThrow('an answer');
  });

  test.each([
    [{ api_base: 'ftp://x' }, 'api_base: must be a URL'],
    [{ api_base: 'https://me:pw@x.org' }, 'must not contain credentials'],
    [{ headers: { 'a b': 'c' } }, 'must be a header'],
    [{ api_key: 'a\nb' }, 'api_key: must be one line'],
  ])('rejects %j', (params, message) => {
    expect(() => guardrail('generic_guardrail_api', params)).toThrow(message);
    expect(() => guardrail('generic_guardrail_api', params)).not.toThrow(/pw@|a\nb/);
  });
});
