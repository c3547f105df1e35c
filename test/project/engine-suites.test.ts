import { loadedBy } from './loaded-modules.js';
import { readSources } from './sources.js';

interface EngineSuites {
  readonly ENGINE_BLIND: readonly string[];
  readonly ENGINE_FREE: readonly string[];
  readonly ENGINE_PATH: readonly string[];
  readonly ENGINE_SOURCES: readonly string[];
  readonly NODE_SUITES: readonly string[];
  notOnTypescript(isNightly: boolean): readonly string[];
}

const { notOnTypescript, ...lists } = jest.requireActual<EngineSuites>('../../scripts/engine-suites.js');
const sources = readSources(['lib', 'sample-app', 'test'], /\.ts$/);
const suites = [...sources.keys()].filter((path) => path.endsWith('.test.ts'));

/** Rooms with an engine, without what has none: prices, and limits that Redis decides. */
const ENGINE_ROOM =
  /^lib\/(?:token-counter\/(?!pricing\/)|rate-limit\/(?!redis\/)|router|json-body|connection-pool|engine)|^test\/support\/engine-names\.ts$/;

/** Modules of rooms with an engine that a suite loads itself, or through a helper outside of lib/. */
function engineModules(suite: string, text = sources.get(suite) ?? ''): string[] {
  const own = new Set([suite]);
  const found = new Set<string>();
  for (const path of own) {
    for (const next of loadedBy(path, path === suite ? text : (sources.get(path) ?? ''))) {
      if (ENGINE_ROOM.test(next)) found.add(next);
      else if (!next.startsWith('lib/')) own.add(next);
    }
  }
  return [...found];
}

/** Jest matches whole paths. */
function matches(patterns: readonly string[], suite: string): boolean {
  return patterns.some((pattern) => new RegExp(pattern).test(`/${suite}`));
}

/** The suites that run on TypeScript at night only. */
const atNight = suites.filter((suite) => matches(notOnTypescript(false), suite) && !matches(notOnTypescript(true), suite));

describe('the suites that run on TypeScript as well', () => {
  it('are all that load a room with an engine', () => {
    const missing = atNight.flatMap((suite) => engineModules(suite).map((path) => `${suite} loads ${path}: add it to ENGINE_PATH`));
    expect(missing).toEqual([]);
  });

  it('are those of any folder that is not listed', () => {
    expect(matches(notOnTypescript(false), 'test/e2e/new-room/new.e2e.test.ts')).toBe(false);
    expect(matches(notOnTypescript(false), 'lib/new-room/new.test.ts')).toBe(false);
  });

  it('are some of a listed folder', () => {
    expect(atNight).toContain('test/e2e/llm-client/anthropic.e2e.test.ts');
    expect(atNight).not.toContain('test/e2e/llm-client/exact-counts.e2e.test.ts');
  });

  it.each(Object.entries(lists).filter(([name]) => name !== 'NAMED_ENGINES'))('%s lists only what exists', (_, patterns) => {
    expect(patterns.filter((pattern) => ![...sources.keys()].some((path) => new RegExp(pattern).test(path)))).toEqual([]);
  });
});

describe('the modules that a suite loads', () => {
  it.each([
    ['a value', "import { a } from '../../lib/router/a.js';", ['lib/router/a.ts']],
    ['a type', "import type { A } from '../../lib/router/a.js';", []],
    ['a helper', "import { engineNames } from '../support/engine-names.js';", ['test/support/engine-names.ts']],
    [
      'a helper of a helper',
      "import { rateLimitEngines } from '../support/rate-limit-engines.js';",
      expect.arrayContaining(['lib/rate-limit/engine/native.ts']),
    ],
    ['another room', "import { a } from '../../lib/calls/a.js';", []],
  ])('are found through %s', (_, text, found) => {
    expect(engineModules('test/project/a.test.ts', text)).toEqual(found);
  });
});
