import { Logger } from '@nestjs/common';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as library from 'nestjs-fast-litellm';
import * as aiSdk from 'nestjs-fast-litellm/ai-sdk';
import { readFlagsFile } from '../../lib/feature-flags/feature-flags.file.js';
import { resolveApiKeysOptions } from '../../lib/keys/api-keys.options.js';
import { isLong } from '../support/long.js';
import { noRedis } from '../support/no-redis.js';
import { allDocuments, anchors, codeBlocks, codeIn, documentation, documents, tableAfter } from './readme-document.js';
import { ReadmeProgram } from './readme-program.js';
import { readSources, root } from './sources.js';

beforeAll(() => Logger.overrideLogger(false));

const sourcesOf = (...folders: string[]): [path: string, text: string][] =>
  [...readSources(folders, /\.ts$/)].filter(([path]) => !path.endsWith('.test.ts'));
const firstCode = (marker: string): string[] => tableAfter(documentation, marker).flatMap(([cell]) => codeIn(cell));

const program = new ReadmeProgram();
/** What compiles the examples with lib/. */
const compiling = isLong ? it : it.skip;

describe('the examples', () => {
  const lines = new Map(program.blocks.map((block) => [`${block.path}:${block.line}`, block]));

  compiling.each([...lines.keys()])('%s compiles', (name) => {
    expect(program.complaints(lines.get(name)!)).toEqual([]);
  });

  const runnable = [...lines.keys()].filter((name) => lines.get(name)?.info === 'ts run');
  it.each(runnable)('%s gives what it says', async (name) => {
    let checks = 0;
    const expectValue = (actual: unknown, expected: unknown, line: number): void => {
      checks++;
      const where = { line, value: actual };
      if (typeof expected === 'number' && !Number.isInteger(expected)) expect(actual).toBeCloseTo(expected, 10);
      else if (Object.prototype.toString.call(expected) === '[object Object]') expect(where).toMatchObject({ line, value: expected });
      else expect(where).toEqual({ line, value: expected });
    };
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the README's own text
    const run = new Function('require', 'exports', 'expectValue', `return (async () => {${program.executable(lines.get(name)!)}\n})()`) as (
      ...args: unknown[]
    ) => Promise<void>;
    const requirePackage = (specifier: string): unknown => {
      if (specifier === 'nestjs-fast-litellm') return library;
      if (specifier === 'nestjs-fast-litellm/ai-sdk') return aiSdk;
      expect(specifier).toMatch(/^(?:@nestjs\/|node:|(?:ai|openai)$)/);
      return jest.requireActual(specifier);
    };
    await run(requirePackage, {}, expectValue);
    expect(checks).toBeGreaterThan(0);
  });

  it('of the file of flags are accepted', () => {
    const folder = mkdtempSync(join(tmpdir(), 'readme-'));
    const files = documents.flatMap(codeBlocks).filter(({ info, text }) => info === 'json' && text.includes('"features"'));
    for (const { text } of files) {
      writeFileSync(join(folder, 'flags.json'), text);
      expect(() => readFlagsFile(join(folder, 'flags.json'))).not.toThrow();
    }
    rmSync(folder, { recursive: true });
    expect(files).toHaveLength(2);
  });
});

describe('the table of variables', () => {
  const described = new Set(tableAfter(documentation, '## Environment').flatMap(([cell]) => codeIn(cell)));

  it('has every variable that is read, and no other', () => {
    const read = new Set<string>();
    const env = new Proxy({}, { get: (_, name) => void read.add(String(name)), ownKeys: () => [] });
    new library.FastLiteLLM({ engine: 'typescript' }, { env });
    for (const [, text] of sourcesOf('lib')) for (const [name] of text.matchAll(/\bFAST_LITELLM_[A-Z_]*[A-Z]\b/g)) read.add(name);
    const files = ['scripts/build-native.js', 'lib/router/config/proxy-settings.ts', 'lib/fast-litellm-gateway.mounted.ts'].map((path) =>
      readFileSync(join(root, path), 'utf8'),
    );
    const others = [...sourcesOf('sample-app').map(([, text]) => text), ...files];
    for (const text of others) for (const [, name] of text.matchAll(/\benv\.([A-Z][A-Z_]+)\b/g)) read.add(name);
    expect([...described].sort()).toEqual([...read].sort());
  });

  it('is right about the names of features', () => {
    for (const feature of library.FEATURES) expect(described).toContain(`FAST_LITELLM_${feature.toUpperCase()}`);
    expect(firstCode('<!-- features -->').sort()).toEqual([...library.FEATURES].sort());
  });
});

describe('the table of errors', () => {
  /** In capitals, and no code of an error of ours: names of Node and undici, and of variables. */
  const otherNames = /^(ERR_|UND_ERR_|EAI_AGAIN$|MODULE_NOT_FOUND$|RUST_ACCELERATION_AVAILABLE$|(?:FAST_)?LITELLM_)/;

  it('has every code, and no other', () => {
    // Words of providers' protocols, and their variables.
    const isOfProviders = (path: string): boolean =>
      path.endsWith('.environment.ts') || /^lib\/(?:providers|testing\/protocols|apis\/generate-content|guardrails\/built-in)\//.test(path);
    const sources = sourcesOf('lib').filter(([path]) => !isOfProviders(path));
    const codes = sources.flatMap(([, text]) => [...text.matchAll(/'([A-Z]+(?:_[A-Z]+)+)'/g)].map(([, code]) => code));
    expect(firstCode('<!-- errors -->').sort()).toEqual([...new Set(codes.filter((code) => !otherNames.test(code)))].sort());
  });

  it('names classes that are exported', () => {
    const classes = new Set(tableAfter(documentation, '<!-- errors -->').flatMap(([, cell]) => codeIn(cell)));
    const exported = Object.keys({ ...library, ...aiSdk }).filter((name) => name.endsWith('Error'));
    expect([...classes].sort()).toEqual(exported.sort());
  });
});

describe('the table of metrics', () => {
  it('has every metric with its type and labels, and no other', async () => {
    const store = library.redisRateLimitStore({ client: noRedis, onStoreError: 'local' });
    const shared = { rateLimit: { requestsPerMinute: 1, store }, router: { sharedState: library.redisRouterState({ client: noRedis }) } };
    const one = { model_name: 'm', litellm_params: { model: 'openrouter/openai/gpt-4o', api_key: 'sk-1' } };
    const budgets = { openrouter: { budgetUsd: 1, periodMs: 60_000 } };
    const hooks = [{ onEnd: () => {} }];
    const own = {
      router: { modelList: [one], providerBudgets: budgets, learnLimits: true },
      llmClient: { queue: {}, costByTeam: true },
      rateLimit: { usdPerDay: 1, budgets: { queue: {} } },
      hooks,
    };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: 0.001 };
    const samples: library.MetricSample[] = [];
    const logger = { log() {}, warn() {}, error() {} };
    for (const options of [own, shared]) {
      const llm = new library.FastLiteLLM(options);
      llm.monitor.recordPerformance({ component: 'billing', operation: 'charge', durationMs: 1 });
      new library.RateLimitGuard(llm.rateLimiter, llm.tokenCounter);
      if (llm.router.models().length > 0) await llm.client.execute('m', async () => ({ usage }));
      samples.push(...llm.configuration.metrics(), ...llm.metrics());
      const { rateLimiter: limiter, tokenCounter } = llm;
      samples.push(...new library.ApiKeyService(resolveApiKeysOptions({}), { limiter, tokenCounter, logger }).metrics());
    }
    // Every histogram has `le`.
    const labelsOf = (labels: object): string[] => Object.keys(labels).filter((label) => label !== 'le');
    const rows = samples.map(({ name, type, labels = {} }) => `fast_litellm_${name} ${type} ${labelsOf(labels).join(', ')}`);
    const table = tableAfter(documentation, '`registerPrometheusMetrics(llm, registry)`').map(
      ([name, type, labels]) => `${codeIn(name)[0]} ${type} ${codeIn(labels).join()}`,
    );
    expect(table.sort()).toEqual([...new Set(rows)].sort());
  });
});

describe('the document', () => {
  it('mentions everything that the package exports', () => {
    expect(Object.keys(library).filter((name) => !new RegExp(`\\b${name}\\b`).test(documentation))).toEqual([]);
    for (const encoding of library.ENCODING_NAMES) expect(documentation).toContain(`\`${encoding}\``);
  });

  it('links to files and headings that exist', () => {
    const known = new Map(allDocuments.map(({ path, text }) => [path, anchors(text)]));
    const links = allDocuments.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([\w./-]*)(?:#([^)]+))?\)/g)].map(([link, file, anchor]) => ({
        link: `${path}: ${link}`,
        file: file === '' ? path : join(dirname(path), file),
        anchor,
      })),
    );
    const broken = links.filter(({ file, anchor }) =>
      anchor === undefined ? !existsSync(join(root, file)) : !known.get(file)?.has(anchor),
    );
    expect(broken).toEqual([]);
    expect(links.length).toBeGreaterThan(0);
  });

  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const named = [...documentation.matchAll(/\bnpm (start|test|run [\w:]+)/g)].map(([, name]) => name.replace('run ', ''));
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
    expect(named.length).toBeGreaterThan(0);
  });

  it('has figures on its first screen that stand among the targets of the bench', () => {
    const sectionOf = (path: string, name: string): string => {
      const { text = '' } = documents.find((document) => document.path === path) ?? {};
      return new RegExp(`<!-- bench:${name} -->([^]*)<!-- /bench:${name} -->`).exec(text)?.[1] ?? '';
    };
    const measured = new Set(sectionOf('docs/benchmarks.md', 'targets').match(/\d+(?:\.\d+)?/g));
    const quoted = [...sectionOf('README.md', 'figures').matchAll(/\*\*([\d.]+)\*\*/g)].map(([, figure]) => figure);
    expect(quoted.filter((figure) => !measured.has(figure))).toEqual([]);
    expect(quoted).toHaveLength(5);
  });

  it('has figures in the table of what is fast that stand in the tables of the benches', () => {
    const textOf = (page: string): string => documents.find(({ path }) => path === page)?.text ?? '';
    const figuresIn = (text: string): readonly string[] => text.replace(/`[^`]*`/g, '').match(/(?<![\d.])\d+(?:\.\d+)?/g) ?? [];
    const measured = new Set(figuresIn(textOf('docs/benchmarks.md').replaceAll(',', '')));
    const quoted = tableAfter(textOf('docs/performance.md'), '# What is fast').flatMap(([, ours, others]) =>
      figuresIn(`${ours} ${others}`),
    );
    expect(quoted.filter((figure) => !measured.has(figure))).toEqual([]);
    expect(quoted.length).toBeGreaterThan(30);
  });

  it('has a README of at most 350 lines', () => {
    const readme = documents.find(({ path }) => path === 'README.md')?.text ?? '';
    expect(readme.split('\n').length).toBeLessThanOrEqual(351);
  });

  it('has room for the bench', () => {
    const hasSection = (text: string | undefined, name: string): boolean =>
      new RegExp(`^<!-- bench:${name} -->$[^]*^<!-- /bench:${name} -->$`, 'm').test(text ?? '');
    const textOf = (page: string): string | undefined => documents.find(({ path }) => path === page)?.text;
    const benches = readdirSync(join(root, 'test/bench')).flatMap((name) => /^(.+)\.bench\.ts$/.exec(name)?.[1] ?? []);
    expect(benches).toContain('tokens');
    expect([...benches, 'all', 'targets'].filter((name) => !hasSection(textOf('docs/benchmarks.md'), name))).toEqual([]);
  });
});
