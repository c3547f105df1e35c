import { runInNewContext } from 'node:vm';
import { regularExpressionsOf, type Expression } from './regular-expressions.rules.js';
import { cpuTimer } from '../support/cpu-time.js';
import { isLong } from '../support/long.js';
import { readSources } from './sources.js';

interface Diagnostics {
  readonly status: 'safe' | 'vulnerable' | 'unknown';
  readonly complexity?: { readonly type: string; readonly summary: string; readonly isFuzz: boolean };
  readonly attack?: { readonly pattern: string; readonly string: string };
  readonly error?: { readonly kind: string };
}
type Check = (source: string, flags: string, parameters: Record<string, number>) => Diagnostics;

const { checkSync } = jest.requireActual<{ checkSync: Check }>('recheck');
// Where Recheck has no proof (for example look-ahead), it searches for an attack, with a fixed
// seed.
const PARAMETERS = { timeout: 120_000, randomSeed: 1 };

/**
 * Larger counts are as slow as unbounded ones: `a{512,}` rereads a shorter run from each character.
 */
const SMALL_COUNT = 30;
const COUNT = /(?<!\\u?)\{(\d+)(?:(,)(\d*))?\}/g;

/**
 * The expression with large counts unbounded; after a large minimum it requires an impossible
 * character.
 */
function withoutLargeCounts(source: string): string {
  return source.replace(COUNT, (written, least: string, comma?: string, most = least) => {
    if (Number(least) > SMALL_COUNT) return '+\\x01';
    return comma !== undefined && Number(most) > SMALL_COUNT ? `{${least},}` : written;
  });
}

/**
 * Whether Node takes more than 1 µs for each character; linear expressions take some 5 ns. Recheck's
 * search for an attack measures time, so on a busy machine it also finds attacks that are none.
 */
function isSlow(expression: RegExp, text: string): boolean {
  const cpuMs = cpuTimer();
  // A hundred times what it may take, for a busy machine.
  const timeout = Math.max(500, Math.ceil(text.length / 10));
  try {
    runInNewContext('expression.test(text)', { expression, text }, { timeout });
  } catch {
    return true;
  }
  return cpuMs() > text.length / 1_000;
}

/** The problem of an expression; `undefined` if its time is linear for every text. */
function faultOf({ place, source, flags }: Expression): string | undefined {
  const checked = withoutLargeCounts(source);
  const { status, complexity, attack, error } = checkSync(checked, flags, PARAMETERS);
  if (status === 'safe') return undefined;
  if (complexity?.isFuzz === true && attack !== undefined && !isSlow(new RegExp(checked, flags), attack.string)) return undefined;
  const reason = error?.kind ?? `${complexity?.summary}, such as for ${attack?.pattern}`;
  return `${place}: /${source}/${flags} is not linear (${reason})`;
}

function faultsIn(text: string): readonly (string | undefined)[] {
  return regularExpressionsOf('a.ts', text).expressions.map(faultOf);
}

describe('regular expressions of lib/ and sample-app/', () => {
  const sources = readSources(['lib', 'sample-app'], /(?<!\.test|\.bench)\.(?:ts|js|mjs|cjs)$/);
  const findings = [...sources].map(([path, text]) => regularExpressionsOf(path, text));
  const expressions = findings.flatMap(({ expressions }) => expressions);

  test('are found by the test', () => {
    expect(sources.has('lib/providers/events/event-reader.ts')).toBe(true);
    expect(sources.has('sample-app/page/app.js')).toBe(true);
    expect(expressions.length).toBeGreaterThan(60);
  });

  test('take linear time over any text', () => {
    const distinct = new Map(expressions.map((expression) => [`/${expression.source}/${expression.flags}`, expression]));
    const checked = [...distinct.values()].filter((_, at) => isLong || at % 8 === 0);
    const faults = checked.map(faultOf);
    expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
  }, 600_000);

  test('are literals, so that they can be checked', () => {
    expect(findings.flatMap(({ dynamic }) => dynamic)).toEqual([]);
  });
});

describe('the checker', () => {
  test.each([
    ['a search that starts anew at every slash', String.raw`path.replace(/\/+$/, '')`],
    ['a search for trailing blanks', String.raw`text.replace(/\s+$/, '')`],
    ['nested repetition', String.raw`/^(a+)+$/.test(text)`],
    ['repeated alternatives that overlap', String.raw`/^(?:a|a)*$/.test(text)`],
    ['two stars before what is missing', String.raw`/^(.*)a(.*)b$/s.exec(text)`],
    ['repetition in a look-ahead', String.raw`/(?=(?:a+)+b)/.test(text)`],
    ['a large minimum', String.raw`text.match(/[A-Za-z0-9+/=]{512,}/g)`],
    ['a large maximum', String.raw`/a{1,500}b/.test(text)`],
    ['a large number', String.raw`/\w{64}$/u.test(text)`],
    ['a split', String.raw`text.split(/ *, *$/)`],
  ])('finds %s', (_, text) => {
    expect(faultsIn(text)).toEqual([expect.stringMatching(/^a\.ts:1: .+ is not linear \(.+\)$/)]);
  });

  test.each([
    ['an anchored repetition', String.raw`/^\s*\d+\s*$/.test(text)`],
    ['a class', String.raw`text.replace(/[^\w.:-]/g, '_')`],
    ['a bounded name', String.raw`/^[\w.:-]{1,128}$/.test(text)`],
    ['a sticky search', String.raw`text.matchAll(/([0-9a-z]*)([A-F])([0-9a-z]*),/gy)`],
  ])('accepts %s', (_, text) => {
    expect(faultsIn(text)).toEqual([undefined]);
  });

  test.each([
    ['new RegExp', 'new RegExp(`^${pattern}$`)'],
    ['RegExp as a function', "RegExp('a+')"],
    ['RegExp under another name', 'const Expression = RegExp;'],
    ['RegExp of the global object', 'new globalThis.RegExp(text)'],
    ['a string that match takes as one', "text.match('a+')"],
    ['a template that search takes as one', 'text.search(`${name}+`)'],
  ])('finds an expression made at run time: %s', (_, text) => {
    expect(regularExpressionsOf('a.ts', text).dynamic).toHaveLength(1);
  });

  test('accepts RegExp where no expression is created', () => {
    const text = 'interface A { path?: string | RegExp }\nconst is = (a: unknown) => a instanceof RegExp;';
    expect(regularExpressionsOf('a.ts', text)).toEqual({ expressions: [], dynamic: [] });
  });
});
