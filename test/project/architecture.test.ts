import { dirname } from 'node:path/posix';
import { circles, comments, floors, importsOf, namedEngines, violations } from './architecture.rules.js';
import { readSources } from './sources.js';

const written = /\.(ts|js|mjs|rs)$|^Cargo\.toml$/;
const generated = new Set(['native/index.js', 'native/index.d.ts']);

/** Folders whose comments do not follow the rules yet. To be emptied; no folder may be added. */
const notYet = new Set<string>(['native/core/src/token_counter/bpe']);

describe('the project', () => {
  const sources = readSources(['lib', 'sample-app', 'scripts', 'test', 'native'], written);
  generated.forEach((path) => sources.delete(path));

  test('is found by the test', () => {
    expect(sources.has('lib/common/errors.ts')).toBe(true);
    expect(sources.has('native/Cargo.toml')).toBe(true);
    expect(importsOf(sources.get('test/project/architecture.test.ts') ?? '')).toContain('./architecture.rules.js');
  });

  test('imports only from lower floors', () => {
    expect(violations(sources)).toEqual([]);
  });

  test('has no import cycles', () => {
    expect(circles(sources)).toEqual([]);
  });

  test('has comments of at most 100 columns, in the words of the glossary', () => {
    const checked = /^(lib|sample-app|scripts)\/|^native\/[^/]+\/src\//;
    const rooms = [...sources].filter(([path]) => checked.test(path) && !notYet.has(dirname(path)));
    expect(comments(new Map(rooms))).toEqual([]);
  });

  test('lists in engine-suites.js the folders whose suites name their engine', () => {
    const { NAMED_ENGINES } = jest.requireActual<{ NAMED_ENGINES: readonly string[] }>('../../scripts/engine-suites.js');
    expect([...NAMED_ENGINES].sort()).toEqual([...namedEngines].sort());
  });

  test('reads LONG in tests only through test/support/long.ts, whose importers `ready` runs longer', () => {
    const readers = [...sources].filter(([, text]) => /process\.env(\.LONG\b|\[['"]LONG)/.test(text)).map(([path]) => path);
    expect(readers).toEqual(['scripts/fuzz.js', 'scripts/ready.js', 'test/support/long.ts']);
  });

  test('lists only existing suites in suite-order.js', () => {
    const { LONGEST } = jest.requireActual<{ LONGEST: readonly string[] }>('../../scripts/suite-order.js');
    expect(LONGEST.filter((path) => !sources.has(path))).toEqual([]);
  });
});

describe('the checker finds', () => {
  const check = (path: string, text: string): string[] => violations(new Map([[path, text]]));

  test.each([
    ['an import upwards', 'lib/common/a.ts', "import { a } from '../engine/b.js';"],
    ['an import upwards, of types', 'lib/engine/a.ts', "import type { A } from '../token-counter/b.js';"],
    ['an import upwards, while running', 'lib/engine/a.ts', "const b = await import('../router/b.js');"],
    ['a re-export upwards', 'lib/monitor/a.ts', "export * from '../fast-litellm.js';"],
    ['a neighbour capability', 'lib/router/a.ts', "import { b } from '../monitor/b.js';"],
    ['the LLM client from http', 'lib/http/a.ts', "import { b } from '../calls/b.js';"],
    ['a neighbour adapter', 'lib/health/a.ts', "import { b } from '../prometheus/b.js';"],
    ['the roof from below', 'lib/http/a.ts', "import { b } from '../index.js';"],
    ['the testing kit from lib itself', 'lib/index.ts', "export * from './testing/provider.js';"],
    ['the entry point of the testing kit', 'lib/index.ts', "export * from './testing.js';"],
    ['a way out of lib', 'lib/engine/a.ts', "import b from '../../native/index.js';"],
    ['the package by its own name', 'lib/http/a.ts', "import { b } from 'nestjs-fast-litellm';"],
    ['an unknown folder', 'lib/misc/a.ts', ''],
    ['a relative import without .js', 'lib/engine/a.ts', "import { b } from './b';"],
    ['the addon elsewhere', 'lib/token-counter/a.native.ts', "import type { B } from '#native';"],
    ['the addon required elsewhere', 'lib/engine/a.ts', "const b = require('#native');"],
    ['terminus elsewhere', 'lib/fast-litellm.module.ts', "import { A } from '@nestjs/terminus';"],
    ['prom-client elsewhere', 'lib/health/a.ts', "import { A } from 'prom-client';"],
    ['OpenTelemetry elsewhere', 'lib/http/a.ts', "import { A } from '@opentelemetry/api';"],
    ['ioredis elsewhere', 'lib/rate-limit/a.service.ts', "import { A } from 'ioredis';"],
    ["Google's credentials elsewhere", 'lib/providers/a.ts', "import type * as A from 'google-auth-library';"],
    ['undici elsewhere', 'lib/http/a.ts', "import { A } from 'undici';"],
    ['a second index', 'lib/router/index.ts', ''],
    ['a name that says nothing', 'lib/router/utils.ts', ''],
    ['a suffix that says nothing', 'lib/router/router.types.ts', ''],
    ['a folder that says nothing', 'sample-app/helpers/a.ts', ''],
    ['napi in the core', 'native/core/src/a.rs', 'use napi::Result;'],
    ["napi in the core's manifest", 'native/core/Cargo.toml', 'napi = "3"'],
    ['the sample reaching into lib', 'sample-app/main.ts', "import { A } from '../lib/index.js';"],
    ['a suite on no engine', 'lib/router/a.test.ts', 'new FastLiteLLM({ router }, { env: {} });'],
    ['a suite with options of its caller', 'lib/common/a.test.ts', 'const open = (options) => new FastLiteLLM(options);'],
    ['a suite on the instance of the process', 'lib/rate-limit/a.test.ts', "import { checkRateLimit } from '../standalone.js';"],
  ])('%s', (_, path, text) => {
    expect(check(path, text)).toHaveLength(1);
  });

  test.each([
    ['lib/index.ts', "export { A } from './fast-litellm.js'; export { B } from './router/b.js';"],
    ['lib/testing.ts', "export { A } from './testing/a.js';"],
    ['lib/testing/a.ts', "import type { A } from '../common/a.js';"],
    ['lib/http/a.ts', "import { A } from '../router/a.js'; import { B } from '../common/b.js'; import { C } from '@nestjs/common';"],
    ['lib/engine/native-binding.ts', "import type * as B from '#native'; require('#native');"],
    ['lib/rate-limit/redis/redis-store.ts', "import type { A } from 'ioredis';"],
    ['lib/router/a.test.ts', "import { A } from '../monitor/a.js';"],
    ['lib/router/b.test.ts', "describe.each(engineNames())('%s', (engine) => new FastLiteLLM({ engine, router }));"],
    ['lib/http/a.test.ts', 'new FastLiteLLM();'],
    ['native/binding/src/a.rs', 'use napi::Result;'],
    ['sample-app/main.ts', "import { A } from 'nestjs-fast-litellm'; import { B } from './b.js';"],
  ])('no violation in %s', (path, text) => {
    expect(check(path, text)).toEqual([]);
  });

  test.each([
    ['of two files', { 'lib/a/b.ts': "import { c } from './c.js';", 'lib/a/c.ts': "import { b } from './b.js';" }],
    ['of types', { 'lib/a/b.ts': "import type { C } from './c.js';", 'lib/a/c.ts': "export type { B } from './b.js';" }],
    [
      'of three files',
      {
        'lib/a/b.ts': "import { c } from '../c/c.js';",
        'lib/c/c.ts': "import { d } from '../d/d.js';",
        'lib/d/d.ts': "export * from '../a/b.js';",
      },
    ],
  ])('a circle %s', (_, files) => {
    expect(circles(new Map(Object.entries({ ...files, 'lib/e/e.ts': "import { b } from '../a/b.js';" })))).toEqual([Object.keys(files)]);
  });

  test.each([
    ['a wide comment', 'scripts/a.js', `// ${'a '.repeat(60)}`],
    ['a wide docblock', 'lib/a.ts', `/**\n * ${'a '.repeat(60)}\n */`],
    ['a wide comment in Rust', 'native/core/src/a.rs', `    /// ${'a '.repeat(60)}`],
    ['a private word in a string', 'lib/a.ts', "const a = 'requests under way';"],
  ])('%s', (_, path, text) => {
    expect(comments(new Map([[path, text]]))).toHaveLength(1);
  });

  test.each([
    ['a wide directive', 'lib/a.ts', `// eslint-disable-next-line ${'a '.repeat(60)}`],
    ['a wide example', 'lib/a.ts', `/**\n * @example\n * ${'a '.repeat(60)}\n */`],
    ['a long docblock', 'native/core/src/a.rs', '/// a\n'.repeat(9)],
    ['wide code', 'lib/a.ts', `const a = '${'a '.repeat(60)}';`],
  ])('no violation in %s', (_, path, text) => {
    expect(comments(new Map([[path, text]]))).toEqual([]);
  });

  test('lib/ itself to be the highest floor, below the app of serve and the commands', () => {
    const { cli, serve, ...others } = floors;
    expect(Math.max(...Object.values(others))).toBe(floors['']);
    expect(serve).toBeGreaterThan(floors['']);
    expect(cli).toBeGreaterThan(serve);
  });
});
