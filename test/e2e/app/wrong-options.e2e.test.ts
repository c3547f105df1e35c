import type { DynamicModule } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  CallHook,
  CallJournal,
  FastLiteLLM,
  FastLiteLLMDashboardModule,
  FastLiteLLMError,
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  FastLiteLLMModule,
  fileApiKeyStore,
  InvalidConfigurationError,
  provideProtocol,
  RateLimit,
  redisRateLimitStore,
} from 'nestjs-fast-litellm';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableAfter } from '../../project/readme-document.js';
import { root } from '../../project/sources.js';

/** None is right for all options; where one is right, the module starts. */
const VALUES: readonly unknown[] = [
  null,
  -1.5,
  Number.NaN,
  7,
  'x y',
  '',
  true,
  Symbol('s'),
  10n,
  [],
  [null],
  [5],
  ['x y'],
  [{}],
  [[]],
  {},
  { x: null },
  { x: 5 },
  { x: {} },
  { x: [null] },
  { requestsPerMinute: 5 },
  new Map(),
  Object.create(null),
  () => 5,
];

/** The paths in a table of options. */
function pathsOf(page: string, table: string): string[] {
  const rows = tableAfter(readFileSync(join(root, page), 'utf8'), table);
  const paths = rows.map(([cell]) => /`([^`]+)`/.exec(cell)?.[1] ?? '').map((path) => path.replace(/<\w+>/g, 'x').replace(/\[\]/g, ''));
  return paths.filter((path) => /^[\w.]+$/.test(path));
}

/** `a.b` and 5 give `{ a: { b: 5 } }`. */
function optionsWith(path: string, value: unknown): object {
  return path.split('.').reduceRight((inner: unknown, key) => ({ [key]: inner }), value) as object;
}

/** All wrong answers: what was given, and the error that does not say what is wrong. */
async function surprises(paths: readonly string[], start: (options: never) => unknown): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    for (const value of VALUES) {
      try {
        await start(optionsWith(path, value) as never);
      } catch (error) {
        if (!(error instanceof FastLiteLLMError)) found.push(`${path}, value ${VALUES.indexOf(value)}: ${String(error)}`);
      }
    }
  }
  return found;
}

describe('options of the wrong type', () => {
  const silent = { logger: false } as const;

  it('of FastLiteLLMModule are named', async () => {
    const paths = pathsOf('docs/options.md', '<!-- options:FastLiteLLMOptions -->');
    expect(paths.length).toBeGreaterThan(80);
    const wrong = await surprises(paths, async (options: object) => {
      const llm = new FastLiteLLM({ ...silent, ...options });
      await llm.close();
    });
    expect(wrong).toEqual([]);
  });

  async function boot(module: () => DynamicModule): Promise<void> {
    const app = await Test.createTestingModule({ imports: [FastLiteLLMModule.forRoot({ ...silent, metrics: false }), module()] }).compile();
    await app.close();
  }

  it.each([
    [
      'FastLiteLLMGatewayModule',
      [
        ...pathsOf('docs/gateway.md', '<!-- options:GatewayOptions -->'),
        ...[
          'path',
          'endpoints',
          'unprefixed',
          'guards',
          'imports',
          'rateLimit',
          'rateLimit.default',
          'rateLimit.models',
          'rateLimit.default.0',
        ],
      ],
      (options: object) => FastLiteLLMGatewayModule.forRoot(options),
    ],
    [
      'FastLiteLLMKeysModule',
      [...pathsOf('docs/keys.md', '<!-- options:ApiKeysOptions -->'), 'api', 'path', 'isGlobal'],
      (options: object) => FastLiteLLMKeysModule.forRoot(options),
    ],
    [
      'FastLiteLLMDashboardModule',
      [...pathsOf('docs/dashboard.md', '<!-- options:DashboardOptions -->'), 'path'],
      (options: object) => FastLiteLLMDashboardModule.forRoot(options),
    ],
  ] as const)('of %s are named', async (_name, paths, module) => {
    expect(paths.length).toBeGreaterThan(3);
    expect(await surprises(paths, (options: object) => boot(() => module(options)))).toEqual([]);
  });

  it.each([
    ['FastLiteLLMModule', FastLiteLLMModule],
    ['FastLiteLLMGatewayModule', FastLiteLLMGatewayModule],
    ['FastLiteLLMKeysModule', FastLiteLLMKeysModule],
    ['FastLiteLLMDashboardModule', FastLiteLLMDashboardModule],
  ] as const)('of %s are named, where a factory returns them', async (name, module) => {
    const start = ({ options }: { options: never }): Promise<unknown> => {
      const main = name === 'FastLiteLLMModule' ? [] : [FastLiteLLMModule.forRoot({ ...silent, metrics: false })];
      const imports = [...main, module.forRootAsync({ useFactory: () => options })];
      return Test.createTestingModule({ imports })
        .compile()
        .then((app) => app.close());
    };
    expect(await surprises(['options'], start)).toEqual([]);
    expect(await surprises(['given'], ({ given }: { given: never }) => module.forRootAsync(given))).toEqual([]);
    expect(await surprises(['given'], ({ given }: { given: never }) => module.forRoot(given))).toEqual([]);
  });

  it.each([
    ['@RateLimit', pathsOf('docs/rate-limits.md', '<!-- options:RateLimitRule -->'), (options: object) => RateLimit(options)],
    [
      'redisRateLimitStore',
      pathsOf('docs/rate-limits.md', '<!-- options:RedisRateLimitStoreOptions -->'),
      (options: object) => redisRateLimitStore({ url: 'redis://127.0.0.1:1', onStoreError: 'deny', ...options }),
    ],
    [
      'CallJournal',
      pathsOf('docs/hooks.md', '<!-- options:CallJournalOptions -->'),
      (options: object) => new CallJournal({ file: '/dev/null', ...options }),
    ],
    ['@CallHook', pathsOf('docs/hooks.md', '<!-- options:CallHookOptions -->'), (options: object) => CallHook(options)],
    ['provideProtocol', ['name'], ({ name }: { name: never }) => provideProtocol(name, {} as never)],
    ['fileApiKeyStore', ['path'], ({ path }: { path: never }) => fileApiKeyStore(path)],
  ] as const)('of %s are named', async (_name, paths, make) => {
    expect(paths).not.toEqual([]);
    expect(await surprises(paths, make)).toEqual([]);
  });

  it.each([
    [{ default: { requestsPerMinute: 5 } }, 'gateway.rateLimit.default: must be an array of rules, or false'],
    [{ chat: 60 }, 'gateway.rateLimit.chat: must be an array of rules, or false, got 60'],
    [{ embeddings: [{ tokensPerMinute: '1' }] }, 'gateway.rateLimit.embeddings[0].tokensPerMinute: must be'],
    [[null], 'gateway.rateLimit[0]: must be an object, got null'],
    [5, 'gateway.rateLimit: must be an array of rules, or arrays by endpoint, got 5'],
  ])('%j as limits of the gateway is an error that names the place', (rateLimit, message) => {
    const mount = (): unknown => FastLiteLLMGatewayModule.forRoot({ rateLimit: rateLimit as never });
    expect(mount).toThrow(InvalidConfigurationError);
    expect(mount).toThrow(message);
  });
});
