import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { root } from './sources.js';

// Runs the real scripts in a copy without installed packages, so that this checkout stays
// unchanged.
const withCargo = spawnSync('cargo', ['--version']).status === 0 ? test : test.skip;
const pathWithoutCargo = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !['cargo', 'cargo.exe', 'rustc', 'rustc.exe'].some((name) => existsSync(join(folder, name))))
  .join(delimiter);

let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'setup-'));
  for (const path of ['scripts', 'native', 'package.json', 'package-lock.json']) {
    const filter = (source: string): boolean => !/([\\/](target|corpus)$|\.node$)/.test(source);
    cpSync(join(root, path), join(copy, path), { recursive: true, filter });
  }
});

afterEach(() => rmSync(copy, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly lines: string[];
}

function script(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  // Removes NATIVE and TEST_ENGINE of the environment.
  const own = { ...process.env, NATIVE: '', TEST_ENGINE: '', CARGO_TARGET_DIR: join(copy, 'cargo-target'), ...env };
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: copy, env: own });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (code) => resolve({ code, lines: output.split('\n').filter(Boolean) }));
  });
}

const prepare = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> => script(['scripts/build-native.js', ...args], env);

/** A CARGO_HOME that knows no crate yet, and asks `registry` for them. */
function emptyCargoHome(registry: string): string {
  const home = join(copy, 'cargo-home');
  mkdirSync(home);
  writeFileSync(join(home, 'config.toml'), `[source.crates-io]\nreplace-with = "away"\n[source.away]\nregistry = "sparse+${registry}/"\n`);
  return home;
}

function addons(): string[] {
  return readdirSync(join(copy, 'native')).filter((name) => name.endsWith('.node'));
}

describe('prepare without cargo', () => {
  test('logs one line and succeeds', async () => {
    const { code, lines } = await prepare({ PATH: pathWithoutCargo });
    expect(lines).toEqual([expect.stringMatching(/^native addon: not built, the TypeScript engines will answer: cargo is not installed/)]);
    expect(code).toBe(0);
  });

  test('fails with NATIVE=required and one line', async () => {
    const { code, lines } = await prepare({ PATH: pathWithoutCargo, NATIVE: 'required' });
    expect(lines).toEqual([expect.stringMatching(/^native addon: not built, and NATIVE=required: cargo is not installed/)]);
    expect(code).toBe(1);
  });

  test('removes an addon that was built from other sources', async () => {
    writeFileSync(join(copy, 'native', 'nestjs-fast-litellm.test.node'), '');
    await prepare({ PATH: pathWithoutCargo });
    expect(addons()).toEqual([]);
  });

  test('does nothing with NATIVE=skip', async () => {
    writeFileSync(join(copy, 'native', 'nestjs-fast-litellm.test.node'), '');
    const { code, lines } = await prepare({ PATH: pathWithoutCargo, NATIVE: 'skip' });
    expect([code, lines]).toEqual([0, ['native addon: skipped (NATIVE=skip)']]);
    expect(addons()).toHaveLength(1);
  });
});

describe('prepare without access to the crate registry', () => {
  withCargo('that refuses: one line, and the install passes', async () => {
    const { code, lines } = await prepare({ CARGO_HOME: emptyCargoHome('http://127.0.0.1:9') });
    expect(lines).toEqual([
      expect.stringMatching(/TypeScript engines will answer: the crates could not be fetched: error: .*127\.0\.0\.1/),
    ]);
    expect(code).toBe(0);
  });

  withCargo('that never answers: ends within the time-out, and is not asked again for the same sources', async () => {
    const asked = new Set<Socket>();
    const silent = createServer((socket) => void asked.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const env = {
      CARGO_HOME: emptyCargoHome(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`),
      NATIVE_FETCH_TIMEOUT_MS: '1000',
    };
    const first = await prepare(env);
    const second = await prepare(env, '--once');
    silent.close();
    // Never read, they would not even notice that who asked is gone.
    for (const socket of asked) socket.destroy();

    expect(first.lines).toEqual([expect.stringMatching(/TypeScript engines will answer: the crate registry did not answer within 1 s$/)]);
    expect(first.code).toBe(0);
    expect(second.lines).toEqual([expect.stringContaining('as before')]);
  });
});

describe('prepare with sources that do not compile', () => {
  withCargo('says what the compiler said, and leaves the generated files as they were', async () => {
    const generated = ['index.js', 'index.d.ts'].map((name) => join(copy, 'native', name));
    generated.forEach((path) => writeFileSync(path, '// as committed\n'));
    rmSync(join(copy, 'native', 'core'), { recursive: true });
    rmSync(join(copy, 'native', 'Cargo.lock'), { force: true });
    writeFileSync(join(copy, 'native', 'Cargo.toml'), '[workspace]\nmembers = ["binding"]\nresolver = "2"\n');
    rmSync(join(copy, 'native', 'binding'), { recursive: true });
    mkdirSync(join(copy, 'native', 'binding', 'src'), { recursive: true });
    const manifest = '[package]\nname = "binding"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ncrate-type = ["cdylib"]\n';
    writeFileSync(join(copy, 'native', 'binding', 'Cargo.toml'), manifest);
    writeFileSync(join(copy, 'native', 'binding', 'src', 'lib.rs'), 'pub fn one() -> u32 { "one" }\n');
    mkdirSync(join(copy, 'node_modules'));
    symlinkSync(join(root, 'node_modules', '@napi-rs'), join(copy, 'node_modules', '@napi-rs'), 'junction');

    const { code, lines } = await prepare({});
    expect(lines.at(-1)).toMatch(/TypeScript engines will answer: it does not compile here: error\[E0308\]: mismatched types$/);
    expect(code).toBe(0);
    expect(generated.map((path) => readFileSync(path, 'utf8'))).toEqual(['// as committed\n', '// as committed\n']);
  });
});

describe('prepare of dist/', () => {
  const compiled = (): string[] => (existsSync(join(copy, 'dist')) ? readdirSync(join(copy, 'dist', 'lib')) : []);

  /** In place of Nest's compiler. */
  function installCompiler(): void {
    mkdirSync(join(copy, 'node_modules', '@nestjs', 'cli', 'bin'), { recursive: true });
    const body = "const fs = require('node:fs'); fs.mkdirSync('dist/lib', { recursive: true }); fs.writeFileSync('dist/lib/index.js', '');";
    writeFileSync(join(copy, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js'), body);
  }

  test('compiles a missing dist/, so that installs from git have it', async () => {
    installCompiler();
    expect(await script(['scripts/build-dist.js'], { DIST: '' })).toEqual({ code: 0, lines: ['compiling to dist/…'] });
    expect(compiled()).toEqual(['index.js']);
    expect(await script(['scripts/build-dist.js'], { DIST: '' })).toEqual({ code: 0, lines: [] });
  });

  test('does not compile with DIST=skip or without the compiler', async () => {
    expect(await script(['scripts/build-dist.js'], { DIST: '' })).toEqual({ code: 0, lines: [] });
    installCompiler();
    expect(await script(['scripts/build-dist.js'], { DIST: 'skip' })).toEqual({ code: 0, lines: [] });
    expect(compiled()).toEqual([]);
  });
});

describe('npm test', () => {
  /** In place of Jest: says what it was given. */
  function installJest(body: string): void {
    mkdirSync(join(copy, 'node_modules', 'jest', 'bin'), { recursive: true });
    writeFileSync(join(copy, 'node_modules', 'jest', 'bin', 'jest.js'), body);
    writeFileSync(join(copy, 'node_modules', '.package-lock.json'), '{}');
  }

  test('passes arguments, engine and exit code on', async () => {
    installJest('console.log(process.env.TEST_ENGINE, ...process.argv.slice(2)); process.exitCode = 7;');
    const { code, lines } = await script(['scripts/run.js', 'test:typescript', 'lib/common', '-t', 'a b'], { NATIVE: 'skip' });
    expect(lines.at(-1)).toBe('typescript lib/common -t a b');
    expect(code).toBe(7);
  });

  test.each([
    ['20.18.3', false],
    ['20.19.0', true],
    ['22.11.0', false],
    ['22.12.0', true],
    ['23.11.0', false],
    ['24.0.0', true],
  ])('supports Node %s: %s', async (node, runs) => {
    installJest("console.log('Jest runs');");
    writeFileSync(
      join(copy, 'other-node.js'),
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } });`,
    );
    const { code, lines } = await script(['--require', join(copy, 'other-node.js'), 'scripts/run.js', 'test'], { NATIVE: 'skip' });
    expect([code, lines.at(-1)]).toEqual(runs ? [0, 'Jest runs'] : [1, expect.stringContaining(`Node ${node} is none of those`)]);
  });

  const onPosix = process.platform === 'win32' ? test.skip : test;

  onPosix('ends when Ctrl-C ends it', async () => {
    installJest("process.kill(0, 'SIGINT'); setTimeout(() => {}, 60_000);");
    // A process group of its own, as a terminal gives one: the signal must not reach this suite.
    const child = spawn(process.execPath, ['scripts/run.js', 'test'], {
      cwd: copy,
      detached: true,
      env: { ...process.env, NATIVE: 'skip' },
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(130);
  });

  test('does not install through a link into another folder', async () => {
    mkdirSync(join(copy, 'elsewhere', 'kept'), { recursive: true });
    symlinkSync(join(copy, 'elsewhere'), join(copy, 'node_modules'), 'junction');
    const { code, lines } = await script(['scripts/run.js', 'test'], {});
    expect([code, lines]).toEqual([1, [expect.stringMatching(/^node_modules is a link/)]]);
    expect(existsSync(join(copy, 'elsewhere', 'kept'))).toBe(true);
  });
});
