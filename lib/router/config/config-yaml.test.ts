import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { InvalidConfigurationError } from '../../common/errors.js';
import { readFlagsFile } from '../../feature-flags/feature-flags.file.js';
import { readConfigDocument } from './config-yaml.js';
import { resolveRouterOptions } from '../router.options.js';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
const outside = mkdtempSync(join(tmpdir(), 'outside-'));
afterAll(() => [folder, outside].forEach((each) => rmSync(each, { recursive: true })));

let files = 0;
const written = (text: string, name = `config-${files++}.yaml`, where = folder): string => {
  const path = join(where, name);
  writeFileSync(path, text);
  return path;
};
const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};
const refusal = (text: string): unknown => thrownBy(() => readConfigDocument(written(text)));

/** Each level has nine aliases of the one before. */
const laughs = (levels: number, open: string, close: string, entry: (alias: string, index: number) => string): string =>
  Array.from({ length: levels }, (_, level) => {
    const entries = Array.from({ length: 9 }, (__, index) => entry(level === 0 ? 'x' : `*a${level - 1}`, index));
    return `a${level}: &a${level} ${open}${entries.join(', ')}${close}`;
  }).join('\n');

describe('the bounds of a configuration file', () => {
  it.each([
    ['lists', (levels: number) => laughs(levels, '[', ']', (alias) => alias)],
    ['maps', (levels: number) => laughs(levels, '{', '}', (alias, index) => `k${index}: ${alias}`)],
  ])('reject aliases of aliases whose expansion is too large, in %s', (_, text) => {
    expect(readConfigDocument(written(text(3)))).toHaveProperty('a2');
    for (const levels of [6, 7, 9, 30, 200]) {
      const error = refusal(text(levels));
      expect(error).toBeInstanceOf(InvalidConfigurationError);
      expect((error as Error).message).toMatch(/must repeat at most 50000 values through aliases/);
    }
  });

  it('reject merges of merges, which the YAML library follows in cubic time', () => {
    const merges = (count: number): string =>
      Array.from({ length: count }, (_, i) => `a${i}: &a${i} {${i === 0 ? '' : `<<: *a${i - 1}, `}k${i}: 1}`).join('\n');
    expect(readConfigDocument(written(merges(40)))).toHaveProperty('a39.k0', 1);
    expect(refusal(merges(2_000))).toMatchObject({ message: expect.stringContaining('values through aliases') as string });
  });

  it('allow a default that a thousand deployments share, and an anchor that is defined anew', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `  - {<<: *d, model_name: m${i}, tags: *t}`).join('\n');
    const text = `x: &d {litellm_params: {model: openai/m, api_key: k}, rpm: 1}\nt: &t [a]\nt2: &t [b, c]\nmodel_list:\n${many}`;
    const { model_list: list } = readConfigDocument(written(text));
    expect((list as unknown[])[999]).toMatchObject({ model_name: 'm999', tags: ['b', 'c'], litellm_params: { api_key: 'k' } });
  });

  it('count several files together', () => {
    written('model_list: []\nrouter_settings: {}', 'part.yaml');
    expect(refusal(`include: [${Array.from({ length: 101 }, () => 'part.yaml').join(', ')}]`)).toMatchObject({
      message: expect.stringContaining('must name at most 100 files') as string,
    });
  });

  it.each([
    ['flow lists', '[ '.repeat(100_000)],
    ['flow maps', '{"a":'.repeat(100_000)],
    ['lists on one line', '- '.repeat(100_000)],
    ['keys of keys', '? '.repeat(100_000)],
    ['indented maps', Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['JSON', `${'{"a":['.repeat(200)}${']}'.repeat(200)}`],
    ['lists within the bounds of the parser', `a: ${'['.repeat(70)}${']'.repeat(70)}`],
  ])('reject nesting that is too deep: %s', (_, text) => {
    expect(refusal(text)).toMatchObject({ code: 'INVALID_CONFIGURATION', message: expect.stringMatching(/must not be nested/) as string });
  });

  it.each(['a: &x [*x]', 'a: &x { b: *x }', 'a: &x { <<: *x, b: 1 }', 'a: &x { b: [{ c: *x }] }'])(
    'refuse an alias of itself: %s',
    (text) => {
      expect(refusal(text)).toMatchObject({ message: expect.stringContaining('must not have an alias inside its own anchor') as string });
    },
  );

  it('reject a file of more than 16 MB, and one that never ends', () => {
    expect(refusal(`# ${'x'.repeat(16 * 1024 * 1024)}`)).toMatchObject({ message: expect.stringContaining('must have at most') as string });
    if (process.platform !== 'win32') {
      expect(() => readConfigDocument('/dev/zero')).toThrow('must have at most 16777216 bytes');
      expect(() => readFlagsFile('/dev/zero')).toThrow('must have at most 16777216 bytes');
    }
  });

  it('accept a large configuration', () => {
    const entry = (i: number): string => `- { model_name: m${i}, litellm_params: { <<: *shared, model: openai/m${i} } }`;
    const text = `shared: &shared { api_base: 'https://eu.example' }\nmodel_list:\n${Array.from({ length: 3_000 }, (_, i) => entry(i)).join('\n')}`;
    expect(readConfigDocument(written(text)).model_list).toHaveLength(3_000);
  });

  it('apply to a file of flags', () => {
    const deep = written(`${'{"features":'.repeat(100)}1${'}'.repeat(100)}`, 'deep.json');
    expect(() => readFlagsFile(deep)).toThrow('must not be nested deeper than 64 levels');
  });
});

describe('the include of a configuration file', () => {
  const including = (name: string): (() => unknown) => {
    const path = written(`include: [${JSON.stringify(name)}]`);
    return () => readConfigDocument(path);
  };

  it('reads files below the folder, through symbolic links that stay there', () => {
    mkdirSync(join(folder, 'models'));
    written('model_list: [1]', 'one.yaml', join(folder, 'models'));
    symlinkSync(join(folder, 'models', 'one.yaml'), join(folder, 'link.yaml'));
    expect(including('models/one.yaml')()).toEqual({ model_list: [1] });
    expect(including('./models/../link.yaml')()).toEqual({ model_list: [1] });
    // As Kubernetes mounts a ConfigMap: the folder's files lead into a folder of a version.
    mkdirSync(join(folder, '..data'));
    written('model_list: [2]', 'two.yaml', join(folder, '..data'));
    symlinkSync(join('..data', 'two.yaml'), join(folder, 'two.yaml'));
    expect(including('two.yaml')()).toEqual({ model_list: [2] });
  });

  it('rejects files elsewhere: absolute, above, through links, folders', () => {
    const elsewhere = written('model_list: [1]', 'elsewhere.yaml', outside);
    symlinkSync(elsewhere, join(folder, 'outside.yaml'));
    symlinkSync(outside, join(folder, 'outside'));
    for (const name of [elsewhere, `../${outside.split('/').at(-1)}/elsewhere.yaml`, 'outside.yaml', 'outside/elsewhere.yaml', '..', '.']) {
      expect(including(name)).toThrow(/include: must name files in or below the folder of/);
    }
    mkdirSync(join(folder, 'directory'));
    expect(including('directory')).toThrow(/include: must name files, got/);
  });
});

describe('an error of a configuration file', () => {
  const SECRET = 'sk-very-secret';
  const quoted = (text: string): void => {
    const path = written(text);
    const error = thrownBy(() => resolveRouterOptions({ configPath: path }, {}));
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION' });
    expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
  };

  it.each([
    `a: *${SECRET}`,
    `a: "\\q${SECRET}"`,
    `a: b: ${SECRET}`,
    `- a\n${SECRET}: 1`,
    `${SECRET}\n---\nb`,
    `a: @${SECRET}`,
    `a: {x: 1, <<: ${SECRET}}`,
    `a: "${SECRET}`,
    `a: [${SECRET}`,
    `a: |2x ${SECRET}`,
    `%${SECRET}\n- a`,
    SECRET,
    `[${SECRET}]`,
    `{"a": "${SECRET}" "b"}`,
  ])('quotes nothing of an unreadable file: %j', (text) => quoted(text));

  it.each([
    `model_list: ${SECRET}`,
    `include: ${SECRET}`,
    `router_settings: ${SECRET}`,
    `litellm_settings: [${SECRET}]`,
    `environment_variables: ${SECRET}`,
    `router_settings: { num_retries: ${SECRET} }`,
    `router_settings: { routing_strategy: ${SECRET} }`,
    `router_settings: { cooldown_time: ${SECRET} }`,
    `router_settings: { fallbacks: ${SECRET} }`,
    `router_settings: { enable_tag_filtering: ${SECRET} }`,
    `router_settings: { model_group_alias: ${SECRET} }`,
    `router_settings: { retry_policy: { TimeoutErrorRetries: ${SECRET} } }`,
    `router_settings: { provider_budget_config: { openai: { budget_limit: ${SECRET}, time_period: 1d } } }`,
    `router_settings: { provider_budget_config: { openai: { budget_limit: 1, time_period: ${SECRET} } } }`,
    `router_settings: { routing_strategy_args: { ttl: ${SECRET} } }`,
    `environment_variables: { X: ${SECRET} }\nrouter_settings: { num_retries: os.environ/X }`,
  ])('quotes no value in the wrong place: %j', (text) => quoted(text));

  it('quotes nothing of a file of flags that is not JSON', () => {
    const path = written(`{"features": ${SECRET}}`, 'flags.json');
    const error = thrownBy(() => readFlagsFile(path));
    expect(error).toMatchObject({ message: expect.stringContaining('must be valid JSON') as string });
    expect(inspect(error)).not.toContain(SECRET);
  });

  it('names the place of a syntax error', () => {
    expect(refusal('a: 1\nb: [\n')).toMatchObject({
      message: expect.stringMatching(/must be valid YAML \(\w+ at line \d, column \d\)$/) as string,
    });
  });

  it('warns of an unknown check without quoting it', () => {
    const path = written(`router_settings: { optional_pre_call_checks: [${SECRET}, prompt_caching] }`);
    const { warnings } = resolveRouterOptions({ configPath: path }, {});
    expect(warnings).toEqual([
      expect.stringContaining('unknown check is not supported'),
      expect.stringContaining('prompt_caching is not supported'),
    ]);
  });
});
