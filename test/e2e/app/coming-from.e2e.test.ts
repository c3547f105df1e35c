import { Logger, type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as library from 'nestjs-fast-litellm';
import { startProvider, type ProviderScript, type TestProvider } from 'nestjs-fast-litellm/testing';
import request, { type Response } from 'supertest';
import ts from 'typescript';
import { fateOfParam } from '../../../lib/router/config/litellm-keys.js';
import { codeBlocks, codeIn, documentation, tableAfter } from '../../project/readme-document.js';
import { root } from '../../project/sources.js';
import { isComplete } from '../../support/long.js';
import { until } from '../../support/until.js';

beforeAll(() => Logger.overrideLogger(false));

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What a program exports. */
function run(program: string): Readonly<Record<string, unknown>> {
  const compilerOptions: ts.CompilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  const { outputText } = ts.transpileModule(program, { compilerOptions });
  const exported = {};
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- an app of the fixtures, and the guide's change of it
  const evaluate = new Function('require', 'exports', outputText) as (...args: unknown[]) => void;
  evaluate((name: string): unknown => jest.requireActual(name), exported);
  return exported;
}

/** An app of the fixtures before and after the change that a guide shows of it. */
function changed(guide: string, app: string): [before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>] {
  const before = read(`test/fixtures/coming-from/${app}.ts`);
  const side = (diff: string, sign: '-' | '+'): string =>
    diff
      .split('\n')
      .filter((line) => line === '' || line[0] === ' ' || line[0] === sign)
      .map((line) => line.slice(1))
      .join('\n');
  const diffs = codeBlocks({ path: guide, text: read(guide) }).filter(({ info }) => info === 'diff');
  const diff = diffs.find(({ text }) => side(text, '-') === before);
  if (diff === undefined) throw new Error(`${guide} has no change of ${app}.ts`);
  return [run(before), run(side(diff.text, '+'))];
}

describe('docs/coming-from-throttler.md', () => {
  const apps: INestApplication[] = [];
  afterAll(() => Promise.all(apps.map((app) => app.close())));

  /** The answers to the same requests. */
  async function answers(program: Readonly<Record<string, unknown>>): Promise<Response[]> {
    const module = await Test.createTestingModule({ imports: [program.AppModule as Type<unknown>] }).compile();
    const app = module.createNestApplication();
    apps.push(app);
    await app.init();
    const client = request(app.getHttpServer() as never);
    const found: Response[] = [];
    for (const path of ['/reports', '/reports', '/reports', '/reports/export', '/reports/export', '/health', '/health', '/months'])
      found.push(await client.get(path));
    return found;
  }

  it('limits the same requests after the change', async () => {
    const [before, after] = changed('docs/coming-from-throttler.md', 'throttler');
    const [theirs, ours] = [await answers(before), await answers(after)];
    const statuses = [200, 200, 429, 200, 429, 200, 200];
    // Theirs count each route by itself.
    expect(theirs.map(({ status }) => status)).toEqual([...statuses, 200]);
    expect(ours.map(({ status }) => status)).toEqual([...statuses, 429]);
    const headers = ({ headers: all }: Response): string[] =>
      Object.keys(all as object)
        .filter((name) => /ratelimit|retry-after/.test(name))
        .sort();
    const shown = (row: string, column: number): string[] => {
      const cells = tableAfter(read('docs/coming-from-throttler.md'), '## What changes in responses').find(([cell]) => cell === row) ?? [];
      return codeIn(cells[column]).sort();
    };
    expect(headers(theirs[0])).toEqual(shown('allowed', 1));
    expect(headers(ours[0])).toEqual(shown('allowed', 2));
    expect(headers(theirs[2])).toEqual(shown('denied', 1));
    expect(headers(ours[2])).toEqual([...headers(ours[0]), ...shown('denied', 2)].sort());
    expect([headers(theirs[5]), headers(ours[5])]).toEqual([[], []]);
    expect(Object.keys(theirs[2].body as object)).toEqual(['statusCode', 'message']);
    expect(ours[2].body).toEqual({
      error: { message: expect.any(String) as string, type: 'requests', param: null, code: 'rate_limit_exceeded' },
    });
  });
});

describe('the options of docs/coming-from-throttler.md', () => {
  const guide = read('docs/coming-from-throttler.md');
  const types = ts.createProgram([createRequire(__filename).resolve('@nestjs/throttler').replace(/\.js$/, '.d.ts')], {
    moduleResolution: ts.ModuleResolutionKind.Node10,
    ignoreDeprecations: '6.0',
    skipLibCheck: true,
  });
  const checker = types.getTypeChecker();
  const index = types.getSourceFiles().find(({ fileName }) => fileName.endsWith('@nestjs/throttler/dist/index.d.ts')) as ts.SourceFile;
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(index) as ts.Symbol);

  /** Members of an exported type: of a union, those of all of its object types. */
  function membersOf(name: string): string[] {
    const symbol = exported.find((each) => each.name === name) as ts.Symbol;
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    const parts = type.isUnion() ? type.types.filter((part) => !checker.isArrayType(part)) : [type];
    return parts.flatMap((part) => part.getProperties().map((property) => property.name));
  }

  const described = (heading: string): string[] =>
    tableAfter(guide, heading).flatMap(([cell]) => codeIn(cell).map((code) => /^@?(?:ThrottlerModule\.)?(\w+)/.exec(code)?.[1] ?? code));

  it('are all of @nestjs/throttler, and no other', () => {
    const options = new Set(['ThrottlerOptions', 'ThrottlerModuleOptions'].flatMap(membersOf));
    const values = exported.filter((symbol) => {
      const { flags } = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      return (flags & ts.SymbolFlags.Value) !== 0;
    });
    // Of the module: its functions. Of the guard: its own table. The rest is Nest's wiring, or a part of the storage.
    const wiring =
      /^(?:ThrottlerModule|ThrottlerGuard|ThrottlerStorageService|get\w+Token|DEFAULT_\w+|throttlerMessage|\w+IPv6\w*|ip\w*|\w+Ip\w*)$/;
    const names = values.map(({ name }) => name).filter((name) => !wiring.test(name));
    const expected = [...options, ...names, 'forRoot', 'forRootAsync', 'ThrottlerStorage'];
    expect(options.size).toBeGreaterThan(10);
    expect([...new Set(described('## Options and decorators'))].sort()).toEqual([...new Set(expected)].sort());
  });

  it('name every method of its guard that an app may override', () => {
    const guard = checker.getDeclaredTypeOfSymbol(exported.find(({ name }) => name === 'ThrottlerGuard') as ts.Symbol);
    const methods = guard.getProperties().filter((property) => {
      const [declaration] = property.declarations ?? [];
      return ts.isMethodDeclaration(declaration) && (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Protected) !== 0;
    });
    expect(described('A class that extends `ThrottlerGuard`').sort()).toEqual(methods.map(({ name }) => name).sort());
  });

  it('are replaced by what there is', () => {
    const named = tableAfter(guide, '## Options and decorators').flatMap(([, cell]) => codeIn(cell));
    const options = named.filter((code) => /^rateLimit\.\w+$/.test(code));
    expect(options.filter((option) => !documentation.includes(`| \`${option}\``) && !documentation.includes(`| \`${option}.`))).toEqual([]);
    const classes = named.map((code) => /^@?([A-Z]\w+|redisRateLimitStore)/.exec(code)?.[1]).filter((name) => name !== undefined);
    expect(classes.filter((name) => !(name in library))).toEqual([]);
    const methods = tableAfter(guide, 'A class that extends `ThrottlerGuard`').flatMap(([, cell]) => codeIn(cell));
    const ours = methods.filter((code) => /^(?:get|throw)/.test(code));
    expect(ours.filter((method) => !(method in library.RateLimitGuard.prototype))).toEqual([]);
    expect(Math.min(options.length, classes.length, ours.length)).toBeGreaterThan(3);
  });
});

describe('docs/coming-from-portkey.md', () => {
  const guide = read('docs/coming-from-portkey.md');
  const keys = JSON.parse(read('test/fixtures/coming-from/portkey-keys.json')) as Readonly<Record<'config' | 'headers', readonly string[]>>;
  const { dependencies } = JSON.parse(read('test/bench/package.json')) as { dependencies: Readonly<Record<string, string>> };
  const PACKAGE = '@portkey-ai/gateway';
  const closed: (() => unknown)[] = [];
  afterAll(() => Promise.all(closed.map((close) => close())));

  interface App {
    answer(question: string): Promise<string>;
    answerAsItComes(question: string): AsyncGenerator<string>;
  }

  async function providers(): Promise<[main: TestProvider, backup: TestProvider]> {
    const [main, backup] = [await startProvider('openai'), await startProvider('openai')];
    closed.push(
      () => main.close(),
      () => backup.close(),
    );
    Object.assign(process.env, { OPENAI_URL: main.apiBase, OPENAI_KEY: 'sk-main', BACKUP_URL: backup.apiBase, BACKUP_KEY: 'sk-backup' });
    return [main, backup];
  }

  /** What a user sees of four questions, and what the providers were asked. */
  async function played(app: App, [main, backup]: [TestProvider, TestProvider]): Promise<unknown[]> {
    const seen: unknown[] = [];
    const play = async (ofMain: ProviderScript): Promise<void> => {
      main.use(ofMain);
      backup.use('From the backup.');
      const before = [main.requests.length, backup.requests.length];
      const text = await app.answer('Why is the sky blue?');
      seen.push([text, main.requests.length - before[0], backup.requests.length - before[1]]);
    };
    await play('From the first.');
    await play([{ status: 503 }, 'At the second try.']);
    await play({ status: 503 });
    seen.push(main.latest.model, backup.latest.model, main.latest.headers.authorization, backup.latest.headers.authorization);
    return seen;
  }

  const SEEN = [
    ['From the first.', 1, 0],
    ['At the second try.', 2, 0],
    ['From the backup.', 2, 1],
    'gpt-4o',
    'gpt-4.1',
    'Bearer sk-main',
    'Bearer sk-backup',
  ];

  it('answers, retries and falls back after the change', async () => {
    const servers = await providers();
    process.env.PORTKEY_URL = 'http://127.0.0.1:1/v1';
    const [, after] = changed('docs/coming-from-portkey.md', 'portkey') as unknown as App[];
    expect(await played(after, servers)).toEqual(SEEN);
    servers[0].use('As it comes.');
    let streamed = '';
    for await (const part of after.answerAsItComes('Why?')) streamed += part;
    expect(streamed).toBe('As it comes.');
  });

  // Installs Portkey's gateway, unless the bench has. No streams: Portkey 1.15.2 answers them with 500
  // on Node, because it appends to the immutable headers of a response.
  (isComplete ? it : it.skip)(
    'answers, retries and falls back as before it',
    async () => {
      const servers = await providers();
      const { url, stop } = await startPortkey();
      closed.push(stop);
      process.env.PORTKEY_URL = url;
      const [before] = changed('docs/coming-from-portkey.md', 'portkey') as unknown as App[];
      expect(await played(before, servers)).toEqual(SEEN);
    },
    300_000,
  );

  async function startPortkey(): Promise<{ url: string; stop: () => unknown }> {
    let folder = join(root, 'test/bench');
    const installed = existsSync(join(folder, 'node_modules', PACKAGE));
    if (!installed) {
      folder = mkdtempSync(join(tmpdir(), 'portkey-'));
      const install = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', `${PACKAGE}@${dependencies[PACKAGE]}`];
      execFileSync('npm', install, { stdio: 'ignore' });
    }
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const program = join(folder, 'node_modules', PACKAGE, 'build/start-server.js');
    const child: ChildProcess = spawn(process.execPath, [program, `--port=${port}`, '--headless'], {
      cwd: dirname(program),
      stdio: 'ignore',
    });
    const origin = `http://127.0.0.1:${port}`;
    await until(() =>
      fetch(origin).then(
        () => true,
        () => false,
      ),
    );
    return {
      url: `${origin}/v1`,
      stop: () => {
        child.kill('SIGKILL');
        if (!installed) rmSync(folder, { recursive: true });
      },
    };
  }

  it('lists every key of its config and every header, and no other', () => {
    const columns = (heading: string): string[] => tableAfter(guide, heading).flatMap(([cell]) => codeIn(cell));
    const modes = new Set(['fallback', 'loadbalance', 'conditional', 'single']);
    expect([...new Set(columns('## The config, key by key').filter((key) => !modes.has(key)))].sort()).toEqual([...keys.config].sort());
    expect(columns('## Headers').sort()).toEqual([...keys.headers].sort());
  });

  it('names options and parameters that there are', () => {
    const cells = tableAfter(guide, '## The config, key by key').flatMap(([, cell]) => codeIn(cell));
    const options = cells.filter((code) => code.startsWith('router.')).map((code) => code.slice('router.'.length));
    expect(options.filter((option) => !documentation.includes(`\n| \`${option}\``))).toEqual([]);
    const params = cells.filter(
      (code) => /^[a-z_]+$/.test(code) && !['routing', 'temperature', 'max_tokens', 'max_completion_tokens'].includes(code),
    );
    expect(params.filter((param) => fateOfParam(param) !== 'used')).toEqual([]);
    expect(params.length).toBeGreaterThan(10);
  });
});

describe('docs/coming-from-js-tiktoken.md', () => {
  const TEXTS = ['', 'Hello world', 'The quick brown fox jumps over the lazy dog. '.repeat(20), '你好，世界', 'naïve café'];

  it.each(['js-tiktoken', 'gpt-tokenizer'])('counts as %s did', (app) => {
    const [before, after] = changed('docs/coming-from-js-tiktoken.md', app) as unknown as Record<
      'tokensOf' | 'fits' | 'shorten',
      (...args: unknown[]) => unknown
    >[];
    for (const text of TEXTS) {
      expect(after.tokensOf(text)).toBe(before.tokensOf(text));
      for (const most of [0, 2, 50, 500]) expect(after.fits(text, most)).toBe(before.fits(text, most));
    }
    for (const most of [1, 2, 5]) expect(after.shorten(TEXTS[2], most)).toBe(before.shorten(TEXTS[2], most));
    // They refuse a text that looks like a special token; here it is ordinary text.
    expect(() => before.tokensOf('<|endoftext|>')).toThrow();
    expect(after.tokensOf('<|endoftext|>')).toBeGreaterThan(1);
  });
});
