import { InvalidConfigurationError } from '../common/errors.js';
import { CallDeniedError } from '../common/http-errors.js';
import type { Deployment } from '../router/deployments/deployment.js';
import { WordGuardrail } from '../../test/support/word-guardrail.js';
import { checkDeploymentNames, deploymentNamesIn, guardrailSourceOf } from './guardrail-config.js';
import { GuardrailSet, type GuardedRouting } from './guardrail-set.js';

type Fields = Record<string, unknown>;

const lines: string[] = [];
const log = { log: () => {}, warn: (line: string) => void lines.push(line), error: () => {} };
const open = (entries: unknown): GuardrailSet =>
  GuardrailSet.open([{ path: 'guardrails', entries }], {
    log,
    parts: { log, http: undefined as never },
    env: {},
    instanceOf: () => undefined,
  });
const entry = (name: string, params: Fields = {}): Fields => ({
  guardrail_name: name,
  litellm_params: { guardrail: new WordGuardrail(), mode: 'pre_call', ...params },
});

describe('which guardrails apply to a call', () => {
  const set = open([
    entry('on', { default_on: true }),
    entry('also_on', { default_on: true, mode: ['pre_call', 'post_call'] }),
    entry('asked'),
    entry('tagged', { default_on: true, mode: { tags: { pii: 'pre_call', 'eu:x': ['post_call'] } } }),
    entry('logs', { mode: 'logging_only' }),
  ]);
  const deployments = [
    { id: 'd1', modelName: 'guarded', params: { guardrails: ['asked'] } },
    { id: 'd2', modelName: 'plain', params: {} },
  ] as unknown as readonly Deployment[];
  const routing = (hasFallbacks = false): GuardedRouting => ({
    deployments: () => deployments,
    groupOf: (name) => name,
    hasFallbacks: () => hasFallbacks,
  });
  const selected = (body: Fields, { key = {}, team = {}, model = 'plain', hasFallbacks = false }: Fields = {}) =>
    set
      .select(
        { body, model: model as string, principal: { metadata: key, teamMetadata: team, tags: [] } as never },
        routing(hasFallbacks as boolean),
      )
      .map(({ of, modes }) => [of.name, ...modes].join(' '));
  const ALWAYS = ['on pre_call', 'also_on pre_call post_call'];
  const LOGS = 'logs logging_only';

  it.each<[string, Fields, Fields | undefined, readonly string[]]>([
    ['those for all requests, and those for logs', {}, undefined, [...ALWAYS, LOGS]],
    ['one that the request names', { guardrails: ['asked'] }, undefined, [...ALWAYS, 'asked pre_call', LOGS]],
    ['one with parameters', { guardrails: [{ asked: { extra_body: { a: 1 } } }] }, undefined, [...ALWAYS, 'asked pre_call', LOGS]],
    ['one in the metadata of the request', { metadata: { guardrails: ['asked'] } }, undefined, [...ALWAYS, 'asked pre_call', LOGS]],
    ['one of the key', {}, { key: { guardrails: ['asked'] } }, [...ALWAYS, 'asked pre_call', LOGS]],
    ['one of the team', {}, { team: { guardrails: ['asked'] } }, [...ALWAYS, 'asked pre_call', LOGS]],
    ['one of a deployment', {}, { model: 'guarded' }, [...ALWAYS, 'asked pre_call', LOGS]],
    ['one of a deployment by its id', {}, { model: 'd1' }, [...ALWAYS, 'asked pre_call', LOGS]],
    ['that of a deployment that a fallback can reach', {}, { hasFallbacks: true }, [...ALWAYS, 'asked pre_call', LOGS]],
    ['that of a deployment that the request falls back to', { fallbacks: ['guarded'] }, undefined, [...ALWAYS, 'asked pre_call', LOGS]],
    ['none for all requests, by the key', {}, { key: { disable_global_guardrails: true } }, [LOGS]],
    ['none for all requests, by the team', {}, { team: { disable_global_guardrails: true } }, [LOGS]],
    ['all but one, by the key', {}, { key: { opted_out_global_guardrails: ['on'] } }, ['also_on pre_call post_call', LOGS]],
    ['one that was opted out of but is named', { guardrails: ['on'] }, { key: { disable_global_guardrails: true } }, ['on pre_call', LOGS]],
    [
      'no opt-out by the request',
      { disable_global_guardrails: true, metadata: { disable_global_guardrails: true, opted_out_global_guardrails: ['on'] } },
      undefined,
      [...ALWAYS, LOGS],
    ],
    ['a mode by the tag', { metadata: { tags: ['pii'] } }, undefined, [...ALWAYS, 'tagged pre_call', LOGS]],
    ['modes by several tags', { metadata: { tags: ['pii', 'eu:x'] } }, undefined, [...ALWAYS, 'tagged pre_call post_call', LOGS]],
  ])('has %s', (_, body, facts, expected) => {
    expect(selected(body, facts)).toEqual(expected);
  });

  it.each<[string, Fields, Fields | undefined]>([
    ['in the request', { guardrails: ['missing'] }, undefined],
    ['in the request, with parameters', { guardrails: [{ missing: {} }] }, undefined],
    ['in the metadata', { metadata: { guardrails: ['missing'] } }, undefined],
    ['of the key', {}, { key: { guardrails: ['missing'] } }],
    ['of the team', {}, { team: { guardrails: ['missing'] } }],
    ['in another form', { guardrails: 'on' }, undefined],
    ['as a number', { guardrails: [1] }, undefined],
  ])('is a denial for an unknown name %s', (_, body, facts) => {
    expect(() => selected(body, facts)).toThrow(CallDeniedError);
  });

  it('gives the parameters of the request to the guardrail', () => {
    const body = { guardrails: [{ asked: { extra_body: { language: 'de' } } }] };
    const found = set.select({ body, model: 'plain' }, routing()).find(({ of }) => of.name === 'asked');
    expect(found?.extra).toEqual({ language: 'de' });
  });

  it('does not let a request replace the parameters of its key', () => {
    const body = { guardrails: [{ asked: { extra_body: { language: 'de', level: 2 } } }] };
    const principal = { metadata: { guardrails: [{ asked: { extra_body: { language: 'en' } } }] } };
    const found = set.select({ body, model: 'plain', principal } as never, routing()).find(({ of }) => of.name === 'asked');
    expect(found?.extra).toEqual({ language: 'en', level: 2 });
  });

  it('selects one of several with the same name for each request', () => {
    const pair = open([entry('same', { default_on: true }), entry('same', { default_on: true })]);
    const counts = new Map<unknown, number>();
    for (let at = 0; at < 200; at++) {
      const [{ of }, ...others] = pair.select({ body: {}, model: 'm' }, routing());
      expect(others).toEqual([]);
      counts.set(of, (counts.get(of) ?? 0) + 1);
    }
    expect(counts.size).toBe(2);
  });
});

describe('an invalid entry', () => {
  const at = 'guardrails[0].litellm_params';
  it.each<[unknown, string]>([
    [{}, 'guardrails: must be an array'],
    [[1], 'guardrails[0]: must be'],
    [[{ litellm_params: {} }], 'guardrails[0].guardrail_name: must be'],
    [[{ guardrail_name: 'a' }], 'guardrails[0].litellm_params: must be'],
    [[{ guardrail_name: 'a', litellm_params: {}, mode: 'pre_call' }], 'guardrails[0].mode: '],
    [[entry('a, b')], 'guardrails[0].guardrail_name: must have at most 200 characters of ASCII, without commas'],
    [[entry('a', { guardrail: 'bedrock' })], `${at}.guardrail: must be one of presidio, openai_moderation`],
    [[entry('a', { guardrail: 'bedrock' })], 'generic_guardrail_api'],
    [[entry('a', { guardrail: 'my_module.MyGuardrail' })], 'own classes in the option guardrails'],
    [[entry('a', { guardrail: {} })], `${at}.guardrail: must be the id of a type`],
    [[entry('a', { guardrail: WordGuardrail })], `${at}.guardrail: must implement check() and abilities`],
    [[entry('a', { mode: 'before' })], `${at}.mode: must be one of pre_call, during_call, post_call, logging_only, got "before"`],
    [[entry('a', { mode: [] })], `${at}.mode: must have at least one mode`],
    [[entry('a', { mode: ['pre_call', 'pre_mcp_call'] })], `${at}.mode: must be one of`],
    [[entry('a', { mode: { tags: { x: 'never' } } })], `${at}.mode.tags.x: must be one of`],
    [[entry('a', { mode: { tag: {} } })], `${at}.mode.tag: is not a known option`],
    [[entry('a', { mode: undefined })], `${at}.mode: must be`],
    [[entry('a', { guardrail: new WordGuardrail({ modes: ['pre_call'] }), mode: 'post_call' })], `${at}.mode: must be one of pre_call`],
    [[entry('a', { default_on: 'yes' })], `${at}.default_on: must be true or false, got "yes"`],
    [[entry('a', { timeout: 0 })], `${at}.timeout: must be a number`],
    [[entry('a', { num_retries: 6 })], `${at}.num_retries: must be an integer`],
    [[entry('a', { unreachable_fallback: 'open' })], `${at}.unreachable_fallback: must be one of fail_closed, fail_open`],
    [[entry('a', { stream_run_ahead_chars: 5 })], `${at}.stream_run_ahead_chars: must be 0 for a guardrail that changes text`],
    [[entry('a', { fail_on_eror: true })], `${at}.fail_on_eror: is not a parameter of WordGuardrail (did you mean fail_on_error?)`],
    [[entry('a', { on_sensitive_data: 'route' })], `${at}.on_sensitive_data: must be block`],
    [[entry('a', { scan_raw_request: true })], `${at}.scan_raw_request: must be false`],
    [
      [entry('a', { scan_only_tool_results: true, skip_tool_message_in_guardrail: true })],
      `${at}.scan_only_tool_results: must not be set together`,
    ],
    [[entry('a'), entry('a', { mode: 'post_call' })], 'guardrails[1].litellm_params: must have the same guardrail, mode and default_on'],
  ])('%# %o is an error with its path and rule', (entries, message) => {
    expect(() => open(entries)).toThrow(InvalidConfigurationError);
    expect(() => open(entries)).toThrow(message);
  });

  it('never shows the value of a secret', () => {
    const error = (() => {
      try {
        return open([entry('a', { api_key: 'sk-very-secret-key' })]);
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as Error).message).not.toContain('sk-very');
  });

  it.each<[Fields, string]>([
    [
      { guardrails: [{ guardrail_name: 'a', litellm_params: { api_key: 'os.environ/NOT_THERE' } }] },
      'names the variable NOT_THERE, which is not set',
    ],
    [
      { guardrails: [{ guardrail_name: 'a', litellm_params: { api_key: '${KEY}' } }] },
      'guardrails[0].litellm_params.api_key: must not contain ${KEY}',
    ],
  ])('%# of a file is one if its variables are not replaced', (document, message) => {
    expect(() => guardrailSourceOf('config.yaml', document, {})).toThrow(message);
  });

  it.each<[unknown, string | undefined]>([
    [['a'], undefined],
    [['b'], 'model_list[0].litellm_params.guardrails: must be the guardrail_name of an entry in guardrails'],
    ['a', 'model_list[0].litellm_params.guardrails: must be a list of names'],
  ])('is a deployment that names %o', (guardrails, message) => {
    const document = { model_list: [{ model_name: 'm', litellm_params: { guardrails } }] };
    const check = (): void => checkDeploymentNames(deploymentNamesIn('config.yaml', document), (name) => name === 'a');
    if (message === undefined) expect(check).not.toThrow();
    else expect(check).toThrow(message);
  });

  it('is not one with parameters of LiteLLM that protect nothing, which are named', () => {
    lines.length = 0;
    open([entry('a', { streaming_sampling_rate: 5 })]);
    expect(lines).toEqual([`Guardrails: ${at}.streaming_sampling_rate has no effect`]);
  });
});
