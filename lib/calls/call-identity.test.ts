import fc from 'fast-check';
import { MAY_CALL_ANY } from '../http/principal.js';
import { jsonBodyOf } from '../http/body/body-object.js';
import type { JsonBody } from '../http/body/json-body.js';
import { jsonBodyEngines, readerOf } from '../../test/support/json-body-engines.js';
import { CallIdentities, type IdentifiedCall, type SharingScope } from './call-identity.js';

const deployment = (modelName: string, model: string, params: object = {}): unknown => ({
  modelName,
  model,
  id: `${modelName}-${model}`,
  params,
});
const aliases: Readonly<Record<string, string>> = { alias: 'group' };
const routerOf = (...deployments: unknown[]): never =>
  ({ knownName: (model: string) => aliases[model] ?? model, deployments: () => deployments }) as never;
const ROUTER = routerOf(deployment('group', 'openai/a'), deployment('other', 'openai/b'));
const KEY = { limitKey: 'key:1', tags: [], metadata: {}, isAdmin: false, mayCall: MAY_CALL_ANY };

interface Parts {
  readonly body?: object;
  readonly json?: JsonBody;
  readonly model?: string;
  readonly operation?: string;
  readonly principal?: object;
  readonly options?: object;
  readonly context?: object;
  readonly guards?: object;
  readonly forwarded?: object;
}

const callOf = ({ body = { messages: [] }, json, model = 'group', operation = 'chat', ...parts }: Parts): IdentifiedCall =>
  ({
    principal: 'principal' in parts ? parts.principal : KEY,
    guards: parts.guards,
    context: parts.context ?? {},
    asked: { body, json, model, operation, options: parts.options ?? {}, forwarded: parts.forwarded },
  }) as never;

const identityOf = (parts: Parts, scope: SharingScope = 'key', router: never = ROUTER): string | undefined =>
  new CallIdentities({ router, scope }).of(callOf(parts));
const bodyIdentity = (body: object): string | undefined => identityOf({ body });

describe('CallIdentities', () => {
  it('is a SHA-256, computed once for a request', () => {
    const identities = new CallIdentities({ router: ROUTER, scope: 'key' });
    const reads: string[] = [];
    const body = {
      get messages() {
        reads.push('messages');
        return [];
      },
    };
    const call = callOf({ body });
    expect(reads).toEqual([]);
    expect(identities.of(call)).toMatch(/^[0-9a-f]{64}$/);
    expect(identities.of(call)).toBe(identities.of(call));
    expect(reads).toEqual(['messages']);
  });

  it('does not depend on the order of fields, at any depth', () => {
    const shuffled = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(shuffled)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([name, each]) => [name, shuffled(each)]),
            )
          : value;
    const values = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('__proto__'));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), values), (fields) => {
        const body = { messages: [], tools: fields };
        expect(bodyIdentity(shuffled(body) as object)).toBe(bodyIdentity(body));
      }),
    );
  });

  it.each<[string, object, object]>([
    ['the order of a list', { stop: ['a', 'b'] }, { stop: ['b', 'a'] }],
    ['a text and a number', { seed: '1' }, { seed: 1 }],
    ['null and an absent field', { seed: null }, {}],
    ['a list and its only entry', { stop: ['a'] }, { stop: 'a' }],
    ['the place of a bracket', { a: ['x'], b: [] }, { a: [], b: ['x'] }],
    ['a quote in a key', { 'a":1,"b': 1 }, { a: 1, b: 1 }],
    ['composed and decomposed letters', { prompt: '\u00e9' }, { prompt: 'e\u0301' }],
    ['compatibility forms', { prompt: '\ufb01' }, { prompt: 'fi' }],
    ['an invisible character', { prompt: 'a\u200bb' }, { prompt: 'ab' }],
    ['a lone surrogate and the replacement character', { prompt: '\ud800' }, { prompt: '\ufffd' }],
    ['two lone surrogates', { prompt: '\ud800' }, { prompt: '\ud801' }],
    ['a field in other letters', { Prompt: 'a' }, { prompt: 'a' }],
    ['tools', { tools: [{ name: 'a' }] }, { tools: [] }],
    ['the temperature', { temperature: 0 }, { temperature: 0.1 }],
  ])('distinguishes %s', (_, first, second) => expect(bodyIdentity(first)).not.toBe(bodyIdentity(second)));

  it('writes equal numbers alike', () => {
    const parsed = (json: string): object => JSON.parse(json) as object;
    const identities = ['{"a":1}', '{"a":1.0}', '{"a":1e0}', '{"a":10e-1}'].map((json) => bodyIdentity(parsed(json)));
    expect(new Set(identities).size).toBe(1);
    expect(bodyIdentity({ a: new Date(0) })).toBe(bodyIdentity({ a: '1970-01-01T00:00:00.000Z' }));
  });

  it.each<[string, object]>([
    ['an integer beyond 2^53', { seed: 2 ** 53 }],
    ['infinity', { seed: JSON.parse('1e400') as number }],
    ['a bigint', { seed: 1n }],
  ])('identifies no call with %s', (_, body) => expect(bodyIdentity(body)).toBeUndefined());

  it.each(['stream', 'stream_options', 'user', 'metadata', 'cache', 'timeout', 'num_retries', 'prompt_cache_key'])('ignores %s', (name) =>
    expect(bodyIdentity({ [name]: 'a' })).toBe(bodyIdentity({})),
  );

  it.each(['user', 'metadata', 'prompt_cache_key'])('includes %s in calls of Responses, whose answers repeat it', (name) =>
    expect(identityOf({ operation: 'responses', body: { [name]: 'a' } })).not.toBe(identityOf({ operation: 'responses', body: {} })),
  );

  it.each<[string, Parts]>([
    ['a key', { principal: { ...KEY, limitKey: 'key:2' } }],
    ['an operation', { operation: 'completions' }],
    ['a model group', { model: 'other' }],
    ['permissions', { principal: { ...KEY, mayCall: (model: string) => model === 'group' } }],
    ['permissions of the app', { options: { mayCall: (model: string) => model === 'group' } }],
    ['aliases of models', { principal: { ...KEY, modelAliases: { a: 'b' } } }],
    ['guardrails', { guards: { applied: ['pii'] } }],
    ['guardrails of a key', { principal: { ...KEY, metadata: { guardrails: ['pii'] } } }],
    ['guardrails of a team', { principal: { ...KEY, teamMetadata: { guardrails: ['pii'] } } }],
    ['tags', { context: { tags: ['a'] } }],
    ['blocked models', { context: { blockedModels: ['a'] } }],
    ['fallbacks', { options: { fallbacks: ['other'] } }],
    ['a path', { forwarded: { method: 'POST', path: '/rerank', answer: 'json' } }],
  ])('distinguishes %s', (_, parts) => {
    expect(identityOf(parts)).toMatch(/^[0-9a-f]{64}$/);
    expect(identityOf(parts)).not.toBe(identityOf({}));
  });

  it('passes headers of Anthropic on, so that they count in calls of Messages', () => {
    const parts = (beta?: string): Parts => ({ operation: 'messages', options: { request: { headers: { 'anthropic-beta': beta } } } });
    expect(identityOf(parts('a'))).not.toBe(identityOf(parts('b')));
    expect(identityOf({ ...parts('a'), operation: 'chat' })).toBe(identityOf({ ...parts('b'), operation: 'chat' }));
  });

  it('resolves aliases of the router', () => expect(identityOf({ model: 'alias' })).toBe(identityOf({ model: 'group' })));

  it('depends on the parameters that deployments add to requests', () => {
    const on = (params: object): string | undefined => identityOf({}, 'key', routerOf(deployment('group', 'openai/a', params)));
    expect(on({ temperature: 0.5 })).not.toBe(on({}));
    expect(on({ extra_body: { a: 1 } })).not.toBe(on({}));
    expect(on({ api_key: 'sk-1', rpm: 5, weight: 2 })).toBe(on({}));
    const [a, b] = [deployment('group', 'openai/a'), deployment('group', 'openai/b')];
    expect(identityOf({}, 'key', routerOf(a, b))).toBe(identityOf({}, 'key', routerOf(b, a)));
  });

  it('distinguishes the models of a pattern', () => {
    const router = routerOf(deployment('openai/*', 'openai/*'));
    expect(identityOf({ model: 'openai/a' }, 'key', router)).not.toBe(identityOf({ model: 'openai/b' }, 'key', router));
  });

  it('shares the answers of a team only if configured so', () => {
    const member = (limitKey: string, team?: string): Parts => ({ principal: { ...KEY, limitKey, team } });
    expect(identityOf(member('key:1', 'a'), 'team')).toBe(identityOf(member('key:2', 'a'), 'team'));
    expect(identityOf(member('key:1', 'a'), 'team')).not.toBe(identityOf(member('key:1', 'b'), 'team'));
    expect(identityOf(member('key:1', 'a'), 'key')).not.toBe(identityOf(member('key:2', 'a'), 'key'));
    expect(identityOf(member('key:1'), 'team')).not.toBe(identityOf(member('key:2'), 'team'));
    // A team with the name of a key.
    expect(identityOf(member('key:2', 'key:1'), 'team')).not.toBe(identityOf(member('key:1'), 'team'));
  });

  it.each<[string, Parts]>([
    ['without a sender', { principal: undefined }],
    ['with a form', { forwarded: { method: 'POST', path: '/audio/transcriptions', answer: 'json', form: {} } }],
    ['for bytes', { forwarded: { method: 'POST', path: '/audio/speech', answer: 'bytes' } }],
    ["for a provider's account", { forwarded: { method: 'GET', path: '/files', answer: 'json', isOfAccount: true } }],
  ])('identifies no call %s', (_, parts) => expect(identityOf(parts)).toBeUndefined());

  describe.each(jsonBodyEngines().map((engine) => [engine.engine, engine] as const))('of bodies that are bytes (%s)', (_, engine) => {
    const read = async (text: string): Promise<JsonBody> => {
      const json = await jsonBodyOf(await readerOf(engine).readOwn(Buffer.from(text)));
      return json as JsonBody;
    };
    const long = 'word '.repeat(5_000);

    it.each([`${long}end`, `${long}"quoted"`, `${long}\u00e9\ud83d\ude00`, `\uf8ff${long}`])(
      'equals that of the object',
      async (content) => {
        const body = { messages: [{ role: 'user', content }] };
        const escaped = JSON.stringify(body).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
        for (const text of [JSON.stringify(body), escaped])
          expect(identityOf({ body: {}, json: await read(text) })).toBe(identityOf({ body }));
      },
    );

    it('identifies none with a number that JavaScript would round', async () => {
      const [a, b] = ['9007199254740993', '9007199254740992'].map((seed) => read(`{"prompt":"${long}","seed":${seed}}`));
      expect([identityOf({ json: await a }), identityOf({ json: await b })]).toEqual([undefined, undefined]);
    });
  });
});
